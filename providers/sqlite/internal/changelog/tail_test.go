package changelog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// TestOpsMeetWhatTheirJobHasAccepted pushes batches that write a few records again and again, repeat ops of their own
// and of earlier batches, and reuse op ids, between jobs that fail after they have accepted something. Answers and the
// log are those of a map.
func TestOpsMeetWhatTheirJobHasAccepted(t *testing.T) {
	s := openTest(t, "")
	p := newPusher(t, s)
	r := rand.New(rand.NewPCG(1, 2))
	type accepted struct {
		version int64
		op      or3cloud.Op
	}
	var log []accepted
	winners := map[string]accepted{}
	for round := range 40 {
		before := int64(len(log))
		var ops []or3cloud.Op
		var want []or3cloud.OpResult
		for range 1 + r.IntN(1+[]int{1, 20, 300}[round%3]) {
			op := p.put(or3cloud.TablePosts, fmt.Sprint("row", r.IntN(6)), 1+r.Int64N(50), fmt.Sprintf(`,"title":"%d"`, p.n))
			if r.IntN(6) == 0 {
				op.Operation, op.Payload, op.Facts = or3cloud.OpDelete, nil, or3cloud.PayloadFacts{}
			}
			var res or3cloud.OpResult
			switch again := r.IntN(8); {
			case again == 0 && len(log) > 0: // a repetition
				first := log[r.IntN(len(log))]
				op, res = first.op, or3cloud.OpResult{ServerVersion: first.version, Success: true, Replayed: true, Applied: winners[first.op.PK].version == first.version}
			case again == 1 && len(log) > 0: // an op id that stands for another op
				first := log[r.IntN(len(log))]
				op.Stamp.OpID = first.op.Stamp.OpID
				res = or3cloud.OpResult{ErrorCode: or3cloud.OpErrorConflict}
			default:
				a := accepted{int64(len(log)) + 1, op}
				old, exists := winners[op.PK]
				log = append(log, a)
				res = or3cloud.OpResult{ServerVersion: a.version, Success: true, Applied: !exists || old.op.Stamp.Revision().Less(op.Stamp.Revision())}
				if res.Applied {
					winners[op.PK] = a
				}
			}
			if res.OpID = op.Stamp.OpID; res.Success && !res.Applied {
				w := winners[op.PK].op
				res.Winner = &or3cloud.Winner{Operation: w.Operation, Revision: w.Stamp.Revision(), Payload: w.Payload}
			}
			ops, want = append(ops, op), append(want, res)
		}
		got := p.push(ops...)
		if got.ServerVersion != int64(len(log)) {
			t.Fatalf("round %d: version %d, want %d", round, got.ServerVersion, len(log))
		}
		for i, w := range want {
			g := got.Results[i]
			if g.Error = ""; (g.Winner == nil) != (w.Winner == nil) {
				t.Fatalf("round %d, op %d: %+v, want %+v", round, i, g, w)
			}
			if w.Winner != nil {
				g.Winner.DeletedAt = w.Winner.DeletedAt
				if fmt.Sprint(*g.Winner) != fmt.Sprint(*w.Winner) {
					t.Fatalf("round %d, op %d has lost against %+v, want %+v", round, i, g.Winner, w.Winner)
				}
				w.Winner = g.Winner
			}
			if g != w {
				t.Fatalf("round %d, op %d: %+v, want %+v (%d versions before)", round, i, g, w, before)
			}
		}
		undone(t, p)
	}
	replaced := map[int64]bool{}
	err := s.engine.View(t.Context(), func(r *engine.Reader) error {
		stored := entries.Of(r)
		blocks := stored.After(1, 0, layout.MaxVersion)
		for blocks.Next() {
			for i := range blocks.Len() {
				e, err := blocks.Entry(i)
				if err != nil {
					return err
				}
				replaced[e.Version] = blocks.Marks.Replaced(i)
			}
		}
		for _, a := range log {
			e, found, err := stored.Entry(1, a.version)
			if err != nil || !found {
				return fmt.Errorf("version %d: found %t, %w", a.version, found, err)
			}
			if pk, _ := e.PK(); pk != a.op.PK || string(e.Payload()) != string(a.op.Payload) || e.Revision() != a.op.Stamp.Revision() {
				t.Errorf("version %d is %q %s %+v, want %+v", a.version, pk, e.Payload(), e.Revision(), a.op)
			}
		}
		return blocks.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range log {
		if is, want := replaced[a.version], winners[a.op.PK].version != a.version; is != want {
			t.Errorf("version %d is replaced: %t, want %t", a.version, is, want)
		}
	}
	if len(replaced) != len(log) {
		t.Errorf("%d entries, want %d", len(replaced), len(log))
	}
	items, _ := p.page("", 100)
	if len(items) != len(winners) {
		t.Errorf("%d records, want %d", len(items), len(winners))
	}
	for i, pk := range slices.Sorted(maps.Keys(winners)) {
		if items[i].PK != pk || items[i].Revision != winners[pk].op.Stamp.Revision() {
			t.Errorf("%+v, want %+v", items[i], winners[pk])
		}
	}
}

// undone runs a job that accepts more ops than a block takes, and fails.
func undone(t *testing.T, p *pusher) {
	t.Helper()
	var ops []or3cloud.Op
	for i := range 70 {
		ops = append(ops, p.put(or3cloud.TablePosts, fmt.Sprint("row", i%8), 1000, ""))
	}
	failed := errors.New("the job fails")
	num, err := p.s.Log.ws.Number(t.Context(), p.ws)
	if err != nil {
		t.Fatal(err)
	}
	all, err := p.s.Together(ops, p.user, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = p.s.engine.Do(t.Context(), func(_ context.Context, tx *engine.Tx) error {
		_, err := p.s.Apply(tx, num, p.user, all)
		return errors.Join(err, failed)
	})
	if !errors.Is(err, failed) || errors.Is(err, ErrStale) {
		t.Fatal(err)
	}
	// And one that fails while its block is being made.
	all.ops = all.ops[:5]
	half := push{log: p.s.Log, workspace: num, user: p.user, first: -1}
	err = p.s.engine.Do(t.Context(), func(_ context.Context, tx *engine.Tx) error {
		return half.write(tx, func(int64) error {
			for i := range all.ops {
				if _, _, err := half.applyOp(&all.ops[i]); err != nil {
					return err
				}
			}
			return failed
		})
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
}
