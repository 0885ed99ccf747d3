package or3cloud_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// given are the interfaces of this package that the host implements for providers, and not the other way round.
var given = map[string]bool{"Config": true, "Front": true, "HostServices": true, "Stores": true}

// TestTheGuideNamesEveryAbility compares the table of docs/providers.md with the interfaces of this package.
func TestTheGuideNamesEveryAbility(t *testing.T) {
	guide, err := os.ReadFile("docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(guide), "\n## 3. The abilities\n")
	section, _, _ = strings.Cut(section, "\n## ")
	named := map[string]bool{}
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		for _, name := range regexp.MustCompile("`([A-Z][A-Za-z]*)`").FindAllStringSubmatch(line, -1) {
			named[name[1]] = true
		}
	}
	abilities := map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
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
					abilities[spec.Name.Name] = true
				}
			}
			return true
		})
	}
	if len(abilities) < 20 {
		t.Fatalf("only %d interfaces were found", len(abilities))
	}
	for name := range given {
		if !abilities[name] {
			t.Errorf("%s is no interface of this package any more", name)
		}
	}
	for name := range abilities {
		if named[name] == given[name] {
			t.Errorf("%s: in the table %v, given to providers %v", name, named[name], given[name])
		}
	}
	for name := range named {
		if !abilities[name] {
			t.Errorf("the table names %s, which is no interface of this package", name)
		}
	}
}
