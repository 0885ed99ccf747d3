package basicauth

import (
	"net/http"

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

// forgotPassword is POST /api/basic-auth/forgot-password. It stores the request and looks up no account: the goroutine
// of the outbox does that later. So known and unknown addresses take the same time here, because the same is done for
// both.
func (n *entrance) forgotPassword(c call) error {
	if !n.opts.mail {
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
	request := accounts.ResetRequest{Email: form.NormalEmail(email), By: n.letters.OccasionOf(c.Request)}
	err = n.store.Tx(c.Context(), func(q store.Queries) error {
		return n.letters.Outbox.Add(c.Context(), q, "", letters.ResetRequest, request, onetime.Reset.Lifetime())
	})
	if err != nil {
		return err
	}
	return c.answer(true)
}

// resetPassword is POST /api/basic-auth/reset-password. The new password is checked and hashed before the token is used
// up, so that a refusal leaves the link as it was; of two uses at once, one finds the token gone.
func (n *entrance) resetPassword(c call) error {
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
	row, err := n.onetime.Peek(ctx, n.store.Read, onetime.Reset, token, &struct{}{})
	if err != nil {
		return err
	}
	a, err := n.store.Read.AccountByID(ctx, row.AccountID.String)
	if store.Absent(err) {
		return refuse.Token()
	}
	if err != nil {
		return err
	}
	if err := n.accounts.CheckNewPassword(password, "newPassword", a.Email, a.DisplayName.String); err != nil {
		return err
	}
	hash, err := n.guard.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	var e sessions.Ended
	err = n.store.Tx(ctx, func(q store.Queries) error {
		if _, err := n.onetime.Take(ctx, q, onetime.Reset, token, &struct{}{}); err != nil {
			return err
		}
		a, err := q.AccountByID(ctx, a.ID)
		if err != nil {
			return err
		}
		if _, err := n.accounts.ReplacePassword(ctx, q, a, hash, &e); err != nil {
			return err
		}
		if err := n.guard.Record(ctx, q, c.Request, a.ID, guard.EventPasswordReset, ""); err != nil {
			return err
		}
		return n.letters.Notify(ctx, q, c.Request, a, letters.NoticePasswordReset, "")
	})
	if err != nil {
		return err
	}
	e.Apply(n.sessions.Revoked)
	return c.answer(true)
}

// confirmEmail is POST /api/basic-auth/email/confirm. The link says whom it is for, so no one has to be signed in, but
// the session that requested it must not have ended; a browser that is signed in to the account gets its new address at
// once.
func (n *entrance) confirmEmail(c call) error {
	ctx := c.Context()
	f, err := c.body()
	if err != nil {
		return err
	}
	token, ok := f.Text("token", 1, form.MaxToken)
	if !ok {
		return refuse.Token()
	}
	who, _, err := n.sessions.Identify(ctx, c.Request)
	if err != nil {
		return err
	}
	var change accounts.EmailChange
	var access *http.Cookie
	err = n.store.Tx(ctx, func(q store.Queries) error {
		row, err := n.onetime.Take(ctx, q, onetime.Email, token, &change)
		if err != nil {
			return err
		}
		accountID := row.AccountID.String
		if err := n.accounts.SetEmail(ctx, q, c.Request, accountID, change.Email); err != nil {
			return err
		}
		if who == nil || who.AccountID != accountID {
			return nil
		}
		switch _, err := n.stepUp.Actor(ctx, q, who.SessionID, accountID, who.Version); {
		case or3cloud.CodeOf(err) == or3cloud.CodeUnauthenticated:
			return nil // the link is good, and this browser is signed out
		case err != nil:
			return err
		}
		access, err = n.sessions.RenewAccess(c.Request, q, who.SessionID, accountID)
		return err
	})
	if err != nil {
		return err
	}
	if access != nil {
		n.sessions.ReplaceAccess(c.Request, access)
	}
	return c.reply(map[string]any{"ok": true, "email": change.Email})
}
