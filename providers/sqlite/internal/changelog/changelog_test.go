package changelog

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/index"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/providers/sqlite/internal/members"
)

// store is a log with the workspaces that it belongs to.
type store struct {
	*Log
	*members.Workspaces
	engine *engine.Engine
}

// migrations are those of the provider.
var migrations = os.DirFS("../../migrations")

// openTest opens a database at a path, or at a new one.
func openTest(t testing.TB, path string) store {
	t.Helper()
	return openWith(t, path, 50)
}

// openWith writes runs of the index of this many keys.
func openWith(t testing.TB, path string, recentKeys int) store {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "sync.sqlite")
	}
	e, err := engine.Open(t.Context(), engine.Options{
		File: sqlitex.Options{Path: path, Migrations: migrations}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	ws := members.New(e, members.Options{})
	l, err := New(t.Context(), e, ws, Options{RecentKeys: recentKeys, Noticed: func(string, error) {}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return store{l, ws, e}
}

// TestOpIDsThatShareAHash gives all op ids of a workspace one of two hashes. Each is found, and no other in its place.
func TestOpIDsThatShareAHash(t *testing.T) {
	s := openTest(t, "")
	s.index.Hash = func(opID []byte) (h index.Key) {
		h[5] = opID[len(opID)-1] % 2
		return h
	}
	p := newPusher(t, s)
	var ops []or3cloud.Op
	for i := range 200 {
		ops = append(ops, p.put(or3cloud.TablePosts, fmt.Sprint("row", i%150), int64(i+1), ""))
	}
	first := p.push(ops...)
	other := ops[7]
	other.Payload = []byte(strings.Replace(string(other.Payload), `"created_at":1`, `"created_at":2`, 1))
	again := p.push(append(slices.Clone(ops), p.checked(other), p.put(or3cloud.TablePosts, "new", 1, ""))...)
	for i, want := range first.Results {
		if got := again.Results[i]; !want.Success || !got.Replayed || got.ServerVersion != want.ServerVersion {
			t.Errorf("op %d: %+v, and repeated %+v", i, want, got)
		}
	}
	if r := again.Results[200]; r.ErrorCode != or3cloud.OpErrorConflict {
		t.Errorf("another op under the same id: %+v", r)
	}
	if r := again.Results[201]; !r.Success || r.Replayed {
		t.Errorf("a new op: %+v", r)
	}
}

// TestTheIndexAfterAKill makes the index lose what was only in memory: the next start derives it from the log.
func TestTheIndexAfterAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sync.sqlite")
	p := &pusher{t: t}
	var first or3cloud.PushResult
	var ops []or3cloud.Op
	for round := range 4 {
		e, err := engine.Open(t.Context(), engine.Options{
			File: sqlitex.Options{Path: path, Migrations: migrations}, Log: slog.New(slog.DiscardHandler), Now: time.Now, Rand: rand.Reader,
		})
		if err != nil {
			t.Fatal(err)
		}
		ws := members.New(e, members.Options{})
		l, err := New(t.Context(), e, ws, Options{RecentKeys: 150, Noticed: func(string, error) {}})
		if err != nil {
			t.Fatal(err)
		}
		p.s = store{l, ws, e}
		if round == 0 {
			p = newPusher(t, p.s)
		}
		if again := p.push(ops...); round > 0 {
			for i, r := range again.Results {
				if want := first.Results[i%len(first.Results)]; !r.Replayed || i < len(first.Results) && r.ServerVersion != want.ServerVersion {
					t.Fatalf("round %d, op %d: %+v, want %+v", round, i, r, want)
				}
			}
		}
		var more []or3cloud.Op
		for i := range 130 {
			op := p.put(or3cloud.TablePosts, fmt.Sprint("row", i%70), int64(100+p.n-i%3*40), "")
			if i%9 == 0 {
				op.Operation, op.Payload, op.Facts = or3cloud.OpDelete, nil, or3cloud.PayloadFacts{}
			}
			more = append(more, op)
		}
		res := p.push(more...)
		if round == 0 {
			first = res
		}
		ops = append(ops, more...)
		// What the index says of each record is what the entries that were not replaced say.
		items, _ := p.page("", 1000)
		winners := map[string]int64{}
		err = e.View(t.Context(), func(r *engine.Reader) error {
			blocks := entries.Of(r).After(1, 0, layout.MaxVersion)
			for blocks.Next() {
				if err := blocks.Unpack(blocks.All()); err != nil {
					t.Fatal(err)
				}
				for i := range blocks.Len() {
					entry, err := blocks.Entry(i)
					if err != nil {
						t.Fatal(err)
					}
					if pk, err := entry.PK(); err != nil {
						t.Fatal(err)
					} else if !blocks.Marks.Replaced(i) {
						winners[pk] = entry.Clock
					}
				}
			}
			return blocks.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(items) != len(winners) {
			t.Errorf("round %d: %d items, want %d", round, len(items), len(winners))
		}
		for _, it := range items {
			if it.Revision.Clock != winners[it.PK] {
				t.Errorf("round %d: %s has clock %d, want %d", round, it.PK, it.Revision.Clock, winners[it.PK])
			}
		}
		// The writer is gone before the index can write.
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
}
