// Command sbom prints what programs consist of, in CycloneDX: sbom VERSION PROGRAM... It reads it out of the programs themselves, where
// the Go tool has noted the modules; so nothing is listed that is not in them, and nothing that is in them is left out. The time is that
// of SOURCE_DATE_EPOCH.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"or3.chat/cloud/release/epoch"
)

// bom is what we use of https://cyclonedx.org/docs/1.6/json/.
type bom struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	PURL    string `json:"purl,omitempty"`
	Hashes  []hash `json:"hashes,omitempty"`
	// Properties say how a program was built.
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn"`
}

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "sbom: %v\n", err)
		os.Exit(1)
	}
}

func run(out io.Writer, args []string) error {
	if len(args) < 2 {
		return errors.New("name the version and the programs")
	}
	at, err := epoch.Time()
	if err != nil {
		return err
	}
	b := bom{
		Format: "CycloneDX", Spec: "1.6", Version: 1,
		Metadata: metadata{
			Timestamp: at.Format(time.RFC3339),
			Component: component{Type: "application", Ref: "or3-cloud", Name: "or3-cloud", Version: args[0]},
		},
	}
	all := dependency{Ref: "or3-cloud"}
	modules := map[string]component{}
	for _, path := range args[1:] {
		file, of, err := program(path, modules)
		if err != nil {
			return err
		}
		file.Version = args[0]
		all.On = append(all.On, file.Ref)
		b.Components = append(b.Components, file)
		b.Dependencies = append(b.Dependencies, of)
	}
	for _, ref := range slices.Sorted(maps.Keys(modules)) {
		b.Components = append(b.Components, modules[ref])
	}
	b.Dependencies = append([]dependency{all}, b.Dependencies...)
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(b)
}

// program describes a program, and adds the modules that it is made of.
func program(path string, modules map[string]component) (component, dependency, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return component{}, dependency{}, err
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return component{}, dependency{}, err
	}
	sum := sha256.Sum256(content)
	name := filepath.Base(path)
	file := component{
		Type: "file", Ref: name, Name: name, Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}},
	}
	for _, s := range info.Settings {
		if strings.HasPrefix(s.Key, "GO") || strings.HasPrefix(s.Key, "CGO") || strings.HasPrefix(s.Key, "vcs") || s.Key == "-tags" {
			file.Properties = append(file.Properties, property{"go:" + s.Key, s.Value})
		}
	}
	of := dependency{Ref: name}
	add := func(m debug.Module) {
		c := component{Type: "library", Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path + "@" + m.Version}
		c.Ref = c.PURL
		modules[c.Ref] = c
		of.On = append(of.On, c.Ref)
	}
	add(debug.Module{Path: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")})
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		add(*m)
	}
	return file, of, nil
}
