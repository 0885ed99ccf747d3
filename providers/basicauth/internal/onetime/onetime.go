// Package onetime makes tokens that are used once: those in links of letters, and those that name a challenge or a
// passkey ceremony. They are rows of a table, and only their fingerprints are kept.
package onetime

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/secret"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Kind says what a one-time token is for.
type Kind string

// The kinds of tokens, and how long each lives.
const (
	Reset        Kind = "reset"
	Email        Kind = "email"
	SecondFactor Kind = "second_factor"
	PasskeyAdd   Kind = "passkey_add"
	PasskeyUse   Kind = "passkey_use"
)

// Lifetime is how long a token of the kind can be used.
func (k Kind) Lifetime() time.Duration {
	switch k {
	case Reset, Email:
		return 30 * time.Minute
	default:
		return 5 * time.Minute
	}
}

// Tokens are the one-time tokens of all accounts.
type Tokens struct {
	opaque secret.Opaque
	now    func() time.Time
}

// New returns a Tokens that uses a source of random bytes.
func New(random io.Reader, now func() time.Time) *Tokens {
	return &Tokens{opaque: secret.Opaque{Rand: random}, now: now}
}

// Issue makes a one-time token of a kind for an account, or for no account if a is the zero value. data is kept with it
// as JSON. Only the fingerprint of the token is stored. A token that a signed-in person begins ends with that session;
// for the others sessionID is empty.
func (t *Tokens) Issue(ctx context.Context, q store.Queries, kind Kind, a db.Account, sessionID string, data any) (token string, expires time.Time, err error) {
	token, print, err := t.opaque.Generate()
	if err != nil {
		return "", expires, err
	}
	text, err := json.Marshal(data)
	if err != nil {
		return "", expires, err
	}
	now := t.now()
	// There are no more rows than live tokens, and not too many of those.
	if err := q.DeleteExpiredOneTimeTokens(ctx, db.DeleteExpiredOneTimeTokensParams{Now: now.UnixMilli(), Latest: store.Latest(now)}); err != nil {
		return "", expires, err
	}
	expires = now.Add(kind.Lifetime())
	err = q.InsertOneTimeToken(ctx, db.InsertOneTimeTokenParams{
		Fingerprint: print, Kind: string(kind), AccountID: store.Optional(a.ID), TokenVersion: a.TokenVersion, SessionID: store.Optional(sessionID),
		Data: string(text), CreatedAt: now.UnixMilli(), ExpiresAt: expires.UnixMilli(),
	})
	if err != nil {
		return "", expires, err
	}
	if a.ID == "" {
		return token, expires, q.DeleteSurplusCeremony(ctx, MaxCeremonies)
	}
	return token, expires, q.DeleteSurplusTokens(ctx, db.DeleteSurplusTokensParams{
		AccountID: store.Optional(a.ID), Kind: string(kind), Keep: MaxOfAKind,
	})
}

// How many one-time tokens of a kind an account has, and how many passkey ceremonies without an account may be under
// way. The oldest is dropped.
const (
	MaxOfAKind    = 100
	MaxCeremonies = 2000
)

// Peek reads a one-time token without using it up. The error is refuse.Token for one that is unknown, used, expired, of
// another kind, outdated by a change of the account's password, or begun by a session that has ended.
func (t *Tokens) Peek(ctx context.Context, q store.Queries, kind Kind, token string, data any) (db.OneTimeTokenRow, error) {
	now := t.now()
	row, err := q.OneTimeToken(ctx, db.OneTimeTokenParams{
		Fingerprint: secret.Fingerprint(token), Kind: string(kind), Now: now.UnixMilli(), Latest: store.Latest(now),
	})
	if store.Absent(err) {
		return row, refuse.Token()
	}
	if err != nil {
		return row, err
	}
	return row, json.Unmarshal([]byte(row.Data), data)
}

// Take is Peek, and uses the token up: of parallel calls one succeeds. It must run in a write transaction; if that
// fails, the token is good again.
func (t *Tokens) Take(ctx context.Context, q store.Queries, kind Kind, token string, data any) (db.OneTimeTokenRow, error) {
	row, err := t.Peek(ctx, q, kind, token, data)
	if err != nil {
		return row, err
	}
	n, err := q.DeleteOneTimeToken(ctx, row.Fingerprint)
	if err == nil && n != 1 {
		err = refuse.Token()
	}
	return row, err
}
