package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/internal/sqlitex"
)

// The write-ahead log grows with every commit until its pages are copied into the file. Left to SQLite, a commit does
// that now and then while everyone waits for it. Here a connection of its own copies them beside the writer, whenever
// there is enough to be worth the fsync of the file. A commit that finds all of the log copied starts it over. With a
// busy writer none ever does; so once the log is long, the writer copies the rest itself, as soon as that is little.
const (
	checkpointPages = 2048             // 8 MiB of 4 KiB pages: worth a copy in the background
	restartPages    = 16384            // 64 MiB: the log should start over
	finishPages     = 1024             // 4 MiB: what the writer copies itself, while everyone waits
	mostPages       = 4 * restartPages // 256 MiB: the writer copies whatever there is
)

// checkpointer copies pages of the write-ahead log in the background.
type checkpointer struct {
	c      *sqlite3.Conn
	loop   *background.Loop
	pages  func(*sqlite3.Conn) int // copies with a connection, and returns how many pages of the log are copied; -1 if it cannot tell
	copied atomic.Int64            // what it said last
}

func startCheckpointer(d *sqlitex.DB, copyPages func(*sqlite3.Conn) int, log *slog.Logger) (*checkpointer, error) {
	c, err := d.Conn(false)
	if err != nil {
		return nil, err
	}
	k := &checkpointer{c: c, pages: copyPages}
	k.loop = background.Start(background.Task{
		Name: "checkpoint of the sync database", Log: log,
		Run: func(context.Context) error { k.copy(c); return nil },
	})
	return k, nil
}

// copy copies with a connection.
func (k *checkpointer) copy(c *sqlite3.Conn) {
	if n := k.pages(c); n >= 0 {
		k.copied.Store(int64(n))
	}
}

// committed is told the length of the log after each commit, and reports whether the writer should copy the rest. It
// never waits.
func (k *checkpointer) committed(pages int) (finish bool) {
	copied := int(k.copied.Load())
	if pages < copied { // the log has started over
		k.copied.Store(0)
		copied = 0
	}
	copies, finish := due(pages, pages-copied)
	if copies {
		k.loop.Wake()
	}
	return finish
}

// due decides who copies what is left of a log: the checkpointer in the background, or the writer.
func due(pages, left int) (background, writer bool) {
	switch {
	case pages >= mostPages, pages >= restartPages && left <= finishPages:
		return false, true
	case pages >= restartPages:
		return true, false
	}
	return left >= checkpointPages, false
}

// copyPages returns how many pages of the log are copied, -1 if it cannot tell. It does not wait: what cannot be
// copied, because a reader still needs the old page or the other connection is copying, is copied later.
func (w *writer) copyPages(c *sqlite3.Conn) (copied int) {
	if w.breaker.Err() != nil {
		return -1
	}
	_, copied, err := c.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
	switch {
	case sqlitex.IsFatal(err):
		// Another attempt might report success, and the log, which still has everything, would be overwritten.
		w.breaker.Trip("checkpoint", err)
	case err != nil && !errors.Is(err, sqlite3.BUSY):
		w.log.Warn("checkpoint of the sync database failed", "error", err)
	}
	return copied
}

func (k *checkpointer) close() error {
	k.loop.Close()
	return k.c.Close()
}
