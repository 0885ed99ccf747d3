// Command sbom prints what a release consists of, in CycloneDX: sbom SOURCES VERSION PROGRAM... It reads the Go modules
// from the programs themselves, where the Go tool has recorded them; so nothing is listed that is not in them, and
// nothing that is in them is left out. The npm packages in the programs, and what our own packages there depend on, it
// reads from the source directory. The time is that of SOURCE_DATE_EPOCH.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
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
	On  []string `json:"dependsOn,omitempty"`
}

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "sbom: %v\n", err)
		os.Exit(1)
	}
}

func run(out io.Writer, args []string) error {
	if len(args) < 3 {
		return errors.New("name the directory of the sources, the version and the programs")
	}
	sources, version := os.DirFS(args[0]), args[1]
	at, err := epoch.Time()
	if err != nil {
		return err
	}
	b := bom{
		Format: "CycloneDX", Spec: "1.6", Version: 1,
		Metadata: metadata{
			Timestamp: at.Format(time.RFC3339),
			Component: component{Type: "application", Ref: "or3-cloud", Name: "or3-cloud", Version: version},
		},
	}
	all := dependency{Ref: "or3-cloud"}
	libraries := map[string]component{}
	for _, path := range args[2:] {
		file, of, err := program(sources, path, libraries)
		if err != nil {
			return err
		}
		file.Version = version
		all.On = append(all.On, file.Ref)
		b.Components = append(b.Components, file)
		b.Dependencies = append(b.Dependencies, of)
	}
	own, of, others, err := published(sources)
	if err != nil {
		return err
	}
	for _, c := range own {
		all.On = append(all.On, c.Ref)
	}
	b.Components = append(b.Components, own...)
	b.Dependencies = append(b.Dependencies, of...)
	for _, c := range others {
		libraries[c.Ref] = c
	}
	for _, ref := range slices.Sorted(maps.Keys(libraries)) {
		b.Components = append(b.Components, libraries[ref])
	}
	b.Dependencies = append([]dependency{all}, b.Dependencies...)
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(b)
}

// program describes a program, and adds the libraries that it is made from.
func program(sources fs.FS, path string, libraries map[string]component) (component, dependency, error) {
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
	add := func(c component) {
		libraries[c.Ref] = c
		of.On = append(of.On, c.Ref)
	}
	add(goModule("stdlib", strings.TrimPrefix(info.GoVersion, "go")))
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		add(goModule(m.Path, m.Version))
	}
	packages, err := within(sources, info)
	if err != nil {
		return component{}, dependency{}, err
	}
	for _, c := range packages {
		add(c)
	}
	return file, of, nil
}

// goModule describes a module of Go.
func goModule(path, version string) component {
	purl := "pkg:golang/" + path + "@" + version
	return component{Type: "library", Ref: purl, Name: path, Version: version, PURL: purl}
}
