package basicauth

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
)

// The requests of each client address in a minute.
const (
	forgotLimit  = 5
	resetLimit   = 20
	confirmLimit = 20
)

// How many reset links one account gets by mail within the time; more requests are dropped silently, so that nobody can
// flood a mailbox.
const (
	resetMails       = 3
	resetMailsWithin = time.Hour
)

// resetRoutes are the endpoints for a forgotten password and for confirming an address.
func (p *provider) resetRoutes() []or3cloud.Route {
	return []or3cloud.Route{
		p.limited("forgot-password", forgotLimit, p.forgotPassword),
		p.limited("reset-password", resetLimit, p.resetPassword),
		p.limited("email/confirm", confirmLimit, p.confirmEmail),
	}
}

// resetRequest is an address that somebody has typed into the form for a forgotten password.
type resetRequest struct {
	Email string   `json:"email"`
	By    occasion `json:"by"`
}

// forgotPassword is POST /api/basic-auth/forgot-password. It notes the request and looks no account up: whether there is
// one is found out later, by the goroutine of the outbox. So known and unknown addresses take the same time here, because
// the same is done for both.
func (p *provider) forgotPassword(c call) error {
	if !p.opts.mail {
		return errNoMail()
	}
	f, err := c.body()
	if err != nil {
		return err
	}
	email, ok := f.text("email", 1, maxEmail)
	if !ok || !validEmail(email) {
		return errEmail()
	}
	request := resetRequest{normalEmail(email), p.occasionOf(c.Request)}
	err = p.store.tx(c.Context(), func(q queries) error {
		return p.outbox.add(c.Context(), q, "", mailResetRequest, request, tokenReset.lifetime())
	})
	if err != nil {
		return err
	}
	return c.answer(true)
}

// resolveReset turns a request into a link, if there is an account that may have one.
func (p *provider) resolveReset(ctx context.Context, q queries, content []byte) error {
	var request resetRequest
	if err := json.Unmarshal(content, &request); err != nil {
		return err
	}
	a, err := q.AccountByEmail(ctx, request.Email)
	if absent(err) || err == nil && a.DisabledAt.Valid {
		return nil
	}
	if err != nil {
		return err
	}
	n, err := q.CountEventsSince(ctx, db.CountEventsSinceParams{
		AccountID: a.ID, Kind: string(eventResetRequested), After: p.now().Add(-resetMailsWithin).UnixMilli(),
		Latest: latest(p.now()),
	})
	if err != nil || n >= resetMails {
		return err
	}
	fragment, _, err := p.resetFragment(ctx, q, a)
	if err != nil {
		return err
	}
	p.log.Info("account event", "event", string(eventResetRequested), "account", a.ID, "address", request.By.Address)
	err = keepEvent(ctx, q, db.InsertEventParams{
		AccountID: a.ID, Kind: string(eventResetRequested), At: p.now().UnixMilli(),
		IpAddress: optional(request.By.Address), UserAgent: optional(request.By.Agent),
	})
	if err != nil {
		return err
	}
	letter := resetLetter(p.link(fragment), request.By)
	letter.To = a.Email
	return p.outbox.add(ctx, q, a.ID, string(tokenReset), letter, tokenReset.lifetime())
}

// resetFragment makes a one-time token with which the owner of an account chooses a new password, as the fragment of a
// link, and says when it expires. It must run in a write transaction.
func (p *provider) resetFragment(ctx context.Context, q queries, a db.Account) (fragment string, expires time.Time, err error) {
	token, expires, err := p.issue(ctx, q, tokenReset, a, "", struct{}{})
	return url.Values{"reset": {token}}.Encode(), expires, err
}

// link is an address of this server for a letter. It comes from the configuration alone: whoever could choose it, as with
// the Host of a request, would be sent the tokens of others.
func (p *provider) link(fragment string) string { return p.opts.publicURL + "/#" + fragment }

// resetPassword is POST /api/basic-auth/reset-password. The new password is judged and hashed before the token is used up,
// so that a refusal leaves the link as it was; of two uses at once one finds the token gone.
func (p *provider) resetPassword(c call) error {
	ctx := c.Context()
	f, err := c.body()
	if err != nil {
		return err
	}
	token, ok := f.text("token", 1, maxToken)
	if !ok {
		return errToken()
	}
	password, err := f.newPassword("newPassword", "confirmNewPassword")
	if err != nil {
		return err
	}
	row, err := p.peek(ctx, p.store.read, tokenReset, token, &struct{}{})
	if err != nil {
		return err
	}
	a, err := p.store.read.AccountByID(ctx, row.AccountID.String)
	if absent(err) {
		return errToken()
	}
	if err != nil {
		return err
	}
	if err := p.checkNewPassword(password, "newPassword", a.Email, a.DisplayName.String); err != nil {
		return err
	}
	hash, err := p.password.Hash(ctx, password)
	if err != nil {
		return err
	}
	var e ended
	err = p.store.tx(ctx, func(q queries) error {
		if _, err := p.take(ctx, q, tokenReset, token, &struct{}{}); err != nil {
			return err
		}
		a, err := q.AccountByID(ctx, a.ID)
		if err != nil {
			return err
		}
		if _, err := p.replacePassword(ctx, q, a, hash, &e); err != nil {
			return err
		}
		if err := p.record(ctx, q, c.Request, a.ID, eventPasswordReset, ""); err != nil {
			return err
		}
		return p.notify(ctx, q, c.Request, a, noticePasswordReset, "")
	})
	if err != nil {
		return err
	}
	e.apply(p.revoked)
	return c.answer(true)
}
