package sqlitex

import (
	"context"
	"database/sql"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/ncruces/go-sqlite3/driver"
)

// compiledOn returns the number of statements that a connection has compiled.
func compiledOn(t *testing.T, c *sql.Conn) (n int) {
	t.Helper()
	err := c.Raw(func(dc any) error {
		for range dc.(driver.Conn).Raw().Stmts() {
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestStatementsAreKept checks that a statement is compiled only on first use, and again only while it is in use, and
// that the number kept is limited.
func TestStatementsAreKept(t *testing.T) {
	db, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "db"), Migrations: migrations(first)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, err := db.Read.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n := compiledOn(t, c); n != 0 {
		t.Errorf("%d statements before the first", n)
	}
	ask := func(text string, want int, inside func()) {
		t.Helper()
		rows, err := c.QueryContext(t.Context(), text, want)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		got := -1
		for rows.Next() {
			if err := rows.Scan(&got); err != nil {
				t.Fatal(err)
			}
			if inside != nil {
				inside()
			}
		}
		if err := rows.Err(); err != nil || got != want {
			t.Fatalf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	const text = "SELECT ?"
	for i := range 3 {
		ask(text, i, nil)
		if n := compiledOn(t, c); n != 1 {
			t.Errorf("%d statements after %d uses of one", n, i+1)
		}
	}
	ask(text, 3, func() { ask(text, 4, nil) })
	if n := compiledOn(t, c); n != 1 {
		t.Errorf("%d statements after two uses of one at once", n)
	}
	for i := range mostKept + 10 {
		ask(fmt.Sprintf("SELECT ? AS c%d", i), i, nil)
	}
	if n := compiledOn(t, c); n != mostKept {
		t.Errorf("%d statements are kept, at most %d", n, mostKept)
	}
}

// TestStatementsOfProvidersCompile compiles all statements. Otherwise the first request that needs it would find a
// statement that is invalid or does not fit the tables.
func TestStatementsOfProvidersCompile(t *testing.T) {
	for _, provider := range []string{"sqlite", "basicauth"} {
		dir := filepath.Join("../../providers", provider)
		db, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "db"), Migrations: os.DirFS(filepath.Join(dir, "migrations"))})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		files, err := filepath.Glob(filepath.Join(dir, "internal/db/*.sql.go"))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, file := range files {
			n += compileAll(t, db, file)
		}
		if n < 100 {
			t.Errorf("%s has %d statements only", provider, n)
		}
	}
}

// compileAll compiles the statements among the constants of a file and returns their number.
func compileAll(t *testing.T, db *DB, file string) (n int) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	c, err := db.Write.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, decl := range parsed.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.CONST {
			continue
		}
		for _, spec := range d.Specs {
			text, err := strconv.Unquote(spec.(*ast.ValueSpec).Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			err = c.Raw(func(dc any) error {
				st, _, err := dc.(driver.Conn).Raw().Prepare(text)
				if err != nil {
					return err
				}
				n++
				return st.Close()
			})
			if err != nil {
				t.Errorf("%s: %v:\n%s", file, err, text)
			}
		}
	}
	return n
}
