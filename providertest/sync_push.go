package providertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/clientmodel"
)

func testVersions(t *testing.T, b *syncBench) {
	wantVersions(t, b.push(b.put("a", 1), b.put("b", 1)), 2, 1, 2)
	wantVersions(t, b.push(b.put("a", 2)), 3, 3)
	loser := b.put("a", 1)
	wantVersions(t, b.push(loser, b.put("c", 1)), 5, 4, 5)
}

// testEmptyBatch guards sync Pitfall 10.
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
	// Another order of keys in the payload does not make another op.
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
	// An old op after a new one, and every op of a batch twice.
	wantVersions(t, b.push(b.put("x", 1), op), 4, 4, 1)
	var twice []or3cloud.Op
	var versions []int64
	for i := range int64(15) {
		again := b.put(fmt.Sprint("twice", i), 1)
		twice, versions = append(twice, again, again), append(versions, 5+i, 5+i)
	}
	wantVersions(t, b.push(twice...), 19, versions...)
	wantVersions(t, b.push(append([]or3cloud.Op{b.put("w", 1)}, twice...)...), 20, append([]int64{20}, versions...)...)
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
	// A hard delete, a soft delete by put (sync Pitfall 13) and a soft delete by an op that carries the row.
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

// testClockBounds guards sync Pitfall 4: a clock may be far above Unix seconds, but one op must not make a record
// unchangeable for everyone. What is refused leaves nothing behind and does not affect its neighbours.
func testClockBounds(t *testing.T, b *syncBench) {
	const most, step = 1 << 41, 1 << 20
	clock := int64(0)
	for i, c := range []struct {
		clock    int64
		accepted bool
	}{
		{or3cloud.MaxSafeInteger, false}, {most + 1, false}, {most, true}, {most + step + 1, false}, {most + step, true},
		{most + 2*step, true}, {or3cloud.MaxSafeInteger, false}, {most + 2*step + 1, true}, {most + 2*step, true},
	} {
		for _, op := range []or3cloud.Op{b.put("a", c.clock), b.del("a", c.clock)} {
			if op.Operation == or3cloud.OpDelete && c.accepted {
				continue
			}
			before := b.push().ServerVersion
			res := b.push(b.put("neighbour", int64(i)), op)
			if r := res.Results[1]; r.Success != c.accepted || !c.accepted && (r.ErrorCode != or3cloud.OpErrorValidation || r.ServerVersion != 0) {
				t.Errorf("%s %d with clock %d after %d: %+v", op.Operation, i, c.clock, clock, r)
			}
			if want := before + 1; !res.Results[0].Success || !c.accepted && res.ServerVersion != want {
				t.Errorf("op %d: counter %d, want %d; the neighbour: %+v", i, res.ServerVersion, want, res.Results[0])
			}
		}
		if c.accepted {
			clock = max(clock, c.clock)
		}
	}
	changes, _ := b.pull(0, 10)
	if got := changes[0].Stamp.Clock; len(changes) != 2 || got != clock {
		t.Errorf("the winner has clock %d, want %d", got, clock)
	}
	// An hlc breaks ties and nothing else: it may be any text of up to 512 characters.
	long := b.put("tie", 1)
	long.Stamp.HLC = strings.Repeat("\uffff", 512)
	b.push(long)
	if r := b.push(b.put("tie", 2)).Results[0]; !r.Applied {
		t.Errorf("a higher clock lost against a long hlc: %+v", r)
	}
}

func testUnknownWorkspace(t *testing.T, b *syncBench) {
	scope := or3cloud.Scope{WorkspaceID: "no-such-workspace"}
	_, err := b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: scope, UserID: b.user, Ops: []or3cloud.Op{b.put("a", 1)}})
	if or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
		t.Errorf("push: %v", err)
	}
	_, err = b.Sync.Pull(b.ctx, or3cloud.PullRequest{Scope: scope, UserID: b.user, Limit: 1}, func(*or3cloud.Change) error { return nil })
	if or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
		t.Errorf("pull: %v", err)
	}
}
