package or3cloud_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// How large a package and a type may get before they have to be parted into rooms (docs/architecture.md).
const (
	mostFiles   = 25
	mostLines   = 3000
	mostMethods = 30
)

// largerRooms are the packages and types that are larger, with the reason.
var largerRooms = map[string]string{
	"providertest": "it is tests: one file for each promise",
}

// TestRoomsStaySmall demands of every package and type that it can be read in one sitting. Tests and generated code do
// not count, nor do the methods of what a type embeds: they are another one's.
func TestRoomsStaySmall(t *testing.T) {
	type room struct {
		files, lines int
		methods      map[string]int
	}
	rooms := map[string]*room{}
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if name := e.Name(); path != "." && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(set, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		if ast.IsGenerated(file) {
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if rooms[dir] == nil {
			rooms[dir] = &room{methods: map[string]int{}}
		}
		r := rooms[dir]
		r.files++
		r.lines += bytes.Count(text, []byte("\n"))
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv != nil {
					r.methods[receiver(d.Recv.List[0].Type)]++
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if named, ok := spec.(*ast.TypeSpec); ok {
						r.methods[named.Name.Name] += asked(named.Type)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if rooms["."] == nil || rooms["host"] == nil {
		t.Fatal("the packages were not found")
	}
	larger := map[string]bool{}
	for dir, r := range rooms {
		if r.files > mostFiles || r.lines > mostLines {
			larger[dir] = true
			if largerRooms[dir] == "" {
				t.Errorf("%s has %d files with %d lines; the most are %d and %d", dir, r.files, r.lines, mostFiles, mostLines)
			}
		}
		for name, n := range r.methods {
			if n > mostMethods {
				key := dir + "." + name
				larger[key] = true
				if largerRooms[key] == "" {
					t.Errorf("%s has %d methods; the most are %d", key, n, mostMethods)
				}
			}
		}
	}
	for name := range largerRooms {
		if !larger[name] {
			t.Errorf("%s is not too large; take it off the list", name)
		}
	}
}

// asked is how many methods an interface asks for by itself, 0 for what is none.
func asked(x ast.Expr) (n int) {
	if i, ok := x.(*ast.InterfaceType); ok {
		for _, f := range i.Methods.List {
			n += len(f.Names)
		}
	}
	return n
}

// receiver is the name of the type that a method belongs to.
func receiver(x ast.Expr) string {
	for {
		switch t := x.(type) {
		case *ast.StarExpr:
			x = t.X
		case *ast.IndexExpr:
			x = t.X
		case *ast.IndexListExpr:
			x = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}
