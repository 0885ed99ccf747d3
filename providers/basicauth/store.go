package basicauth

import (
	"context"
	"database/sql"
	"errors"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/basicauth/internal/db"
)

// queries are the checked statements of package db, on either pool or inside a transaction.
type queries = *db.Queries

// store is the database file: reads on one side, transactions on the other.
type store struct {
	file        *sqlitex.DB
	read, write queries
}

// newStore prepares every statement, so that a database that does not match the program is found at the start.
func newStore(ctx context.Context, file *sqlitex.DB) (*store, error) {
	read, err := db.Prepare(ctx, file.Read)
	if err != nil {
		return nil, err
	}
	write, err := db.Prepare(ctx, file.Write)
	if err != nil {
		return nil, errors.Join(err, read.Close())
	}
	return &store{file: file, read: read, write: write}, nil
}

func (s *store) close() error {
	return errors.Join(s.read.Close(), s.write.Close(), s.file.Close())
}

// tx runs fn in a write transaction. If fn returns an error nothing of it remains; what must outlive a refusal is
// therefore reported through variables of the caller, not through the error.
func (s *store) tx(ctx context.Context, fn func(queries) error) error {
	tx, err := s.file.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := fn(s.write.WithTx(tx)); err != nil {
		return err
	}
	return tx.Commit()
}

// loadRevocations fills r with everything that a live access token may contradict.
func (s *store) loadRevocations(ctx context.Context, r *revocations, now time.Time) error {
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
	return nil
}

// prune removes what can prove nothing any more.
func prune(ctx context.Context, q queries, now time.Time, grace time.Duration) error {
	before := now.Add(-grace).UnixMilli()
	return errors.Join(
		q.DeleteExpiredSessions(ctx, before),
		q.DeleteExpiredTokens(ctx, before),
		q.EraseSeals(ctx, before),
		q.ForgetDeleted(ctx, before),
	)
}

// fault turns a failure of the store into the 503 that clients wait out. It is never a "signed out": clients delete
// local data on that (contract, auth Pitfalls 10, 13). Errors that already have a code keep it.
func fault(err error) error {
	var own *or3cloud.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	return or3cloud.Unavailable(err, "Identity provider temporarily unavailable", 5*time.Second)
}

func absent(err error) bool { return errors.Is(err, sql.ErrNoRows) }

func optional(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }
