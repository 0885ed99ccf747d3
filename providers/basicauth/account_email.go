package basicauth

import (
	"net/http"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// changeEmail is POST /api/basic-auth/email. With mail the new address has to confirm; without, the change is immediate.
func (p *provider) changeEmail(c call) error {
	who, f, err := asked(c, p.stepUp.RecentlyProven)
	if err != nil {
		return err
	}
	email, ok := f.Text("email", 1, form.MaxEmail)
	email = form.NormalEmail(email)
	if !ok || !form.ValidEmail(email) || email == who.Email {
		return refuse.Email()
	}
	switch _, err := p.store.Read.AccountByEmail(c.Context(), email); {
	case err == nil:
		return refuse.EmailTaken()
	case !store.Absent(err):
		return err
	}
	if p.opts.mail {
		err = p.accounts.AskNewAddress(c.Request, who, email)
	} else {
		err = p.accounts.ChangeAddressNow(c.Request, who, email)
	}
	if err != nil {
		return err
	}
	return c.reply(map[string]any{"ok": true, "pending": p.opts.mail})
}

// confirmEmail is POST /api/basic-auth/email/confirm. The link says who it is for, so nobody has to be signed in, but the
// session that has asked for it must not have ended; a browser that is signed in to the account gets its new address at once.
func (p *provider) confirmEmail(c call) error {
	ctx := c.Context()
	f, err := c.body()
	if err != nil {
		return err
	}
	token, ok := f.Text("token", 1, form.MaxToken)
	if !ok {
		return refuse.Token()
	}
	who, _, err := p.sessions.Identify(ctx, c.Request)
	if err != nil {
		return err
	}
	var change accounts.EmailChange
	var access *http.Cookie
	err = p.store.Tx(ctx, func(q store.Queries) error {
		row, err := p.onetime.Take(ctx, q, onetime.Email, token, &change)
		if err != nil {
			return err
		}
		accountID := row.AccountID.String
		if err := p.accounts.SetEmail(ctx, q, c.Request, accountID, change.Email); err != nil {
			return err
		}
		if who == nil || who.AccountID != accountID {
			return nil
		}
		switch _, err := p.stepUp.Actor(ctx, q, who.SessionID, accountID, who.Version); {
		case or3cloud.CodeOf(err) == or3cloud.CodeUnauthenticated:
			return nil // the link is good, and this browser is signed out
		case err != nil:
			return err
		}
		access, err = p.sessions.RenewAccess(c.Request, q, who.SessionID, accountID)
		return err
	})
	if err != nil {
		return err
	}
	if access != nil {
		p.sessions.ReplaceAccess(c.Request, access)
	}
	return c.reply(map[string]any{"ok": true, "email": change.Email})
}

// cancelEmail is POST /api/basic-auth/email/cancel.
func (p *provider) cancelEmail(c call) error {
	who, err := p.stepUp.SignedIn(c.Context(), c.Request)
	if err != nil {
		return err
	}
	ctx := c.Context()
	err = p.stepUp.As(ctx, who, func(q store.Queries, who factors.Actor) error {
		return q.DeleteAccountTokens(ctx, db.DeleteAccountTokensParams{AccountID: store.Optional(who.ID), Kind: string(onetime.Email)})
	})
	if err != nil {
		return err
	}
	return c.answer(true)
}
