package version

import (
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write licenses.txt")

// TestEveryModuleHasALicense compares licenses.txt with what lies in the modules of the program, for all systems that
// it is built for.
func TestEveryModuleHasALicense(t *testing.T) {
	found := map[string]string{}
	for _, system := range []string{"linux", "windows", "darwin", "freebsd"} {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Dir}}{{end}}", "or3.chat/cloud/cmd/or3-cloud")
		cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			module, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
			if module == "" || module == "or3.chat/cloud" || found[module] != "" {
				continue
			}
			if found[module] = licenseIn(t, dir); found[module] == "" {
				t.Errorf("the licence of %s is not known; see %s", module, dir)
			}
		}
	}
	if *update {
		var text strings.Builder
		for _, module := range slices.Sorted(maps.Keys(found)) {
			text.WriteString(module + " " + found[module] + "\n")
		}
		if err := os.WriteFile("licenses.txt", []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if known := licensesByModule(); !maps.Equal(known, found) {
		t.Errorf("licenses.txt is not what the modules have; write it with go test ./program/version -update\nknown %v\nfound %v", known, found)
	}
}

// licenseIn tells the licence of a module by words that only one has; empty for one that it does not know.
func licenseIn(t *testing.T, dir string) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.ToLower(file.Name())
		if file.IsDir() || !strings.HasPrefix(name, "licen") && !strings.HasPrefix(name, "unlicen") && !strings.HasPrefix(name, "copying") {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(string(raw)), " ")
		for _, known := range []struct{ words, license string }{
			{"Apache License Version 2.0", "Apache-2.0"},
			{"Mozilla Public License Version 2.0", "MPL-2.0"}, {"Mozilla Public License, version 2.0", "MPL-2.0"},
			{"This is free and unencumbered software released into the public domain", "Unlicense"},
			{"Permission is hereby granted, free of charge", "MIT"},
			{"Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted, provided", "ISC"},
			{"with CC0 1.0", "CC0-1.0"},
			{"Neither the name", "BSD-3-Clause"}, {"name of the copyright holder nor", "BSD-3-Clause"},
			{"Redistribution and use in source and binary forms", "BSD-2-Clause"},
		} {
			if strings.Contains(text, known.words) {
				return known.license
			}
		}
	}
	return ""
}
