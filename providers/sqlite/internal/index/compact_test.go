package index

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// TestMergesThatAreBehindDoNotRest: whether they are behind depends on how many runs one level has, whatever their
// levels are.
func TestMergesThatAreBehindDoNotRest(t *testing.T) {
	x := &Index{opts: Options{RecentKeys: 10}}
	runs := func(entries ...int64) (out []*run) {
		for _, n := range entries {
			for range mostRuns - 1 {
				out = append(out, &run{entries: n})
			}
		}
		return out
	}
	if behind(x, runs(10, 40, 160, 640)) {
		t.Error("merges are behind although no level has too many runs")
	}
	for _, n := range []int64{10, 40, 160, 640} {
		if !behind(x, append(runs(n), &run{entries: n})) {
			t.Errorf("%d runs of %d keys, and merges are not behind", mostRuns, n)
		}
	}
}

// TestASweepLetsNothingWait: however many rows there are to delete, what is frozen is written in between, and stays.
func TestASweepLetsNothingWait(t *testing.T) {
	l := newTestLog(t, 64)
	l.x.loop.Close() // the test does the compaction
	ctx := context.Background()
	dead := l.x.next
	l.x.next++
	for n := range int64(10) {
		err := l.do(func(tx *engine.Tx) (err error) {
			for i := range int64(100) {
				err = errors.Join(err, engine.Run(tx.St.InsertIndexPiece, rowID(dead, n*100+i), []byte("of a run that was merged")))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := l.do(func(*engine.Tx) error {
		for i := range 100 {
			l.x.Put(1, l.x.Hash(fmt.Append(nil, i)), int64(i+1), "", nil)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.x.committed().frozen.root == nil {
		t.Fatal("nothing is frozen")
	}
	if err := l.x.sweep(ctx); err != nil {
		t.Fatal(err)
	}
	s := l.x.committed()
	if s.frozen.root != nil || len(s.runs) != 1 {
		t.Fatalf("%d runs, and something is frozen: %t", len(s.runs), s.frozen.root != nil)
	}
	var rows int64
	if err := l.e.DB.Read.QueryRow("SELECT count(*) FROM index_pieces").Scan(&rows); err != nil || rows != s.runs[0].pieces+s.runs[0].chunks {
		t.Fatalf("%d rows of a run of %d and %d, %v", rows, s.runs[0].pieces, s.runs[0].chunks, err)
	}
}
