package changelog

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/compact"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// Entries that were never checked are passed to the host as values, in their place among the texts, so that the host
// checks them.
func TestUncheckedEntriesAreNotTexts(t *testing.T) {
	s := openTest(t, "")
	p := newPusher(t, s)
	var ops []or3cloud.Op
	for i := range 10 {
		ops = append(ops, p.put(or3cloud.TablePosts, fmt.Sprint("p", i), 1, `,"content":"`+strings.Repeat("text ", 100)+`"`))
	}
	p.push(ops...)
	num, err := s.Number(t.Context(), p.ws)
	if err != nil {
		t.Fatal(err)
	}
	unchecked := map[int64]bool{3: true, 4: true, 10: true}
	err = s.e.Do(t.Context(), func(_ context.Context, tx *engine.Tx) error {
		blocks := entries.In(tx).After(num, 0, 10)
		defer blocks.Close()
		if !blocks.Next() || blocks.Len() != 10 {
			return fmt.Errorf("%d entries, %w", blocks.Len(), blocks.Close())
		}
		var w block.Writer
		if err := blocks.Unpack(blocks.All()); err != nil {
			return err
		}
		for i := range 10 {
			e, err := blocks.Entry(i)
			if err != nil {
				return err
			}
			e.Unchecked = unchecked[e.Version]
			w.Append(e)
		}
		w.Pack()
		heads, text := w.Finish(1)
		return entries.Replace(tx, blocks.ID, heads, text, block.Marks{})
	})
	if err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int]string{
		1: "text of 1|", 2: "text of 2|", 3: "text of 2|value 3|", 4: "text of 2|value 3|value 4|", 7: "text of 2|value 3|value 4|text of 3|",
		1000: "text of 2|value 3|value 4|text of 5|value 10|",
	} {
		got := ""
		page, err := s.PullText(t.Context(), or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: p.ws}, UserID: p.user, Limit: limit}, func(c *or3cloud.Change) error {
			got += fmt.Sprintf("value %d|", c.ServerVersion)
			return nil
		}, func(json []byte, n int) error {
			got += fmt.Sprintf("text of %d|", n)
			return nil
		})
		if err != nil || got != want || page.NextCursor != int64(min(limit, 10)) || page.HasMore != (limit < 10) {
			t.Errorf("limit %d: %s, %+v, %v; want %s", limit, got, page, err, want)
		}
	}
	var values []string
	texts := 0
	_, err = s.SnapshotText(t.Context(), or3cloud.SnapshotRequest{Scope: or3cloud.Scope{WorkspaceID: p.ws}, UserID: p.user, PageSize: 100}, func(it *or3cloud.SnapshotItem) error {
		values = append(values, it.PK)
		return nil
	}, func(json []byte, n int) error {
		texts += n
		return nil
	})
	if err != nil || texts != 7 || strings.Join(values, " ") != "p2 p3 p9" {
		t.Errorf("%d texts, %q, %v", texts, values, err)
	}
}

// TestPullsAreTheSameFromMemory makes pages with the texts that are in memory and without them, in one transaction
// each, while devices push and blocks are collected, rewritten and joined.
func TestPullsAreTheSameFromMemory(t *testing.T) {
	s := openTest(t, "")
	p := newPusher(t, s)
	num, err := s.Number(t.Context(), p.ws)
	if err != nil {
		t.Fatal(err)
	}
	push := func(n int) {
		var ops []or3cloud.Op
		for i := range 1 + n%60 {
			table := []string{or3cloud.TablePosts, or3cloud.TableMessages, or3cloud.TableNotifications}[i%3]
			ops = append(ops, p.put(table, fmt.Sprint(table, (n*7+i)%200), int64(n+2), fmt.Sprintf(`,"more":%q`, strings.Repeat("words ", i*10))))
		}
		p.push(ops...)
	}
	for n := range 20 {
		push(n)
	}
	var wg sync.WaitGroup
	for n := range 3 {
		r := mathrand.New(mathrand.NewPCG(7, uint64(n)))
		wg.Go(func() {
			for range 150 {
				if err := samePage(s, num, r, p.user); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for range 15 {
			if err := compactAll(t.Context(), s, num); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for n := range 60 {
		push(20 + n)
	}
	wg.Wait()
}

// samePage compares a page of two readings.
func samePage(s store, num int64, r *mathrand.Rand, user string) error {
	return s.e.View(context.Background(), func(reader *engine.Reader) error {
		version, horizon, err := counter(reader, num)
		if err != nil {
			return err
		}
		in := or3cloud.PullRequest{UserID: user, Cursor: max(0, version-r.Int64N(600)), Limit: []int{1, 40, 1000}[r.IntN(3)]}
		if r.IntN(3) == 0 {
			in.Tables = []string{or3cloud.TablePosts, or3cloud.TableNotifications}
		}
		if r.IntN(3) == 0 {
			in.UserID = "another"
		}
		var pages [2]or3cloud.PullPage
		var texts [2]string
		for i, cache := range []*entries.Cache{nil, s.texts} {
			p := pullPage{PullPage: emptyPage(in.Cursor, version, horizon), in: in, texts: cache, text: func(json []byte, n int) error {
				texts[i] += fmt.Sprintf("%s %d\n", json, n)
				return nil
			}}
			if err := p.read(reader, num, version); err != nil {
				return err
			}
			pages[i] = p.PullPage
		}
		if pages[0] != pages[1] || texts[0] != texts[1] {
			return fmt.Errorf("cursor %d: %+v, want %+v; %d B, want %d B", in.Cursor, pages[1], pages[0], len(texts[1]), len(texts[0]))
		}
		return nil
	})
}

// compactAll collects everything that was replaced and frees its bytes.
func compactAll(ctx context.Context, s store, num int64) error {
	c := compact.New(s.e)
	err := s.e.Do(ctx, func(ctx context.Context, tx *engine.Tx) error {
		blocks := entries.In(tx).After(num, 0, layout.MaxVersion)
		marks := map[int64]block.Marks{}
		for blocks.Next() {
			marks[blocks.ID] = block.Marks{Skip: blocks.Marks.Skip, Other: blocks.Marks.Skip}
		}
		if err := blocks.Close(); err != nil {
			return err
		}
		for id, m := range marks {
			if m.Skip == 0 {
				continue
			}
			if err := entries.Mark(tx, id, m); err != nil {
				return err
			}
		}
		progress, err := tx.Q.Progress(ctx, num)
		if err != nil {
			return err
		}
		return tx.Q.SetCollected(ctx, db.SetCollectedParams{Version: progress.Version, Workspace: num})
	})
	return errors.Join(err, c.Sweep(ctx, num), c.Join(ctx, num))
}
