package changelog

import (
	"context"
	"fmt"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
)

// What was never checked at the door is handed to the host as values, in its place among the texts, so that the host looks at it.
func TestUncheckedEntriesAreNoTexts(t *testing.T) {
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
		blocks := entries.In(tx).After(num, 0, 10, true)
		defer blocks.Close()
		if !blocks.Next() || blocks.Len() != 10 {
			return fmt.Errorf("%d entries, %w", blocks.Len(), blocks.Close())
		}
		var w block.Writer
		if err := blocks.Unpack(0, 10); err != nil {
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
