package or3cloud_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// startup is the program, with its calls and messages.
type startup struct {
	files *token.FileSet
	// own are the packages of this module, parts all their functions, and fields the functions assigned to each field.
	own    map[string]*types.Package
	parts  map[types.Object]*part
	fields map[*types.Var][]*part
	// params maps a parameter to its function and position.
	params map[*types.Var]param
	// errors maps variables that hold an error to its text.
	errors map[*types.Var]string
	// sinks are the parameters whose text becomes a message.
	sinks   map[param]bool
	reached map[*part]bool
	over    map[string]bool               // functions of begun that were reached
	mute    map[string]bool               // functions that create a problem without a fix
	stands  map[*types.Func][]*types.Func // the methods behind a method of an interface
	// elsewhere are the files for other systems.
	elsewhere []listedFile
	found     map[string]map[string]bool // messages by function
}

// listedFile is a file of a package that is not built on this system.
type listedFile struct {
	path string
	*ast.File
}

// part is a function.
type part struct {
	name string
	body *ast.BlockStmt
	typ  *ast.FuncType
	info *types.Info
}

type param struct {
	of types.Object
	n  int
}

// typed loads the program and follows its start.
func typed(t *testing.T) *startup {
	t.Helper()
	p := &startup{
		files: token.NewFileSet(), own: map[string]*types.Package{}, parts: map[types.Object]*part{}, fields: map[*types.Var][]*part{},
		params: map[*types.Var]param{}, errors: map[*types.Var]string{}, sinks: map[param]bool{}, reached: map[*part]bool{},
		over: map[string]bool{}, mute: map[string]bool{}, stands: map[*types.Func][]*types.Func{},
	}
	if err := p.load(); err != nil {
		t.Fatal(err)
	}
	named := map[string]*part{}
	for _, f := range p.parts {
		named[f.name] = f
	}
	for _, name := range slices.Concat(starts, slices.Collect(maps.Keys(begun))) {
		if named[name] == nil {
			t.Errorf("there is no function %s", name)
		}
	}
	for _, name := range starts {
		p.follow(named[name])
	}
	for known := -1; known < len(p.sinks); { // an argument for a parameter that becomes a message is a message
		known = len(p.sinks)
		p.found = map[string]map[string]bool{}
		for f := range p.reached {
			p.collect(f)
		}
	}
	p.collectElsewhere()
	return p
}

// load parses and type-checks the packages of the module. It reads their imports as compiled.
func (p *startup) load() error {
	type listed struct {
		ImportPath, Dir, Export string
		GoFiles, IgnoredGoFiles []string
	}
	list := func(args ...string) (out []listed, err error) {
		cmd := exec.Command("go", append([]string{"list"}, args...)...)
		cmd.Stderr = os.Stderr
		text, err := cmd.Output()
		for dec := json.NewDecoder(bytes.NewReader(text)); err == nil; {
			var l listed
			if err = dec.Decode(&l); err == nil {
				out = append(out, l)
			}
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return out, err
	}
	all, err := list("-deps", "-json=ImportPath,Dir,GoFiles,IgnoredGoFiles", "./cmd/or3-cloud")
	if err != nil {
		return err
	}
	var foreign []string
	for _, l := range all {
		if !ours(l.ImportPath) && l.ImportPath != "unsafe" {
			foreign = append(foreign, l.ImportPath)
		}
	}
	compiled, err := list(append([]string{"-export", "-json=ImportPath,Export"}, foreign...)...)
	if err != nil {
		return err
	}
	exports := map[string]string{}
	for _, l := range compiled {
		exports[l.ImportPath] = l.Export
	}
	of := importer.ForCompiler(p.files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	check := types.Config{Importer: importing(func(path string) (*types.Package, error) {
		if own := p.own[path]; own != nil {
			return own, nil
		}
		return of.Import(path)
	})}
	for _, l := range all { // in import order
		if !ours(l.ImportPath) {
			continue
		}
		var files []*ast.File
		for _, name := range l.GoFiles {
			file, err := parser.ParseFile(p.files, filepath.Join(l.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			files = append(files, file)
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
		pkg, err := check.Check(l.ImportPath, p.files, files, info)
		if err != nil {
			return err
		}
		p.own[l.ImportPath] = pkg
		for _, name := range l.IgnoredGoFiles {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(p.files, filepath.Join(l.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			p.elsewhere = append(p.elsewhere, listedFile{l.ImportPath, file})
		}
		for _, file := range files {
			p.declare(file, info)
		}
	}
	return nil
}

// short returns the name of a function as the lists above write it.
func short(f *types.Func) string { return strings.ReplaceAll(f.FullName(), module+"/", "") }

type importing func(path string) (*types.Package, error)

func (f importing) Import(path string) (*types.Package, error) { return f(path) }

func ours(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// declare records the functions of a file, the functions assigned to fields, and the texts of errors.
func (p *startup) declare(file *ast.File, info *types.Info) {
	name := ""
	add := func(obj types.Object, body *ast.BlockStmt, typ *ast.FuncType) *part {
		f := &part{name: name, body: body, typ: typ, info: info}
		if obj == nil {
			return f
		}
		p.parts[obj] = f
		n := 0
		for _, field := range typ.Params.List {
			for _, id := range field.Names {
				if v, ok := info.Defs[id].(*types.Var); ok {
					p.params[v] = param{obj, n}
				}
				n++
			}
		}
		return f
	}
	given := func(field *ast.Ident, value ast.Expr) {
		v, ok := info.Uses[field].(*types.Var)
		if !ok || !v.IsField() {
			return
		}
		if lit, ok := value.(*ast.FuncLit); ok {
			p.fields[v] = append(p.fields[v], add(nil, lit.Body, lit.Type))
		} else if f := function(value, info); f != nil {
			p.fields[v] = append(p.fields[v], &part{name: short(f), info: info, body: &ast.BlockStmt{List: []ast.Stmt{
				&ast.ExprStmt{X: &ast.CallExpr{Fun: value}},
			}}})
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			obj := info.Defs[n.Name].(*types.Func)
			if name = short(obj); n.Body != nil {
				add(obj, n.Body, n.Type)
			}
		case *ast.AssignStmt:
			for i := range min(len(n.Lhs), len(n.Rhs)) {
				id, isName := n.Lhs[i].(*ast.Ident)
				if lit, ok := n.Rhs[i].(*ast.FuncLit); ok && isName && info.Defs[id] != nil {
					add(info.Defs[id], lit.Body, lit.Type)
				}
				if sel, ok := n.Lhs[i].(*ast.SelectorExpr); ok {
					given(sel.Sel, n.Rhs[i])
				}
			}
		case *ast.KeyValueExpr:
			if id, ok := n.Key.(*ast.Ident); ok {
				given(id, n.Value)
			}
		case *ast.ValueSpec:
			for i := range min(len(n.Names), len(n.Values)) {
				call, ok := n.Values[i].(*ast.CallExpr)
				if v, isVar := info.Defs[n.Names[i]].(*types.Var); ok && isVar && isMessage(call, info) >= 0 {
					if c := info.Types[call.Args[0]].Value; c != nil {
						p.errors[v] = constant.StringVal(c)
					}
				}
			}
		}
		return true
	})
}

// function returns the function that an expression names, or nil.
func function(e ast.Expr, info *types.Info) *types.Func {
	switch x := ast.Unparen(e).(type) {
	case *ast.Ident:
		f, _ := info.Uses[x].(*types.Func)
		return f
	case *ast.SelectorExpr:
		f, _ := info.Uses[x.Sel].(*types.Func)
		return f
	case *ast.IndexExpr:
		return function(x.X, info)
	case *ast.IndexListExpr:
		return function(x.X, info)
	}
	return nil
}

// variable is like function, for variables and fields.
func variable(e ast.Expr, info *types.Info) *types.Var {
	switch x := ast.Unparen(e).(type) {
	case *ast.Ident:
		v, _ := info.Uses[x].(*types.Var)
		return v
	case *ast.SelectorExpr:
		v, _ := info.Uses[x.Sel].(*types.Var)
		return v
	}
	return nil
}

// isMessage returns the index of the argument that is the text of an error, or −1 if the call creates none. It ignores
// an or3cloud.Error, which is the answer to a request.
func isMessage(call *ast.CallExpr, info *types.Info) int {
	if f := function(call.Fun, info); f != nil {
		switch f.FullName() {
		case "fmt.Errorf", "errors.New":
			return 0
		}
	}
	return -1
}

// follow marks a function, and everything that it may call, as reached.
func (p *startup) follow(f *part) {
	if f != nil && begun[f.name] != "" {
		p.over[f.name] = true
		return
	}
	if f == nil || p.reached[f] {
		return
	}
	p.reached[f] = true
	later := map[ast.Node]bool{} // functions that are assigned to fields, which run when the field is called, and functions that are returned
	ast.Inspect(f.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			return false
		case *ast.KeyValueExpr:
			later[n.Value] = true
		case *ast.ReturnStmt:
			for _, e := range n.Results {
				later[e] = true
			}
		case *ast.FuncLit:
			return !later[n]
		case *ast.CallExpr:
			for _, e := range append([]ast.Expr{n.Fun}, n.Args...) {
				if called := function(e, f.info); called != nil {
					for _, m := range p.implementations(called) {
						p.follow(p.parts[m.Origin()])
					}
				}
			}
			if v := variable(n.Fun, f.info); v != nil {
				for _, given := range p.fields[v.Origin()] {
					p.follow(given)
				}
			}
		}
		return true
	})
}

// implementations returns a function or, for a method of an interface, the methods that may implement it.
func (p *startup) implementations(f *types.Func) []*types.Func {
	recv := f.Signature().Recv()
	if recv == nil || !types.IsInterface(recv.Type()) {
		return []*types.Func{f}
	}
	if f.Pkg() == nil || !ours(f.Pkg().Path()) {
		return nil
	}
	if known, ok := p.stands[f]; ok {
		return known
	}
	var out []*types.Func
	for _, pkg := range p.own {
		for _, name := range pkg.Scope().Names() {
			obj, ok := pkg.Scope().Lookup(name).(*types.TypeName)
			if !ok || obj.IsAlias() || types.IsInterface(obj.Type()) || obj.Type().(*types.Named).TypeParams() != nil {
				continue
			}
			pointer := types.NewPointer(obj.Type())
			if !types.Implements(pointer, recv.Type().Underlying().(*types.Interface)) {
				continue
			}
			if m, _, _ := types.LookupFieldOrMethod(pointer, true, f.Pkg(), f.Name()); m != nil {
				out = append(out, m.(*types.Func))
			}
		}
	}
	p.stands[f] = out
	return out
}

// collect records the messages of a function.
func (p *startup) collect(f *part) {
	say := func(e ast.Expr) { p.say(f, p.text(f, e, map[ast.Node]bool{})) }
	ast.Inspect(f.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "append" && isWarnings(n.Args[0]) {
				return false
			}
			if isMessage(n, f.info) >= 0 {
				say(formatted(n))
				return true
			}
			var called types.Object = variable(n.Fun, f.info)
			if g := function(n.Fun, f.info); g != nil {
				called = g.Origin()
			}
			for i, arg := range n.Args {
				if p.sinks[param{called, i}] {
					say(arg)
				}
			}
		case *ast.CompositeLit:
			of, ok := types.Unalias(f.info.TypeOf(n)).Underlying().(*types.Struct)
			if !ok {
				return true
			}
			faulty, fixed := false, false
			for i, e := range n.Elts {
				name := ""
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					name, e = kv.Key.(*ast.Ident).Name, kv.Value
				} else {
					name = of.Field(i).Name()
				}
				if fixed = fixed || name == "Fix"; isFault(name) {
					faulty = true
					say(e)
				}
			}
			if f.info.TypeOf(n).String() == module+".Problem" && faulty && !fixed && !assigns(f, "Fix") {
				p.mute[f.name] = true
			}
		case *ast.ReturnStmt:
			for _, e := range n.Results {
				if text := p.errors[variable(e, f.info)]; text != "" {
					p.say(f, text)
				}
			}
		case *ast.AssignStmt:
			for i := range min(len(n.Lhs), len(n.Rhs)) {
				if sel, ok := n.Lhs[i].(*ast.SelectorExpr); ok && isFault(sel.Sel.Name) {
					say(n.Rhs[i])
				}
			}
		}
		return true
	})
}

// collectElsewhere records the messages of functions on other systems that the start reaches on this one: errors that
// they create and texts that they return.
func (p *startup) collectElsewhere() {
	names := map[string]bool{}
	for f := range p.reached {
		names[f.name] = true
	}
	for _, file := range p.elsewhere {
		for _, d := range file.Decls {
			decl, ok := d.(*ast.FuncDecl)
			if !ok || decl.Body == nil || decl.Recv != nil {
				continue
			}
			f := &part{name: strings.TrimPrefix(file.path, module+"/") + "." + decl.Name.Name, body: decl.Body, typ: decl.Type, info: &types.Info{}}
			if !names[f.name] {
				continue
			}
			ast.Inspect(f.body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ReturnStmt:
					for _, e := range n.Results {
						p.say(f, p.text(f, e, map[ast.Node]bool{}))
					}
				case *ast.CallExpr:
					if sel, ok := n.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "Errorf" || sel.Sel.Name == "New" && len(n.Args) == 1) {
						p.say(f, p.text(f, n.Args[0], map[ast.Node]bool{}))
					}
				}
				return true
			})
		}
	}
}

// assigns reports whether a function sets a field.
func assigns(f *part, field string) (found bool) {
	ast.Inspect(f.body, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok {
			for _, lhs := range a.Lhs {
				sel, ok := lhs.(*ast.SelectorExpr)
				found = found || ok && sel.Sel.Name == field
			}
		}
		return !found
	})
	return found
}

// isFault reports whether a field of this name holds a message. Such fields belong to or3cloud.Problem, and to errors
// that replace another error's text.
func isFault(name string) bool { return name == "Fault" || name == "fault" }

// isWarnings reports whether a slice holds warnings, which do not prevent the start.
func isWarnings(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.Ident:
		return x.Name == "warnings"
	case *ast.SelectorExpr:
		return x.Sel.Name == "warnings"
	}
	return false
}

func (p *startup) say(f *part, message string) {
	if p.found[f.name] == nil {
		p.found[f.name] = map[string]bool{}
	}
	p.found[f.name][message] = true
}

// formatted returns the text of a call of Errorf or New as an expression.
func formatted(call *ast.CallExpr) ast.Expr {
	return &ast.CallExpr{Fun: ast.NewIdent("Sprintf"), Args: call.Args}
}

var verb = regexp.MustCompile(`%(?:\[(\d+)\])?[-+# 0]*[\d.]*([a-zA-Z%])`)

// text returns the text of an expression, with … for unknown parts. If it is built from texts of other functions or
// variables, those are messages of their own.
func (p *startup) text(f *part, e ast.Expr, seen map[ast.Node]bool) string {
	const unknown = "…"
	if seen[e] {
		return unknown
	}
	seen[e] = true
	if c := f.info.Types[e].Value; c != nil && c.Kind() == constant.String {
		return constant.StringVal(c)
	}
	switch x := ast.Unparen(e).(type) {
	case *ast.BasicLit: // on another system, where types are unknown
		text, _ := strconv.Unquote(x.Value)
		return text
	case *ast.BinaryExpr:
		return p.text(f, x.X, seen) + p.text(f, x.Y, seen)
	case *ast.CallExpr:
		g := function(x.Fun, f.info)
		id, _ := x.Fun.(*ast.Ident)
		if id != nil && id.Name == "Sprintf" || g != nil && g.FullName() == "fmt.Sprintf" {
			c := f.info.Types[x.Args[0]].Value
			if c == nil {
				return p.text(f, x.Args[0], seen)
			}
			next := 0
			return verb.ReplaceAllStringFunc(constant.StringVal(c), func(v string) string {
				m := verb.FindStringSubmatch(v)
				if m[2] == "%" {
					return "%"
				}
				if n, err := strconv.Atoi(m[1]); err == nil {
					next = n - 1
				}
				next++
				if next >= len(x.Args) {
					return unknown
				}
				return p.argument(f, x.Args[next], seen)
			})
		}
		if g == nil {
			return unknown
		}
		for _, m := range p.implementations(g) {
			p.results(p.parts[m.Origin()], 0, seen)
		}
	case *ast.Ident, *ast.SelectorExpr:
		v := variable(x, f.info)
		if v == nil || v.Type().String() != "string" {
			return unknown
		}
		if of, ok := p.params[v]; ok {
			p.sinks[of] = true
			return unknown
		}
		p.assigned(f, v, seen)
	}
	return unknown
}

// argument is like text, for an argument of a format. A number is always unknown; an error is known if it is a
// variable.
func (p *startup) argument(f *part, e ast.Expr, seen map[ast.Node]bool) string {
	if v := variable(e, f.info); v != nil && p.errors[v] != "" {
		return p.errors[v]
	}
	if c := f.info.Types[e].Value; c != nil && c.Kind() != constant.String {
		return fmt.Sprint(c)
	}
	if t, ok := f.info.TypeOf(e).(*types.Basic); ok && t.Kind() == types.String {
		return p.text(f, e, seen)
	}
	return "…"
}

// results records the texts that a function returns at an index.
func (p *startup) results(f *part, n int, seen map[ast.Node]bool) {
	if f == nil || seen[f.body] || f.typ.Results == nil {
		return
	}
	seen[f.body] = true
	ast.Inspect(f.body, func(node ast.Node) bool {
		switch x := node.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			if n < len(x.Results) {
				p.say(f, p.text(f, x.Results[n], seen))
			}
		}
		return true
	})
}

// assigned records the texts that a function assigns to a variable.
func (p *startup) assigned(f *part, v *types.Var, seen map[ast.Node]bool) {
	ast.Inspect(f.body, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if !ok {
			return true
		}
		for i, lhs := range a.Lhs {
			id, ok := lhs.(*ast.Ident)
			if !ok || f.info.Defs[id] != v && f.info.Uses[id] != v {
				continue
			}
			if len(a.Rhs) == len(a.Lhs) {
				p.say(f, p.text(f, a.Rhs[i], seen))
			} else if call, ok := a.Rhs[0].(*ast.CallExpr); ok {
				if g := function(call.Fun, f.info); g != nil {
					for _, m := range p.implementations(g) {
						p.results(p.parts[m.Origin()], i, seen)
					}
				}
			}
		}
		return true
	})
}
