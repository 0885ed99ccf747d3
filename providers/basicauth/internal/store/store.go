// Package store is the database file of the accounts: its checked statements, its transactions and what their errors
// mean, and which stored times are believed.
package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/breaker"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/basicauth/internal/db"
)

// Open migrates and opens the database file.
func Open(ctx context.Context, opts sqlitex.Options, log *slog.Logger, fatal func(error)) (*Store, error) {
	file, err := sqlitex.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	return newStore(file, log, fatal), nil
}

// Queries are the checked statements of package db, on either pool or inside a transaction.
type Queries = *db.Queries

// Store is the database file: reads on one side, transactions on the other.
type Store struct {
	File        *sqlitex.DB
	Read, Write Queries
	// Breaker is open once nothing may be written any more.
	Breaker *breaker.Breaker
}

func newStore(file *sqlitex.DB, log *slog.Logger, fatal func(error)) *Store {
	return &Store{File: file, Read: db.New(file.Read), Write: db.New(file.Write), Breaker: breaker.New(breaker.Options{
		Store: "the database of the accounts", Log: log, Refuse: Unavailable, Fatal: fatal, Silence: file.Mark.Silence,
	})}
}

// Close closes the file. After a failed fsync it leaves the write-ahead log where it is.
func (s *Store) Close() error {
	var errs []error
	if s.Breaker.Err() != nil {
		errs = append(errs, s.keepLog())
	}
	return errors.Join(append(errs, s.File.Close())...)
}

// keepLog leaves the write-ahead log where it is when the last connection closes. The log has everything and the file
// may not; only a new process may copy one into the other.
func (s *Store) keepLog() error {
	c, err := s.File.Write.Conn(context.Background())
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Raw(func(conn any) error {
		_, err := conn.(driver.Conn).Raw().Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
		return err
	})
}

// Tx runs fn in a write transaction. If fn returns an error nothing of it remains; what must outlive a refusal is
// therefore passed through variables of the caller, not through the error.
//
// After a failed fsync nothing is written any more, because what the disk says from then on cannot be believed: every
// call is refused until the process restarts.
func (s *Store) Tx(ctx context.Context, fn func(Queries) error) error {
	if err := s.Breaker.Err(); err != nil {
		return err
	}
	err := s.attempt(ctx, fn)
	if sqlitex.IsFatal(err) {
		s.Breaker.Trip("write", err)
	}
	return err
}

func (s *Store) attempt(ctx context.Context, fn func(Queries) error) error {
	tx, err := s.File.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := fn(s.Write.WithTx(tx)); err != nil {
		return err
	}
	step := s.File.Mark.Step(ctx, tx)
	if err := tx.Commit(); err != nil {
		return err
	}
	s.File.Mark.Committed(step)
	return nil
}

// EventsKept is how far back the trail of an account goes.
const EventsKept = 365 * 24 * time.Hour

// Prune removes what can no longer prove anything.
func Prune(ctx context.Context, q Queries, now time.Time, grace time.Duration) error {
	before := now.Add(-grace).UnixMilli()
	return errors.Join(
		q.DeleteExpiredSessions(ctx, before),
		q.DeleteExpiredTokens(ctx, before),
		q.EraseSeals(ctx, db.EraseSealsParams{Before: before, Latest: Latest(now)}),
		q.ForgetDeleted(ctx, before),
		q.DeleteOldEvents(ctx, now.Add(-EventsKept).UnixMilli()),
	)
}

// Fault turns an error of the store into the 503 that clients wait out. It is never a "signed out": clients delete
// local data on that (contract, auth Pitfalls 10, 13). Errors that already have a code keep it.
func Fault(err error) error {
	var own *or3cloud.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	return Unavailable(err)
}

// Unavailable is the 503 for an error of the store.
func Unavailable(cause error) *or3cloud.Error {
	return or3cloud.Unavailable(cause, "Identity provider temporarily unavailable", 5*time.Second)
}

// Absent reports whether a statement has found no row.
func Absent(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// Optional is a text that is NULL when it is empty.
func Optional(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }
