package changelog

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/follow"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// pusher pushes ops of one user.
type pusher struct {
	t        testing.TB
	s        store
	user, ws string
	n        int
}

func newPusher(t testing.TB, s store) *pusher {
	t.Helper()
	user, err := s.GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "u"})
	if err != nil {
		t.Fatal(err)
	}
	ws, err := s.GetOrCreateDefaultWorkspace(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	return &pusher{t: t, s: s, user: user, ws: ws.ID}
}

// put returns a valid put with a new op id; extra members of the payload replace earlier ones.
func (p *pusher) put(table, pk string, clock int64, extra string) or3cloud.Op {
	p.t.Helper()
	p.n++
	members := map[string]string{
		or3cloud.TableKV: `"name":"n"`, or3cloud.TableNotifications: `"user_id":"` + p.user + `","type":"t","title":"","deleted":false`,
		or3cloud.TableMessages: `"thread_id":"t","role":"user","order_key":"k","index":0,"deleted":false`,
		or3cloud.TablePosts:    `"title":"","content":"","post_type":"doc","deleted":false`,
	}[table]
	op := or3cloud.Op{
		Table: table, Operation: or3cloud.OpPut, PK: pk,
		Payload: fmt.Appendf(nil, `{"id":%q,"created_at":1,"updated_at":1,"clock":%d,%s%s}`, pk, clock, members, extra),
		Stamp: or3cloud.Stamp{
			DeviceID: "1a2b3c4d", OpID: fmt.Sprintf("00000000-0000-4000-8000-%012x", p.n), HLC: fmt.Sprintf("%09d:000:1a2b3c4d", p.n), Clock: clock,
		},
	}
	return p.checked(op)
}

func (p *pusher) checked(op or3cloud.Op) or3cloud.Op {
	p.t.Helper()
	if problem := syncschema.Check(&op); problem != nil {
		p.t.Fatal(problem.Text)
	}
	return op
}

func (p *pusher) push(ops ...or3cloud.Op) or3cloud.PushResult {
	p.t.Helper()
	res, err := p.s.Push(p.t.Context(), or3cloud.PushRequest{Scope: or3cloud.Scope{WorkspaceID: p.ws}, UserID: p.user, Ops: ops})
	if err != nil {
		p.t.Fatal(err)
	}
	return res
}

func (p *pusher) page(token string, size int) ([]or3cloud.SnapshotItem, or3cloud.SnapshotPage) {
	p.t.Helper()
	var items []or3cloud.SnapshotItem
	in := or3cloud.SnapshotRequest{Scope: or3cloud.Scope{WorkspaceID: p.ws}, UserID: p.user, PageSize: size, PageToken: token}
	page, err := p.s.Snapshot(p.t.Context(), in, func(it *or3cloud.SnapshotItem) error {
		clone := *it
		clone.Payload = slices.Clone(it.Payload)
		items = append(items, clone)
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return items, page
}

// written counts what the writer does during f: steps of SQLite's virtual machine, and pages of 4 KiB that it touches.
func written(t *testing.T, s store, f func()) (steps, pages int) {
	t.Helper()
	count := func() {
		err := s.engine.Do(t.Context(), func(_ context.Context, tx *engine.Tx) error {
			steps, pages = 0, 0
			for _, st := range tx.St.StatementList {
				steps += st.Status(sqlite3.STMTSTATUS_VM_STEP, true)
			}
			for _, op := range []sqlite3.DBStatus{sqlite3.DBSTATUS_CACHE_HIT, sqlite3.DBSTATUS_CACHE_MISS} {
				n, _, err := tx.C.Status(op, true)
				if err != nil {
					return err
				}
				pages += int(n)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// The index writes and merges in the background what the earlier ops have left to it.
	if err := s.index.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	count()
	f()
	count()
	return steps, pages
}

// read counts the statements that the readers run during f. One after the other, they all go to the same reader.
func read(t *testing.T, s store, f func()) (runs int) {
	t.Helper()
	count := func() {
		runs = 0
		err := s.engine.View(t.Context(), func(r *engine.Reader) error {
			for _, st := range r.St.StatementList {
				runs += st.Status(sqlite3.STMTSTATUS_RUN, true)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	count()
	f()
	count()
	return runs
}

// TestWriterWorkIsBounded pushes ops of few bytes that require much work. What the writer does for an op is a few
// statements and the pages of their indexes, however large the rows are that it concerns.
func TestWriterWorkIsBounded(t *testing.T) {
	const perOp, pagesPerOp = 150, 20
	s := openTest(t, "")
	p := newPusher(t, s)
	large := p.put(or3cloud.TableKV, "large", 9, `,"value":"`+strings.Repeat("x", 3_800_000)+`"`)
	p.push(large)
	twin := func(change func(*or3cloud.Op)) or3cloud.Op {
		op := p.put(or3cloud.TableKV, "large", 9, "")
		op.Stamp = large.Stamp
		change(&op)
		return op
	}
	refs := func(from int) string {
		var hashes []string
		for i := range 4096 {
			hashes = append(hashes, fmt.Sprintf(`\"%064x\"`, from+i))
		}
		return `,"file_hashes":"[` + strings.Join(hashes, ",") + `]"`
	}
	p.push(p.put(or3cloud.TableMessages, "m", 1, refs(0)))
	for name, c := range map[string]struct {
		op func(i int) or3cloud.Op
		n  int
		// rows is how many rows the op's own payload adds or removes.
		rows int
	}{
		"one op id, other content":    {op: func(i int) or3cloud.Op { return twin(func(o *or3cloud.Op) {}) }, n: 100},
		"one op id, other table":      {op: func(i int) or3cloud.Op { return twin(func(o *or3cloud.Op) { o.Table = or3cloud.TableThreads }) }, n: 100},
		"one op id, the same content": {op: func(i int) or3cloud.Op { return large }, n: 5},
		"ops that lose":               {op: func(i int) or3cloud.Op { return p.put(or3cloud.TableKV, "large", 1, "") }, n: 100},
		"a name of another row": {
			op: func(i int) or3cloud.Op { return p.put(or3cloud.TableKV, fmt.Sprint("other", i), 1, "") }, n: 100,
		},
		"long names": {op: func(i int) or3cloud.Op {
			return p.put(or3cloud.TableKV, fmt.Sprint("long", i%3), int64(i+1), fmt.Sprintf(`,"name":"%s%d"`, strings.Repeat("n", 300_000), i))
		}, n: 9, rows: 9 * 5},
		"references": {op: func(i int) or3cloud.Op { return p.put(or3cloud.TableMessages, "m", int64(i+2), refs(5000*(i+1))) }, n: 2, rows: 2 * 2 * 4096},
	} {
		t.Run(name, func(t *testing.T) {
			var ops []or3cloud.Op
			for i := range c.n {
				ops = append(ops, c.op(i))
			}
			steps, pages := written(t, s, func() { p.push(ops...) })
			t.Logf("%d ops: %d steps, %d pages", c.n, steps, pages)
			// A winner that is sent along is read once.
			if most := perOp * (c.n + c.rows); steps > most {
				t.Errorf("%d steps for %d ops, at most %d", steps, c.n, most)
			}
			if most := pagesPerOp*(c.n+c.rows) + 1000; pages > most {
				t.Errorf("%d pages for %d ops, at most %d", pages, c.n, most)
			}
		})
	}
}

// TestStretches checks that a batch is divided so that no job of the writer writes much more than stretchCost.
func TestStretches(t *testing.T) {
	s := openTest(t, "")
	p := newPusher(t, s)
	num, err := s.Number(t.Context(), p.ws)
	if err != nil {
		t.Fatal(err)
	}
	megabyte := `,"value":"` + strings.Repeat("x", 1<<20) + `"`
	var occupied, takers, small []or3cloud.Op
	for i := range 12 {
		name := fmt.Sprintf(`,"name":"n%d"`, i)
		occupied = append(occupied, p.put(or3cloud.TableKV, fmt.Sprint("x", i), 1, name+megabyte))
		takers = append(takers, p.put(or3cloud.TableKV, fmt.Sprint("kv:n", i), 1, name))
	}
	for i := range 1000 {
		small = append(small, p.put(or3cloud.TablePosts, fmt.Sprint(i), 1, ""))
	}
	lengths := func(ops []or3cloud.Op) (out []int) {
		for q := (queue{log: s.Log, workspace: num, user: p.user, ops: ops}); !q.empty(); {
			stretch, err := q.stretch(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			cost := 0
			for _, op := range stretch {
				cost += op.cost()
			}
			if len(stretch) == 0 || len(stretch) > 1 && cost > stretchCost {
				t.Fatalf("a stretch of %d ops costs %d", len(stretch), cost)
			}
			out = append(out, len(stretch))
			q.done(len(stretch))
		}
		return out
	}
	if got := lengths(occupied); !slices.Equal(got, []int{3, 3, 3, 3}) {
		t.Errorf("large rows: %v", got)
	}
	if got := lengths(small); !slices.Equal(got, []int{1000}) {
		t.Errorf("small rows: %v", got)
	}
	for _, ops := range [][]or3cloud.Op{occupied, takers} {
		for i, r := range p.push(ops...).Results {
			if !r.Applied {
				t.Errorf("op %d: %+v", i, r)
			}
		}
		if len(takers) > 0 && ops[0].PK == "x0" {
			// What is displaced counts as well.
			if got := lengths(takers); !slices.Equal(got, []int{3, 3, 3, 3}) {
				t.Errorf("takers of large rows' names: %v", got)
			}
		}
	}
}

// TestDroppedReferencesEndAStretch uses ops of a few bytes each to delete rows that reference thousands of files.
func TestDroppedReferencesEndAStretch(t *testing.T) {
	s := openTest(t, "")
	p := newPusher(t, s)
	num, err := s.Number(t.Context(), p.ws)
	if err != nil {
		t.Fatal(err)
	}
	var deletes []or3cloud.Op
	for i := range 6 {
		var hashes []string
		for j := range 4096 {
			hashes = append(hashes, fmt.Sprintf(`\"%032x\"`, 5000*i+j))
		}
		p.push(p.put(or3cloud.TableMessages, fmt.Sprint(i), 1, `,"file_hashes":"[`+strings.Join(hashes, ",")+`]"`))
		gone := p.put(or3cloud.TableMessages, fmt.Sprint(i), 2, "")
		gone.Operation, gone.Payload = or3cloud.OpDelete, nil
		deletes = append(deletes, p.checked(gone))
	}
	q := queue{log: s.Log, workspace: num, user: p.user, ops: deletes}
	whole := push{log: s.Log, workspace: num, user: p.user, first: -1}
	ops, err := q.stretch(t.Context())
	if err == nil {
		err = s.engine.Do(t.Context(), func(_ context.Context, tx *engine.Tx) error { return whole.apply(tx, ops) })
	}
	if n := len(whole.results); err != nil || len(ops) != len(deletes) || n != stretchRefs/4096 {
		t.Errorf("%d of %d ops in one job, %v", n, len(ops), err)
	}
	for i, r := range p.push(deletes...).Results {
		if r.Replayed != (i < len(whole.results)) || !r.Applied {
			t.Errorf("op %d: %+v", i, r)
		}
	}
}

// TestSnapshotWorkIsBounded reads the second page of a snapshot after one of its records was written thousands of
// times.
func TestSnapshotWorkIsBounded(t *testing.T) {
	s := openTest(t, "")
	p := newPusher(t, s)
	p.push(p.put(or3cloud.TablePosts, "a", 1, ""), p.put(or3cloud.TablePosts, "b", 1, `,"title":"old"`))
	items, page := p.page("", 1)
	if len(items) != 1 || page.NextPageToken == "" {
		t.Fatalf("%d items, %+v", len(items), page)
	}
	clock := int64(1)
	for range 5 {
		var ops []or3cloud.Op
		for range 1000 {
			clock++
			ops = append(ops, p.put(or3cloud.TablePosts, "b", clock, ""))
		}
		p.push(ops...)
	}
	runs := read(t, s, func() {
		items, page = p.page(page.NextPageToken, 1)
	})
	if len(items) != 1 || items[0].Revision.Clock != 1 || !strings.Contains(string(items[0].Payload), `"old"`) || page.NextPageToken != "" {
		t.Errorf("%+v %+v", items, page)
	}
	if runs > follow.WaypointEvery+20 {
		t.Errorf("%d statements after %d writes", runs, clock)
	}
}

// TestSnapshotPagesPassHiddenRecords puts more records than a page looks at between two that are visible.
func TestSnapshotPagesPassHiddenRecords(t *testing.T) {
	s := openTest(t, "")
	p := newPusher(t, s)
	other, err := s.GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "other"})
	if err == nil {
		err = s.SetMemberRole(t.Context(), p.ws, other, or3cloud.RoleEditor)
	}
	if err != nil {
		t.Fatal(err)
	}
	seen := []or3cloud.Op{p.put(or3cloud.TableNotifications, "a", 1, ""), p.put(or3cloud.TableNotifications, "z", 1, "")}
	p.push(seen...)
	mine := p.user
	p.user = other
	for i := range 11 {
		var ops []or3cloud.Op
		for j := range 1000 {
			ops = append(ops, p.put(or3cloud.TableNotifications, fmt.Sprint("m", i, "-", j), 1, ""))
		}
		p.push(ops...)
	}
	p.user = mine
	token, got, pages := "", []string{}, 0
	for {
		var items []or3cloud.SnapshotItem
		var page or3cloud.SnapshotPage
		if runs := read(t, s, func() { items, page = p.page(token, 300) }); runs > 4*snapshotSteps {
			t.Errorf("page %d took %d statements", pages, runs)
		}
		for _, it := range items {
			got = append(got, it.PK)
		}
		if token, pages = page.NextPageToken, pages+1; token == "" {
			break
		}
	}
	if !slices.Equal(got, []string{"a", "z"}) || pages < 2 {
		t.Errorf("%v in %d pages", got, pages)
	}
}

// TestUpgradeOfBounds opens an earlier database: replays of its ops are found, its notifications keep their owners, and
// names that its rows hold are taken and given.
func TestUpgradeOfBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sync.sqlite")
	initial, err := fs.ReadFile(migrations, "00001_init.sql")
	if err != nil {
		t.Fatal(err)
	}
	old, err := sqlitex.Open(t.Context(), sqlitex.Options{Path: path, Migrations: fstest.MapFS{"00001_init.sql": {Data: initial}}})
	if err != nil {
		t.Fatal(err)
	}
	// What the program of that time wrote.
	template := &pusher{t: t, user: "u"}
	first := template.put(or3cloud.TableNotifications, "note", 1, "")
	named := template.put(or3cloud.TableKV, "x", 3, `,"name":"theme","value":1`)
	renamed := template.put(or3cloud.TableKV, "y", 3, `,"name":"now"`)
	exec := func(text string, args ...any) {
		if _, err := old.Write.Exec(text, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO users (id, created_at) VALUES ('u', 1)`)
	exec(`INSERT INTO auth_accounts VALUES ('test', 'u', 'u', 1)`)
	exec(`INSERT INTO workspaces (num, id, name, created_at) VALUES (1, 'w', 'W', 1)`)
	exec(`INSERT INTO members VALUES ('u', 1, 'owner', 1)`)
	exec(`INSERT INTO counters VALUES (1, 3, 0)`)
	for i, op := range []or3cloud.Op{first, named, renamed} {
		var owner any
		if op.Table == or3cloud.TableNotifications {
			owner = layout.PackID(nil, "u")
		}
		exec(`INSERT INTO log VALUES (?, ?, 0, 0, ?, 1, ?, ?, ?, ?, ?, ?)`, layout.EntryID(1, int64(i+1)), layout.TableNumber(op.Table), op.Stamp.Clock,
			layout.PackID(nil, op.PK), layout.PackID(nil, op.Stamp.OpID), op.Stamp.HLC, op.Stamp.DeviceID, owner, op.Payload)
		exec(`INSERT INTO records VALUES (1, ?, ?, ?, ?, ?, ?, 0)`, layout.TableNumber(op.Table), []byte(op.PK), i+1, op.Stamp.Clock, op.Stamp.HLC,
			layout.PackID(nil, op.Stamp.OpID))
		exec(`INSERT INTO op_ids VALUES (1, ?, ?)`, layout.PackID(nil, op.Stamp.OpID), i+1)
	}
	long := strings.Repeat("n", 3000)
	exec(`INSERT INTO kv_names VALUES (1, CAST('theme' AS BLOB), CAST('x' AS BLOB)), (1, CAST('now' AS BLOB), CAST('y' AS BLOB)),
		(1, CAST('before' AS BLOB), CAST('y' AS BLOB)), (1, CAST(? AS BLOB), CAST('y' AS BLOB))`, long)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}

	s := openTest(t, path)
	p := &pusher{t: t, s: s, user: "u", ws: "w", n: 100}
	otherContent := named
	otherContent.Stamp.Clock++
	res := p.push(first, named, otherContent)
	for i, want := range []bool{true, true, false} {
		if r := res.Results[i]; r.Replayed != want || !want && r.ErrorCode != or3cloud.OpErrorConflict {
			t.Errorf("replay %d: %+v", i, r)
		}
	}
	res = p.push(
		p.put(or3cloud.TableNotifications, "note", 2, ""), p.put(or3cloud.TableKV, "kv:theme", 1, `,"name":"theme"`),
		p.put(or3cloud.TableKV, "kv:before", 1, `,"name":"before"`), p.put(or3cloud.TableKV, "z", 1, `,"name":"`+long+`"`),
		p.put(or3cloud.TableKV, "kv:"+long[:1000], 1, `,"name":"`+long[:1000]+`"`))
	for i, want := range []bool{true, true, true, false, true} {
		if r := res.Results[i]; r.Success != want {
			t.Errorf("op %d: %+v", i, r)
		}
	}
	names := map[string]string{}
	items, _ := p.page("", 100)
	notes := 0
	for _, it := range items {
		switch it.Table {
		case or3cloud.TableKV:
			names[it.PK] = syncschema.Name(it.Payload)
		case or3cloud.TableNotifications:
			notes++
		}
	}
	if notes != 1 {
		t.Errorf("%d records of one notification", notes)
	}
	if !strings.HasPrefix(names["x"], "theme~") || names["y"] != "now" || names["kv:theme"] != "theme" || names["kv:before"] != "before" {
		t.Errorf("names %v", names)
	}
}
