package sqlite

import (
	"context"
	"reflect"
	"testing"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// TestStatementsStayCompiled pushes the recorded ops many times: SQLite compiles a statement again once, when the
// schema has changed since the start, and never because of a bound value.
func TestStatementsStayCompiled(t *testing.T) {
	s, _ := openTest(t)
	user, ws := workspaceOf(t, s)
	batches := corpus(t)
	for n := range 30 {
		if _, err := s.Push(context.Background(), or3cloud.PushRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Ops: renamed(batches, int64(n))}); err != nil {
			t.Fatal(err)
		}
	}
	const again = 1 // the schema may have changed between its preparation and its first run
	ran := 0
	err := s.engine.Do(context.Background(), func(_ context.Context, tx *engine.Tx) error {
		statements := reflect.ValueOf(tx.St)
		for i := range statements.NumField() {
			f := statements.Type().Field(i)
			if st, ok := f.Type, f.IsExported(); !ok || st != reflect.TypeFor[*sqlite3.Stmt]() {
				continue
			}
			st := statements.Field(i).Interface().(*sqlite3.Stmt)
			if st.Status(sqlite3.STMTSTATUS_RUN, false) > again {
				ran++
			}
			if n := st.Status(sqlite3.STMTSTATUS_REPREPARE, false); n > again {
				t.Errorf("%s was compiled again %d times", f.Name, n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if ran < 15 {
		t.Errorf("%d statements have run, which is not what a push does", ran)
	}
}
