package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncrule"
)

// The payload of a row from before ops were checked holds unfit where it held fit.
const (
	fit   = "UNFIT"
	unfit = "\xff\xfe\xfd\xfc\xfb"
)

// TestADatabaseOfAnOlderLayout gives a database each layout that a release had, with entries of all kinds, and starts
// with it, interrupted again and again. What clients read, the results of ops that they repeat, chats and webhooks are
// as before.
func TestADatabaseOfAnOlderLayout(t *testing.T) {
	for _, before := range layoutMigrations {
		t.Run(fmt.Sprint("before ", before), func(t *testing.T) { testOlderLayout(t, before) })
	}
}

func testOlderLayout(t *testing.T, before int64) {
	path := filepath.Join(t.TempDir(), "sync.sqlite")
	s, c := openTest(t, func(o *Options) { o.Path, o.Retention = path, changelog.MinRetention })
	m := varied(t, s, c)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.sqlite")
	copyFile(t, path, copied)
	s, _ = openTest(t, func(o *Options) { o.Path, o.Now = copied, c.now })
	want := m.seen(t, s)
	size := m.sizes(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rows := m.makeOlder(t, path, before)
	if len(m.gone) == 0 || len(m.told) == 0 {
		t.Errorf("%d entries whose replacements are gone, and %d events that change", len(m.gone), len(m.told))
	}

	interrupted := 0
	var crashes []string
	for calls := 1; ; calls = calls*3/2 + 1 {
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex // several goroutines read the time
		n := 0
		s, err := Open(ctx, Options{Path: path, Log: testLog(t), Rand: zeros{}, recentKeys: 50, Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			if n++; n%7 == 0 && len(crashes) < 30 { // as a kill would leave it here: the writer begins a transaction, or something else reads the time
				crash := filepath.Join(t.TempDir(), "sync.sqlite")
				for _, suffix := range []string{"", "-wal"} {
					copyFile(t, path+suffix, crash+suffix)
				}
				crashes = append(crashes, crash)
			}
			if n == calls {
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
		break
	}
	if interrupted < 3 {
		t.Errorf("the start was interrupted %d times only", interrupted)
	}
	for i, name := range append(crashes, path) {
		if i%5 > 0 && name != path {
			continue
		}
		s, _ = openTest(t, func(o *Options) { o.Path, o.Now = name, c.now })
		m.compare(t, fmt.Sprint("start ", i), m.seen(t, s), want)
		if got := m.sizes(t, s); !maps.Equal(got, m.without(size)) {
			t.Errorf("start %d: the workspaces have %v bytes, want %v", i, got, m.without(size))
		}
		kinds := map[string]int{}
		eachEntry(t, s.engine, func(_ int64, e *block.Entry, m block.Marks, i int) {
			for kind, is := range map[string]bool{
				"lost": e.Lost, "pinned": m.Pinned()>>i&1 == 1, "collected": m.Collected()>>i&1 == 1, "replaced": m.Replaced(i), "owned": e.Owner != nil, "deletion": e.Operation == or3cloud.OpDelete,
				"unchecked": e.Unchecked, "waypoint": e.Waypoint, "revived": e.Revived, "without a fingerprint": len(e.Fingerprint) == 0, "huge": len(e.Text()) > 1<<20,
			} {
				if is {
					kinds[kind]++
				}
			}
			if e.Unchecked != bytes.Contains(e.Payload(), []byte(unfit)) {
				t.Errorf("entry %d: unchecked %t", e.Version, e.Unchecked)
			}
		})
		if n := rowsOf(t, s, "waypoints"); len(kinds) != 11 || kinds["collected"] != len(m.gone) || kinds["waypoint"] != n {
			t.Errorf("entries %v, %d of which replacements are gone, %d waypoints", kinds, len(m.gone), n)
		}
		var older int
		err := s.engine.DB.Read.QueryRow("SELECT count(*) FROM sqlite_schema WHERE name IN ('op_ids', 'records', 'log', 'superseded')").Scan(&older)
		if err != nil || older != 0 {
			t.Errorf("%d tables from before, %v", older, err)
		}
	}
	kept, err := filepath.Glob(path + ".before-*")
	if err != nil || !slices.Equal(kept, []string{sqlitex.CopyOf(path, before)}) {
		t.Fatalf("copies %v, %v", kept, err)
	}
	older, err := sqlitex.Open(t.Context(), sqlitex.Options{Path: kept[0], Migrations: migrationsBefore(t, fmt.Sprintf("%05d", before))})
	if err != nil {
		t.Fatal(err)
	}
	defer older.Close()
	var n int
	if err := older.Read.QueryRow("SELECT count(*) FROM log").Scan(&n); err != nil || n != rows {
		t.Errorf("the copy has %d entries, %v, want %d", n, err, rows)
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	body, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestTheCopyGoes: the copy of an earlier database is deleted after a while.
func TestTheCopyGoes(t *testing.T) {
	s, c := openTest(t)
	for _, migration := range layoutMigrations {
		if err := os.WriteFile(sqlitex.CopyOf(s.opts.Path, migration), []byte("copy"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := &maintenance{s: s}
	for _, step := range []struct {
		after time.Duration
		there bool
	}{{0, true}, {copyLife - time.Hour, true}, {2 * time.Hour, false}} {
		c.advance(step.after)
		if err := m.forgetCopies(); err != nil {
			t.Fatal(err)
		}
		for _, migration := range layoutMigrations {
			if _, err := os.Stat(sqlitex.CopyOf(s.opts.Path, migration)); (err == nil) != step.there {
				t.Errorf("after %v: %v", step.after, err)
			}
		}
	}
}

// zeros is a source without randomness.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// manyOps returns ops on few records of several tables: puts, deletions and soft deletions that win and lose, names
// that rows take from each other, and notifications.
func manyOps(t testing.TB, user string, n int) (ops []or3cloud.Op) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 25))
	for i := range n {
		op := or3cloud.Op{
			Table: []string{or3cloud.TableThreads, or3cloud.TableKV, or3cloud.TableNotifications, or3cloud.TablePosts, or3cloud.TableMessages}[r.IntN(5)], Operation: or3cloud.OpPut,
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
		case or3cloud.TableMessages:
			members = fmt.Sprintf(`"thread_id":"row-%d-","role":"user","order_key":"k","index":%d,"deleted":%%t`, r.IntN(90), r.IntN(20))
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

// older is a database of an earlier layout, as it was made.
type older struct {
	user       string
	workspaces []string
	ops        map[string][]or3cloud.Op // by workspace
	// gone are the ops of entries that are in the log although the entries that replaced them are not: they may be
	// removed at once. size is how much of the size of each workspace they were.
	gone map[string]bool
	size map[string]int64
	// tokens are of pages of snapshots that have begun, by workspace.
	tokens map[string]string
	// told is what webhooks are told differently from the current layout: nothing about those, and nothing about
	// deletions that were collected.
	told map[string]string
}

func newOlder(user string) *older {
	return &older{
		user: user, ops: map[string][]or3cloud.Op{}, gone: map[string]bool{}, size: map[string]int64{}, told: map[string]string{}, tokens: map[string]string{},
	}
}

// varied fills a database with entries of all kinds: see manyOps; entries that were replaced, lost, are pinned or were
// collected; deletions whose predecessors still exist; large and huge ones; and a counter that has jumped.
func varied(t *testing.T, s *Store, c *clock) *older {
	t.Helper()
	user, first := workspaceOf(t, s)
	m := newOlder(user)
	m.workspaces = []string{first}
	for range 2 {
		w, err := s.CreateWorkspace(t.Context(), user, "another", "")
		if err != nil {
			t.Fatal(err)
		}
		m.workspaces = append(m.workspaces, w)
	}
	for n, ws := range m.workspaces {
		scope := or3cloud.Scope{WorkspaceID: ws}
		hook := or3cloud.Webhook{ID: fmt.Sprint("hook", n), Scope: or3cloud.WebhookUser, UserID: user, WorkspaceID: ws, URL: "https://example.org/", SealedSecret: []byte("s"), Enabled: true}
		if _, err := s.CreateWebhook(t.Context(), hook, 5); err != nil {
			t.Fatal(err)
		}
		ops := manyOps(t, user, []int{1500, 70, 400}[n])
		ops[9] = sized(t, 9, 3<<20, fit)
		for i := range 5 {
			ops[20+i] = sized(t, 20+i, 40<<10, fit)
		}
		for i, row := range []string{"x theme", "kv:theme theme", "x other"} { // a row loses its name, and then another one
			pk, name, _ := strings.Cut(row, " ")
			op := or3cloud.Op{
				Table: or3cloud.TableKV, Operation: or3cloud.OpPut, PK: pk, Payload: fmt.Appendf(nil, `{"id":%q,"name":%q,"created_at":1,"updated_at":1,"clock":%d}`, pk, name, 700_000*(i+1)),
				Stamp: or3cloud.Stamp{DeviceID: "d", OpID: fmt.Sprintf("00000000-0000-4000-b000-%012x", 7*(i+1)), HLC: "h", Clock: int64(700_000 * (i + 1))},
			}
			if p := syncschema.Check(&op); p != nil {
				t.Fatal(p.Text)
			}
			ops[len(ops)-3+i] = op
		}
		m.ops[ws] = ops
		for some := range slices.Chunk(ops, 100) {
			res, err := pushOps(s, user, ws, some...)
			if err != nil {
				t.Fatal(err)
			}
			c.advance(20 * time.Minute)
			if err := s.UpdateCursor(t.Context(), or3cloud.CursorUpdate{Scope: scope, UserID: user, DeviceID: "d", Version: res.ServerVersion}); err != nil {
				t.Fatal(err)
			}
			if n == 0 && res.ServerVersion < 1000 {
				if err := s.GCChangeLog(t.Context(), or3cloud.SyncGCRequest{Scope: scope}); err != nil {
					t.Fatal(err)
				}
			}
			if n == 2 && res.ServerVersion < 300 {
				execute(t, s, "UPDATE counters SET version = version + 1700000000000 WHERE workspace = (SELECT max(workspace) FROM counters)")
			}
		}
		q := or3cloud.ChatQuery{WorkspaceID: ws, UserID: user, Kind: or3cloud.ChatThreadPage, ThreadID: "row-1-", Limit: 1}
		if _, err := s.ReadChatHistory(t.Context(), q, func([]byte) error { return nil }); err != nil && or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
			t.Fatal(err)
		}
		if n != 1 { // deletions are removed, and what they replaced stays
			if err := s.GCTombstones(t.Context(), or3cloud.SyncGCRequest{Scope: scope}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, ws := range m.workspaces {
		scope := or3cloud.Scope{WorkspaceID: ws}
		page, err := s.Snapshot(t.Context(), or3cloud.SnapshotRequest{Scope: scope, UserID: user, PageSize: 3}, func(*or3cloud.SnapshotItem) error { return nil })
		if err != nil || page.NextPageToken == "" {
			t.Fatal(page, err)
		}
		m.tokens[ws] = page.NextPageToken
		var hot []or3cloud.Op
		for i := range 150 {
			op := threadOp(t, 1000)
			op.Stamp.OpID, op.Stamp.Clock = fmt.Sprintf("00000000-0000-4000-9000-%012x", i), int64(100+i)
			hot = append(hot, op)
		}
		if _, err := pushOps(s, user, ws, hot...); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// sized returns an op with a payload of a size.
func sized(t testing.TB, n, size int, text string) or3cloud.Op {
	op := threadOp(t, n)
	op.Stamp.OpID = fmt.Sprintf("00000000-0000-4000-a000-%012x", n)
	op.Payload = bytes.Replace(op.Payload, []byte(`"status"`), fmt.Appendf(nil, `"title":"%s%s","status"`, text, strings.Repeat("x", size)), 1)
	return op
}

// seen lists what clients see, line by line: all changes, a snapshot, chats, what webhooks are told, and the results of
// ops that are repeated, some with other content.
func (m *older) seen(t testing.TB, s *Store) (lines []string) {
	t.Helper()
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, ws := range m.workspaces {
		in := or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: m.user, Limit: 1000}
		for more := true; more; {
			page, err := s.Pull(t.Context(), in, func(c *or3cloud.Change) error {
				say("%d %s %s %v %s %v", c.ServerVersion, c.Table, c.PK, c.Operation, c.Payload, c.Stamp)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			say("%+v", page)
			in.Cursor, more = page.NextCursor, page.HasMore
		}
		snapshot := or3cloud.SnapshotRequest{Scope: in.Scope, UserID: m.user, PageSize: 37, PageToken: m.tokens[ws]}
		for more := true; more; more = snapshot.PageToken != "" {
			page, err := s.Snapshot(t.Context(), snapshot, func(it *or3cloud.SnapshotItem) error {
				say("begun before: %s %s %v %s %v %v", it.Table, it.PK, it.Operation, it.Payload, it.Revision, it.DeletedAt)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			snapshot.PageToken = page.NextPageToken
		}
		for more := true; more; more = snapshot.PageToken != "" {
			page, err := s.Snapshot(t.Context(), snapshot, func(it *or3cloud.SnapshotItem) error {
				say("%s %s %v %s %v %v", it.Table, it.PK, it.Operation, it.Payload, it.Revision, it.DeletedAt)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			snapshot.PageToken = page.NextPageToken
		}
		for i := range 90 {
			q := or3cloud.ChatQuery{WorkspaceID: ws, UserID: m.user, Kind: or3cloud.ChatThreadPage, ThreadID: fmt.Sprintf("row-%d-", i), Limit: 100}
			page, err := s.ReadChatHistory(t.Context(), q, func(message []byte) error {
				say("chat %d: %s", i, message)
				return nil
			})
			if err != nil && or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
				t.Fatal(err)
			}
			say("chat %d: %+v %v", i, page, err)
		}
	}
	events := map[string][]string{} // by workspace: webhooks take turns
	for more := true; more; {
		var err error
		more, err = s.EnqueueEvents(t.Context(), time.Time{}, func(_ *or3cloud.Webhook, op *or3cloud.AppliedOp) (*or3cloud.WebhookDelivery, error) {
			events[op.WorkspaceID] = append(events[op.WorkspaceID], told(op))
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, ws := range m.workspaces {
		lines = append(lines, events[ws]...)
	}
	stored := storedOps(t, s)
	for _, ws := range m.workspaces {
		var repeated []or3cloud.Op
		for i, op := range m.ops[ws] {
			if !stored[ws+op.Stamp.OpID] || m.gone[ws+op.Stamp.OpID] {
				continue
			}
			if i%7 == 0 && op.Operation == or3cloud.OpPut {
				op.Payload = []byte(strings.Replace(string(op.Payload), `"created_at":1`, `"created_at":2`, 1))
			}
			repeated = append(repeated, op)
		}
		for some := range slices.Chunk(repeated, 100) {
			res, err := pushOps(s, m.user, ws, some...)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range res.Results {
				if r.ServerVersion > 0 && !r.Replayed {
					t.Fatalf("%+v is not a repetition", r)
				}
				winner := ""
				if r.Winner != nil {
					winner = fmt.Sprintf("%v %s %v", r.Winner.Operation, r.Winner.Payload, r.Winner.Revision)
				}
				say("%s %s %t %d %t %s %s", ws, r.OpID, r.Replayed, r.ServerVersion, r.Applied, r.ErrorCode, winner)
			}
		}
	}
	return lines
}

// told is what a webhook is told.
func told(op *or3cloud.AppliedOp) string {
	return fmt.Sprintf("told: %s %s %s %v %s %t %s %d", op.WorkspaceID, op.Table, op.PK, op.Operation, op.Payload, op.Existed, op.OwnerID, op.At.UnixMilli())
}

// compare compares what clients see with what they saw before.
func (m *older) compare(t testing.TB, when string, got, want []string) {
	t.Helper()
	expected := make([]string, 0, len(want))
	for _, line := range want {
		line = strings.ReplaceAll(line, fit, unfit)
		if other, ok := m.told[line]; ok {
			line = other
		}
		if ws, rest, _ := strings.Cut(line, " "); line == "" || m.gone[ws+strings.SplitN(rest, " ", 2)[0]] {
			continue
		}
		expected = append(expected, line)
	}
	for i := range max(len(got), len(expected)) {
		if i >= len(got) || i >= len(expected) || got[i] != expected[i] {
			show := func(lines []string) string {
				return fmt.Sprintf("%.600q", strings.Join(lines[min(i, len(lines)):min(i+2, len(lines))], "\n"))
			}
			t.Fatalf("%s: line %d of %d is\n%s\nwant, of %d,\n%s", when, i, len(got), show(got), len(expected), show(expected))
		}
	}
}

// sizes are the recorded sizes of the workspaces. It compares them with the sum of their entries and names.
func (m *older) sizes(t testing.TB, s *Store) map[string]int64 {
	t.Helper()
	sums := map[int64]int64{}
	eachEntry(t, s.engine, func(num int64, e *block.Entry, marks block.Marks, i int) {
		if marks.Collected()&(1<<i) == 0 {
			sums[num] += changelog.EntrySize(len(e.Text()))
		}
	})
	rows, err := s.engine.DB.Read.Query(`SELECT w.num, w.id, c.bytes, (SELECT count(*) FROM kv_names k WHERE k.workspace = w.num) + (SELECT count(*) FROM chat_threads t WHERE t.workspace = w.num)
FROM counters c JOIN workspaces w ON w.num = c.workspace`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var num, bytes, names int64
		var id string
		if err := rows.Scan(&num, &id, &bytes, &names); err != nil {
			t.Fatal(err)
		}
		if out[id] = bytes; bytes != sums[num]+names*changelog.EntryOverhead {
			t.Errorf("workspace %d is said to have %d bytes, and has %d", num, bytes, sums[num]+names*changelog.EntryOverhead)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// without subtracts what may be removed at once.
func (m *older) without(sizes map[string]int64) map[string]int64 {
	out := maps.Clone(sizes)
	for ws, size := range m.size {
		out[ws] -= size
	}
	return out
}

// eachEntry goes through all entries that are in blocks, with their texts.
func eachEntry(t testing.TB, e *engine.Engine, f func(num int64, e *block.Entry, m block.Marks, i int)) {
	t.Helper()
	var nums []int64
	rows, err := e.DB.Read.Query("SELECT workspace FROM counters ORDER BY workspace")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		nums = append(nums, 0)
		if err := rows.Scan(&nums[len(nums)-1]); err != nil {
			t.Fatal(err)
		}
	}
	rows.Close()
	err = e.View(t.Context(), func(r *engine.Reader) error {
		for _, num := range nums {
			blocks := entries.Of(r).After(num, 0, layout.MaxVersion)
			for blocks.Next() {
				if err := blocks.Unpack(blocks.All()); err != nil {
					return err
				}
				for i := range blocks.Len() {
					e, err := blocks.Entry(i)
					if err != nil {
						return err
					}
					f(num, &e, blocks.Marks, i)
				}
			}
			if err := blocks.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// storedOps are the op ids of the entries that were not collected, each after its workspace.
func storedOps(t testing.TB, s *Store) map[string]bool {
	t.Helper()
	ids := workspaceIDs(t, s.engine)
	out := map[string]bool{}
	eachEntry(t, s.engine, func(num int64, e *block.Entry, m block.Marks, i int) {
		if m.Collected()&(1<<i) == 0 {
			out[ids[num]+layout.UnpackID(e.OpID)] = true
		}
	})
	return out
}

func workspaceIDs(t testing.TB, e *engine.Engine) map[int64]string {
	t.Helper()
	rows, err := e.DB.Read.Query("SELECT num, id FROM workspaces")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[int64]string{}
	for rows.Next() {
		var num int64
		var id string
		if err := rows.Scan(&num, &id); err != nil {
			t.Fatal(err)
		}
		out[num] = id
	}
	return out
}

// The earlier tables, as their migrations left them.
const (
	logTables = `
CREATE TABLE log (id INTEGER PRIMARY KEY, tbl INTEGER NOT NULL, op INTEGER NOT NULL, prev INTEGER NOT NULL, clock INTEGER NOT NULL, at INTEGER NOT NULL,
  pk BLOB NOT NULL, op_id BLOB NOT NULL, hlc TEXT NOT NULL, device TEXT NOT NULL, owner BLOB, payload BLOB) STRICT;
CREATE TABLE superseded (id INTEGER PRIMARY KEY, replaced_by INTEGER NOT NULL, at INTEGER NOT NULL, pinned INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX superseded_pinned ON superseded (id) WHERE pinned = 1;`
	keyTables = `
CREATE TABLE records (workspace INTEGER NOT NULL, tbl INTEGER NOT NULL, pk BLOB NOT NULL, version INTEGER NOT NULL, clock INTEGER NOT NULL,
  hlc TEXT NOT NULL, op_id BLOB NOT NULL, state INTEGER NOT NULL, winners INTEGER NOT NULL DEFAULT 0, pinned INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (workspace, tbl, pk)) STRICT, WITHOUT ROWID;
CREATE TABLE op_ids (workspace INTEGER NOT NULL, op_id BLOB NOT NULL, version INTEGER NOT NULL, fingerprint BLOB, PRIMARY KEY (workspace, op_id)) STRICT, WITHOUT ROWID;`
)

// makeOlder gives a database the layout from before a migration, and returns how many entries its log has.
func (m *older) makeOlder(t testing.TB, path string, before int64) (entries int) {
	t.Helper()
	all, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(t.Context(), engine.Options{File: sqlitex.Options{Path: path, Migrations: all}, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	type replacing struct{ by, at int64 }
	ids, replaced, rows := workspaceIDs(t, e), map[int64]replacing{}, map[int64]bool{}
	eachEntry(t, e, func(num int64, e *block.Entry, marks block.Marks, i int) {
		id := layout.EntryID(num, e.Version)
		if e.Prev > 0 {
			replaced[layout.EntryID(num, e.Prev)] = replacing{e.Version, e.At}
		}
		if e.Lost {
			replaced[id] = replacing{e.Version, e.At}
		}
		rows[id] = marks.Collected()&(1<<i) == 0
	})
	var texts []string
	var args [][]any
	exec := func(text string, with ...any) { texts, args = append(texts, text), append(args, with) }
	exec(logTables)
	references := readReferences(t, e)
	if before <= 22 {
		exec(olderReferences)
	}
	if before <= 20 {
		exec(keyTables)
	}
	eachEntry(t, e, func(num int64, e *block.Entry, marks block.Marks, i int) {
		id := layout.EntryID(num, e.Version)
		if !rows[id] {
			return
		}
		entries++
		var c or3cloud.Change
		if err := e.Change(&c); err != nil {
			t.Fatal(err)
		}
		op := or3cloud.Op{Table: c.Table, PK: c.PK, Operation: c.Operation, Payload: c.Payload, Stamp: c.Stamp}
		pk, device := op.PK, op.Stamp.DeviceID
		opID, owner := bytes.Clone(e.OpID), bytes.Clone(e.Owner)
		payload := bytes.Clone(bytes.ReplaceAll(e.Payload(), []byte(fit), []byte(unfit)))
		fingerprint := syncrule.Fingerprint(&op)
		if n := len(opID); n == 17 && (int(opID[n-2])<<8|int(opID[n-1])-1)%7 == 1 {
			fingerprint = nil
		}
		existed := e.Prev > 0 && !e.Revived
		told := func(existed bool) string {
			return told(&or3cloud.AppliedOp{
				WorkspaceID: ids[num], Table: layout.TableName(e.Table), PK: pk, Operation: e.Operation, Payload: payload, Existed: existed,
				OwnerID: layout.UnpackID(owner), At: time.UnixMilli(e.At),
			})
		}
		if e.Revived && !rows[layout.EntryID(num, e.Prev)] { // that it had replaced a deletion was known as long as that existed
			m.told[told(false)] = told(true)
		}
		number, stored := layout.OpNumber(e.Operation)|e.State<<layout.OpBits, opID
		switch {
		case before <= 20:
			number &= 1
			exec(`INSERT INTO op_ids VALUES (?, ?, ?, ?)`, num, opID, e.Version, fingerprint)
			if !marks.Replaced(i) {
				exec(`INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, coalesce((SELECT version FROM pins WHERE workspace = ?1 AND pk = ?3 AND ?2 = 2), 0))`,
					num, e.Table, layout.RecordKey(pk, owner), e.Version, e.Clock, e.HLC(), opID, e.State)
			}
		case fingerprint != nil:
			stored = slices.Concat([]byte{3, byte(len(fingerprint))}, fingerprint, opID) // see layout.SplitOp
		}
		exec(`INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, id, e.Table, number, e.Prev, e.Clock, e.At, layout.PackID(nil, pk), stored, e.HLC(), device, owner, payload)
		if !marks.Replaced(i) {
			if before <= 22 {
				references.makeOlder(id, e.Table, pk, exec)
			}
			return
		}
		by, ok := replaced[id]
		if !ok {
			t.Fatalf("entry %d of workspace %d was replaced, and by nothing", e.Version, num)
		}
		pinned := marks.Pinned() >> i & 1
		exec(`INSERT INTO superseded VALUES (?, ?, ?, ?)`, id, by.by, by.at, int64(pinned))
		if !rows[layout.EntryID(num, by.by)] && pinned == 0 {
			m.gone[ids[num]+layout.UnpackID(opID)] = true
			m.size[ids[num]] += changelog.EntrySize(len(e.Text()))
			m.told[told(existed)] = ""
		}
	})
	if before <= 22 {
		exec(olderReferencesDone)
	}
	exec(`DROP TABLE blocks; DROP TABLE marks; DROP TABLE pinned; ALTER TABLE counters DROP COLUMN collected; ALTER TABLE counters DROP COLUMN joined`)
	exec(`UPDATE counters SET bytes = (SELECT coalesce(sum(512 + length(l.pk) + coalesce(length(l.payload), 0)), 0) FROM log l WHERE l.id >> 43 = workspace)
		+ 512 * ((SELECT count(*) FROM kv_names k WHERE k.workspace = counters.workspace) + (SELECT count(*) FROM chat_threads t WHERE t.workspace = counters.workspace))`)
	if before <= 20 {
		exec(`DROP TABLE index_state; DROP TABLE index_runs; DROP TABLE index_pieces; DROP TABLE tombstones; DROP TABLE pins;
			ALTER TABLE counters DROP COLUMN indexed; DELETE FROM signing_keys WHERE purpose = 'index'`)
	}
	exec(`DELETE FROM goose_db_version WHERE version_id >= ?`, before)
	err = e.Do(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		for i := range texts {
			if _, err := tx.Conn.ExecContext(ctx, texts[i], args[i]...); err != nil {
				return fmt.Errorf("%s: %w", texts[i], err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
