// Package engine is the file of the sync database: one writer whose commits many jobs share, a few readers, what both
// keep in memory, and checkpoints. It knows nothing of what is stored; the packages beside it do.
package engine

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/google/uuid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
)

// readers is the number of connections that serve pulls and snapshots.
const readers = 4

// Options configure an Engine.
type Options struct {
	// File says which file is opened and how. Readers is set here.
	File sqlitex.Options
	Log  *slog.Logger
	Now  func() time.Time
	Rand io.Reader
	// Full reports whether the disk has no space for writes that grow the database; nil means never.
	Full func() bool
	// Fatal, if set, is called once when nothing can be written until the process restarts. It returns at once.
	Fatal func(error)
}

// Engine is an open sync database.
type Engine struct {
	// DB is the file. Its read pool serves queries that need no statement of ours.
	DB *sqlitex.DB
	// Q runs the statements that sqlc has checked on the read pool.
	Q *db.Queries
	// Log is where the packages report what an operator should know.
	Log *slog.Logger
	// Now is the clock.
	Now func() time.Time

	opts Options
	w    *writer
	pool *readPool
}

// Open opens or creates the database and brings its schema up to date.
func Open(ctx context.Context, opts Options) (_ *Engine, err error) {
	e := &Engine{Log: opts.Log, Now: opts.Now, opts: opts}
	e.pool = newReadPool(readers, func() (*Reader, error) { return newReader(e.DB) })
	opts.File.Readers = readers
	if e.DB, err = sqlitex.Open(ctx, opts.File); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(e.DB.Refusal(ctx, err), e.Close())
		}
	}()
	e.Q = db.New(e.DB.Read)
	if e.w, err = newWriter(ctx, e.DB, opts.Now, opts.Log, opts.Fatal); err != nil {
		return nil, err
	}
	return e, nil
}

// Close waits for writes that were accepted and for reads under way, and closes the database. It is called once.
func (e *Engine) Close() error {
	var errs []error
	if e.w != nil {
		errs = append(errs, e.w.close())
	}
	errs = append(errs, e.pool.close())
	return errors.Join(append(errs, e.DB.Close())...)
}

// Do runs f in a write transaction and returns after its commit. An error of f undoes what f did and nothing else. When
// ctx ends before f has begun, f does not run; once begun it is waited for, because its commit may already be under
// way. The context that f gets is never cancelled: interrupting a statement would roll back the whole group. Work that
// a request can inflate belongs before Do, which all users share.
func (e *Engine) Do(ctx context.Context, f func(context.Context, *Tx) error) error {
	return e.w.do(ctx, f)
}

// Outside runs a statement of the writer between two transactions, for statements that cannot run in one.
func (e *Engine) Outside(ctx context.Context, text string) error { return e.w.outside(ctx, text) }

// Checkpoint copies pages of the write-ahead log into the file, beside the writer.
func (e *Engine) Checkpoint(ctx context.Context) error { return e.w.checkpointer.loop.Run(ctx) }

// View runs f in a read transaction: everything that f reads is as of one moment. It waits for a free reader until ctx
// ends. Writers are not held back.
func (e *Engine) View(ctx context.Context, f func(*Reader) error) error { return e.pool.view(ctx, f) }

// Waiting is how many jobs wait for the writer.
func (e *Engine) Waiting() int { return len(e.w.jobs) }

// Inherited is the highest number of a workspace that is older than this run.
func (e *Engine) Inherited() int64 { return e.w.inherited }

// FullRetryAfter is how long a client is asked to wait for disk space, which takes an operator or the collector.
const FullRetryAfter = 30 * time.Second

var errFull = errors.New("the disk is nearly full")

// CheckRoom refuses what would grow the database on a disk that is nearly full, so that there is always space for what
// frees some: deletions, the collector, checkpoints. Clients keep their edits on a 503 and come back.
func (e *Engine) CheckRoom() error {
	if e.opts.Full != nil && e.opts.Full() {
		return or3cloud.Unavailable(errFull, "Storage temporarily unavailable", FullRetryAfter)
	}
	return nil
}

// NewID returns a random UUID.
func (e *Engine) NewID() (string, error) {
	id, err := uuid.NewRandomFromReader(e.opts.Rand)
	return id.String(), err
}

// NoRows reports whether a query has found nothing.
func NoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// Optional turns "no row" into the zero value.
func Optional[T any](v T, err error) (T, error) {
	if NoRows(err) {
		var zero T
		return zero, nil
	}
	return v, sqlitex.Translate(err)
}
