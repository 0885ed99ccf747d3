package sqlite

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

var collections = flag.Int("collections", 3, "how many runs TestCollectionIsAMap makes")

// TestCollectionIsAMap puts a log and plain maps through the same: pushes, silence, reports of devices, collections,
// which rewrite blocks and join small ones, restarts and kills. It compares what pulls, snapshots and op ids find after
// each step, and during collections.
func TestCollectionIsAMap(t *testing.T) {
	deleted := 0
	for seed := range uint64(*collections) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := newMapped(t, seed)
			for range 80 {
				m.step()
				m.check()
			}
			if m.collected == 0 || m.dropped == 0 || m.joined == 0 {
				t.Errorf("%d entries were collected, the bytes of %d came back, %d blocks were joined", m.collected, m.dropped, m.joined)
			}
			deleted += m.deleted
		})
	}
	if deleted == 0 {
		t.Error("no deletion was collected")
	}
}

// entered is an entry as the maps have it.
type entered struct {
	op            or3cloud.Op
	version, prev int64
	at            int64
	lost          bool
	replaced      bool
}

// begun is a snapshot that has begun.
type begun struct {
	token   string
	until   time.Time
	deleted int      // how many deletions had been collected before
	rest    []string // what its pages have yet to deliver
}

// mapped is a log with maps beside it.
type mapped struct {
	t    *testing.T
	r    *rand.Rand
	path string
	base time.Time
	c    *clock
	s    *Store
	user string
	ws   string

	n       int
	version int64
	passed  int64              // how far the collector has come
	log     []*entered         // every entry there ever was, in order
	entries map[int64]*entered // those that still exist
	winners map[string]int64   // by table and pk
	gone    []*entered         // those that no longer exist
	devices map[string]int64
	open    []begun

	collected, deleted, dropped, joined int
}

// now does not advance on its own.
func (m *mapped) now() time.Time { return m.base.Add(time.Duration(m.c.offset.Load())) }

const silent = 24 * time.Hour // after this long a device holds nothing back

func newMapped(t *testing.T, seed uint64) *mapped {
	m := &mapped{
		t: t, r: rand.New(rand.NewPCG(seed, 21)), c: &clock{}, base: time.Now(), path: filepath.Join(t.TempDir(), "sync.sqlite"),
		entries: map[int64]*entered{}, winners: map[string]int64{}, devices: map[string]int64{},
	}
	m.start()
	m.user, m.ws = workspaceOf(t, m.s)
	return m
}

func (m *mapped) start() {
	m.s, _ = openTest(m.t, func(o *Options) {
		o.Path, o.Now, o.Retention, o.DeviceStale = m.path, m.now, changelog.MinRetention, silent
	})
}

func (m *mapped) step() {
	switch n := m.r.IntN(20); {
	case n < 8:
		for range 1 + m.r.IntN(6) {
			m.push()
		}
	case n < 11:
		m.c.advance(time.Duration(m.r.IntN(3*60)) * time.Minute)
	case n < 13:
		m.report()
	case n < 17:
		m.collect()
	case n < 18:
		m.deletions()
	case n < 19:
		m.snapshot()
	default:
		m.again()
	}
}

// push pushes some ops: puts and deletions of a few records, which win and lose, in batches of all sizes.
func (m *mapped) push() {
	var ops []or3cloud.Op
	for range 1 + m.r.IntN([]int{2, 10, 90}[m.r.IntN(3)]) {
		m.n++
		op := or3cloud.Op{
			Table: []string{or3cloud.TableThreads, or3cloud.TablePosts, or3cloud.TableNotifications}[m.r.IntN(3)], Operation: or3cloud.OpPut,
			PK:    fmt.Sprintf("row-%d", m.r.IntN(40)),
			Stamp: or3cloud.Stamp{DeviceID: "d", OpID: fmt.Sprintf("00000000-0000-4000-8000-%012x", m.n), HLC: fmt.Sprintf("%09d", m.r.IntN(1000)), Clock: int64(m.n - m.r.IntN(30))},
		}
		op.Stamp.Clock = max(1, op.Stamp.Clock)
		members := `"status":"ready","deleted":false,"pinned":false`
		switch op.Table {
		case or3cloud.TablePosts:
			members = `"title":"","content":"","post_type":"doc","deleted":false`
		case or3cloud.TableNotifications:
			members = `"user_id":"` + m.user + `","type":"t","title":"","deleted":false`
		}
		if m.r.IntN(6) == 0 {
			op.Operation = or3cloud.OpDelete
		} else {
			size := m.r.IntN(1000)
			if m.r.IntN(60) == 0 {
				size = m.r.IntN(100_000)
			}
			op.Payload = fmt.Appendf(nil, `{"id":%q,"created_at":1,"updated_at":1,"clock":%d,"x":"%d%s",%s}`, op.PK, op.Stamp.Clock, m.n, strings.Repeat("y", size), members)
		}
		if p := syncschema.Check(&op); p != nil {
			m.t.Fatal(p.Text)
		}
		ops = append(ops, op)
	}
	at := m.now().UnixMilli()
	res, err := pushOps(m.s, m.user, m.ws, ops...)
	if err != nil {
		m.t.Fatal(err)
	}
	for i, op := range ops {
		m.version++
		e := &entered{op: op, version: m.version, at: at}
		key := op.Table + " " + op.PK
		winner := m.entries[m.winners[key]]
		if winner != nil && compare(&winner.op.Stamp, &op.Stamp) > 0 {
			e.lost = true
		} else {
			if m.winners[key] = e.version; winner != nil {
				e.prev, winner.replaced = winner.version, true
			}
		}
		if r := res.Results[i]; !r.Success || r.ServerVersion != e.version || r.Applied == e.lost {
			m.t.Fatalf("op %d: %+v, want version %d, lost %t", i, r, e.version, e.lost)
		}
		m.entries[e.version] = e
		m.log = append(m.log, e)
	}
	if m.r.IntN(25) == 0 { // as after restoring an older copy
		m.version += 1 << 30
		execute(m.t, m.s, "UPDATE counters SET version = version + (1 << 30)")
	}
}

func compare(a, b *or3cloud.Stamp) int {
	return cmp.Or(cmp.Compare(a.Clock, b.Clock), strings.Compare(a.HLC, b.HLC), strings.Compare(a.OpID, b.OpID))
}

// report lets one or both devices say what they have seen; the other one may be silent for long.
func (m *mapped) report() {
	devices, n := []string{"a", "b"}, len(m.log)
	if n == 0 {
		return
	}
	if m.r.IntN(2) == 0 {
		m.say(devices[m.r.IntN(2)], m.log[m.r.IntN(n)].version)
		return
	}
	for _, device := range devices {
		m.say(device, m.log[n-1].version)
	}
}

func (m *mapped) say(device string, version int64) {
	version = max(version, m.devices[device])
	m.devices[device] = version
	if err := m.s.UpdateCursor(m.t.Context(), or3cloud.CursorUpdate{Scope: or3cloud.Scope{WorkspaceID: m.ws}, UserID: m.user, DeviceID: device, Version: version}); err != nil {
		m.t.Fatal(err)
	}
}

// old is what the collector checks, where devices count that were heard from within a time.
func (m *mapped) old(within time.Duration) (old func(version, at int64) bool, floor int64) {
	since := m.now().Add(-within)
	err := m.s.engine.DB.Read.QueryRow("SELECT coalesce(min(version), -1) FROM device_cursors WHERE updated_at >= ?", since.UnixMilli()).Scan(&floor)
	if err != nil {
		m.t.Fatal(err)
	}
	before, long := m.now().Add(-changelog.MinRetention).UnixMilli(), since.Add(-changelog.MinRetention).UnixMilli()
	return func(version, at int64) bool { return at < before && (version <= floor || at < long) }, floor
}

// collect runs the collector, while others read or push.
func (m *mapped) collect() {
	old, _ := m.old(silent)
	before, blocks := m.stored()
	want, others := m.changes(), m.r.IntN(3)
	var collecting, reading sync.WaitGroup
	for range 1 + m.r.IntN(2) {
		collecting.Go(func() {
			if err := m.s.GCChangeLog(m.t.Context(), or3cloud.SyncGCRequest{Scope: or3cloud.Scope{WorkspaceID: m.ws}}); err != nil {
				m.t.Error(err)
			}
		})
	}
	stop := make(chan struct{})
	switch others {
	case 0:
		for range 2 {
			reading.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if got := m.pull(0, 1000); !slices.Equal(got, want) {
						m.t.Errorf("a pull during a collection: %s", different(got, want))
						return
					}
				}
			})
		}
	case 1: // what is being rewritten is replaced in the meantime
		for range 4 {
			m.push()
		}
	}
	collecting.Wait()
	close(stop)
	reading.Wait()
	for _, e := range m.log {
		if e.version <= m.passed {
			continue
		}
		if !old(e.version, e.at) {
			break
		}
		m.passed = e.version
		v := e.prev
		if e.lost {
			v = e.version
		}
		if gone := m.entries[v]; gone != nil {
			m.forget(gone)
			m.collected++
		}
	}
	after, now := m.stored()
	m.dropped += max(0, before-after)
	m.joined += max(0, blocks-now-(before-after))
	m.checkShares()
}

// stored returns how many entries are in blocks, whatever happened to them, and how many blocks there are.
func (m *mapped) stored() (entries, blocks int) {
	eachEntry(m.t, m.s.engine, func(int64, *block.Entry, block.Marks, int) { entries++ })
	return entries, rowsOf(m.t, m.s, "blocks")
}

// checkShares makes sure that there is no block of which a quarter of the text could be freed.
func (m *mapped) checkShares() {
	type share struct{ gone, all int }
	blocks := map[int64]*share{}
	eachEntry(m.t, m.s.engine, func(_ int64, e *block.Entry, marks block.Marks, i int) {
		if i == 0 {
			blocks[0] = &share{}
		}
		b := blocks[0]
		b.all += len(e.Text())
		if marks.Collected()&(1<<i) != 0 && e.Version <= m.passed {
			b.gone += len(e.Text())
		}
		blocks[e.Version] = b
	})
	for v, b := range blocks {
		if v > 0 && 4*b.gone >= b.all {
			m.t.Fatalf("of the block that has version %d, %d bytes of %d can come back", v, b.gone, b.all)
		}
	}
}

func (m *mapped) forget(e *entered) {
	delete(m.entries, e.version)
	m.gone = append(m.gone, e)
}

// deletions collects winning deletions.
func (m *mapped) deletions() {
	old, floor := m.old(4 * silent)
	if err := m.s.GCTombstones(m.t.Context(), or3cloud.SyncGCRequest{Scope: or3cloud.Scope{WorkspaceID: m.ws}}); err != nil {
		m.t.Fatal(err)
	}
	if floor < 0 {
		return
	}
	for key, v := range maps.Clone(m.winners) {
		if e := m.entries[v]; e.op.Operation == or3cloud.OpDelete && old(v+1, e.at) {
			delete(m.winners, key)
			m.forget(e)
			gone := item(e.op.Table, e.op.PK, e.op.Operation, nil, e.op.Stamp.Revision())
			for i := range m.open { // the rest of the test does not need it any more
				m.open[i].rest = slices.DeleteFunc(m.open[i].rest, func(it string) bool { return it == gone })
			}
			m.deleted++
		}
	}
}

// again ends the program, or kills it, and restarts it.
func (m *mapped) again() {
	path := m.path
	if m.r.IntN(2) == 0 {
		path = filepath.Join(m.t.TempDir(), "sync.sqlite")
		err := m.s.engine.Do(m.t.Context(), func(context.Context, *engine.Tx) error { // no commit is under way
			copyFile(m.t, m.path, path)
			copyFile(m.t, m.path+"-wal", path+"-wal")
			return nil
		})
		if err != nil {
			m.t.Fatal(err)
		}
	}
	if err := m.s.Close(); err != nil {
		m.t.Fatal(err)
	}
	m.path = path
	m.start()
}

// change is an entry as a pull shows it; item is one as a snapshot does.
func change(version int64, table, pk string, o or3cloud.Operation, payload []byte, s or3cloud.Stamp) string {
	return fmt.Sprintf("%d %s %s %s %s %v", version, table, pk, o, payload, s)
}

func item(table, pk string, o or3cloud.Operation, payload []byte, r or3cloud.Revision) string {
	return fmt.Sprintf("%s %s %s %s %v", table, pk, o, payload, r)
}

// changes are what a pull of everything returns.
func (m *mapped) changes() (out []string) {
	for _, v := range slices.Sorted(maps.Values(m.winners)) {
		op := &m.entries[v].op
		out = append(out, change(v, op.Table, op.PK, op.Operation, op.Payload, op.Stamp))
	}
	return out
}

func (m *mapped) pull(cursor int64, limit int) (out []string) {
	for {
		in := or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: m.ws}, UserID: m.user, Cursor: cursor, Limit: limit}
		page, err := m.s.Pull(m.t.Context(), in, func(c *or3cloud.Change) error {
			out = append(out, change(c.ServerVersion, c.Table, c.PK, c.Operation, c.Payload, c.Stamp))
			return nil
		})
		if err != nil {
			m.t.Error(err)
			return nil
		}
		if cursor = page.NextCursor; !page.HasMore {
			return out
		}
	}
}

// items are what a snapshot returns.
func (m *mapped) items() (out []string) {
	list := slices.Collect(maps.Values(m.winners))
	slices.SortFunc(list, func(a, b int64) int {
		x, y := &m.entries[a].op, &m.entries[b].op
		return cmp.Or(strings.Compare(x.Table, y.Table), strings.Compare(x.PK, y.PK))
	})
	for _, v := range list {
		op := m.entries[v].op
		if op.Operation == or3cloud.OpDelete {
			op.Payload = nil
		}
		out = append(out, item(op.Table, op.PK, op.Operation, op.Payload, op.Stamp.Revision()))
	}
	return out
}

// page reads a page of a snapshot. ok is false if it can no longer be read.
func (m *mapped) page(token string, size int) (out []string, next string, ok bool) {
	in := or3cloud.SnapshotRequest{Scope: or3cloud.Scope{WorkspaceID: m.ws}, UserID: m.user, PageSize: size, PageToken: token}
	page, err := m.s.Snapshot(m.t.Context(), in, func(it *or3cloud.SnapshotItem) error {
		out = append(out, item(it.Table, it.PK, it.Operation, it.Payload, it.Revision))
		return nil
	})
	if or3cloud.CodeOf(err) == or3cloud.CodeGone && token != "" {
		return nil, "", false
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return out, page.NextPageToken, true
}

// snapshot begins a snapshot; later steps read its other pages.
func (m *mapped) snapshot() {
	want := m.items()
	got, token, _ := m.page("", 1+m.r.IntN(5))
	m.open = append(m.open, begun{token: token, until: m.now().Add(time.Hour), deleted: m.deleted, rest: m.follows(got, want, token)})
}

// follows removes what a page has delivered from what is expected.
func (m *mapped) follows(got, want []string, token string) []string {
	m.t.Helper()
	if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) || token == "" && len(got) < len(want) {
		m.t.Fatalf("a page of a snapshot: %s", different(got, want))
	}
	return want[len(got):]
}

// check compares what all of them find with the maps.
func (m *mapped) check() {
	m.t.Helper()
	want := m.changes()
	if got := m.pull(0, 1+m.r.IntN(1000)); !slices.Equal(got, want) {
		m.t.Fatalf("a pull: %s", different(got, want))
	}
	if n := len(m.log); n > 0 {
		cursor := m.log[m.r.IntN(n)].version - m.r.Int64N(2)
		if got := m.pull(cursor, 1+m.r.IntN(100)); len(got) > len(want) || !slices.Equal(got, want[len(want)-len(got):]) ||
			len(got) < len(want) && m.versionAt(want, len(want)-len(got)-1) > cursor {
			m.t.Fatalf("a pull from %d has %d changes of %d", cursor, len(got), len(want))
		}
	}
	rest := m.items()
	for token, more := "", true; more; more = token != "" {
		var got []string
		got, token, _ = m.page(token, 1+m.r.IntN(200))
		rest = m.follows(got, rest, token)
	}
	for i := 0; i < len(m.open); {
		b := &m.open[i]
		got, token, ok := m.page(b.token, 1+m.r.IntN(5))
		if !ok && m.now().Before(b.until) && b.deleted == m.deleted {
			m.t.Fatal("a snapshot has expired")
		}
		if ok {
			b.rest, b.token = m.follows(got, b.rest, token), token
		}
		if !ok || token == "" {
			m.open = slices.Delete(m.open, i, i+1)
			continue
		}
		i++
	}
	m.opIDs()
	stored := storedOps(m.t, m.s)
	for _, e := range m.entries {
		if !stored[m.ws+e.op.Stamp.OpID] {
			m.t.Fatalf("the entry of version %d is gone", e.version)
		}
	}
	if len(stored) != len(m.entries) {
		m.t.Fatalf("%d entries, want %d", len(stored), len(m.entries))
	}
	(&older{}).sizes(m.t, m.s)
}

func (m *mapped) versionAt(changes []string, i int) (v int64) {
	fmt.Sscan(changes[i], &v)
	return v
}

// opIDs looks up op ids of entries that exist and of those that are gone.
func (m *mapped) opIDs() {
	num, err := m.s.Number(m.t.Context(), m.ws)
	if err == nil {
		err = m.s.View(m.t.Context(), func(r *changelog.Reader) error {
			for range 20 {
				var want int64
				var op or3cloud.Op
				switch n := len(m.gone); {
				case n > 0 && m.r.IntN(2) == 0:
					op = m.gone[m.r.IntN(n)].op
				case len(m.log) > 0:
					e := m.log[m.r.IntN(len(m.log))]
					if op = e.op; m.entries[e.version] != nil {
						want = e.version
					}
				}
				version, table, pk, err := changelog.Written(r, num, op.Stamp.OpID)
				if err != nil || version != want || want > 0 && (table != op.Table || pk != op.PK) {
					return fmt.Errorf("the op id of version %d is found at %d, %s %s: %w", want, version, table, pk, err)
				}
			}
			return nil
		})
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// different says where two lists differ.
func different(got, want []string) string {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			show := func(list []string) string {
				return fmt.Sprintf("%.200s", strings.Join(list[min(i, len(list)):min(i+1, len(list))], ""))
			}
			return fmt.Sprintf("%d lines, want %d; line %d is %s, want %s", len(got), len(want), i, show(got), show(want))
		}
	}
	return "nothing"
}

// TestSmallBlocksAreJoined pushes ops one at a time. A collection makes full blocks of them, and joins the last ones
// when the workspace is quiet, if that is worth it; text that the writer had to copy is packed.
func TestSmallBlocksAreJoined(t *testing.T) {
	s, c := openTest(t)
	user, ws := workspaceOf(t, s)
	n := 0
	push := func(ops int) {
		t.Helper()
		for range ops {
			n++
			if _, err := pushOps(s, user, ws, threadOp(t, n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	blocks := func(what string, after time.Duration, want, packed int) {
		t.Helper()
		c.advance(after)
		before := entriesOf(t, s)
		if err := s.GCChangeLog(t.Context(), or3cloud.SyncGCRequest{Scope: or3cloud.Scope{WorkspaceID: ws}}); err != nil {
			t.Fatal(err)
		}
		got, gotPacked := rowsOf(t, s, "blocks"), rowsOf(t, s, "blocks WHERE substr(heads, 1, 1) = x'02'")
		after2 := entriesOf(t, s)
		if got != want || gotPacked != packed || len(after2) != len(before) || count(t, s, user, ws) != n {
			t.Errorf("%s: %d blocks, %d of them packed, want %d and %d; %d entries of %d", what, got, gotPacked, want, packed, len(after2), len(before))
		}
	}
	push(200)
	blocks("200 pushes", time.Minute, 3+8, 3)
	blocks("a moment later", time.Minute, 3+8, 3)
	blocks("when it is quiet", 2*time.Hour, 3+1, 4)
	push(3)
	blocks("a few more", time.Minute, 3+1+3, 4)
	blocks("which are not worth it", 2*time.Hour, 3+1+3, 4)
	push(5)
	blocks("until they are", 2*time.Hour, 3+1, 4)
	push(48)
	blocks("until they are full", time.Minute, 4, 4)
	var ops []or3cloud.Op
	for range 63 {
		n++
		ops = append(ops, threadOp(t, n))
	}
	refused := threadOp(t, 1)
	refused.Payload = []byte(strings.Replace(string(refused.Payload), "ready", "other", 1))
	ops = slices.Insert(ops, 30, refused)
	if _, err := pushOps(s, user, ws, ops...); err != nil {
		t.Fatal(err)
	}
	push(2)
	if got := rowsOf(t, s, "blocks WHERE substr(heads, 1, 1) = x'01'"); got != 3 {
		t.Errorf("%d blocks are plain, want 3", got)
	}
	blocks("what was copied", time.Minute, 6, 5)
}
