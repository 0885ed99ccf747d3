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
)

// emailMails is how many new addresses one account can have written to in an hour: they may be those of strangers.
const emailMails = 5

// emailChange is what a token that confirms an address is about.
type emailChange struct {
	Email string `json:"email"`
}

func errEmailTaken() error {
	return refuse(or3cloud.CodeConflict, "email_taken", "Another account has this e-mail address.", map[string]any{"field": "email"})
}

func errNoMail() error {
	return refuse(or3cloud.CodeUnsupported, "mail_not_configured", "This server sends no mail. Ask its operator for a link.", nil)
}

// changeEmail is POST /api/basic-auth/email. With mail the new address has to confirm; without, the change is immediate.
func (p *provider) changeEmail(c call) error {
	who, f, err := asked(c, p.recentlyProven)
	if err != nil {
		return err
	}
	email, ok := f.text("email", 1, maxEmail)
	email = normalEmail(email)
	if !ok || !validEmail(email) || email == who.Email {
		return errEmail()
	}
	switch _, err := p.store.read.AccountByEmail(c.Context(), email); {
	case err == nil:
		return errEmailTaken()
	case !absent(err):
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
	v := p.limits.Take("basic-auth:email-mails:"+who.ID, ratelimit.Limit{Max: emailMails, Window: time.Hour})
	if !v.Allowed {
		e := refuse(or3cloud.CodeRateLimited, "rate_limited", "Too many requests", nil)
		e.RetryAfter = v.RetryAfter
		return e
	}
	ctx := c.Context()
	return p.as(ctx, who, func(q queries, who actor) error {
		a := who.account()
		if err := q.DeleteAccountTokens(ctx, db.DeleteAccountTokensParams{AccountID: optional(a.ID), Kind: string(tokenEmail)}); err != nil {
			return err
		}
		token, _, err := p.issue(ctx, q, tokenEmail, a, who.SessionID, emailChange{email})
		if err != nil {
			return err
		}
		letter := confirmLetter(p.link(url.Values{"confirm-email": {token}}.Encode()), p.occasionOf(c.Request))
		letter.To = email
		if err := p.outbox.add(ctx, q, a.ID, string(tokenEmail), letter, tokenEmail.lifetime()); err != nil {
			return err
		}
		if err := p.record(ctx, q, c.Request, a.ID, eventEmailChangeAsked, ""); err != nil {
			return err
		}
		return p.notify(ctx, q, c.Request, a, noticeEmailAsked, email)
	})
}

func (p *provider) changeAddressNow(c call, who actor, email string) error {
	var token *http.Cookie
	err := p.as(c.Context(), who, func(q queries, who actor) (err error) {
		if err = p.setEmail(c.Context(), q, c.Request, who.ID, email); err != nil {
			return err
		}
		token, err = p.renewAccess(c.Request, q, who.SessionID, who.ID)
		return err
	})
	if err != nil {
		return err
	}
	p.replaceAccess(c.Request, token)
	return nil
}

// setEmail changes the address of an account and tells the old one. Links for a forgotten password that went to the old
// address are worthless from then on.
func (p *provider) setEmail(ctx context.Context, q queries, r *or3cloud.Request, accountID, email string) error {
	a, err := q.AccountByID(ctx, accountID)
	if err != nil {
		return err
	}
	err = q.SetEmail(ctx, db.SetEmailParams{ID: a.ID, Email: email, Now: p.now().UnixMilli()})
	if sqlitex.IsUnique(err) {
		return errEmailTaken()
	}
	if err != nil {
		return err
	}
	for _, kind := range []tokenKind{tokenReset, tokenEmail} {
		if err := q.DeleteAccountTokens(ctx, db.DeleteAccountTokensParams{AccountID: optional(a.ID), Kind: string(kind)}); err != nil {
			return err
		}
	}
	if err := p.record(ctx, q, r, a.ID, eventEmailChanged, ""); err != nil {
		return err
	}
	return p.notify(ctx, q, r, a, noticeEmailChanged, email)
}

// confirmEmail is POST /api/basic-auth/email/confirm. The link says who it is for, so nobody has to be signed in, but the
// session that has asked for it must not have ended; a browser that is signed in to the account gets its new address at once.
func (p *provider) confirmEmail(c call) error {
	ctx := c.Context()
	f, err := c.body()
	if err != nil {
		return err
	}
	token, ok := f.text("token", 1, maxToken)
	if !ok {
		return errToken()
	}
	who, _, err := p.identify(ctx, c.Request)
	if err != nil {
		return err
	}
	var change emailChange
	var access *http.Cookie
	err = p.store.tx(ctx, func(q queries) error {
		row, err := p.take(ctx, q, tokenEmail, token, &change)
		if err != nil {
			return err
		}
		accountID := row.AccountID.String
		if err := p.setEmail(ctx, q, c.Request, accountID, change.Email); err != nil {
			return err
		}
		if who == nil || who.accountID != accountID {
			return nil
		}
		switch _, err := p.actor(ctx, q, who.sessionID, accountID, who.version); {
		case or3cloud.CodeOf(err) == or3cloud.CodeUnauthenticated:
			return nil // the link is good, and this browser is signed out
		case err != nil:
			return err
		}
		access, err = p.renewAccess(c.Request, q, who.sessionID, accountID)
		return err
	})
	if err != nil {
		return err
	}
	if access != nil {
		p.replaceAccess(c.Request, access)
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
	err = p.as(ctx, who, func(q queries, who actor) error {
		return q.DeleteAccountTokens(ctx, db.DeleteAccountTokensParams{AccountID: optional(who.ID), Kind: string(tokenEmail)})
	})
	if err != nil {
		return err
	}
	return c.answer(true)
}
