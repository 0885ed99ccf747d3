package or3cloud_test

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/providers/basicauth"
	providerfs "or3.chat/cloud/providers/fs"
	"or3.chat/cloud/providers/sqlite"
	"or3.chat/cloud/setting"
)

// declared returns all settings of the host and of this module's providers.
func declared(t *testing.T) []or3cloud.Setting {
	t.Helper()
	reg := &or3cloud.Registry{}
	all := setting.Host()
	for _, register := range []func(*or3cloud.Registry) error{basicauth.Register, providerfs.Register, sqlite.Register} {
		if err := register(reg); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range reg.Providers() {
		all = append(all, p.Settings...)
	}
	return append(all, config.ChatSettings()...)
}

// sources calls visit with the syntax tree of each file that the program is built from.
func sources(t *testing.T, visit func(files *token.FileSet, file *ast.File)) {
	t.Helper()
	files := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && (slices.Contains([]string{"bench", "e2e", "providertest", "tools", "testdata", "node_modules"}, name) || strings.HasPrefix(name, ".") && path != "."):
			return filepath.SkipDir
		case entry.IsDir(), !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err == nil {
			visit(files, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSettingsAreNamedOnce checks that code refers to a setting by its constant. Prose may repeat the name freely, but
// it must exist.
func TestSettingsAreNamedOnce(t *testing.T) {
	found := map[string][]string{}
	known := []string{"_OR3_CLOUD_INHERITANCE", "_OR3_CLOUD_CANDIDATE"} // passed between two processes of the program
	for _, s := range declared(t) {
		found[s.Name] = nil
		known = append(known, s.Name, s.Name+"_FILE")
		if s.Alias != "" {
			found[s.Alias] = nil
			known = append(known, s.Alias)
		}
	}
	ours := regexp.MustCompile(`\b_?OR3_[A-Z0-9_]*[A-Z0-9]\b`)
	sources(t, func(files *token.FileSet, file *ast.File) {
		where := files.Position(file.Pos()).Filename
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := found[text]; ok {
				found[text] = append(found[text], files.Position(lit.Pos()).String())
			}
			if where == filepath.Join("internal", "config", "names.go") { // names that other programs read
				return true
			}
			for _, name := range ours.FindAllString(text, -1) {
				if !slices.Contains(known, name) {
					t.Errorf("%s: no setting is named %s", files.Position(lit.Pos()), name)
				}
			}
			return true
		})
	})
	for name, places := range found {
		if len(places) != 1 {
			t.Errorf("%s is written at %q, want one place: its declaration", name, places)
		}
	}
}

// TestDefaultsAreWrittenOnce looks for texts, numbers and durations outside declarations that equal the default of a
// setting. Words of up to five letters, provider ids, numbers below 100,000 and durations of up to a day have other
// meanings too and are skipped. Durations are compared by value, so 30*24*time.Hour is found.
func TestDefaultsAreWrittenOnce(t *testing.T) {
	const short, small, day = len("false"), 100_000, 24 * time.Hour
	texts, spans := map[string]string{}, map[time.Duration]string{}
	for _, s := range declared(t) {
		n, err := strconv.ParseInt(s.Default, 10, 64)
		switch {
		case len(s.Default) <= short, strings.HasSuffix(s.Name, "_PROVIDER"), err == nil && n < small:
			continue
		case err == nil && strings.HasSuffix(s.Name, "_SECONDS") && time.Duration(n)*time.Second > day:
			spans[time.Duration(n)*time.Second] = s.Name
			texts[s.Default] = s.Name
		case err != nil || !strings.HasSuffix(s.Name, "_SECONDS"):
			texts[s.Default] = s.Name
		}
	}
	if len(texts) < 8 || len(spans) < 4 {
		t.Fatalf("too little to look for: %v, %v", texts, spans)
	}
	declares := func(n ast.Node, fields ...string) *ast.KeyValueExpr {
		kv, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return nil
		}
		if key, ok := kv.Key.(*ast.Ident); !ok || !slices.Contains(fields, key.Name) {
			return nil
		}
		return kv
	}
	constants := map[string]bool{} // from which a declaration takes its default
	sources(t, func(_ *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			if kv := declares(n, "Default"); kv != nil {
				ast.Inspect(kv.Value, func(n ast.Node) bool {
					if id, ok := n.(*ast.Ident); ok {
						constants[file.Name.Name+"."+id.Name] = true
					}
					return true
				})
			}
			return true
		})
	})
	sources(t, func(files *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			if declares(n, "Default", "Options", "Max", "Example") != nil {
				return false
			}
			if spec, ok := n.(*ast.ValueSpec); ok && constants[file.Name.Name+"."+spec.Names[0].Name] {
				return false
			}
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			v, span := value(e)
			switch {
			case v == nil:
				return true
			case v.Kind() == constant.String:
				if name := texts[constant.StringVal(v)]; name != "" {
					t.Errorf("%s: the default of %s", files.Position(e.Pos()), name)
				}
			case span:
				if n, exact := constant.Int64Val(v); exact && spans[time.Duration(n)] != "" {
					t.Errorf("%s: the default of %s", files.Position(e.Pos()), spans[time.Duration(n)])
				}
			default:
				if name := texts[v.ExactString()]; name != "" {
					t.Errorf("%s: the default of %s", files.Position(e.Pos()), name)
				}
			}
			return false
		})
	})
}

// value evaluates a constant expression of literals and units of time. v is nil if e is not one. span reports whether
// it is a duration.
func value(e ast.Expr) (v constant.Value, span bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0), false
	case *ast.ParenExpr:
		return value(e.X)
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok && x.Name == "time" {
			units := map[string]time.Duration{"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour}
			if unit, ok := units[e.Sel.Name]; ok {
				return constant.MakeInt64(int64(unit)), true
			}
		}
	case *ast.BinaryExpr:
		x, xSpan := value(e.X)
		y, ySpan := value(e.Y)
		if x == nil || y == nil || x.Kind() == constant.String || y.Kind() == constant.String || !slices.Contains([]token.Token{token.ADD, token.SUB, token.MUL}, e.Op) {
			return nil, false
		}
		return constant.BinaryOp(x, e.Op, y), xSpan || ySpan
	}
	return nil, false
}
