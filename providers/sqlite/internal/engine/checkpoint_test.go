package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/internal/sqlitex/faultydisk"
	"or3.chat/cloud/providers/sqlite/internal/db"
)

// TestAFailedSyncOfACheckpointIsFinal: another attempt might report success, so nothing more is acknowledged or copied,
// and the write-ahead log stays for the next process.
func TestAFailedSyncOfACheckpointIsFinal(t *testing.T) {
	disk := faultydisk.New(t)
	path := filepath.Join(t.TempDir(), "db.sqlite")
	var reasons []error
	open := func(vfs string) *Engine {
		e, err := Open(t.Context(), Options{
			File: sqlitex.Options{Path: path, Migrations: os.DirFS("../../migrations"), VFS: vfs},
			Log:  slog.New(slog.DiscardHandler), Now: time.Now, Rand: rand.Reader,
			Fatal: func(err error) { reasons = append(reasons, err) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	add := func(e *Engine, id string) error {
		return e.Do(t.Context(), func(ctx context.Context, t *Tx) error {
			return t.Q.InsertUser(ctx, db.InsertUserParams{ID: id, CreatedAt: t.At})
		})
	}
	e := open(disk.Name)
	if err := add(e, "before"); err != nil {
		t.Fatal(err)
	}
	bad := error(sqlite3.IOERR_FSYNC)
	disk.Sync.Store(&bad)
	e.w.copyPages(e.w.C) // the writer is idle
	disk.Sync.Store(nil)
	for range 2 {
		if err := add(e, "after"); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
			t.Fatalf("a write after a failed fsync: %v; nothing may be acknowledged", err)
		}
	}
	if len(reasons) != 1 || !errors.Is(reasons[0], sqlite3.IOERR_FSYNC) {
		t.Fatalf("reported %v", reasons)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		t.Errorf("the write-ahead log: %v, %v", info, err)
	}
	again := open("")
	for id, want := range map[string]bool{"before": true, "after": false} {
		if _, err := again.Q.UserExists(t.Context(), id); (err == nil) != want {
			t.Errorf("user %q after the new start: %v", id, err)
		}
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTheWriterCopiesLittle: what the writer copies of the write-ahead log while everyone waits is limited, unless the
// log is far too long; and a long log always has someone to copy it.
func TestTheWriterCopiesLittle(t *testing.T) {
	for pages := 0; pages < 2*mostPages; pages += 16 {
		for left := 0; left <= pages; left += 64 {
			background, writer := due(pages, left)
			switch {
			case background && writer:
				t.Fatalf("%d pages, %d left: both copy", pages, left)
			case writer && left > finishPages && pages < mostPages:
				t.Fatalf("%d pages: the writer copies %d", pages, left)
			case writer && pages < restartPages:
				t.Fatalf("%d pages: the writer copies, and the log need not start over", pages)
			case !background && !writer && (pages >= restartPages || left >= checkpointPages):
				t.Fatalf("%d pages, %d left: no one copies", pages, left)
			case background && left < checkpointPages && pages < restartPages:
				t.Fatalf("%d pages: the file is written for %d", pages, left)
			}
		}
	}
}
