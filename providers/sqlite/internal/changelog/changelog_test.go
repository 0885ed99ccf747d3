package changelog

import (
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/members"
)

// store is a log with the workspaces that it is about.
type store struct {
	*Log
	*members.Workspaces
	engine *engine.Engine
}

// migrations are those of the provider.
var migrations = os.DirFS("../../migrations")

// openTest opens a database at a path, or at one of its own.
func openTest(t testing.TB, path string) store {
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
	l, err := New(t.Context(), e, ws, Options{Retention: MinRetention, Noticed: func(string, error) {}})
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
