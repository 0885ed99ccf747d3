package providertest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/patience"
)

// testLinearizable records what concurrent devices do to one workspace and see of it, and has a checker look for an
// order in which one device after the other could have seen exactly that.
func testLinearizable(t *testing.T, b *syncBench) {
	const rounds, devices, steps = 5, 5, 14
	for round := range rounds {
		b.ws = must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "History", ""))(t)
		ops := make([]or3cloud.Op, 12)
		for i := range ops {
			ops[i] = b.put(string(rune('a'+i%4)), int64(1+i%3))
		}
		var mu sync.Mutex
		var history []porcupine.Operation
		start := time.Now()
		parallel(devices, func(d int) {
			rnd := rand.New(rand.NewPCG(uint64(round), uint64(d)))
			for range steps {
				in, call := randomCall(rnd, ops), time.Since(start)
				out := b.call(in)
				back := time.Since(start)
				mu.Lock()
				history = append(history, porcupine.Operation{
					ClientId: d, Input: in, Call: call.Nanoseconds(), Output: out, Return: back.Nanoseconds(),
				})
				mu.Unlock()
			}
		})
		switch porcupine.CheckOperationsTimeout(logModel, history, patience.Limit) {
		case porcupine.Illegal:
			t.Fatalf("round %d: no order explains this history: %+v", round, history)
		case porcupine.Unknown:
			t.Logf("round %d: the checker ran out of time", round)
		}
	}
}

// logCall is a push of ops, or a pull after a cursor if there are none.
type logCall struct {
	ops    []or3cloud.Op
	cursor int64
}

// logAnswer is the answer: versions and counter of a push, or the entries and the next cursor of a pull.
type logAnswer struct {
	versions []int64
	applied  []bool
	entries  string
	counter  int64
	err      error
}

// randomCall draws a call. Ops are drawn from a small set, so that many are replays.
func randomCall(rnd *rand.Rand, ops []or3cloud.Op) logCall {
	if rnd.IntN(2) == 0 {
		return logCall{cursor: int64(rnd.IntN(len(ops)))}
	}
	n := 1 + rnd.IntN(2)
	first := rnd.IntN(len(ops) - n)
	return logCall{ops: ops[first : first+n]}
}

func (b *syncBench) call(in logCall) (out logAnswer) {
	if in.ops == nil {
		changes, page, err := b.puller()(in.cursor, 1000)
		for _, c := range changes {
			out.entries += fmt.Sprint(c.ServerVersion, c.PK, " ")
		}
		out.counter, out.err = page.NextCursor, err
		return out
	}
	res, err := b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: b.user, Ops: in.ops})
	for _, r := range res.Results {
		out.versions, out.applied = append(out.versions, r.ServerVersion), append(out.applied, r.Applied)
	}
	out.counter, out.err = res.ServerVersion, err
	return out
}

// logState is a workspace: its counter, the versions of the ops that it has seen, and the winner of each record.
type logState struct {
	counter int64
	seen    map[string]int64
	winners map[string]logEntry
}

type logEntry struct {
	version int64
	rev     or3cloud.Revision
}

// logModel is the sequential specification of SyncGatewayAdapter.Push and Pull.
var logModel = porcupine.Model{
	Init: func() any { return logState{} },
	Step: func(state, input, output any) (bool, any) {
		s, in, out := state.(logState), input.(logCall), output.(logAnswer)
		if out.err != nil {
			return false, s
		}
		if in.ops == nil {
			return out.entries == s.after(in.cursor) && out.counter == max(s.counter, in.cursor), s
		}
		s.seen, s.winners = maps.Clone(s.seen), maps.Clone(s.winners)
		for i := range in.ops {
			version, applied := s.apply(&in.ops[i])
			if out.versions[i] != version || out.applied[i] != applied {
				return false, s
			}
		}
		return out.counter == s.counter, s
	},
	Equal: func(a, b any) bool {
		x, y := a.(logState), b.(logState)
		return x.counter == y.counter && maps.Equal(x.seen, y.seen) && maps.Equal(x.winners, y.winners)
	},
}

func (s *logState) apply(op *or3cloud.Op) (version int64, applied bool) {
	if v, ok := s.seen[op.Stamp.OpID]; ok {
		return v, s.winners[op.PK].version == v
	}
	s.counter++
	if s.seen == nil {
		s.seen, s.winners = map[string]int64{}, map[string]logEntry{}
	}
	s.seen[op.Stamp.OpID] = s.counter
	if w, ok := s.winners[op.PK]; ok && !w.rev.Less(op.Stamp.Revision()) {
		return s.counter, false
	}
	s.winners[op.PK] = logEntry{s.counter, op.Stamp.Revision()}
	return s.counter, true
}

// after lists the winners after a cursor as call does.
func (s *logState) after(cursor int64) (text string) {
	byVersion := map[int64]string{}
	for pk, w := range s.winners {
		if w.version > cursor {
			byVersion[w.version] = pk
		}
	}
	for _, v := range slices.Sorted(maps.Keys(byVersion)) {
		text += fmt.Sprint(v, byVersion[v], " ")
	}
	return text
}
