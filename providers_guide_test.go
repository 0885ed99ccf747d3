package or3cloud_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the source that docs/providers.md prints")

const guidePath = "docs/providers.md"

// given are the interfaces of this package that the host implements for providers. Providers implement all others.
var given = map[string]bool{"Config": true, "Front": true, "HostServices": true, "Stores": true}

// TestTheGuideNamesEveryAbility compares the table of docs/providers.md with the interfaces of this package and of the
// contracts beside it.
func TestTheGuideNamesEveryAbility(t *testing.T) {
	section := section(t, read(t, guidePath), "All abilities")
	named := map[string]bool{}
	for line := range strings.Lines(section) {
		if row := regexp.MustCompile("^\\| `([a-z]*\\.?[A-Z][A-Za-z]*)` \\| ").FindStringSubmatch(line); row != nil {
			named[row[1]] = true
		}
	}
	abilities := map[string]bool{}
	for _, file := range slices.Concat(glob(t, "*.go"), glob(t, "jobs/*.go"), glob(t, "audit/*.go"), glob(t, "adminevent/*.go"), glob(t, "census/*.go"), glob(t, "metric/*.go")) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
				if _, ok := spec.Type.(*ast.InterfaceType); ok {
					name := spec.Name.Name
					if folder := filepath.Dir(file); folder != "." {
						name = folder + "." + name
					}
					abilities[name] = true
				}
			}
			return true
		})
	}
	if len(abilities) < 40 {
		t.Fatalf("only %d interfaces were found", len(abilities))
	}
	for name := range given {
		if !abilities[name] {
			t.Errorf("there is no interface %s any more", name)
		}
	}
	for name := range abilities {
		if named[name] == given[name] {
			t.Errorf("%s: in the table %v, given to providers %v", name, named[name], given[name])
		}
	}
	for name := range named {
		if !abilities[name] {
			t.Errorf("the table names %s, which is not an interface of the contracts", name)
		}
	}
}

var (
	// printed matches the source in the guide, below a line that names its file and, if it is not all of it,
	// declarations.
	printed = regexp.MustCompile("(?ms)^`([a-z/_.]+\\.go)`((?:, `[A-Za-z]+`)*):\n\n```go\n(.*?)^```$")
	fence   = regexp.MustCompile("(?m)^ *```go")
)

// TestTheGuidePrintsSource compares all Go code in docs/providers.md with the files that it is from, which are built
// and tested. "make generate" writes it. All that the example consists of has to be there, except its tests.
func TestTheGuidePrintsSource(t *testing.T) {
	guide := read(t, guidePath)
	if *update {
		guide = printed.ReplaceAllStringFunc(guide, func(block string) string {
			m := printed.FindStringSubmatch(block)
			return "`" + m[1] + "`" + m[2] + ":\n\n```go\n" + source(t, m[1], m[2]) + "```"
		})
		if err := os.WriteFile(guidePath, []byte(guide), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	blocks := printed.FindAllStringSubmatch(guide, -1)
	if n := len(fence.FindAllString(guide, -1)); n != len(blocks) {
		t.Errorf("%d blocks of Go code, of which %d name their file", n, len(blocks))
	}
	shown := map[string]bool{}
	for _, m := range blocks {
		shown[m[1]] = true
		if diff := cmp.Diff(source(t, m[1], m[2]), m[3]); diff != "" {
			t.Errorf("%s is stale; run make generate. -%s +guide:\n%s", guidePath, m[1], diff)
		}
	}
	for _, file := range append(glob(t, "examples/provider/*.go"), glob(t, "examples/provider/*/*.go")...) {
		if !shown[file] && !strings.HasSuffix(file, "_test.go") {
			t.Errorf("the guide does not print anything of %s", file)
		}
	}
}

// source returns a file, or those of its declarations that names lists.
func source(t *testing.T, file, names string) string {
	t.Helper()
	text := read(t, file)
	if names == "" {
		return text
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range regexp.MustCompile("`(.+?)`").FindAllStringSubmatch(names, -1) {
		for _, d := range parsed.Decls {
			begin := d.Pos()
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.Name != m[1] {
					continue
				}
				if d.Doc != nil {
					begin = d.Doc.Pos()
				}
			case *ast.GenDecl:
				spec, ok := d.Specs[0].(*ast.TypeSpec)
				if !ok || spec.Name.Name != m[1] {
					continue
				}
				if d.Doc != nil {
					begin = d.Doc.Pos()
				}
			}
			found = append(found, text[set.Position(begin).Offset:set.Position(d.End()).Offset]+"\n")
		}
	}
	return strings.Join(found, "\n")
}

// TestTheGuideNamesEverySuite compares the table of docs/providers.md with providertest, and checks where each suite is
// said to be in use.
func TestTheGuideNamesEverySuite(t *testing.T) {
	suites := section(t, read(t, guidePath), "Test")
	found := 0
	for _, file := range glob(t, "providertest/*.go") {
		for _, suite := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(read(t, file), -1) {
			found++
			row := regexp.MustCompile("(?m)^\\| `" + suite[1] + "` \\| .*$").FindString(suites)
			if row == "" {
				t.Errorf("%s: the guide does not say what it takes, or which provider has to pass it", suite[1])
				continue
			}
			for _, test := range regexp.MustCompile("`([a-z/]+_test.go)`").FindAllStringSubmatch(row, -1) {
				if !strings.Contains(read(t, test[1]), "providertest."+suite[1]+"(") {
					t.Errorf("%s is not in use in %s", suite[1], test[1])
				}
			}
			if !strings.Contains(row, "_test.go`") {
				t.Errorf("%s: the guide does not say where to see it in use", suite[1])
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d suites were found", found)
	}
}

// TestTheGuideNamesEveryRegistry looks for everything that the npm packages register with their host.
func TestTheGuideNamesEveryRegistry(t *testing.T) {
	section := section(t, read(t, guidePath), "In OR3 Chat's own server")
	registries := map[string]bool{}
	call := regexp.MustCompile(`(?m)^import \{ (register\w+) \} from '~|'(\$register\w+)'`)
	for _, pattern := range []string{"npm/or3-provider-*/src/runtime/server/plugins/*.ts", "npm/or3-provider-*/src/runtime/host/*.ts"} {
		for _, file := range glob(t, pattern) {
			for _, m := range call.FindAllStringSubmatch(read(t, file), -1) {
				registries[m[1]+m[2]] = true
			}
		}
	}
	if len(registries) < 14 {
		t.Errorf("only %v were found", registries)
	}
	for name := range registries {
		if !strings.Contains(section, "`"+name+"`") {
			t.Errorf("the guide does not name %s", name)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	return files
}

// section returns the text below a heading.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(text, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no section %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}
