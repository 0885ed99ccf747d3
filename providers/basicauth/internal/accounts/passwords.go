package accounts

import (
	"context"
	"fmt"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/passwordpolicy"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// ExchangePassword replaces the password that was verified, and starts a new session if the user keeps one.
func (s *Accounts) ExchangePassword(r *or3cloud.Request, verified factors.Actor, hash string, keepSession bool) (g *sessions.Grant, err error) {
	ctx, now := r.Context(), s.now()
	var e sessions.Ended
	err = s.stepUp.As(ctx, verified, func(q store.Queries, _ factors.Actor) error {
		a, err := s.ReplacePassword(ctx, q, verified.Account(), hash, &e)
		if err != nil {
			return err
		}
		if err := s.guard.Record(ctx, q, r, a.ID, guard.EventPasswordChanged, ""); err != nil {
			return err
		}
		if err := s.letters.Notify(ctx, q, r, a, letters.NoticePasswordChanged, ""); err != nil || !keepSession {
			return err
		}
		g, err = s.sessions.Begin(ctx, q, a, r, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	e.Apply(s.sessions.Revoked)
	return g, nil
}

// ReplacePassword stores a new hash in place of the one in a, which the caller has verified or read in the same write
// transaction, and ends every session and one-time link of the account. It returns the changed account. What it adds to
// e must be applied once the transaction is committed.
func (s *Accounts) ReplacePassword(ctx context.Context, q store.Queries, a db.Account, hash string, e *sessions.Ended) (db.Account, error) {
	now := s.now()
	n, err := q.ChangePassword(ctx, db.ChangePasswordParams{ID: a.ID, OldHash: a.PasswordHash, NewHash: hash, Now: now.UnixMilli()})
	if err != nil {
		return a, err
	}
	if n == 0 { // a parallel change was faster, and the password that was verified is no longer the right one
		return a, refuse.Credentials()
	}
	a.PasswordHash = hash
	a.TokenVersion++
	e.Raise(a.ID, a.TokenVersion, s.sessions.AccessUntil(now))
	return a, e.Sessions(ctx, q, a.ID, now)
}

// CheckNewPassword returns an error for a text that must not become a password, with the name of the field that it came
// in. about are texts that others know about the person, such as the e-mail address; the name of the server is added.
func (s *Accounts) CheckNewPassword(password, field string, about ...string) error {
	refusal, err := s.policy.Check(password, append(about, "or3", s.opts.PublicHost)...)
	if err != nil {
		return or3cloud.Unavailable(err, "The list of breached passwords cannot be read", 5*time.Second)
	}
	extra := map[string]any{"field": field}
	switch refusal {
	case passwordpolicy.TooShort:
		extra["min"] = s.opts.MinPassword
		return refuse.With(or3cloud.CodeInvalid, "password_too_short", fmt.Sprintf("Password must be at least %d characters.", s.opts.MinPassword), extra)
	case passwordpolicy.TooCommon:
		return refuse.With(or3cloud.CodeInvalid, "password_too_common", "This password is one of the first that an attacker would try.", extra)
	case passwordpolicy.ContainsContext:
		return refuse.With(or3cloud.CodeInvalid, "password_contains_context", "The password is too close to your name, your address or the name of this server.", extra)
	case passwordpolicy.Breached:
		return refuse.With(or3cloud.CodeInvalid, "password_breached", "This password has been found in a breach of another service.", extra)
	}
	return nil
}
