package basicauth

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

// queries are the checked statements of package db, on either pool or inside a transaction.
type queries = *db.Queries

// store is the database file: reads on one side, transactions on the other.
type store struct {
	file        *sqlitex.DB
	read, write queries
	breaker     *breaker.Breaker // open when nothing may be written any more
}

// newStore prepares every statement, so that a database that does not match the program is found at the start.
func newStore(ctx context.Context, file *sqlitex.DB, log *slog.Logger, fatal func(error)) (*store, error) {
	read, err := db.Prepare(ctx, file.Read)
	if err != nil {
		return nil, err
	}
	write, err := db.Prepare(ctx, file.Write)
	if err != nil {
		return nil, errors.Join(err, read.Close())
	}
	return &store{file: file, read: read, write: write, breaker: breaker.New(breaker.Options{
		Store: "the database of the accounts", Log: log, Refuse: unavailable, Fatal: fatal, Silence: file.Mark.Silence,
	})}, nil
}

func (s *store) close() error {
	errs := []error{s.read.Close(), s.write.Close()}
	if s.breaker.Err() != nil {
		errs = append(errs, s.keepLog())
	}
	return errors.Join(append(errs, s.file.Close())...)
}

// keepLog leaves the write-ahead log where it is when the last connection closes. It has everything and the file may not;
// only a new process may copy the one into the other.
func (s *store) keepLog() error {
	c, err := s.file.Write.Conn(context.Background())
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Raw(func(conn any) error {
		_, err := conn.(driver.Conn).Raw().Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
		return err
	})
}

// tx runs fn in a write transaction. If fn returns an error nothing of it remains; what must outlive a refusal is
// therefore reported through variables of the caller, not through the error.
//
// After a failed fsync nothing is written any more, because what the disk says from then on is not to be believed: every
// call is refused until the process has started anew.
func (s *store) tx(ctx context.Context, fn func(queries) error) error {
	if err := s.breaker.Err(); err != nil {
		return err
	}
	err := s.attempt(ctx, fn)
	if sqlitex.IsFatal(err) {
		s.breaker.Trip("write", err)
	}
	return err
}

func (s *store) attempt(ctx context.Context, fn func(queries) error) error {
	tx, err := s.file.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := fn(s.write.WithTx(tx)); err != nil {
		return err
	}
	step := s.file.Mark.Step(ctx, tx)
	if err := tx.Commit(); err != nil {
		return err
	}
	s.file.Mark.Committed(step)
	return nil
}

// loadRevocations fills the memory of revocations with everything that a live access token may contradict.
func (p *provider) loadRevocations(ctx context.Context, now time.Time) error {
	s, r := p.store, p.revoked
	r.restored = time.UnixMilli(s.file.RestoredAt())
	sessions, err := s.read.RevokedSessions(ctx, now.UnixMilli())
	if err != nil {
		return err
	}
	for _, v := range sessions {
		r.revokeSession(v.ID, time.UnixMilli(v.AccessUntil))
	}
	accounts, err := s.read.OutdatedAccounts(ctx, now.UnixMilli())
	if err != nil {
		return err
	}
	for _, v := range accounts {
		r.raiseVersion(v.ID, v.TokenVersion, time.UnixMilli(v.AccessUntil))
	}
	deleted, err := s.read.DeletedAccounts(ctx, now.UnixMilli())
	if err != nil {
		return err
	}
	for _, v := range deleted {
		r.raiseVersion(v.ID, noVersion, time.UnixMilli(v.AccessUntil))
	}
	span := p.accessUntil(now).Sub(now)
	replaced, err := s.read.ReplacedTokens(ctx, now.Add(-span).UnixMilli())
	if err != nil {
		return err
	}
	for _, v := range replaced {
		r.revokeGeneration(generationOf(v.SessionID, v.Fingerprint), time.UnixMilli(v.ReplacedAt).Add(span))
	}
	return nil
}

// eventsKept is how long the trail of an account goes back.
const eventsKept = 365 * 24 * time.Hour

// prune removes what can prove nothing any more.
func prune(ctx context.Context, q queries, now time.Time, grace time.Duration) error {
	before := now.Add(-grace).UnixMilli()
	return errors.Join(
		q.DeleteExpiredSessions(ctx, before),
		q.DeleteExpiredTokens(ctx, before),
		q.EraseSeals(ctx, db.EraseSealsParams{Before: before, Latest: latest(now)}),
		q.ForgetDeleted(ctx, before),
		q.DeleteOldEvents(ctx, now.Add(-eventsKept).UnixMilli()),
	)
}

// fault turns a failure of the store into the 503 that clients wait out. It is never a "signed out": clients delete
// local data on that (contract, auth Pitfalls 10, 13). Errors that already have a code keep it.
func fault(err error) error {
	var own *or3cloud.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	return unavailable(err)
}

func unavailable(cause error) *or3cloud.Error {
	return or3cloud.Unavailable(cause, "Identity provider temporarily unavailable", 5*time.Second)
}

func absent(err error) bool { return errors.Is(err, sql.ErrNoRows) }

func optional(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }
