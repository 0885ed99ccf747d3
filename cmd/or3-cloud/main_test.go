package main

import (
	"bytes"
	"flag"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/docs/site"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/patience"
)

var update = flag.Bool("update", false, "write the generated files again")

// TestConfigurationPageIsFresh compares docs/configuration.md with the catalogue of this binary; "make generate" writes
// it.
func TestConfigurationPageIsFresh(t *testing.T) {
	reg := &or3cloud.Registry{}
	for _, register := range providers {
		if err := register(reg); err != nil {
			t.Fatal(err)
		}
	}
	catalogue, err := config.NewCatalogue(reg)
	if err != nil {
		t.Fatal(err)
	}
	const page = "../../docs/configuration.md"
	if *update {
		if err := os.WriteFile(page, []byte(catalogue.Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(catalogue.Markdown(), string(got)); diff != "" {
		t.Errorf("docs/configuration.md is stale; run make generate. -catalogue +page:\n%s", diff)
	}
	documents, err := site.Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range catalogue {
		for _, s := range group.Settings {
			if entry := `{"title":"` + s.Name + `","page":"Configuration","url":"configuration.html#` + s.Name + `"`; !strings.Contains(string(documents["search.json"]), entry) {
				t.Errorf("the search of the documentation does not know %s", s.Name)
			}
		}
	}
}

// TestProvidersAreGenerated compares providers.go with what "go generate" writes.
func TestProvidersAreGenerated(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, line, found := strings.Cut(string(source), "//go:generate go ")
	line, _, _ = strings.Cut(line, "\n")
	if !found {
		t.Fatal("main.go generates nothing")
	}
	fresh := filepath.Join(t.TempDir(), "providers.go")
	args := strings.Fields(line)
	if out, err := exec.Command("go", slices.Insert(args, 2, "-out", fresh)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("providers.go")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run make generate. -generated +providers.go:\n%s", diff)
	}
}

// TestSettingsDescribeThemselves: every setting has what the reference and dialogs are made from, and it is correct.
func TestSettingsDescribeThemselves(t *testing.T) {
	reg := &or3cloud.Registry{}
	for _, register := range providers {
		if err := register(reg); err != nil {
			t.Fatal(err)
		}
	}
	catalogue, err := config.NewCatalogue(reg)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]or3cloud.Setting{}
	for _, g := range catalogue {
		labels := map[string]bool{}
		for _, s := range g.Settings {
			declared[s.Name] = s
			if s.Group == "" || s.Label == "" || s.Help == "" || labels[s.Label] || strings.HasSuffix(s.Label, ".") {
				t.Errorf("%s: group %q, label %q, help %q", s.Name, s.Group, s.Label, s.Help)
			}
			labels[s.Label] = true
			if shown := s.Default != "" || len(s.Options) > 0; !shown && s.Example == "" && !s.Secret {
				t.Errorf("%s: neither default, options nor example show what a value looks like", s.Name)
			}
			if len(s.Options) > 0 && s.Default != "" && !slices.Contains(s.Options, s.Default) {
				t.Errorf("%s: the default %q is not an option", s.Name, s.Default)
			}
			if (s.MinLength > 0) != (s.Make != "") {
				t.Errorf("%s: a key says how it is made, and nothing else does", s.Name)
			}
		}
	}
	for name, s := range declared {
		when, other := s.DemandedWhen, declared[s.DemandedWhen.Setting]
		values := other.Options
		if other.Kind == or3cloud.KindBool {
			values = []string{"true", "false"}
		}
		possible := slices.Contains(values, when.Value)
		if when.Value == "" { // any at all
			possible = other.Name != ""
		}
		if when.Setting != "" && (!s.Demanded || !possible) {
			t.Errorf("%s is demanded when %+v", name, when)
		}
		if when := s.AskedWhen; when.Setting != "" {
			if _, known := declared[when.Setting]; !known || !s.Asked {
				t.Errorf("%s is asked for when %+v", name, when)
			}
		}
		if s.Check != nil && s.Example != "" && !s.Secret {
			if fault, _ := s.Check(s.Example); fault != "" {
				t.Errorf("%s: the example %s", name, fault)
			}
		}
		if s.Example == "" || s.Secret {
			continue
		}
		_, problems, warnings := config.Load(catalogue, config.Sources{Environ: []string{name + "=" + s.Example}})
		if len(problems)+len(warnings) > 0 {
			t.Errorf("%s=%s: %v %v", name, s.Example, problems, warnings)
		}
	}
}

// TestBuildWithoutProvidersOrPage builds the program with the tags that leave everything optional out, and serves a
// directory.
func TestBuildWithoutProvidersOrPage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a binary")
	}
	binary := filepath.Join(t.TempDir(), "or3-cloud")
	if out, err := exec.Command("go", "build", "-tags", "noproviders,noweb", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	modules, err := exec.Command("go", "version", "-m", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range []string{"sqlite", "goose", "webauthn"} {
		if bytes.Contains(modules, []byte(module)) {
			t.Errorf("a module of a provider is linked in: %s", module)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("a client"), 0o644); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	for _, tc := range []struct {
		name   string
		args   []string
		status int
		body   string
		stop   os.Signal
	}{
		{"directory", []string{"--web", dir}, http.StatusOK, "a client", os.Interrupt},
		{"nothing", nil, http.StatusNotFound, "", syscall.SIGTERM},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := exec.Command(binary, append([]string{"serve", "--addr", "unix:" + socket}, tc.args...)...)
			server.Dir = t.TempDir()
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			status, body, err := patience.Request(socket, http.MethodGet, "/")
			if err != nil || status != tc.status || !strings.Contains(body, tc.body) {
				t.Errorf("%d %q, %v", status, body, err)
			}
			if err := server.Process.Signal(tc.stop); err != nil {
				t.Fatal(err)
			}
			if err := server.Wait(); err != nil {
				t.Error(err)
			}
			if entries, _ := os.ReadDir(server.Dir); len(entries) > 0 {
				t.Errorf("something was created: %v", entries)
			}
		})
	}
}

// TestNoForeignProviderIsLinked looks at the modules of the default binary (requirement 1.1).
func TestNoForeignProviderIsLinked(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"clerk", "convex", "pgx", "postgres", "lib/pq", "minio", "aws-sdk"} {
		if bytes.Contains(out, []byte(name)) {
			t.Errorf("%s is linked into the default binary", name)
		}
	}
}
