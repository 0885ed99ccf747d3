package engine

import (
	"context"
	"errors"
	"log/slog"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/internal/sqlitex"
)

// The write-ahead log grows with every commit until its pages are copied into the file. Left to SQLite, a commit
// does that now and then while everybody waits for it. Here a connection of its own copies them beside the writer, and
// the writer itself copies only what is left, when the log is so long that it must begin anew.
const (
	checkpointPages = 2048  // 8 MiB of 4 KiB pages: worth a copy in the background
	restartPages    = 16384 // 64 MiB: the writer finishes the copy, so that its next commit begins at the front
)

// checkpointer copies pages of the write-ahead log in the background.
type checkpointer struct {
	c    *sqlite3.Conn
	loop *background.Loop
}

func startCheckpointer(d *sqlitex.DB, copyPages func(*sqlite3.Conn), log *slog.Logger) (*checkpointer, error) {
	c, err := d.Conn(false)
	if err != nil {
		return nil, err
	}
	loop := background.Start(background.Task{
		Name: "checkpoint of the sync database", Log: log,
		Run: func(context.Context) error { copyPages(c); return nil },
	})
	return &checkpointer{c, loop}, nil
}

// committed is told the length of the log after each commit; it never waits.
func (k *checkpointer) committed(pages int) {
	if pages >= checkpointPages {
		k.loop.Wake()
	}
}

// copyPages waits for nobody. What cannot be copied, because a reader still needs the old page or the other connection
// is copying, is copied later.
func (w *writer) copyPages(c *sqlite3.Conn) {
	if w.breaker.Err() != nil {
		return
	}
	_, _, err := c.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
	switch {
	case sqlitex.IsFatal(err):
		// Another attempt might be told that all is well, and the log, which still has everything, would be overwritten.
		w.breaker.Trip("checkpoint", err)
	case err != nil && !errors.Is(err, sqlite3.BUSY):
		w.log.Warn("checkpoint of the sync database failed", "error", err)
	}
}

func (k *checkpointer) close() error {
	k.loop.Close()
	return k.c.Close()
}
