package providertest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/clientmodel"
)

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

// testVisibleInOrder guards sync §4.1 rule 1: a reader that sees version n can read every lower one.
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
