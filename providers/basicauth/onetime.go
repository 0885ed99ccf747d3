package basicauth

import (
	"context"
	"encoding/json"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/db"
)

// tokenKind says what a one-time token is for.
type tokenKind string

// The kinds, with how long one lives.
const (
	tokenReset        tokenKind = "reset"
	tokenEmail        tokenKind = "email"
	tokenSecondFactor tokenKind = "second_factor"
	tokenPasskeyAdd   tokenKind = "passkey_add"
	tokenPasskeyUse   tokenKind = "passkey_use"
)

// lifetime is how long a token of the kind can be used.
func (k tokenKind) lifetime() time.Duration {
	switch k {
	case tokenReset, tokenEmail:
		return 30 * time.Minute
	default:
		return 5 * time.Minute
	}
}

// issue makes a one-time token of a kind for an account, or for nobody if a is the zero account. data is kept with it as
// JSON. What is stored of the token is its fingerprint. A token that somebody begins who is signed in ends with that
// session; for the others sessionID is empty.
func (p *provider) issue(ctx context.Context, q queries, kind tokenKind, a db.Account, sessionID string, data any) (token string, expires time.Time, err error) {
	token, print, err := p.refresh.generate()
	if err != nil {
		return "", expires, err
	}
	text, err := json.Marshal(data)
	if err != nil {
		return "", expires, err
	}
	now := p.now()
	// There are never more than live ones, and of those not too many.
	if err := q.DeleteExpiredOneTimeTokens(ctx, db.DeleteExpiredOneTimeTokensParams{Now: now.UnixMilli(), Latest: latest(now)}); err != nil {
		return "", expires, err
	}
	expires = now.Add(kind.lifetime())
	err = q.InsertOneTimeToken(ctx, db.InsertOneTimeTokenParams{
		Fingerprint: print, Kind: string(kind), AccountID: optional(a.ID), TokenVersion: a.TokenVersion, SessionID: optional(sessionID),
		Data: string(text), CreatedAt: now.UnixMilli(), ExpiresAt: expires.UnixMilli(),
	})
	if err != nil {
		return "", expires, err
	}
	if a.ID == "" {
		return token, expires, q.DeleteSurplusCeremony(ctx, maxCeremonies)
	}
	return token, expires, q.DeleteSurplusTokens(ctx, db.DeleteSurplusTokensParams{
		AccountID: optional(a.ID), Kind: string(kind), Keep: maxTokensOfAKind,
	})
}

// How many one-time tokens of a kind an account has, and how many passkey ceremonies may be under way that have no account
// yet. The oldest goes.
const (
	maxTokensOfAKind = 100
	maxCeremonies    = 2000
)

// peek reads a one-time token without using it up. It answers errToken for one that is unknown, used, expired, of another
// kind, overtaken by a change of the account's password or begun by a session that has ended.
func (p *provider) peek(ctx context.Context, q queries, kind tokenKind, token string, data any) (db.OneTimeTokenRow, error) {
	now := p.now()
	row, err := q.OneTimeToken(ctx, db.OneTimeTokenParams{
		Fingerprint: fingerprint(token), Kind: string(kind), Now: now.UnixMilli(), Latest: latest(now),
	})
	if absent(err) {
		return row, errToken()
	}
	if err != nil {
		return row, err
	}
	return row, json.Unmarshal([]byte(row.Data), data)
}

// take is peek that uses the token up: of parallel calls one succeeds. It must run in a write transaction, whose failure
// gives the token back.
func (p *provider) take(ctx context.Context, q queries, kind tokenKind, token string, data any) (db.OneTimeTokenRow, error) {
	row, err := p.peek(ctx, q, kind, token, data)
	if err != nil {
		return row, err
	}
	n, err := q.DeleteOneTimeToken(ctx, row.Fingerprint)
	if err == nil && n != 1 {
		err = errToken()
	}
	return row, err
}
