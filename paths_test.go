package or3cloud_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
)

// longestPath is the largest number of files that a path may ask its reader to follow.
const longestPath = 6

// TestPathsAreAsDescribed reads the section "Paths" of docs/architecture.md. It checks that each path is short enough,
// and that the functions it names are declared in the files it names.
func TestPathsAreAsDescribed(t *testing.T) {
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## Paths\n")
	section, _, ended := strings.Cut(section, "\n## ")
	if !found || !ended {
		t.Fatal("docs/architecture.md has no section Paths")
	}
	var (
		title = regexp.MustCompile(`^\*\*(.+?)\*\*`)
		step  = regexp.MustCompile("^[0-9]+\\. `([^`]+\\.go)`: (.*)")
		name  = regexp.MustCompile("`([A-Za-z]+)`")
	)
	files := map[string]map[string]bool{}
	path := ""
	for line := range strings.Lines(section) {
		if m := title.FindStringSubmatch(line); m != nil {
			path = m[1]
			files[path] = map[string]bool{}
			continue
		}
		m := step.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		file := m[1]
		files[path][file] = true
		declared := functions(t, file)
		named := 0
		for _, f := range name.FindAllStringSubmatch(m[2], -1) {
			switch {
			case f[1] == "Can" || f[1] == "PUT": // from the contract
			case declared[f[1]]:
				named++
			default:
				t.Errorf("%s: %s declares no function %s", path, file, f[1])
			}
		}
		if named == 0 {
			t.Errorf("%s: no function of %s is named", path, file)
		}
	}
	for _, want := range []string{"A push", "An upload"} {
		if n := len(files[want]); n == 0 || n > longestPath {
			t.Errorf("%s: %d files, want 1 to %d", want, n, longestPath)
		}
	}
	for path, read := range files {
		if len(read) > longestPath {
			t.Errorf("%s: %d files, want %d at most", path, len(read), longestPath)
		}
	}
}

// functions returns the names of the functions and methods that a file declares.
func functions(t *testing.T, file string) map[string]bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			names[f.Name.Name] = true
		}
	}
	return names
}
