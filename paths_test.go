package or3cloud_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// longestPath is the largest number of files that a walk through the code may ask its reader to follow.
const longestPath = 6

// TestWalksNameWhatIsThere reads the walks through the code in docs/architecture.md and docs/internals: numbered steps
// that begin with the name of a file. It checks that each walk is short enough, and that each file declares the
// functions that its step names.
func TestWalksNameWhatIsThere(t *testing.T) {
	var (
		heading = regexp.MustCompile(`^#+ (.*)`)
		step    = regexp.MustCompile("^[0-9]+\\. `([^`]+\\.go)`: (.*)")
		name    = regexp.MustCompile("`([A-Za-z]+)`")
	)
	files := map[string]map[string]bool{} // of each walk
	for _, page := range append(glob(t, "docs/internals/*.md"), "docs/architecture.md") {
		walk := ""
		for _, block := range steps(read(t, page)) {
			if m := heading.FindStringSubmatch(block); m != nil {
				walk = m[1]
				continue
			}
			m := step.FindStringSubmatch(block)
			if m == nil {
				continue
			}
			if files[walk] == nil {
				files[walk] = map[string]bool{}
			}
			files[walk][m[1]] = true
			declared, named := functions(t, m[1]), 0
			for _, f := range name.FindAllStringSubmatch(m[2], -1) {
				switch {
				case f[1] == "Can" || f[1] == "PUT": // from the contract
				case declared[f[1]]:
					named++
				default:
					t.Errorf("%s, %s: %s does not declare a function %s", page, walk, m[1], f[1])
				}
			}
			if named == 0 {
				t.Errorf("%s, %s: the step names no function of %s", page, walk, m[1])
			}
		}
	}
	for _, want := range []string{"The path of a push", "The path of a sign-in", "The path of an upload"} {
		if len(files[want]) == 0 {
			t.Errorf("there is no walk %q", want)
		}
	}
	for walk, read := range files {
		if len(read) > longestPath {
			t.Errorf("%s: %d files, want %d at most", walk, len(read), longestPath)
		}
	}
}

// steps returns the headings of a document and the items of its numbered lists, each joined into one line.
func steps(text string) []string {
	begin := regexp.MustCompile(`^(#|[0-9]+\. )`)
	var out []string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case begin.MatchString(line):
			out, inside = append(out, line), true
		case strings.HasPrefix(line, "   ") && inside:
			out[len(out)-1] += " " + strings.TrimSpace(line)
		default:
			inside = false
		}
	}
	return out
}

// TestTheMapHasEveryPackage looks for each package of the module in docs/architecture.md, and for the rooms of a
// provider in its page of docs/internals.
func TestTheMapHasEveryPackage(t *testing.T) {
	pages := map[string]string{
		"providers/basicauth/internal/": read(t, "docs/internals/accounts.md"),
		"providers/fs/internal/":        read(t, "docs/internals/files.md"),
		"providers/sqlite/internal/":    read(t, "docs/internals/sync.md"),
	}
	architecture := read(t, "docs/architecture.md")
	found := 0
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !e.IsDir() || path == ".":
			return nil
		case strings.HasPrefix(e.Name(), "."), e.Name() == "node_modules", e.Name() == "testdata":
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
			return filepath.SkipDir
		}
		if sources, err := filepath.Glob(filepath.Join(path, "*.go")); err != nil || len(sources) == 0 {
			return err
		}
		found++
		path = filepath.ToSlash(path)
		page, name := architecture, path
		for prefix, text := range pages {
			if room, ok := strings.CutPrefix(path, prefix); ok {
				page, name = text, room
			}
		}
		// A folder below one that is named belongs to it, unless it is a room or stands among others.
		for ; name != "." && !strings.Contains(page, "`"+name+"`"); name = filepath.ToSlash(filepath.Dir(name)) {
			if grouped(name) {
				t.Errorf("docs/architecture.md does not say what %s is for", path)
				return nil
			}
		}
		if name == "." {
			t.Errorf("docs/architecture.md does not say what %s is for", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 100 {
		t.Errorf("only %d packages were found", found)
	}
}

// grouped reports whether a package is one of several in a folder, which the map names one by one.
func grouped(name string) bool {
	switch folder := filepath.ToSlash(filepath.Dir(name)); folder {
	case ".", "host", "host/internal", "internal", "program", "providers", "web/internal":
		return true
	}
	return false
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
