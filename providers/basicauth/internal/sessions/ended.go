package sessions

import (
	"context"
	"math"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// NoVersion is above every token_version: no access token is accepted.
const NoVersion = math.MaxInt64

// Ended are the access tokens that a change has made invalid.
type Ended struct {
	tokens  []endedSession
	account string
	version int64
	until   time.Time
}

type endedSession struct {
	id          string
	accessUntil int64
}

// Raise ends the access tokens of an account below a version; the last of them expires at until.
func (e *Ended) Raise(accountID string, version int64, until time.Time) {
	e.account, e.version, e.until = accountID, version, until
}

// Add notes that one session has ended; its last access token expires at accessUntil, in milliseconds.
func (e *Ended) Add(sessionID string, accessUntil int64) {
	e.tokens = append(e.tokens, endedSession{sessionID, accessUntil})
}

// Count returns how many sessions have ended.
func (e *Ended) Count() int { return len(e.tokens) }

// Sessions ends all sessions of an account.
func (e *Ended) Sessions(ctx context.Context, q store.Queries, accountID string, now time.Time) error {
	rows, err := q.RevokeAccountSessions(ctx, db.RevokeAccountSessionsParams{AccountID: accountID, Now: now.UnixMilli()})
	for _, r := range rows {
		e.Add(r.ID, r.AccessUntil)
	}
	return err
}

// Session ends one session of an account.
func (e *Ended) Session(ctx context.Context, q store.Queries, accountID, sessionID string, now time.Time) error {
	rows, err := q.RevokeOwnSession(ctx, db.RevokeOwnSessionParams{ID: sessionID, AccountID: accountID, Now: now.UnixMilli()})
	for _, r := range rows {
		e.Add(r.ID, r.AccessUntil)
	}
	if err == nil && len(rows) == 0 {
		err = or3cloud.Errorf(or3cloud.CodeNotFound, "the account has no live session %q", sessionID)
	}
	return err
}

// Apply applies to memory what was committed.
func (e *Ended) Apply(r *Revocations) {
	if e.account != "" {
		r.raiseVersion(e.account, e.version, e.until)
	}
	for _, s := range e.tokens {
		r.RevokeSession(s.id, time.UnixMilli(s.accessUntil))
	}
}

// EndSession ends a session at its owner's request, unless it has already ended.
func (s *Sessions) EndSession(ctx context.Context, q store.Queries, r *or3cloud.Request, sessionID string, now time.Time, e *Ended) error {
	rows, err := q.RevokeSession(ctx, db.RevokeSessionParams{ID: sessionID, Now: now.UnixMilli()})
	if err != nil {
		return err
	}
	for _, row := range rows {
		e.Add(row.ID, row.AccessUntil)
		if err := s.guard.Record(ctx, q, r, row.AccountID, guard.EventSignedOut, ""); err != nil {
			return err
		}
	}
	return nil
}
