package changelog

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// TestWhatAnUndoneStretchHasLostAgainst undoes a stretch that has met a repeated op, and lets another device take the
// versions that it had issued before it is run again: what its ops lose against then is what is stored.
func TestWhatAnUndoneStretchHasLostAgainst(t *testing.T) {
	s := openTest(t, "")
	p := newPusher(t, s)
	repeated := p.put(or3cloud.TablePosts, "other", 1, "")
	p.push(repeated)
	for round := range 20 {
		row := fmt.Sprint("row", round)
		batch := []or3cloud.Op{p.put(or3cloud.TablePosts, row, 5, `,"title":"mine"`), p.put(or3cloud.TablePosts, row, 3, ""), repeated}
		rival := p.put(or3cloud.TablePosts, row, 9, `,"title":"theirs"`)
		// The writer is kept busy until both pushes wait for it, so they come one after the other and the stretch comes
		// after both.
		busy, free := make(chan struct{}), make(chan struct{})
		held := make(chan error, 1)
		go func() {
			held <- s.engine.Do(t.Context(), func(context.Context, *engine.Tx) error { close(busy); <-free; return nil })
		}()
		<-busy
		push := func(ops ...or3cloud.Op) <-chan or3cloud.PushResult {
			n, answer := s.engine.Waiting(), make(chan or3cloud.PushResult, 1)
			go func() {
				res, err := s.Push(t.Context(), or3cloud.PushRequest{Scope: or3cloud.Scope{WorkspaceID: p.ws}, UserID: p.user, Ops: ops})
				if err != nil {
					t.Error(err)
				}
				answer <- res
			}()
			for s.engine.Waiting() == n {
				runtime.Gosched()
			}
			return answer
		}
		mine := push(batch...)
		theirs := push(rival)
		close(free)
		if err := <-held; err != nil {
			t.Fatal(err)
		}
		res := <-mine
		<-theirs
		if len(res.Results) != 3 {
			t.Fatalf("%+v", res)
		}
		for i, r := range res.Results[:2] {
			if !r.Success || r.Applied || r.Winner == nil || r.Winner.Revision.Clock != 9 {
				t.Fatalf("round %d, op %d: %+v, has lost against %+v", round, i, r, r.Winner)
			}
		}
	}
}

// TestLargeOpsAreAlone pushes large ops among small ones: no block has a small one beside a large one, and the op id of
// a large one is told from that of a small op without reading either text.
func TestLargeOpsAreAlone(t *testing.T) {
	s := openTest(t, "")
	p := newPusher(t, s)
	large := func(pk string) or3cloud.Op {
		return p.put(or3cloud.TablePosts, pk, 1, `,"x":"`+strings.Repeat("x", 5*block.FullText)+`"`)
	}
	var ops, all []or3cloud.Op
	for i := range 7 {
		ops = append(ops, p.put(or3cloud.TablePosts, fmt.Sprint("small", i), 1, ""))
		if i%3 == 1 {
			ops = append(ops, large(fmt.Sprint("large", i)))
		}
	}
	p.push(ops...)
	all = append(all, ops...)
	// Ops that are replayed or refused in between split the drafts.
	other := large("another")
	other.Stamp.OpID = ops[0].Stamp.OpID
	more := []or3cloud.Op{p.put(or3cloud.TablePosts, "a", 1, ""), ops[1], large("b"), other, p.put(or3cloud.TablePosts, "c", 1, ""), large("d"), p.put(or3cloud.TablePosts, "e", 1, "")}
	p.push(more...)
	all = append(all, more...)
	// The server gives a large row another name.
	p.push(p.put(or3cloud.TableKV, "named", 1, `,"value":"`+strings.Repeat("x", 5*block.FullText)+`"`))
	p.push(p.put(or3cloud.TableKV, "kv:n", 2, ""))
	sizes := map[string]int{}
	err := s.engine.View(t.Context(), func(r *engine.Reader) error {
		blocks := entries.Of(r).After(1, 0, layout.MaxVersion)
		for blocks.Next() {
			if err := blocks.Unpack(blocks.All()); err != nil {
				return err
			}
			for i := range blocks.Len() {
				e, err := blocks.Entry(i)
				if err != nil {
					return err
				}
				pk, err := e.PK()
				if err != nil {
					return err
				}
				if sizes[pk] = blocks.Size(i); sizes[pk] > block.FullText && (blocks.Len() > 1 || !blocks.Packed() && pk != "named" || len(e.Fingerprint) == 0) {
					t.Errorf("%s is one of %d entries, packed %t, with fingerprint %x", pk, blocks.Len(), blocks.Packed(), e.Fingerprint)
				}
			}
		}
		return blocks.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(sizes) != 16 {
		t.Fatalf("%d entries: %v", len(sizes), sizes)
	}
	texts := func() (runs int) {
		err := s.engine.View(t.Context(), func(r *engine.Reader) error {
			runs = r.St.BlockText.Status(sqlite3.STMTSTATUS_RUN, true)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return runs
	}
	var twins []or3cloud.Op
	for range 100 {
		twin := p.put(or3cloud.TablePosts, "large1", 1, "")
		twin.Stamp = ops[2].Stamp
		twins = append(twins, twin)
	}
	texts()
	for i, r := range p.push(twins...).Results {
		if r.ErrorCode != or3cloud.OpErrorConflict {
			t.Fatalf("twin %d: %+v", i, r)
		}
	}
	if n := texts(); n > 0 {
		t.Errorf("%d texts were read to tell small ops from a large one", n)
	}
	for i, r := range p.push(append(twins[:0:0], all[2], all[4])...).Results {
		if !r.Replayed {
			t.Errorf("repeated op %d: %+v", i, r)
		}
	}
}

// TestIDsThatABatchHasTwice pushes batches in which each op comes twice, or another one under its id: they take as few
// jobs as others.
func TestIDsThatABatchHasTwice(t *testing.T) {
	s := openTest(t, "")
	p := newPusher(t, s)
	var ops []or3cloud.Op
	for i := range 500 {
		op := p.put(or3cloud.TablePosts, fmt.Sprint("row", i), 1, "")
		twin := op
		if i%2 == 0 {
			twin = p.put(or3cloud.TablePosts, fmt.Sprint("row", i), 2, "")
			twin.Stamp.OpID = op.Stamp.OpID
		}
		ops = append(ops, op, twin)
	}
	for i, r := range p.push(ops...).Results {
		if first := i%2 == 0; r.Success != (first || i%4 == 3) || r.Replayed != (i%4 == 3) {
			t.Fatalf("op %d: %+v", i, r)
		}
	}
	blocks := 0
	err := s.engine.View(t.Context(), func(r *engine.Reader) error {
		all := entries.Of(r).After(1, 0, layout.MaxVersion)
		for all.Next() {
			blocks++
		}
		return all.Close()
	})
	if err != nil || blocks > 20 {
		t.Errorf("%d blocks, %v", blocks, err)
	}
}
