package providertest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/clientmodel"
	"or3.chat/cloud/internal/syncschema"
)

// SyncBackend is a fresh, empty sync provider.
type SyncBackend struct {
	Sync       or3cloud.SyncGatewayAdapter
	Workspaces or3cloud.AuthWorkspaceStore
	// Advance moves the provider's clock.
	Advance func(time.Duration)
}

// TestSync checks everything that or3cloud.SyncGatewayAdapter and the optional interfaces beside it promise. The
// optional ones are checked if the adapter has them.
func TestSync(t *testing.T, open func(t *testing.T) SyncBackend) {
	run := func(name string, f func(t *testing.T, b *syncBench)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, newSyncBench(t, open(t)))
		})
	}
	run("Versions", testVersions)
	run("EmptyBatch", testEmptyBatch)
	run("Replay", testReplay)
	run("ReplayInOneBatch", testReplayInOneBatch)
	run("OpIDsArePerWorkspace", testOpIDsArePerWorkspace)
	run("OpIDReuseIsAConflict", testOpIDReuse)
	run("LastWriterWins", testLastWriterWins)
	run("LosersGetAWinner", testLosersGetAWinner)
	run("DeleteAndRevive", testDeleteAndRevive)
	run("OldPutDoesNotReviveDeleted", testOldPutDoesNotRevive)
	run("PullLeavesLosersOut", testPullLeavesLosersOut)
	run("PullFillsPages", testPullFillsPages)
	run("PullTableFilter", testPullTableFilter)
	run("CursorAboveCounter", testCursorAboveCounter)
	run("PayloadBytesUntouched", testPayloadBytes)
	run("SecondPKForAKVName", testKVName)
	run("HugeClock", testHugeClock)
	run("CursorsAreNeverRefused", testCursors)
	run("UnknownWorkspace", testUnknownWorkspace)
	run("ParallelPushes", testParallelPushes)
	run("ParallelReplays", testParallelReplays)
	run("VersionsBecomeVisibleInOrder", testVisibleInOrder)
	run("Linearizable", testLinearizable)
	run("Convergence", testConvergence)
	run("SnapshotIsOneMoment", testSnapshotIsOneMoment)
	run("SnapshotTokens", testSnapshotTokens)
	run("GCKeepsWinners", testGCKeepsWinners)
	run("GCWaitsForDevicesAndRetention", testGCGates)
	run("GCOfDeletes", testGCOfDeletes)
	run("References", testReferences)
	run("CanonicalStorage", testCanonicalStorage)
	run("NotificationsBelongToTheirUser", testNotifications)
	run("WorkspaceItemsAreNotOverwrittenByOldClients", testWorkspaceItems)
	run("Watch", testWatch)
}

// syncBench is a backend with a user and a workspace, and short words for what tests do with them.
type syncBench struct {
	SyncBackend
	t          failer
	ctx        context.Context
	user       string
	ws         string
	ops        atomic.Int64
	everything []or3cloud.Op
}

func newSyncBench(t *testing.T, back SyncBackend) *syncBench {
	b := &syncBench{SyncBackend: back, t: t, ctx: t.Context()}
	b.user = must(back.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "u1"}))(t)
	b.ws = must(back.Workspaces.GetOrCreateDefaultWorkspace(b.ctx, b.user))(t).ID
	return b
}

// failer is what *testing.T and *rapid.T have in common.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Skip(args ...any)
}

// must returns a value or fails the test.
func must[T any](v T, err error) func(failer) T {
	return func(t failer) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// opID returns the n-th op id of a test.
func opID(n int64) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

// op makes a valid op with a fresh id; the hlc rises with the id.
func (b *syncBench) op(table string, operation or3cloud.Operation, pk string, clock int64, extra ...string) or3cloud.Op {
	n := b.ops.Add(1)
	o := or3cloud.Op{
		Table: table, Operation: operation, PK: pk,
		Stamp: or3cloud.Stamp{DeviceID: "1a2b3c4d", OpID: opID(n), HLC: fmt.Sprintf("%09d:000:1a2b3c4d", n), Clock: clock},
	}
	if operation == or3cloud.OpPut {
		o.Payload = []byte(payload(table, pk, clock, extra...))
	}
	return b.checked(o)
}

// checked runs the check at the door, as every caller of an adapter does.
func (b *syncBench) checked(o or3cloud.Op) or3cloud.Op {
	if p := syncschema.Check(&o); p != nil {
		b.t.Fatalf("test op is not valid: %s", p.Text)
	}
	return o
}

func (b *syncBench) put(pk string, clock int64, extra ...string) or3cloud.Op {
	return b.op(or3cloud.TableThreads, or3cloud.OpPut, pk, clock, extra...)
}

func (b *syncBench) del(pk string, clock int64) or3cloud.Op {
	return b.op(or3cloud.TableThreads, or3cloud.OpDelete, pk, clock)
}

// payload makes a valid payload; extra members come last and so replace earlier ones.
func payload(table, pk string, clock int64, extra ...string) string {
	required := map[string]string{
		or3cloud.TableFileMeta:      `"hash":%q,"deleted":false`,
		or3cloud.TableKV:            `"id":%[1]q,"name":%[1]q`,
		or3cloud.TableMessages:      `"id":%q,"thread_id":"t","role":"user","order_key":"k","index":0,"deleted":false`,
		or3cloud.TableNotifications: `"id":%q,"user_id":"u","type":"t","title":"","deleted":false`,
		or3cloud.TablePosts:         `"id":%q,"title":"","content":"","post_type":"doc","deleted":false`,
		or3cloud.TableProjects:      `"id":%q,"name":"n","deleted":false`,
		or3cloud.TableThreads:       `"id":%q,"status":"ready","deleted":false,"pinned":false`,
	}[table]
	members := append([]string{fmt.Sprintf(required, pk), fmt.Sprintf(`"created_at":1,"updated_at":1,"clock":%d`, clock)}, extra...)
	return "{" + strings.Join(members, ",") + "}"
}

// push pushes ops and remembers them.
func (b *syncBench) push(ops ...or3cloud.Op) or3cloud.PushResult {
	b.t.Helper()
	res := must(b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: b.user, Ops: ops}))(b.t)
	if len(res.Results) != len(ops) {
		b.t.Fatalf("%d results for %d ops", len(res.Results), len(ops))
	}
	for i, r := range res.Results {
		if r.OpID != ops[i].Stamp.OpID {
			b.t.Fatalf("result %d is for op %s, want %s", i, r.OpID, ops[i].Stamp.OpID)
		}
		if r.Success {
			b.everything = append(b.everything, ops[i])
		}
	}
	return res
}

func (b *syncBench) scope() or3cloud.Scope { return or3cloud.Scope{WorkspaceID: b.ws} }

// pull fetches a page and copies it, as bytes are valid only during the call.
func (b *syncBench) pull(cursor int64, limit int, tables ...string) ([]or3cloud.Change, or3cloud.PullPage) {
	b.t.Helper()
	changes, page, err := b.puller(tables...)(cursor, limit)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := clientmodel.CheckPage(cursor, limit, changes, page); err != nil {
		b.t.Fatal(err)
	}
	return changes, page
}

func (b *syncBench) puller(tables ...string) clientmodel.Pull {
	return func(cursor int64, limit int) (changes []or3cloud.Change, page or3cloud.PullPage, err error) {
		in := or3cloud.PullRequest{Scope: b.scope(), UserID: b.user, Cursor: cursor, Limit: limit, Tables: tables}
		page, err = b.Sync.Pull(b.ctx, in, func(c *or3cloud.Change) error {
			clone := *c
			clone.Payload = slices.Clone(c.Payload)
			changes = append(changes, clone)
			return nil
		})
		return changes, page, err
	}
}

func (b *syncBench) snapshotter() clientmodel.Snapshot {
	snap, ok := b.Sync.(or3cloud.Snapshotter)
	if !ok {
		b.t.Skip("no Snapshotter")
	}
	return func(token string, size int) (items []or3cloud.SnapshotItem, page or3cloud.SnapshotPage, err error) {
		in := or3cloud.SnapshotRequest{Scope: b.scope(), UserID: b.user, PageSize: size, PageToken: token}
		page, err = snap.Snapshot(b.ctx, in, func(it *or3cloud.SnapshotItem) error {
			clone := *it
			clone.Payload = slices.Clone(it.Payload)
			items = append(items, clone)
			return nil
		})
		return items, page, err
	}
}

func (b *syncBench) collector() or3cloud.SyncCollector {
	c, ok := b.Sync.(or3cloud.SyncCollector)
	if !ok {
		b.t.Skip("no SyncCollector")
	}
	return c
}

// gc runs both collections with the shortest wish a caller can have.
func (b *syncBench) gc() {
	b.t.Helper()
	in := or3cloud.SyncGCRequest{Scope: b.scope(), Retention: time.Second}
	if err := b.collector().GCChangeLog(b.ctx, in); err != nil {
		b.t.Fatal(err)
	}
	if err := b.collector().GCTombstones(b.ctx, in); err != nil {
		b.t.Fatal(err)
	}
}

func (b *syncBench) cursor(device string, version int64) {
	b.t.Helper()
	err := b.Sync.UpdateCursor(b.ctx, or3cloud.CursorUpdate{Scope: b.scope(), UserID: b.user, DeviceID: device, Version: version})
	if err != nil {
		b.t.Fatal(err)
	}
}

// wantState checks what brand-new devices of both kinds see.
func (b *syncBench) wantState(want clientmodel.State, limit int) {
	b.t.Helper()
	base := clientmodel.NewBase()
	if err := base.Sync(b.puller(), limit); err != nil {
		b.t.Fatalf("new base device: %v", err)
	}
	if diff := gocmp.Diff(want, base.Live()); diff != "" {
		b.t.Fatalf("new base device, pages of %d (-want +got):\n%s", limit, diff)
	}
	if _, ok := b.Sync.(or3cloud.Snapshotter); !ok {
		return
	}
	later := clientmodel.NewLater()
	if err := later.Bootstrap(b.snapshotter(), b.puller(), limit); err != nil {
		b.t.Fatalf("new device with snapshot: %v", err)
	}
	if diff := gocmp.Diff(want, later.Live()); diff != "" {
		b.t.Fatalf("new device with snapshot, pages of %d (-want +got):\n%s", limit, diff)
	}
}

func versions(res or3cloud.PushResult) []int64 {
	var out []int64
	for _, r := range res.Results {
		out = append(out, r.ServerVersion)
	}
	return out
}

func wantVersions(t failer, res or3cloud.PushResult, counter int64, want ...int64) {
	t.Helper()
	if !slices.Equal(versions(res), want) || res.ServerVersion != counter {
		t.Fatalf("versions %v, counter %d; want %v, %d", versions(res), res.ServerVersion, want, counter)
	}
}

func testVersions(t *testing.T, b *syncBench) {
	wantVersions(t, b.push(b.put("a", 1), b.put("b", 1)), 2, 1, 2)
	wantVersions(t, b.push(b.put("a", 2)), 3, 3)
	loser := b.put("a", 1)
	wantVersions(t, b.push(loser, b.put("c", 1)), 5, 4, 5)
}

func testEmptyBatch(t *testing.T, b *syncBench) {
	wantVersions(t, b.push(), 0)
	b.push(b.put("a", 1))
	wantVersions(t, b.push(), 1)
}

func testReplay(t *testing.T, b *syncBench) {
	ops := []or3cloud.Op{b.put("a", 1), b.put("b", 1), b.put("a", 2)}
	wantVersions(t, b.push(ops...), 3, 1, 2, 3)
	b.Advance(time.Hour)
	res := b.push(ops...)
	// The response carries the counter although nothing was written (contract, sync §10.1).
	wantVersions(t, res, 3, 1, 2, 3)
	for i, r := range res.Results {
		if !r.Success || !r.Replayed || r.Applied != (i > 0) || (r.Winner == nil) != r.Applied {
			t.Errorf("replay of op %d: %+v", i, r)
		}
	}
	if string(res.Results[0].Winner.Payload) != string(ops[2].Payload) {
		t.Errorf("a superseded replay must carry the winner, got %+v", res.Results[0].Winner)
	}
	// An old replay mixed with a new op.
	wantVersions(t, b.push(ops[0], b.put("c", 1)), 4, 1, 4)
	// The order of keys in the payload does not make another op.
	reordered := ops[1]
	reordered.Payload = []byte(`{"clock":1,"updated_at":1,"created_at":1,"pinned":false,"deleted":false,"status":"ready","id":"b"}`)
	wantVersions(t, b.push(reordered), 4, 2)
}

func testReplayInOneBatch(t *testing.T, b *syncBench) {
	op := b.put("a", 1)
	res := b.push(op, b.put("b", 1), op)
	wantVersions(t, res, 2, 1, 2, 1)
	other := op
	other.PK, other.Payload = "z", []byte(payload(or3cloud.TableThreads, "z", 1))
	fresh := b.put("y", 1)
	twin := fresh
	twin.Stamp.Clock = 9
	res = b.push(other, fresh, twin)
	if r := res.Results[0]; r.Success || r.ErrorCode != or3cloud.OpErrorConflict {
		t.Errorf("reuse of a processed op id: %+v", r)
	}
	if r := res.Results[2]; r.Success || r.ErrorCode != or3cloud.OpErrorConflict || r.ServerVersion != 0 {
		t.Errorf("reuse inside a batch: %+v", r)
	}
	if res.ServerVersion != 3 {
		t.Errorf("a refused op must not consume a version: counter %d", res.ServerVersion)
	}
}

// testOpIDsArePerWorkspace guards sync Pitfall 1: an op id used in one workspace must not swallow another's op.
func testOpIDsArePerWorkspace(t *testing.T, b *syncBench) {
	op := b.put("a", 1)
	b.push(op)
	first := b.ws
	b.ws = must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Other", ""))(t)
	res := b.push(op)
	wantVersions(t, res, 1, 1)
	if res.Results[0].Replayed {
		t.Error("the op was taken for a replay of another workspace's")
	}
	for _, ws := range []string{first, b.ws} {
		b.ws = ws
		if changes, _ := b.pull(0, 10); len(changes) != 1 {
			t.Errorf("workspace %s has %d changes, want its own one", ws, len(changes))
		}
	}
}

func testOpIDReuse(t *testing.T, b *syncBench) {
	op := b.put("a", 1)
	b.push(op)
	for name, change := range map[string]func(*or3cloud.Op){
		"payload": func(o *or3cloud.Op) {
			o.Payload = []byte(payload(or3cloud.TableThreads, "a", 1, `"title":"other"`))
		},
		"hlc":    func(o *or3cloud.Op) { o.Stamp.HLC += "x" },
		"device": func(o *or3cloud.Op) { o.Stamp.DeviceID = "other" },
		"table": func(o *or3cloud.Op) {
			o.Table, o.Payload = or3cloud.TableProjects, []byte(payload(or3cloud.TableProjects, "a", 1))
		},
		"operation": func(o *or3cloud.Op) { o.Operation, o.Payload = or3cloud.OpDelete, nil },
	} {
		reuse := op
		change(&reuse)
		res := b.push(reuse)
		if r := res.Results[0]; r.Success || r.ErrorCode != or3cloud.OpErrorConflict || !strings.Contains(r.Error, op.Stamp.OpID) {
			t.Errorf("other %s: %+v", name, r)
		}
	}
	if changes, page := b.pull(0, 10); len(changes) != 1 || page.NextCursor != 1 {
		t.Errorf("conflicts left something behind: %+v", changes)
	}
}

func testLastWriterWins(t *testing.T, b *syncBench) {
	rev := func(clock int64, hlc string, id int64) or3cloud.Op {
		o := b.put("a", clock, fmt.Sprintf(`"title":"%d %s %d"`, clock, hlc, id))
		o.Stamp.HLC, o.Stamp.OpID = hlc, opID(1_000_000+id)
		return o
	}
	// Each op, in this order, against the winner so far.
	for i, c := range []struct {
		op   or3cloud.Op
		wins bool
	}{
		{rev(5, "m", 5), true},
		{rev(4, "z", 9), false}, // lower clock
		{rev(5, "l", 8), false}, // equal clock, lower hlc: bytewise
		{rev(5, "m", 4), false}, // equal clock and hlc, lower op id
		{rev(5, "m", 6), true},
		{rev(5, "n", 1), true},
		{rev(5, "n0", 0), true}, // a longer text is greater
		{rev(6, "a", 2), true},
	} {
		r := b.push(c.op).Results[0]
		if !r.Success || r.Applied != c.wins {
			t.Errorf("op %d %v: %+v, want applied %t", i, c.op.Stamp, r, c.wins)
		}
	}
	b.wantState(clientmodel.Expected(b.everything), 100)
}

// testLosersGetAWinner guards sync §10.3: an op that was not applied always comes with what it lost against.
func testLosersGetAWinner(t *testing.T, b *syncBench) {
	winner := b.put("a", 5, `"title":"kept"`)
	b.push(winner)
	r := b.push(b.put("a", 4)).Results[0]
	if r.Applied || r.Winner == nil || r.Winner.Operation != or3cloud.OpPut || string(r.Winner.Payload) != string(winner.Payload) ||
		r.Winner.Revision != winner.Stamp.Revision() {
		t.Errorf("lost against a put: %+v %+v", r, r.Winner)
	}
	gone := b.del("a", 6)
	b.push(gone)
	r = b.push(b.put("a", 5)).Results[0]
	if r.Applied || r.Winner == nil || r.Winner.Operation != or3cloud.OpDelete || r.Winner.Payload != nil ||
		r.Winner.Revision != gone.Stamp.Revision() || r.Winner.DeletedAt.IsZero() {
		t.Errorf("lost against a delete: %+v %+v", r, r.Winner)
	}
}

func testDeleteAndRevive(t *testing.T, b *syncBench) {
	b.push(b.put("a", 1), b.put("b", 1), b.put("c", 1))
	// A hard delete, a soft delete by put (Pitfall 13) and a soft delete by an op that carries the row.
	whole := b.del("c", 2)
	whole.Payload = []byte(payload(or3cloud.TableThreads, "c", 2, `"deleted":true`, `"deleted_at":5`))
	b.push(b.del("a", 2), b.put("b", 2, `"deleted":true`), b.checked(whole), b.del("never seen", 1))
	b.wantState(clientmodel.State{}, 100)
	changes, _ := b.pull(0, 100)
	for _, c := range changes {
		if c.PK == "c" && string(c.Payload) != string(whole.Payload) || c.PK == "a" && c.Payload != nil {
			t.Errorf("payload of the delete of %s: %q", c.PK, c.Payload)
		}
	}
	b.push(b.put("a", 3), b.put("b", 3), b.put("never seen", 2))
	b.wantState(clientmodel.Expected(b.everything), 100)
	if n := len(clientmodel.Expected(b.everything)); n != 3 {
		t.Fatalf("%d live records, want 3", n)
	}
}

// testOldPutDoesNotRevive guards sync §10.2: a put on a missing row is compared with the tombstone.
func testOldPutDoesNotRevive(t *testing.T, b *syncBench) {
	late := b.put("a", 1)
	b.push(b.del("a", 2))
	if r := b.push(late).Results[0]; r.Applied || !r.Success {
		t.Errorf("late put: %+v", r)
	}
	b.wantState(clientmodel.State{}, 100)
}

// testPullLeavesLosersOut guards sync §5: a base device would apply a losing or superseded entry of the same page.
func testPullLeavesLosersOut(t *testing.T, b *syncBench) {
	b.push(b.put("a", 1), b.put("a", 3), b.put("a", 2), b.put("b", 1), b.del("b", 2))
	changes, page := b.pull(0, 100)
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprint(c.ServerVersion, c.PK, c.Operation))
	}
	if want := []string{"2aput", "5bdelete"}; !slices.Equal(got, want) {
		t.Errorf("pulled %v, want %v", got, want)
	}
	if page.NextCursor != 5 || page.HasMore {
		t.Errorf("page %+v", page)
	}
}

func testPullFillsPages(t *testing.T, b *syncBench) {
	for i := range 10 {
		b.push(b.put("hot", int64(i+1)), b.put(fmt.Sprint("row", i), 1))
	}
	changes, page := b.pull(0, 9)
	if len(changes) != 9 || !page.HasMore || page.NextCursor != changes[8].ServerVersion {
		t.Fatalf("%d changes, %+v", len(changes), page)
	}
	changes, page = b.pull(page.NextCursor, 9)
	if len(changes) != 2 || page.HasMore || page.NextCursor != 20 {
		t.Fatalf("%d changes, %+v", len(changes), page)
	}
	// Exactly as many as fit: there is no more.
	if changes, page := b.pull(0, 11); len(changes) != 11 || page.HasMore {
		t.Fatalf("%d changes, %+v", len(changes), page)
	}
	if changes, page := b.pull(20, 9); len(changes) != 0 || page.HasMore || page.NextCursor != 20 {
		t.Fatalf("at the end: %d changes, %+v", len(changes), page)
	}
}

func testPullTableFilter(t *testing.T, b *syncBench) {
	b.push(b.put("a", 1), b.op(or3cloud.TableFileMeta, or3cloud.OpPut, "h", 1), b.put("b", 1),
		b.op(or3cloud.TableKV, or3cloud.OpPut, "k", 1), b.put("c", 1))
	changes, page := b.pull(0, 1, or3cloud.TableFileMeta, or3cloud.TableKV)
	if len(changes) != 1 || changes[0].PK != "h" || !page.HasMore || page.NextCursor != 2 {
		t.Errorf("first page: %+v %+v", changes, page)
	}
	changes, page = b.pull(2, 1, or3cloud.TableFileMeta, or3cloud.TableKV)
	if len(changes) != 1 || changes[0].PK != "k" || page.HasMore || page.NextCursor != 5 {
		t.Errorf("second page: %+v %+v", changes, page)
	}
	// A filter that matches nothing still moves the cursor, else it is scanned again and again.
	if changes, page := b.pull(0, 10, or3cloud.TablePosts); len(changes) != 0 || page.NextCursor != 5 {
		t.Errorf("nothing of that table: %+v %+v", changes, page)
	}
	if changes, _ := b.pull(0, 10, "users"); len(changes) != 0 {
		t.Errorf("unknown table: %+v", changes)
	}
}

// testCursorAboveCounter guards sync Pitfall 16: after a restore devices are ahead, and stay so.
func testCursorAboveCounter(t *testing.T, b *syncBench) {
	b.push(b.put("a", 1))
	for _, cursor := range []int64{2, 1 << 45, or3cloud.MaxSafeInteger} {
		changes, page := b.pull(cursor, 10)
		if len(changes) != 0 || page.NextCursor != cursor || page.HasMore || page.RequiresSnapshot {
			t.Errorf("cursor %d: %v %+v", cursor, changes, page)
		}
	}
}

// testPayloadBytes guards sync §4.1 rule 10 and Pitfall 17: payloads come back as they were sent.
func testPayloadBytes(t *testing.T, b *syncBench) {
	payloads := []string{
		`{ "id" : "a" , "status":"ready","deleted":false,"pinned":false,"created_at":1,"updated_at":1,"clock":1 }`,
		payload(or3cloud.TableThreads, "b", 1, `"title":"cut \ud83d and \udc00"`, `"x":"`+"\u2028\x7f"+`"`),
		payload(or3cloud.TableThreads, "c", 1, `"n":1.50e+3,"n":-0,"big":12345678901234567890123`, `"deep":`+strings.Repeat("[", 50)+strings.Repeat("]", 50)),
		payload(or3cloud.TableThreads, "d", 1, `"text":"`+strings.Repeat("日本語", 20000)+`"`),
	}
	for i, p := range payloads {
		op := b.put(string(rune('a'+i)), 1)
		op.Payload = []byte(p)
		b.push(b.checked(op))
	}
	changes, _ := b.pull(0, 10)
	for i, c := range changes {
		if string(c.Payload) != payloads[i] {
			t.Errorf("payload %d came back as %.200q", i, c.Payload)
		}
	}
	b.wantState(clientmodel.Expected(b.everything), 2)
}

// testKVName guards sync Pitfall 15: two kv rows of one name stop every client that meets both.
func testKVName(t *testing.T, b *syncBench) {
	kv := func(pk, name string, clock int64) or3cloud.Op {
		return b.op(or3cloud.TableKV, or3cloud.OpPut, pk, clock, fmt.Sprintf(`"name":%q`, name))
	}
	b.push(kv("k1", "theme", 1))
	res := b.push(kv("k2", "theme", 1), kv("k3", "other", 1), kv("k1", "theme", 2))
	if r := res.Results[0]; r.Success || r.ErrorCode != or3cloud.OpErrorValidation {
		t.Errorf("second pk for a name: %+v", r)
	}
	if !res.Results[1].Success || !res.Results[2].Success || res.ServerVersion != 3 {
		t.Errorf("the neighbours must pass: %+v", res)
	}
	// A name stays taken when its row is renamed or deleted: devices may still hold the row under it.
	b.push(kv("k1", "renamed", 3), b.op(or3cloud.TableKV, or3cloud.OpDelete, "k3", 2))
	for _, name := range []string{"theme", "renamed", "other"} {
		if r := b.push(kv("k9", name, 1)).Results[0]; r.Success {
			t.Errorf("name %s was given away", name)
		}
	}
	again := kv("k1", "theme", 4)
	if r := b.push(again).Results[0]; !r.Applied {
		t.Errorf("the owner takes its name back: %+v", r)
	}
	b.wantState(clientmodel.Expected(b.everything), 100)
	// Another workspace has its own names.
	b.ws = must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Other", ""))(t)
	if r := b.push(kv("k2", "theme", 1)).Results[0]; !r.Success {
		t.Errorf("another workspace: %+v", r)
	}
}

// testHugeClock guards sync Pitfall 4: clocks are anything up to the safe integers.
func testHugeClock(t *testing.T, b *syncBench) {
	b.push(b.put("a", or3cloud.MaxSafeInteger))
	changes, _ := b.pull(0, 1)
	if changes[0].Stamp.Clock != or3cloud.MaxSafeInteger {
		t.Errorf("clock came back as %d", changes[0].Stamp.Clock)
	}
	if r := b.push(b.put("a", or3cloud.MaxSafeInteger-1)).Results[0]; r.Applied {
		t.Errorf("a lower clock won: %+v", r)
	}
}

// testCursors guards sync Pitfall 12: a refused cursor tears down the base client's subscription without end.
func testCursors(t *testing.T, b *syncBench) {
	b.push(b.put("a", 1))
	for _, c := range []struct {
		device  string
		version int64
	}{{"d", 1}, {"d", 0}, {"d", 1 << 50}, {"", 1}, {"日本😀", 0}} {
		b.cursor(c.device, c.version)
	}
}

func testUnknownWorkspace(t *testing.T, b *syncBench) {
	scope := or3cloud.Scope{WorkspaceID: "no-such-workspace"}
	_, err := b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: scope, UserID: b.user, Ops: []or3cloud.Op{b.put("a", 1)}})
	if or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
		t.Errorf("push: %v", err)
	}
	_, err = b.Sync.Pull(b.ctx, or3cloud.PullRequest{Scope: scope, Limit: 1}, func(*or3cloud.Change) error { return nil })
	if or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
		t.Errorf("pull: %v", err)
	}
}

// parallel runs f n times at once and waits.
func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

func testParallelPushes(t *testing.T, b *syncBench) {
	const devices, batches, size = 8, 12, 5
	seen := make([][]int64, devices)
	batch := func() []or3cloud.Op {
		ops := make([]or3cloud.Op, size)
		for i := range ops {
			ops[i] = b.put(fmt.Sprint("row", i), int64(b.ops.Load()))
		}
		return ops
	}
	var mu sync.Mutex
	parallel(devices, func(d int) {
		for range batches {
			ops := batch()
			res, err := b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: b.user, Ops: ops})
			if err != nil {
				t.Error(err)
				return
			}
			vs := versions(res)
			if !slices.IsSorted(vs) || vs[size-1]-vs[0] != size-1 {
				t.Errorf("versions of one batch: %v", vs)
			}
			seen[d] = append(seen[d], vs...)
			mu.Lock()
			b.everything = append(b.everything, ops...)
			mu.Unlock()
		}
	})
	all := slices.Concat(seen...)
	slices.Sort(all)
	for i, v := range all {
		if v != int64(i+1) {
			t.Fatalf("version %d at place %d: not gapless", v, i+1)
		}
	}
	if len(all) != devices*batches*size {
		t.Fatalf("%d versions", len(all))
	}
	b.wantState(clientmodel.Expected(b.everything), 7)
}

// testParallelReplays guards sync §4.1 rule 2: two tabs share one outbox and may push the same op together.
func testParallelReplays(t *testing.T, b *syncBench) {
	ops := []or3cloud.Op{b.put("a", 1), b.put("b", 1), b.put("a", 2)}
	parallel(16, func(int) {
		res, err := b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: b.user, Ops: ops})
		if err != nil || !slices.Equal(versions(res), []int64{1, 2, 3}) || res.ServerVersion != 3 {
			t.Errorf("%v %v", versions(res), err)
		}
	})
}

// testVisibleInOrder guards sync §4.1 rule 1: whoever can read version n can read every lower one.
func testVisibleInOrder(t *testing.T, b *syncBench) {
	const writers, each = 6, 20
	done := make(chan struct{})
	go func() {
		defer close(done)
		parallel(writers, func(w int) {
			for i := range each {
				op := b.put(fmt.Sprintf("row-%d-%d", w, i), 1)
				if _, err := b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: b.user, Ops: []or3cloud.Op{op}}); err != nil {
					t.Error(err)
				}
			}
		})
	}()
	cursor, finished := int64(0), false
	for cursor < writers*each {
		changes, page := b.pull(cursor, 1000)
		for _, c := range changes {
			if c.ServerVersion != cursor+1 {
				t.Fatalf("version %d became visible after %d", c.ServerVersion, cursor)
			}
			cursor++
		}
		if page.NextCursor != cursor {
			t.Fatalf("nextCursor %d after version %d", page.NextCursor, cursor)
		}
		select {
		case <-done:
			if finished && cursor < writers*each {
				t.Fatalf("only %d versions are visible", cursor)
			}
			finished = true
		default:
		}
	}
	<-done
}

// testConvergence lets random devices push, repeat, pull and go stale while the collector runs, and checks that every
// device, old or new, of either kind, ends with the same state.
func testConvergence(t *testing.T, b *syncBench) {
	main := b.ws
	rapid.Check(t, func(rt *rapid.T) {
		b.t = rt
		b.ws = must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Property", ""))(rt)
		b.everything = nil
		type device struct {
			model  *clientmodel.Later
			fresh  bool
			sent   []or3cloud.Op
			unsent []or3cloud.Op
		}
		_, snapshots := b.Sync.(or3cloud.Snapshotter)
		devices := make([]*device, rapid.IntRange(1, 4).Draw(rt, "devices"))
		for i := range devices {
			devices[i] = &device{model: clientmodel.NewLater(), fresh: true}
		}
		pick := func() (*device, string) {
			i := rapid.IntRange(0, len(devices)-1).Draw(rt, "device")
			return devices[i], fmt.Sprint("device", i)
		}
		accepted, high := map[string]int64{}, int64(0)
		captured := map[string]bool{}
		epoch := int64(0) // writes after a long time follow what the device has seen: their clocks are higher
		push := func(ops []or3cloud.Op) {
			res := b.push(ops...)
			for _, r := range res.Results {
				if first, again := accepted[r.OpID]; again {
					if r.ServerVersion != first && r.ServerVersion <= high {
						rt.Fatalf("op %s got version %d, first it was %d", r.OpID, r.ServerVersion, first)
					}
				} else if r.ServerVersion != high+1 {
					rt.Fatalf("version %d after %d", r.ServerVersion, high)
				}
				accepted[r.OpID], high = r.ServerVersion, max(high, r.ServerVersion)
			}
			if res.ServerVersion != high {
				rt.Fatalf("counter %d, highest version %d", res.ServerVersion, high)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"capture": func(rt *rapid.T) {
				d, _ := pick()
				table := rapid.SampledFrom([]string{or3cloud.TableThreads, or3cloud.TableMessages, or3cloud.TableKV}).Draw(rt, "table")
				pk := rapid.SampledFrom([]string{"a", "b", "c", "é😀", "\uffff"}).Draw(rt, "pk")
				clock := 10*epoch + rapid.Int64Range(1, 5).Draw(rt, "clock")
				o := b.op(table, rapid.SampledFrom([]or3cloud.Operation{or3cloud.OpPut, or3cloud.OpPut, or3cloud.OpDelete}).Draw(rt, "op"), pk, clock)
				if o.Operation == or3cloud.OpPut && rapid.Bool().Draw(rt, "soft delete") {
					o.Payload = []byte(payload(table, pk, clock, `"deleted":true`))
				}
				o.Stamp.HLC = fmt.Sprintf("%09d:000:dev", rapid.IntRange(1, 20).Draw(rt, "hlc"))
				o.Stamp.OpID = opID(rapid.Int64Range(1, 1<<40).Draw(rt, "op id"))
				if captured[o.Stamp.OpID] {
					rt.Skip("op id used")
				}
				captured[o.Stamp.OpID] = true
				d.unsent = append(d.unsent, b.checked(o))
			},
			"push": func(rt *rapid.T) {
				d, _ := pick()
				ops := rapid.Permutation(d.unsent).Draw(rt, "order")
				push(ops)
				d.sent, d.unsent = append(d.sent, ops...), nil
			},
			"repeat": func(rt *rapid.T) {
				d, _ := pick()
				if len(d.sent) == 0 {
					rt.Skip("nothing sent")
				}
				push([]or3cloud.Op{rapid.SampledFrom(d.sent).Draw(rt, "op")})
			},
			"sync": func(rt *rapid.T) {
				d, name := pick()
				limit := rapid.IntRange(1, 6).Draw(rt, "page")
				if d.fresh && snapshots {
					if err := d.model.Bootstrap(b.snapshotter(), b.puller(), limit); err != nil {
						rt.Fatal(err)
					}
				} else if err := d.model.Sync(b.puller(), limit); err != nil {
					rt.Fatal(err)
				}
				d.fresh = false
				b.cursor(name, high)
			},
			"time": func(rt *rapid.T) {
				// An op that is older than the retention may revive what a dropped delete had removed (contract,
				// sync §7), so none is held back for so long.
				for _, d := range devices {
					push(d.unsent)
					d.unsent, d.sent = nil, nil
				}
				epoch++
				b.Advance(time.Duration(rapid.IntRange(1, 40).Draw(rt, "days")) * 24 * time.Hour)
			},
			"collect": func(rt *rapid.T) {
				if _, ok := b.Sync.(or3cloud.SyncCollector); ok {
					b.gc()
				}
			},
		})
		for _, d := range devices {
			push(d.unsent)
		}
		want := clientmodel.Expected(b.everything)
		for i, d := range devices {
			if d.fresh {
				continue
			}
			err := d.model.Sync(b.puller(), 3)
			if err != nil && strings.Contains(err.Error(), "snapshot required") {
				err = d.model.Bootstrap(b.snapshotter(), b.puller(), 3)
			}
			if err != nil {
				rt.Fatal(err)
			}
			if diff := gocmp.Diff(want, d.model.Live()); diff != "" {
				rt.Fatalf("device %d (-want +got):\n%s", i, diff)
			}
		}
		b.wantState(want, rapid.IntRange(1, 20).Draw(rt, "page of new devices"))
	})
	b.t, b.ws = t, main
}

// testSnapshotIsOneMoment changes everything between the pages of a snapshot.
func testSnapshotIsOneMoment(t *testing.T, b *syncBench) {
	snapshot := b.snapshotter()
	for _, pk := range []string{"a", "b", "c", "d", "e", "😀", "\uffff"} {
		b.push(b.put(pk, 1), b.op(or3cloud.TableKV, or3cloud.OpPut, pk, 1))
	}
	b.push(b.del("b", 2))
	want := clientmodel.Expected(b.everything)
	tick := int64(10)
	changing := func(token string, size int) ([]or3cloud.SnapshotItem, or3cloud.SnapshotPage, error) {
		items, page, err := snapshot(token, size)
		tick++
		b.push(b.put("a", tick), b.del("c", tick), b.put("b", tick), b.put(fmt.Sprint("new", tick), 1), b.put("d", 0))
		b.cursor("d", 1<<40)
		b.gc()
		return items, page, err
	}
	noMore := func(int64, int) ([]or3cloud.Change, or3cloud.PullPage, error) {
		return nil, or3cloud.PullPage{NextCursor: 1 << 40}, nil
	}
	for _, size := range []int{1, 2, 3, 1000} {
		d := clientmodel.NewLater()
		want := clientmodel.Expected(b.everything)
		if err := d.Bootstrap(changing, noMore, size); err != nil {
			t.Fatalf("pages of %d: %v", size, err)
		}
		if diff := gocmp.Diff(want, d.Live()); diff != "" {
			t.Fatalf("pages of %d (-want +got):\n%s", size, diff)
		}
	}
	if len(want) == 0 {
		t.Fatal("nothing was compared")
	}
	b.wantState(clientmodel.Expected(b.everything), 3)
}

func testSnapshotTokens(t *testing.T, b *syncBench) {
	snapshot := b.snapshotter()
	b.push(b.put("a", 1), b.put("b", 1), b.put("c", 1))
	_, page := func() ([]or3cloud.SnapshotItem, or3cloud.SnapshotPage) {
		items, page, err := snapshot("", 1)
		if err != nil || len(items) != 1 || page.NextPageToken == "" || page.HighWatermark != 3 {
			t.Fatalf("%v %+v %v", items, page, err)
		}
		return items, page
	}()
	code := func(token string, change func(*or3cloud.SnapshotRequest)) or3cloud.Code {
		in := or3cloud.SnapshotRequest{Scope: b.scope(), UserID: b.user, PageSize: 1, PageToken: token}
		if change != nil {
			change(&in)
		}
		_, err := b.Sync.(or3cloud.Snapshotter).Snapshot(b.ctx, in, func(*or3cloud.SnapshotItem) error { return nil })
		return or3cloud.CodeOf(err)
	}
	if c := code(page.NextPageToken, nil); c != "" {
		t.Errorf("a good token: %s", c)
	}
	for _, bad := range []string{"x", "!!!", strings.Repeat("A", 4096), page.NextPageToken[:len(page.NextPageToken)/2]} {
		if c := code(bad, nil); c != or3cloud.CodeInvalid {
			t.Errorf("token %.20q: %q", bad, c)
		}
	}
	if c := code(page.NextPageToken, func(in *or3cloud.SnapshotRequest) { in.Tables = []string{or3cloud.TableKV} }); c != or3cloud.CodeInvalid {
		t.Errorf("other tables: %q", c)
	}
	other := must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Other", ""))(t)
	if c := code(page.NextPageToken, func(in *or3cloud.SnapshotRequest) { in.Scope.WorkspaceID = other }); c != or3cloud.CodeForbidden {
		t.Errorf("other workspace: %q", c)
	}
	b.Advance(2 * time.Hour)
	if c := code(page.NextPageToken, nil); c != or3cloud.CodeGone {
		t.Errorf("expired: %q", c)
	}
}

// testGCKeepsWinners guards sync §7: for a base client the log is the only way to bootstrap.
func testGCKeepsWinners(t *testing.T, b *syncBench) {
	b.collector()
	for i := range 300 {
		pk := fmt.Sprint("row", i%60)
		if i%7 == 3 {
			b.push(b.del(pk, int64(i)))
		} else {
			b.push(b.put(pk, int64(i)))
		}
	}
	want := clientmodel.Expected(b.everything)
	b.cursor("d", 300)
	b.Advance(60 * 24 * time.Hour)
	b.cursor("d", 300)
	b.gc()
	for _, limit := range []int{1, 7, 1000} {
		b.wantState(want, limit)
	}
	// Versions go on where they were.
	if res := b.push(b.put("new", 1)); res.ServerVersion != 301 {
		t.Errorf("counter %d after collection, want 301", res.ServerVersion)
	}
}

// testGCGates guards requirement 3.3: device cursors and the retention gate compaction. What was compacted shows in
// whether an op id is still known: a replay of a known one has its first version.
func testGCGates(t *testing.T, b *syncBench) {
	b.collector()
	const day = 24 * time.Hour
	old := b.put("a", 1)
	b.push(old)
	b.push(b.put("a", 2))
	known := func() bool { return b.push(old).Results[0].ServerVersion == 1 }
	b.Advance(60 * day)
	b.gc()
	if !known() {
		t.Fatal("collected without any device cursor")
	}
	b.cursor("behind", 1)
	b.cursor("ahead", 2)
	b.gc()
	if !known() {
		t.Fatal("collected before every device had seen what replaced it")
	}
	b.cursor("behind", 2)
	b.gc()
	if known() {
		t.Fatal("not collected although all devices have passed it and the retention is over")
	}
	// The retention counts from the moment of being superseded, and a caller cannot shorten it: gc asks for a second.
	again := b.put("b", 1)
	at := b.push(again).Results[0].ServerVersion
	b.push(b.put("b", 2))
	b.cursor("behind", 1000)
	b.cursor("ahead", 1000)
	b.Advance(20 * day)
	b.cursor("behind", 1000)
	b.cursor("ahead", 1000)
	b.gc()
	if v := b.push(again).Results[0].ServerVersion; v != at {
		t.Fatal("collected inside the retention")
	}
	// A device that has gone silent holds nothing back.
	b.Advance(100 * day)
	b.cursor("ahead", 1000)
	b.gc()
	if v := b.push(again).Results[0].ServerVersion; v == at {
		t.Fatal("a silent device held compaction back")
	}
}

// testGCOfDeletes guards sync §7: a dropped winning delete makes zombies, so it needs every device, also silent ones.
func testGCOfDeletes(t *testing.T, b *syncBench) {
	b.collector()
	const day = 24 * time.Hour
	b.push(b.put("a", 1), b.del("a", 2), b.put("b", 1))
	b.cursor("old", 1)
	b.Advance(60 * day)
	b.cursor("new", 3)
	listed := func() bool {
		changes, _ := b.pull(0, 10)
		return slices.ContainsFunc(changes, func(c or3cloud.Change) bool { return c.PK == "a" })
	}
	b.gc()
	b.Advance(100 * day) // stale for compaction, not for deletes
	b.cursor("new", 3)
	b.gc()
	if !listed() {
		t.Fatal("a delete was dropped that a device has not seen")
	}
	if _, page := b.pull(1, 1); page.RequiresSnapshot || page.OldestRetainedVersion != 0 {
		t.Fatalf("nothing was dropped, but %+v", page)
	}
	b.cursor("old", 3)
	b.gc()
	if listed() {
		t.Fatal("a delete that all devices have seen was kept beyond the retention")
	}
	// Only a cursor below the horizon needs a snapshot, and no live device has one.
	for cursor, want := range map[int64]bool{0: true, 1: true, 2: false, 3: false} {
		_, page, err := b.puller()(cursor, 1)
		if err != nil || page.RequiresSnapshot != want || page.OldestRetainedVersion != 3 {
			t.Errorf("cursor %d: %+v %v", cursor, page, err)
		}
	}
	b.wantFresh(clientmodel.Expected(b.everything))
}

// wantFresh is wantState for a workspace with a horizon, at which the newest client starts from a snapshot.
func (b *syncBench) wantFresh(want clientmodel.State) {
	b.t.Helper()
	d := clientmodel.NewLater()
	if err := d.Bootstrap(b.snapshotter(), b.puller(), 10); err != nil {
		b.t.Fatal(err)
	}
	if diff := gocmp.Diff(want, d.Live()); diff != "" {
		b.t.Fatalf("(-want +got):\n%s", diff)
	}
}

// testReferences checks the sync side of the claim protocol (contract, storage Pitfalls 11 to 13).
func testReferences(t *testing.T, b *syncBench) {
	claimer, ok := b.Sync.(or3cloud.ReferenceClaimer)
	if !ok {
		t.Skip("no ReferenceClaimer")
	}
	h := func(n int) or3cloud.BlobHash { return or3cloud.BlobHash(fmt.Sprintf("sha256:%064x", n)) }
	retire := func(hash or3cloud.BlobHash, gen string, since time.Time) bool {
		return must(claimer.RetireGeneration(b.ctx, or3cloud.RetireRequest{
			WorkspaceID: b.ws, Hash: hash, Generation: gen, UnreferencedSince: since,
		}))(t)
	}
	far := time.Now().AddDate(100, 0, 0)
	meta := func(hash or3cloud.BlobHash, clock int64, extra ...string) or3cloud.Op {
		return b.op(or3cloud.TableFileMeta, or3cloud.OpPut, string(hash), clock, extra...)
	}
	message := func(pk string, clock int64, hashes string, extra ...string) or3cloud.Op {
		return b.op(or3cloud.TableMessages, or3cloud.OpPut, pk, clock, append([]string{fmt.Sprintf(`"file_hashes":%q`, hashes)}, extra...)...)
	}
	b.push(meta(h(1), 1), meta(h(2), 1, `"deleted":true`), message("m1", 1, fmt.Sprintf(`["%s"]`, strings.ToUpper(h(2).Digest()))),
		message("m2", 1, fmt.Sprintf(`["%s"]`, h(3)), `"deleted":true`),
		b.op(or3cloud.TablePosts, or3cloud.OpPut, "p", 1, fmt.Sprintf(`"file_hashes":"[\"%s\"]"`, h(4))))
	for hash, want := range map[or3cloud.BlobHash]bool{
		h(1): false, // live file_meta
		h(2): false, // deleted file_meta, but a live message names it
		h(3): true,  // only a deleted message
		h(4): false, // a live post
		h(5): true,  // nobody ever
	} {
		if got := retire(hash, "g1", far); got != want {
			t.Errorf("retire %s: %t, want %t", hash[:10], got, want)
		}
	}
	if !retire(h(5), "g1", time.Time{}) {
		t.Error("a retired generation must stay retired")
	}
	// The loss of the last reference starts a span of its own.
	b.push(b.op(or3cloud.TableMessages, or3cloud.OpDelete, "m1", 2))
	b.Advance(time.Hour)
	if retire(h(2), "g1", far.AddDate(-200, 0, 0)) {
		t.Error("retired although the last reference went later than asked")
	}
	if !retire(h(2), "g1", far) {
		t.Error("not retired although nothing references it")
	}
	// A losing op references nothing.
	b.push(message("m3", 5, "[]"), message("m3", 4, fmt.Sprintf(`["%s"]`, h(6))))
	if !retire(h(6), "g1", far) {
		t.Error("a losing op holds a blob")
	}
	// A message that is edited drops and gains references.
	b.push(message("m4", 1, fmt.Sprintf(`["%s","%s"]`, h(7), h(8))))
	b.push(message("m4", 2, fmt.Sprintf(`["%s"]`, h(8))))
	if !retire(h(7), "g1", far) || retire(h(8), "g1", far) {
		t.Error("references do not follow the message")
	}
	list := must(claimer.RetiredGenerations(b.ctx, b.ws))(t)
	slices.SortFunc(list, func(a, c or3cloud.RetireRequest) int { return cmp.Compare(a.Hash, c.Hash) })
	var got []or3cloud.BlobHash
	for _, r := range list {
		got = append(got, r.Hash)
	}
	if want := []or3cloud.BlobHash{h(2), h(3), h(5), h(6), h(7)}; !slices.Equal(got, want) {
		t.Errorf("retired %v, want %v", got, want)
	}
	for _, r := range list {
		if err := claimer.ForgetRetired(b.ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	if left := must(claimer.RetiredGenerations(b.ctx, b.ws))(t); len(left) != 0 {
		t.Errorf("%d left after forgetting all", len(left))
	}
	if usage, ok := b.Sync.(or3cloud.StorageUsage); ok {
		b.push(meta(h(20), 1, `"size_bytes":100`), meta(h(21), 1, `"size_bytes":7`), meta(h(22), 1, `"size_bytes":50,"deleted":true`))
		b.push(meta(h(20), 2, `"size_bytes":90`))
		n, counted, err := usage.StorageUsage(b.ctx, b.ws, h(20))
		if err != nil || n != 97 || !counted {
			t.Errorf("usage %d, %t, %v; want 97", n, counted, err)
		}
		if _, counted, _ := usage.StorageUsage(b.ctx, b.ws, h(22)); counted {
			t.Error("a deleted file is counted")
		}
	}
}

// testNotifications guards sync §10.4 and Pitfall 7: a notification is its owner's, its hard delete included.
func testNotifications(t *testing.T, b *syncBench) {
	ann := b.user
	bob := must(b.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "bob"}))(t)
	note := func(pk, owner string, clock int64) or3cloud.Op {
		return b.op(or3cloud.TableNotifications, or3cloud.OpPut, pk, clock, fmt.Sprintf(`"user_id":%q`, owner))
	}
	seen := func(user string) (pks []string) {
		b.user = user
		changes, page := b.pull(0, 100)
		for _, c := range changes {
			pks = append(pks, c.PK+" "+string(c.Operation))
		}
		if page.NextCursor != must(b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: user}))(t).ServerVersion {
			t.Errorf("the cursor must advance over what is hidden: %+v", page)
		}
		if _, ok := b.Sync.(or3cloud.Snapshotter); ok {
			items, _, err := b.snapshotter()("", 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range items {
				if !slices.Contains(pks, it.PK+" "+string(it.Operation)) {
					t.Errorf("the snapshot of %s has %s", user, it.PK)
				}
			}
			if len(items) != len(pks) {
				t.Errorf("snapshot of %d items, pull of %d", len(items), len(pks))
			}
		}
		return pks
	}
	b.user = ann
	res := b.push(note("n1", ann, 1), note("n2", bob, 1), note("n3", "local-user", 1), b.put("shared", 1))
	if r := res.Results[1]; r.Success || r.ErrorCode != or3cloud.OpErrorUnauthorized || res.ServerVersion != 3 {
		t.Errorf("a put in another's name: %+v, counter %d", r, res.ServerVersion)
	}
	local := b.op(or3cloud.TableNotifications, or3cloud.OpPut, "n4", 1, `"user_id":"local-user"`)
	first, second := b.push(local), b.push(local)
	if !second.Results[0].Replayed || first.ServerVersion != second.ServerVersion {
		t.Errorf("the replay of an op whose owner was filled in: %+v", second.Results[0])
	}
	b.user = bob
	res = b.push(note("b1", bob, 1), note("n1", bob, 9), b.op(or3cloud.TableNotifications, or3cloud.OpDelete, "n1", 9),
		b.op(or3cloud.TableNotifications, or3cloud.OpDelete, "made and deleted offline", 2))
	for i, want := range []bool{true, false, false, true} {
		if r := res.Results[i]; r.Success != want || !want && r.ErrorCode != or3cloud.OpErrorUnauthorized {
			t.Errorf("op %d of the other member: %+v", i, r)
		}
	}
	b.user = ann
	b.push(b.op(or3cloud.TableNotifications, or3cloud.OpDelete, "n3", 2))
	if got, want := seen(ann), []string{"n1 put", "shared put", "n4 put", "n3 delete"}; !slices.Equal(got, want) {
		t.Errorf("the owner sees %v, want %v", got, want)
	}
	if got, want := seen(bob), []string{"shared put", "b1 put", "made and deleted offline delete"}; !slices.Equal(got, want) {
		t.Errorf("the other member sees %v, want %v", got, want)
	}
	b.user = ann
	changes, _ := b.pull(0, 100)
	for _, c := range changes {
		if c.PK == "n4" && !strings.Contains(string(c.Payload), fmt.Sprintf(`"user_id":%q`, ann)) {
			t.Errorf("the owner was not filled in: %s", c.Payload)
		}
	}
}

// testWorkspaceItems guards sync §10.9: a client that does not know workspace files would turn them into chats.
func testWorkspaceItems(t *testing.T, b *syncBench) {
	file := func(clock int64, kind string) or3cloud.Op {
		return b.op(or3cloud.TableProjects, or3cloud.OpPut, "p", clock, fmt.Sprintf(`"data":[{"id":"x","kind":%q}]`, kind))
	}
	push := func(knows bool, op or3cloud.Op) or3cloud.OpResult {
		res := must(b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: b.user, WorkspaceItems: knows, Ops: []or3cloud.Op{op, b.put("neighbour", op.Stamp.Clock)}}))(t)
		if !res.Results[1].Success {
			t.Errorf("the neighbour was refused: %+v", res.Results[1])
		}
		return res.Results[0]
	}
	if r := push(true, file(1, "file")); !r.Applied {
		t.Fatalf("a client that knows items: %+v", r)
	}
	if r := push(false, file(2, "chat")); r.Success || r.ErrorCode != or3cloud.OpErrorValidation {
		t.Errorf("an old client overwrote a workspace item: %+v", r)
	}
	if r := push(true, file(3, "chat")); !r.Applied {
		t.Errorf("a client that knows items: %+v", r)
	}
	if r := push(false, file(4, "chat")); !r.Applied {
		t.Errorf("an old client and an ordinary project: %+v", r)
	}
	if changes, _ := b.pull(0, 10); len(changes) != 2 {
		t.Errorf("items must be delivered to everybody: %+v", changes)
	}
}

// testCanonicalStorage checks what a host asks before it authorises a download or a deletion.
func testCanonicalStorage(t *testing.T, b *syncBench) {
	c, ok := b.Sync.(or3cloud.CanonicalStorage)
	if !ok {
		t.Skip("no CanonicalStorage")
	}
	h := func(n int) string { return fmt.Sprintf("sha256:%064x", n) }
	all := func(kind, hash string, limit int) (out []or3cloud.CanonicalStorageItem) {
		cursor := ""
		for {
			q := or3cloud.CanonicalStorageQuery{Scope: b.scope(), Kind: kind, Hash: hash, Cursor: cursor, Limit: limit}
			items, next, err := c.QueryCanonicalStorage(b.ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, items...)
			if cursor = next; cursor == "" {
				return out
			}
		}
	}
	for n := range 5 {
		b.push(b.op(or3cloud.TableFileMeta, or3cloud.OpPut, h(n), 1, fmt.Sprintf(`"storage_id":"s%d","mime_type":"image/png","name":"n","kind":"image","size_bytes":%d,"updated_at":7`, n, n)),
			b.op(or3cloud.TableMessages, or3cloud.OpPut, fmt.Sprint("m", n), 1, fmt.Sprintf(`"file_hashes":"[\"%s\",\"%s\"]"`, h(n), h(0))))
	}
	b.push(b.op(or3cloud.TableFileMeta, or3cloud.OpPut, h(4), 2, `"deleted":true`))
	for _, limit := range []int{1, 2, 500} {
		files := all(or3cloud.CanonicalLiveMetadata, "", limit)
		if len(files) != 4 || files[2].Hash != h(2) ||
			files[2].File != (or3cloud.FileFacts{StorageID: "s2", MIMEType: "image/png", Name: "n", Kind: "image", SizeBytes: 2, UpdatedAt: 7}) {
			t.Errorf("live metadata in pages of %d: %+v", limit, files)
		}
		if refs := all(or3cloud.CanonicalReferenceEdges, "", limit); len(refs) != 9 {
			t.Errorf("%d references in pages of %d, want 9", len(refs), limit)
		}
		refs := all(or3cloud.CanonicalReferenceEdges, strings.ToUpper(strings.TrimPrefix(h(0), "sha256:")), limit)
		if len(refs) != 5 || refs[4].SourceTable != or3cloud.TableMessages || refs[4].SourceID != "m4" {
			t.Errorf("references of one hash in pages of %d: %+v", limit, refs)
		}
		if files := all(or3cloud.CanonicalLiveMetadata, h(3), limit); len(files) != 1 || files[0].Hash != h(3) {
			t.Errorf("metadata of one hash: %+v", files)
		}
	}
	if gone := all(or3cloud.CanonicalLiveMetadata, h(4), 10); len(gone) != 0 {
		t.Errorf("a deleted file is listed: %+v", gone)
	}
	for _, cursor := range []string{"!", "AAAA", strings.Repeat("A", 100)} {
		q := or3cloud.CanonicalStorageQuery{Scope: b.scope(), Kind: or3cloud.CanonicalLiveMetadata, Cursor: cursor, Limit: 1}
		if _, _, err := c.QueryCanonicalStorage(b.ctx, q); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}

func testWatch(t *testing.T, b *syncBench) {
	w, ok := b.Sync.(or3cloud.Watcher)
	if !ok {
		t.Skip("no Watcher")
	}
	b.push(b.put("a", 1))
	ctx, cancel := context.WithCancel(b.ctx)
	current, updates, err := w.Watch(ctx, b.ws)
	if err != nil || current != 1 {
		t.Fatalf("current version %d, %v; want 1", current, err)
	}
	b.push(b.put("a", 2))
	if v := <-updates; v != 2 {
		t.Errorf("update %d, want 2", v)
	}
	// A slow reader misses only what is between: the newest version is there when it looks.
	b.push(b.put("a", 3))
	b.push(b.put("a", 4), b.put("a", 5))
	if v := <-updates; v != 5 {
		t.Errorf("update %d, want 5", v)
	}
	// Neither a replay nor another workspace is an update.
	other := must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Other", ""))(t)
	b.push()
	mine := b.ws
	b.ws = other
	b.push(b.put("a", 1))
	b.ws = mine
	select {
	case v := <-updates:
		t.Errorf("update %d although nothing changed", v)
	default:
	}
	// Whoever is told of a version can read it.
	_, second, err := w.Watch(b.ctx, b.ws)
	if err != nil {
		t.Fatal(err)
	}
	go b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: b.user, Ops: []or3cloud.Op{b.put("a", 6)}})
	v := <-second
	if changes, _ := b.pull(v-1, 10); len(changes) != 1 || changes[0].ServerVersion != v {
		t.Errorf("version %d was announced but pull gave %+v", v, changes)
	}
	cancel()
	for range updates { // what is left, until it is closed
	}
}
