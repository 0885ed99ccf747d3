package or3cloud_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestNoTestDependsOnTheWallClock checks that no test passes or fails depending on how busy the machine is. Outside a
// testing/synctest bubble, a test must not sleep, set a time limit of its own, or compare a time that it has measured.
// It waits for a condition (internal/patience), moves an injected clock, or reports the figure with Logf. wallTime
// lists the exceptions.
func TestNoTestDependsOnTheWallClock(t *testing.T) {
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		name := e.Name()
		switch {
		case err != nil:
			return err
		case e.IsDir() && (name == "node_modules" || name == "bench" || path != "." && strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case e.IsDir() || !forTests(filepath.ToSlash(path)):
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, ".go") {
			err = inGo(src, func(where, what string) {
				key := filepath.ToSlash(path) + " " + where
				found[key] = append(found[key], what)
			})
		} else {
			for _, what := range inScript.FindAllString(string(src), -1) {
				key := filepath.ToSlash(path)
				found[key] = append(found[key], what)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if wallTime[key] == "" {
			t.Errorf("%s depends on the wall clock: %s", key, strings.Join(found[key], "; "))
		}
	}
	for key := range wallTime {
		if found[key] == nil {
			t.Errorf("%s is excepted for no reason", key)
		}
	}
}

// wallTime lists where a test may use the wall clock, and why a busy machine does not make it fail.
var wallTime = map[string]string{
	"internal/patience/patience.go Try":     "the one place where tests poll",
	"internal/patience/patience.go Receive": "the one place where tests give up",

	"e2e/files_test.go TestRefusedTransfersLeaveNothing":                       "waits for the end of a token in another process, whose clock cannot be moved",
	"e2e/flood_test.go pause":                                                  "waits as Retry-After has asked",
	"e2e/resumable_test.go TestResumableUpload":                                "only scatters the moments at which a process is killed",
	"e2e/transfers_test.go slowProxy.copy":                                     "is a slow network",
	"e2e/transfers_test.go transferDevice.work":                                "is the back-off of a client",
	"host/answers_order_test.go TestOneAnswerForOneWish":                       "only scatters the moments at which requests break off",
	"host/listeners_unix_test.go TestFiveThousandIdleListeners":                "only spaces two readings that are reported",
	"httpapi/httpapi_test.go TestAnswersHaveADeadlineAndTheNextRequestHasNone": "a deadline a quarter of an hour away, with a minute of room",
	"httpapi/memory_test.go TestAnswersThatAreNotTakenEnd":                     "the wish of a handler, which must not be heard",
	"httpapi/memory_test.go sender.Read":                                       "runs in bubbles alone",
	"httpapi/memory_test.go taker.Write":                                       "runs in bubbles alone",
	"host/storageapi/resumable_test.go TestResumableUploadEndsLikeAnyOther":    "an end a day away, with an hour of room",
	"host/streamapi/streamapi_test.go TestFaultsOfAnUpstream":                  "runs in bubbles alone",
	"host/streamapi/streamapi_test.go slow.Read":                               "runs in bubbles alone",
	"internal/control/control_test.go TestCloseLetsACommandFinish":             "that nothing happens takes time to see; a busy machine sees less and fails nothing",
	"providers/sqlite/soak_test.go TestSoak":                                   "only spaces samples of a load",

	"e2e/browser/tests/files.spec.ts": "that no script runs takes time to see; a busy machine sees less and fails nothing",
}

// forTests reports whether a file is used only by tests.
func forTests(path string) bool {
	if strings.HasSuffix(path, ".ts") {
		return strings.HasPrefix(path, "e2e/browser/") || strings.HasPrefix(path, "npm/") && strings.Contains(path, "/test/")
	}
	if strings.HasSuffix(path, "_test.go") {
		return path != "walltime_test.go"
	}
	for _, dir := range []string{"providertest/", "internal/patience/", "internal/leaktest/", "internal/mail/smtptest/", "internal/sqlitex/faultydisk/"} {
		if strings.HasPrefix(path, dir) {
			return strings.HasSuffix(path, ".go")
		}
	}
	return false
}

// inScript matches waits and time limits in the tests of the page. The limits in playwright.config.ts apply to all of
// them.
var inScript = regexp.MustCompile(`waitForTimeout\(|vi\.waitFor\(|setTimeout\(|timeout: *[0-9_]{3,}|performance\.now\(`)

// inGo reports each use of the wall clock in a Go file, and the top-level declaration that contains it.
func inGo(src []byte, report func(where, what string)) error {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", src, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil || waitsInBubble(f.Body) {
			continue
		}
		c := clockReader{measured: map[string]bool{}, report: func(what string) { report(nameOf(f), what) }}
		ast.Walk(c, f.Body)
	}
	return nil
}

// nameOf returns the name of a function, with its type if it is a method.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	of := f.Recv.List[0].Type
	if pointer, ok := of.(*ast.StarExpr); ok {
		of = pointer.X
	}
	return fmt.Sprint(of) + "." + f.Name.Name
}

// waitsInBubble reports whether a function calls synctest.Wait outside the bubbles that it opens, which means that it
// runs in one.
func waitsInBubble(body ast.Node) (found bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if ok && isCall(call, "synctest", "Test") {
			return false
		}
		found = found || ok && isCall(call, "synctest", "Wait")
		return !found
	})
	return found
}

// clockReader inspects a function. measured holds the names of values computed from two readings of the clock.
type clockReader struct {
	measured map[string]bool
	report   func(what string)
}

func (c clockReader) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.CallExpr:
		if isCall(n, "synctest", "Test") {
			return nil
		}
		for _, wait := range []string{"Sleep", "After", "Tick", "NewTimer", "NewTicker", "AfterFunc"} {
			if isCall(n, "time", wait) {
				c.report("time." + wait)
			}
		}
		for _, limit := range []string{"WithTimeout", "WithDeadline", "WithTimeoutCause", "WithDeadlineCause"} {
			if isCall(n, "context", limit) {
				c.report("context." + limit)
			}
		}
		if s, ok := n.Fun.(*ast.SelectorExpr); ok && len(n.Args) == 1 {
			switch name := s.Sel.Name; {
			case strings.HasPrefix(name, "Set") && strings.HasSuffix(name, "Deadline") && readsClock(n.Args[0]) && !isPatient(n.Args[0]):
				c.report(name)
			case (name == "After" || name == "Before" || name == "Compare") && (readsClock(s.X) || readsClock(n.Args[0])):
				c.report("a comparison with time.Now")
			}
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Timeout" && !isPatient(n.Value) {
			c.report("a Timeout that is not patience.Limit")
		}
	case *ast.AssignStmt:
		if len(n.Lhs) == len(n.Rhs) {
			for i := range n.Lhs {
				if name, ok := n.Lhs[i].(*ast.Ident); ok {
					c.measured[name.Name] = c.measures(n.Rhs[i])
				}
			}
		}
	case *ast.BinaryExpr:
		switch n.Op {
		case token.LSS, token.LEQ, token.GTR, token.GEQ, token.EQL, token.NEQ:
			if c.measures(n.X) || c.measures(n.Y) {
				c.report("a comparison of a time that was measured")
			}
		}
	}
	return c
}

// measures reports whether an expression is computed from elapsed time.
func (c clockReader) measures(e ast.Expr) (yes bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.Ident:
			yes = yes || c.measured[n.Name]
		case *ast.CallExpr:
			s, sub := n.Fun.(*ast.SelectorExpr)
			sub = sub && s.Sel.Name == "Sub" && len(n.Args) == 1 && (readsClock(s.X) || readsClock(n.Args[0]))
			yes = yes || sub || isCall(n, "time", "Since") || isCall(n, "time", "Until")
		}
		return !yes
	})
	return yes
}

// readsClock reports whether an expression reads the clock.
func readsClock(e ast.Expr) (yes bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		yes = yes || ok && isCall(call, "time", "Now")
		return !yes
	})
	return yes
}

// isPatient reports whether a time limit is the one that all tests share.
func isPatient(e ast.Expr) (yes bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		yes = yes || ok && s.Sel.Name == "Limit" && fmt.Sprint(s.X) == "patience"
		return !yes
	})
	return yes
}

// isCall reports whether a call calls this function of this package.
func isCall(call *ast.CallExpr, pkg, name string) bool {
	s, ok := call.Fun.(*ast.SelectorExpr)
	return ok && s.Sel.Name == name && fmt.Sprint(s.X) == pkg
}

// TestTheRuleAboutTheWallClock tests the rule itself.
func TestTheRuleAboutTheWallClock(t *testing.T) {
	for body, want := range map[string]int{
		`time.Sleep(d)`: 1,
		`select { case <-c: case <-time.After(d): }`:    1,
		`ctx, cancel := context.WithTimeout(ctx, d)`:    1,
		`_ = http.Client{Timeout: time.Minute}`:         1,
		`_ = http.Client{Timeout: patience.Limit}`:      0,
		`c.SetReadDeadline(time.Now().Add(d))`:          1,
		`c.SetReadDeadline(time.Time{})`:                0,
		`if took := time.Since(began); took > d {}`:     1,
		`took := end.Sub(time.Now()); _ = took < d`:     1,
		`if time.Since(began).Seconds() < 2 {}`:         1,
		`if time.Now().After(end) {}`:                   1,
		`for end.After(time.Now()) {}`:                  1,
		`if a.Sub(b) > d {}`:                            0, // of an injected clock
		`t.Logf("%v", time.Since(began))`:               0,
		`synctest.Test(t, func() { time.Sleep(d) })`:    0,
		`synctest.Test(t, run); time.Sleep(d)`:          1,
		`time.Sleep(d); synctest.Wait()`:                0,
		`synctest.Test(t, synctest.Wait); time.Tick(d)`: 1,
	} {
		var got []string
		err := inGo([]byte("package p\nfunc f() {\n"+body+"\n}\n"), func(_, what string) { got = append(got, what) })
		if err != nil || len(got) != want {
			t.Errorf("%s: %q, %v", body, got, err)
		}
	}
	for line, want := range map[string]bool{
		`await page.waitForTimeout(300)`: true, `setTimeout(resolve, 1000)`: true, `{ timeout: 5_000 }`: true, `{ timeout: 4 * patience }`: false, `await expect(a).toBeVisible()`: false,
	} {
		if inScript.MatchString(line) != want {
			t.Error(line)
		}
	}
}
