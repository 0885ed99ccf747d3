package or3cloud_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the source of examples/provider into docs/providers.md")

// given are the interfaces of this package that the host implements for providers. Providers implement all others.
var given = map[string]bool{"Config": true, "Front": true, "HostServices": true, "Stores": true}

// TestTheGuideNamesEveryAbility compares the table of docs/providers.md with the interfaces of this package.
func TestTheGuideNamesEveryAbility(t *testing.T) {
	section := section(t, read(t, "docs/providers.md"), "3. The abilities")
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
	for _, file := range glob(t, "*.go") {
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

// printed matches the files of the example in the guide.
var printed = regexp.MustCompile("(?ms)^`(examples/provider/[a-z/_.]+)`:\n\n```go\n(.*?)^```$")

// TestTheGuidePrintsTheExample compares the source in docs/providers.md with examples/provider. "make generate" writes
// it.
func TestTheGuidePrintsTheExample(t *testing.T) {
	const path = "docs/providers.md"
	guide := read(t, path)
	files := map[string]bool{}
	err := fs.WalkDir(os.DirFS("."), "examples/provider", func(name string, e fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".go") {
			files[name] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		fresh := printed.ReplaceAllStringFunc(guide, func(block string) string {
			name := printed.FindStringSubmatch(block)[1]
			return "`" + name + "`:\n\n```go\n" + read(t, name) + "```"
		})
		if err := os.WriteFile(path, []byte(fresh), 0o644); err != nil {
			t.Fatal(err)
		}
		guide = fresh
	}
	for _, file := range printed.FindAllStringSubmatch(guide, -1) {
		if !files[file[1]] {
			t.Errorf("the guide prints %s, which is not there, or twice", file[1])
		} else if diff := cmp.Diff(read(t, file[1]), file[2]); diff != "" {
			t.Errorf("%s is stale; run make generate. -%s +guide:\n%s", path, file[1], diff)
		}
		delete(files, file[1])
	}
	for name := range files {
		t.Errorf("the guide does not print %s", name)
	}
}

// TestTheGuideNamesEverySuite compares the tables of docs/providers.md with providertest, and checks where each suite
// is said to begin.
func TestTheGuideNamesEverySuite(t *testing.T) {
	guide := read(t, "docs/providers.md")
	required, suites := section(t, guide, "1. Register"), section(t, guide, "5. Test")
	found := 0
	for _, file := range glob(t, "providertest/*.go") {
		for _, suite := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(read(t, file), -1) {
			if found++; !strings.Contains(suites, "\n| `"+suite[1]+"` | ") || !strings.Contains(required, "`"+suite[1]+"`") {
				t.Errorf("%s: the guide does not say what it takes, or which provider has to pass it", suite[1])
			}
			begun := false
			for _, test := range regexp.MustCompile("`([a-z/]+_test.go)`").FindAllStringSubmatch(required, -1) {
				begun = begun || strings.Contains(read(t, test[1]), "providertest."+suite[1]+"(")
			}
			if !begun {
				t.Errorf("%s begins in no file that the guide names", suite[1])
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d suites were found", found)
	}
}

// TestTheGuideNamesEveryRegistry looks for everything that the npm packages register with their host.
func TestTheGuideNamesEveryRegistry(t *testing.T) {
	section := section(t, read(t, "docs/providers.md"), "6. In OR3 Chat's own server")
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
