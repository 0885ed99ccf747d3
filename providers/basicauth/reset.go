package basicauth

import (
	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// The requests of each client address in a minute.
const (
	forgotLimit  = 5
	resetLimit   = 20
	confirmLimit = 20
)

// resetRoutes are the endpoints for a forgotten password and for confirming an address.
func (p *provider) resetRoutes() []or3cloud.Route {
	return []or3cloud.Route{
		p.limited("forgot-password", forgotLimit, p.forgotPassword),
		p.limited("reset-password", resetLimit, p.resetPassword),
		p.limited("email/confirm", confirmLimit, p.confirmEmail),
	}
}

// forgotPassword is POST /api/basic-auth/forgot-password. It notes the request and looks no account up: whether there is
// one is found out later, by the goroutine of the outbox. So known and unknown addresses take the same time here, because
// the same is done for both.
func (p *provider) forgotPassword(c call) error {
	if !p.opts.mail {
		return refuse.NoMail()
	}
	f, err := c.body()
	if err != nil {
		return err
	}
	email, ok := f.Text("email", 1, form.MaxEmail)
	if !ok || !form.ValidEmail(email) {
		return refuse.Email()
	}
	request := accounts.ResetRequest{Email: form.NormalEmail(email), By: p.letters.OccasionOf(c.Request)}
	err = p.store.Tx(c.Context(), func(q store.Queries) error {
		return p.letters.Outbox.Add(c.Context(), q, "", letters.ResetRequest, request, onetime.Reset.Lifetime())
	})
	if err != nil {
		return err
	}
	return c.answer(true)
}

// resetPassword is POST /api/basic-auth/reset-password. The new password is judged and hashed before the token is used up,
// so that a refusal leaves the link as it was; of two uses at once one finds the token gone.
func (p *provider) resetPassword(c call) error {
	ctx := c.Context()
	f, err := c.body()
	if err != nil {
		return err
	}
	token, ok := f.Text("token", 1, form.MaxToken)
	if !ok {
		return refuse.Token()
	}
	password, err := f.NewPassword("newPassword", "confirmNewPassword")
	if err != nil {
		return err
	}
	row, err := p.onetime.Peek(ctx, p.store.Read, onetime.Reset, token, &struct{}{})
	if err != nil {
		return err
	}
	a, err := p.store.Read.AccountByID(ctx, row.AccountID.String)
	if store.Absent(err) {
		return refuse.Token()
	}
	if err != nil {
		return err
	}
	if err := p.accounts.CheckNewPassword(password, "newPassword", a.Email, a.DisplayName.String); err != nil {
		return err
	}
	hash, err := p.guard.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	var e sessions.Ended
	err = p.store.Tx(ctx, func(q store.Queries) error {
		if _, err := p.onetime.Take(ctx, q, onetime.Reset, token, &struct{}{}); err != nil {
			return err
		}
		a, err := q.AccountByID(ctx, a.ID)
		if err != nil {
			return err
		}
		if _, err := p.accounts.ReplacePassword(ctx, q, a, hash, &e); err != nil {
			return err
		}
		if err := p.guard.Record(ctx, q, c.Request, a.ID, guard.EventPasswordReset, ""); err != nil {
			return err
		}
		return p.letters.Notify(ctx, q, c.Request, a, letters.NoticePasswordReset, "")
	})
	if err != nil {
		return err
	}
	e.Apply(p.sessions.Revoked)
	return c.answer(true)
}
