package sqlite

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// TestIndexOfAnOlderDatabase gives a database the layout from before the index, and starts with it, interrupted again and again. What
// clients read, and what becomes of ops that they repeat, is as before.
func TestIndexOfAnOlderDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sync.sqlite")
	s, c := openTest(t, func(o *Options) { o.Path = path })
	user, ws := workspaceOf(t, s)
	ops := manyOps(t, user, 2400)
	for some := range slices.Chunk(ops, 200) {
		if _, err := pushOps(s, user, ws, some...); err != nil {
			t.Fatal(err)
		}
		c.advance(time.Hour)
		in := or3cloud.SyncGCRequest{Scope: or3cloud.Scope{WorkspaceID: ws}}
		if err := s.GCChangeLog(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	before := seen(t, s, user, ws, ops)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	entries := makeOlder(t, path)

	if interrupted := startInterrupted(t, path, c); interrupted < 3 {
		t.Errorf("the start was interrupted %d times only", interrupted)
	}
	s, _ = openTest(t, func(o *Options) { o.Path, o.Now = path, c.now })
	if after := seen(t, s, user, ws, ops); after != before {
		t.Errorf("what clients see has changed:\n%s\nbefore:\n%s", after, before)
	}
	var older int
	err := s.engine.DB.Read.QueryRow("SELECT count(*) FROM sqlite_schema WHERE name IN ('op_ids', 'records')").Scan(&older)
	if err != nil || older != 0 {
		t.Errorf("%d tables from before, %v", older, err)
	}
	copied, err := sqlitex.Open(t.Context(), sqlitex.Options{Path: sqlitex.CopyOf(path, indexMigration), Migrations: migrationsBefore(t, "00020")})
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	var kept int
	if err := copied.Read.QueryRow("SELECT count(*) FROM op_ids").Scan(&kept); err != nil || kept != entries {
		t.Errorf("the copy has %d op ids, %v, want %d", kept, err, entries)
	}
}

// startInterrupted starts with a database until a start is not interrupted, each later than the one before, and returns how many were.
func startInterrupted(t *testing.T, path string, c *clock) (interrupted int) {
	t.Helper()
	for calls := 1; ; calls = calls*3/2 + 1 {
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int64
		s, err := Open(ctx, Options{Path: path, Log: testLog(t), Rand: zeros{}, recentKeys: 50, Now: func() time.Time {
			if n.Add(1) == int64(calls) {
				cancel()
			}
			return c.now()
		}})
		cancel()
		if err != nil {
			interrupted++
			continue
		}
		s.Close()
		return interrupted
	}
}

// TestTheCopyGoes deletes the copy of an older database after a while.
func TestTheCopyGoes(t *testing.T) {
	s, c := openTest(t)
	name := sqlitex.CopyOf(s.opts.Path, indexMigration)
	if err := os.WriteFile(name, []byte("copy"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &maintenance{s: s}
	for _, step := range []struct {
		after time.Duration
		there bool
	}{{0, true}, {copyLife - time.Hour, true}, {2 * time.Hour, false}} {
		c.advance(step.after)
		if err := m.forgetCopy(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(name); (err == nil) != step.there {
			t.Errorf("after %v: %v", step.after, err)
		}
	}
}

// zeros is a source of no randomness.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// manyOps returns ops on few records of several tables: puts, deletions and soft deletions that win and lose, names that rows take from
// each other, and notifications.
func manyOps(t testing.TB, user string, n int) (ops []or3cloud.Op) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 25))
	for i := range n {
		op := or3cloud.Op{
			Table: []string{or3cloud.TableThreads, or3cloud.TableKV, or3cloud.TableNotifications, or3cloud.TablePosts}[r.IntN(4)], Operation: or3cloud.OpPut,
			Stamp: or3cloud.Stamp{DeviceID: "d", OpID: fmt.Sprintf("00000000-0000-4000-8000-%012x", i+1), HLC: fmt.Sprintf("%09d:000:d", i), Clock: int64(1 + i/3 + r.IntN(30))},
		}
		op.PK = fmt.Sprintf("row-%d-%s", r.IntN(90), strings.Repeat("ü", r.IntN(2)))
		members := `"status":"ready","deleted":%t,"pinned":false`
		switch op.Table {
		case or3cloud.TableKV:
			name := fmt.Sprintf("name-%d", r.IntN(12))
			members = `"name":"` + name + `","deleted":%t`
			if r.IntN(3) == 0 {
				op.PK = "kv:" + name
			}
		case or3cloud.TableNotifications:
			members = `"user_id":"` + user + `","type":"t","title":"","deleted":%t`
		case or3cloud.TablePosts:
			members = `"title":"","content":"","post_type":"doc","deleted":%t`
		}
		if r.IntN(6) == 0 {
			op.Operation = or3cloud.OpDelete
		} else {
			op.Payload = fmt.Appendf(nil, `{"id":%q,"created_at":1,"updated_at":1,"clock":%d,`+members+`}`, op.PK, op.Stamp.Clock, r.IntN(5) == 0)
		}
		if p := syncschema.Check(&op); p != nil {
			t.Fatal(p.Text)
		}
		ops = append(ops, op)
	}
	return ops
}

// seen tells what clients see: all changes, a snapshot, and what becomes of ops that are repeated, some with another content.
func seen(t testing.TB, s *Store, user, ws string, ops []or3cloud.Op) string {
	t.Helper()
	var b strings.Builder
	in := or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Limit: 1000}
	for more := true; more; {
		page, err := s.Pull(t.Context(), in, func(c *or3cloud.Change) error {
			fmt.Fprintf(&b, "%d %s %s %v %s %v\n", c.ServerVersion, c.Table, c.PK, c.Operation, c.Payload, c.Stamp)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		in.Cursor, more = page.NextCursor, page.HasMore
	}
	snapshot := or3cloud.SnapshotRequest{Scope: in.Scope, UserID: user, PageSize: 37}
	for more := true; more; more = snapshot.PageToken != "" {
		page, err := s.Snapshot(t.Context(), snapshot, func(it *or3cloud.SnapshotItem) error {
			fmt.Fprintf(&b, "%s %s %v %s %v\n", it.Table, it.PK, it.Operation, it.Payload, it.Revision)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		snapshot.PageToken = page.NextPageToken
	}
	var repeated []or3cloud.Op
	for i := range ops {
		var there bool
		err := s.engine.DB.Read.QueryRow("SELECT EXISTS (SELECT 1 FROM log WHERE instr(op_id, ?) > 0)", layout.PackID(nil, ops[i].Stamp.OpID)).Scan(&there)
		if err != nil {
			t.Fatal(err)
		}
		if !there {
			continue
		}
		op := ops[i]
		if i%7 == 0 && op.Operation == or3cloud.OpPut {
			op.Payload = []byte(strings.Replace(string(op.Payload), `"created_at":1`, `"created_at":2`, 1))
		}
		repeated = append(repeated, op)
	}
	for some := range slices.Chunk(repeated, 100) {
		res, err := pushOps(s, user, ws, some...)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range res.Results {
			if r.ServerVersion > 0 && !r.Replayed {
				t.Fatalf("%+v is no repetition", r)
			}
			fmt.Fprintf(&b, "%s %t %d %t %s\n", r.OpID, r.Replayed, r.ServerVersion, r.Applied, r.ErrorCode)
		}
	}
	return b.String()
}

// makeOlder gives a database the layout from before the index, and returns how many entries it has.
func makeOlder(t testing.TB, path string) (entries int) {
	t.Helper()
	all, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	d, err := sqlitex.Open(t.Context(), sqlitex.Options{Path: path, Migrations: all})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	exec := func(text string, args ...any) {
		t.Helper()
		if _, err := d.Write.Exec(text, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE records (workspace INTEGER NOT NULL, tbl INTEGER NOT NULL, pk BLOB NOT NULL, version INTEGER NOT NULL, clock INTEGER NOT NULL,
		hlc TEXT NOT NULL, op_id BLOB NOT NULL, state INTEGER NOT NULL, winners INTEGER NOT NULL DEFAULT 0, pinned INTEGER NOT NULL DEFAULT 0,
		PRIMARY KEY (workspace, tbl, pk)) STRICT, WITHOUT ROWID`)
	exec(`CREATE TABLE op_ids (workspace INTEGER NOT NULL, op_id BLOB NOT NULL, version INTEGER NOT NULL, fingerprint BLOB, PRIMARY KEY (workspace, op_id)) STRICT, WITHOUT ROWID`)
	rows, err := d.Read.Query(`SELECT l.id, l.tbl, l.op, l.clock, l.pk, l.op_id, l.hlc, l.owner, s.id IS NULL FROM log l LEFT JOIN superseded s ON s.id = l.id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, table, op, clock int64
		var pk, opID, owner []byte
		var hlc string
		var wins bool
		if err := rows.Scan(&id, &table, &op, &clock, &pk, &opID, &hlc, &owner, &wins); err != nil {
			t.Fatal(err)
		}
		entries++
		fingerprint, plain := layout.SplitOp(opID)
		ws, version, key := id>>layout.VersionBits, layout.VersionOf(id), layout.RecordKey(layout.UnpackID(pk), owner)
		exec(`INSERT INTO op_ids VALUES (?, ?, ?, ?)`, ws, plain, version, fingerprint)
		exec(`UPDATE log SET op = op & 1, op_id = ? WHERE id = ?`, plain, id)
		if wins {
			exec(`INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, coalesce((SELECT version FROM pins WHERE workspace = ?1 AND pk = ?3 AND ?2 = 2), 0))`,
				ws, table, key, version, clock, hlc, plain, op>>layout.OpBits)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	makeReferencesOlder(t, exec, func(query string, row func(scan func(...any))) {
		rows, err := d.Read.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			row(func(into ...any) {
				if err := rows.Scan(into...); err != nil {
					t.Fatal(err)
				}
			})
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	})
	exec(`DROP TABLE index_state; DROP TABLE index_runs; DROP TABLE index_pieces; DROP TABLE tombstones; DROP TABLE pins;
		ALTER TABLE counters DROP COLUMN indexed; DELETE FROM signing_keys WHERE purpose = 'index'; DELETE FROM goose_db_version WHERE version_id >= 20`)
	return entries
}
