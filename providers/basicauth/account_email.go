package basicauth

import (
	"context"
	"net/http"
	"net/url"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// emailMails is how many new addresses one account can have written to in an hour: they may be those of strangers.
const emailMails = 5

// emailChange is what a token that confirms an address is about.
type emailChange struct {
	Email string `json:"email"`
}

// changeEmail is POST /api/basic-auth/email. With mail the new address has to confirm; without, the change is immediate.
func (p *provider) changeEmail(c call) error {
	who, f, err := asked(c, p.recentlyProven)
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
		err = p.askNewAddress(c, who, email)
	} else {
		err = p.changeAddressNow(c, who, email)
	}
	if err != nil {
		return err
	}
	return c.reply(map[string]any{"ok": true, "pending": p.opts.mail})
}

// askNewAddress sends a link to the new address and tells the old one. Earlier links for other new addresses are
// worthless from then on.
func (p *provider) askNewAddress(c call, who actor, email string) error {
	v := p.guard.Limits.Take("basic-auth:email-mails:"+who.ID, ratelimit.Limit{Max: emailMails, Window: time.Hour})
	if !v.Allowed {
		e := refuse.With(or3cloud.CodeRateLimited, "rate_limited", "Too many requests", nil)
		e.RetryAfter = v.RetryAfter
		return e
	}
	ctx := c.Context()
	return p.as(ctx, who, func(q store.Queries, who actor) error {
		a := who.account()
		if err := q.DeleteAccountTokens(ctx, db.DeleteAccountTokensParams{AccountID: store.Optional(a.ID), Kind: string(onetime.Email)}); err != nil {
			return err
		}
		token, _, err := p.onetime.Issue(ctx, q, onetime.Email, a, who.SessionID, emailChange{email})
		if err != nil {
			return err
		}
		letter := letters.ConfirmLetter(p.letters.Link(url.Values{"confirm-email": {token}}.Encode()), p.letters.OccasionOf(c.Request))
		letter.To = email
		if err := p.letters.Outbox.Add(ctx, q, a.ID, string(onetime.Email), letter, onetime.Email.Lifetime()); err != nil {
			return err
		}
		if err := p.guard.Record(ctx, q, c.Request, a.ID, guard.EventEmailChangeAsked, ""); err != nil {
			return err
		}
		return p.letters.Notify(ctx, q, c.Request, a, letters.NoticeEmailAsked, email)
	})
}

func (p *provider) changeAddressNow(c call, who actor, email string) error {
	var token *http.Cookie
	err := p.as(c.Context(), who, func(q store.Queries, who actor) (err error) {
		if err = p.setEmail(c.Context(), q, c.Request, who.ID, email); err != nil {
			return err
		}
		token, err = p.sessions.RenewAccess(c.Request, q, who.SessionID, who.ID)
		return err
	})
	if err != nil {
		return err
	}
	p.sessions.ReplaceAccess(c.Request, token)
	return nil
}

// setEmail changes the address of an account and tells the old one. Links for a forgotten password that went to the old
// address are worthless from then on.
func (p *provider) setEmail(ctx context.Context, q store.Queries, r *or3cloud.Request, accountID, email string) error {
	a, err := q.AccountByID(ctx, accountID)
	if err != nil {
		return err
	}
	err = q.SetEmail(ctx, db.SetEmailParams{ID: a.ID, Email: email, Now: p.now().UnixMilli()})
	if sqlitex.IsUnique(err) {
		return refuse.EmailTaken()
	}
	if err != nil {
		return err
	}
	for _, kind := range []onetime.Kind{onetime.Reset, onetime.Email} {
		if err := q.DeleteAccountTokens(ctx, db.DeleteAccountTokensParams{AccountID: store.Optional(a.ID), Kind: string(kind)}); err != nil {
			return err
		}
	}
	if err := p.guard.Record(ctx, q, r, a.ID, guard.EventEmailChanged, ""); err != nil {
		return err
	}
	return p.letters.Notify(ctx, q, r, a, letters.NoticeEmailChanged, email)
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
	var change emailChange
	var access *http.Cookie
	err = p.store.Tx(ctx, func(q store.Queries) error {
		row, err := p.onetime.Take(ctx, q, onetime.Email, token, &change)
		if err != nil {
			return err
		}
		accountID := row.AccountID.String
		if err := p.setEmail(ctx, q, c.Request, accountID, change.Email); err != nil {
			return err
		}
		if who == nil || who.AccountID != accountID {
			return nil
		}
		switch _, err := p.actor(ctx, q, who.SessionID, accountID, who.Version); {
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
	who, err := p.signedIn(c)
	if err != nil {
		return err
	}
	ctx := c.Context()
	err = p.as(ctx, who, func(q store.Queries, who actor) error {
		return q.DeleteAccountTokens(ctx, db.DeleteAccountTokensParams{AccountID: store.Optional(who.ID), Kind: string(onetime.Email)})
	})
	if err != nil {
		return err
	}
	return c.answer(true)
}
