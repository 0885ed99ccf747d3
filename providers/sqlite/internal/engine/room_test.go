package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
)

// TestSmallCommitsHaveRoom: few small commits have to make the write-ahead log longer and wait for that. What a killed
// process leaves has every commit, and no zeros follow large ones, which would only cost more writes.
func TestSmallCommitsHaveRoom(t *testing.T) {
	open := func(path string) *Engine {
		e, err := Open(t.Context(), Options{
			File: sqlitex.Options{Path: path, Migrations: os.DirFS("../../migrations")},
			Log:  slog.New(slog.DiscardHandler), Now: time.Now, Rand: rand.Reader,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		return e
	}
	add := func(e *Engine, id string) {
		t.Helper()
		err := e.Do(t.Context(), func(ctx context.Context, t *Tx) error {
			return t.Q.InsertUser(ctx, db.InsertUserParams{ID: id, CreatedAt: t.At})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	length := func(path string) int64 {
		t.Helper()
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	path := filepath.Join(t.TempDir(), "db.sqlite")
	e := open(path)
	const users = 60
	longer, before := 0, int64(0)
	for i := range users {
		add(e, fmt.Sprint("user ", i))
		if now := length(path); now != before {
			longer, before = longer+1, now
		}
	}
	if longer > users/6 {
		t.Errorf("%d of %d small commits have made the log longer", longer, users)
	}
	killed := filepath.Join(t.TempDir(), "db.sqlite")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if err == nil {
			err = os.WriteFile(killed+suffix, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var got int
	if err := open(killed).DB.Read.QueryRow("SELECT count(*) FROM users").Scan(&got); err != nil || got != users {
		t.Errorf("%d users of %d after a kill, %v", got, users, err)
	}

	path = filepath.Join(t.TempDir(), "db.sqlite")
	e = open(path)
	for i := range 4 {
		add(e, fmt.Sprint(i, strings.Repeat("long", roomLeft)))
	}
	if e.w.room.size != 0 { // the writer is idle
		t.Error("zeros follow large commits")
	}
}
