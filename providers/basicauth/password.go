package basicauth

import (
	"context"
	"fmt"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/passwordpolicy"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// changePassword is POST /api/basic-auth/change-password. It ends all sessions of the account, this one included, and
// their access tokens with them. A page that asks to keep its session gets a new one in the same answer.
func (p *provider) changePassword(c call) error {
	ctx := c.Context()
	who, f, err := asked(c, p.signedInOrCleared)
	if err != nil {
		return err
	}
	body, err := form.ParseChangePassword(f)
	if err != nil {
		return err
	}
	if err := p.checkNewPassword(body.Next, "newPassword", who.Email, who.DisplayName.String); err != nil {
		return err
	}
	ok, err := p.guard.Guess(ctx, c.Request, who.Email, who.PasswordHash, body.Current)
	if err != nil {
		return err
	}
	if !ok {
		p.log.Warn("password change refused", "address", c.ClientIP, "email", guard.RedactEmail(who.Email))
		return refuse.Credentials()
	}
	hash, err := p.guard.Passwords.Hash(ctx, body.Next)
	if err != nil {
		return err
	}
	g, err := p.exchangePassword(c, who, hash, body.KeepSession)
	if err != nil {
		return err
	}
	if g != nil {
		p.sessions.SetCookies(c.Request, g)
	} else {
		p.sessions.ClearCookies(c.Request)
	}
	return c.answer(true)
}

// signedInOrCleared is signedIn for an endpoint that clears the cookies of whoever is not.
func (p *provider) signedInOrCleared(c call) (actor, error) {
	who, err := p.signedIn(c)
	if or3cloud.CodeOf(err) == or3cloud.CodeUnauthenticated {
		p.sessions.ClearCookies(c.Request)
	}
	return who, err
}

// exchangePassword replaces the password that was verified, and begins a new session if one is to be kept.
func (p *provider) exchangePassword(c call, verified actor, hash string, keepSession bool) (g *sessions.Grant, err error) {
	ctx, now := c.Context(), p.now()
	var e sessions.Ended
	err = p.as(ctx, verified, func(q store.Queries, _ actor) error {
		a, err := p.replacePassword(ctx, q, verified.account(), hash, &e)
		if err != nil {
			return err
		}
		if err := p.guard.Record(ctx, q, c.Request, a.ID, guard.EventPasswordChanged, ""); err != nil {
			return err
		}
		if err := p.letters.Notify(ctx, q, c.Request, a, letters.NoticePasswordChanged, ""); err != nil || !keepSession {
			return err
		}
		g, err = p.sessions.Begin(ctx, q, a, c.Request, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	e.Apply(p.sessions.Revoked)
	return g, nil
}

// replacePassword stores a new hash in place of the one in a, which the caller has verified or read in the same write
// transaction, and ends every session and one-time link of the account. It returns the account as it is then. What it adds
// to e must be applied once the transaction is committed.
func (p *provider) replacePassword(ctx context.Context, q store.Queries, a db.Account, hash string, e *sessions.Ended) (db.Account, error) {
	now := p.now()
	n, err := q.ChangePassword(ctx, db.ChangePasswordParams{ID: a.ID, OldHash: a.PasswordHash, NewHash: hash, Now: now.UnixMilli()})
	if err != nil {
		return a, err
	}
	if n == 0 { // a parallel change was faster, and the password that was verified is no longer the right one
		return a, refuse.Credentials()
	}
	a.PasswordHash = hash
	a.TokenVersion++
	e.Raise(a.ID, a.TokenVersion, p.sessions.AccessUntil(now))
	return a, e.Sessions(ctx, q, a.ID, now)
}

// checkNewPassword returns the refusal of a text that must not become a password, with the name of the field that it came
// in. about are texts that others know of the person, such as the e-mail address; the name of the server is added.
func (p *provider) checkNewPassword(password, field string, about ...string) error {
	refusal, err := p.policy.Check(password, append(about, "or3", p.opts.publicHost)...)
	if err != nil {
		return or3cloud.Unavailable(err, "The list of breached passwords cannot be read", 5*time.Second)
	}
	extra := map[string]any{"field": field}
	switch refusal {
	case passwordpolicy.TooShort:
		extra["min"] = p.opts.minPassword
		return refuse.With(or3cloud.CodeInvalid, "password_too_short", fmt.Sprintf("Password must be at least %d characters.", p.opts.minPassword), extra)
	case passwordpolicy.TooCommon:
		return refuse.With(or3cloud.CodeInvalid, "password_too_common", "This password is one of the first that others would try.", extra)
	case passwordpolicy.ContainsContext:
		return refuse.With(or3cloud.CodeInvalid, "password_contains_context", "The password is too close to your name, your address or the name of this server.", extra)
	case passwordpolicy.Breached:
		return refuse.With(or3cloud.CodeInvalid, "password_breached", "This password has been found in a breach of another service.", extra)
	}
	return nil
}
