package basicauth

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/passwd"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// signIn is POST /api/basic-auth/sign-in.
func (p *provider) signIn(c call) error {
	f, err := c.body()
	if err != nil {
		return err
	}
	body, err := form.ParseSignIn(f)
	if err != nil {
		return err
	}
	g, err := p.authenticate(c.Context(), c.Request, body)
	if err != nil {
		return err
	}
	if g == nil {
		// The line that intrusion detection reads (docs/operations.md): keep its text and its attributes as they are.
		p.log.Warn("sign-in failed", "address", c.ClientIP, "email", guard.RedactEmail(body.Email))
		p.sessions.ClearCookies(c.Request)
		return refuse.Credentials()
	}
	p.sessions.SetCookies(c.Request, g)
	if len(g.OtherDomains) > 0 {
		return c.reply(map[string]any{"ok": true, "otherDomains": g.OtherDomains})
	}
	return c.answer(true)
}

// authenticate returns a grant for the right password, else nil. Unknown accounts take as long as known ones.
func (p *provider) authenticate(ctx context.Context, r *or3cloud.Request, body form.SignInBody) (*sessions.Grant, error) {
	a, err := p.store.Read.AccountByEmail(ctx, body.Email)
	if err != nil && !store.Absent(err) {
		return nil, err
	}
	ok, err := p.guard.Guess(ctx, r, body.Email, a.PasswordHash, body.Password)
	if err != nil {
		return nil, err
	}
	if !ok {
		if a.ID != "" {
			p.behind.Failed(a, r)
		}
		return nil, nil
	}
	if a.DisabledAt.Valid {
		return nil, refuse.Disabled()
	}
	hash := a.PasswordHash
	if passwd.NeedsRehash(hash) {
		if better, err := p.guard.Passwords.Hash(ctx, body.Password); err == nil { // else at the next sign-in
			hash = better
		}
	}
	g, err := p.beginVerified(ctx, r, a, hash)
	if err == nil && hash != a.PasswordHash {
		p.guard.LearnLegacyCost(ctx)
	}
	return g, err
}

// beginVerified starts a session of an account whose password was found to be right, unless the account has changed
// since: a password that is being changed must not open one more session. If the account has a second factor, the refusal
// asks for it instead. hash replaces the account's hash.
func (p *provider) beginVerified(ctx context.Context, r *or3cloud.Request, verified db.Account, hash string) (g *sessions.Grant, err error) {
	var refusal *or3cloud.Error // the challenge in it has to stay
	err = p.store.Tx(ctx, func(q store.Queries) error {
		a, err := q.AccountByID(ctx, verified.ID)
		if store.Absent(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if a.TokenVersion != verified.TokenVersion || a.DisabledAt.Valid {
			return nil
		}
		if hash != verified.PasswordHash {
			_, err := q.UpgradePasswordHash(ctx, db.UpgradePasswordHashParams{ID: a.ID, OldHash: verified.PasswordHash, NewHash: hash})
			if err != nil {
				return err
			}
		}
		var otherDomains []string
		if refusal, otherDomains, err = p.factors.Demand(ctx, q, r, a); err != nil || refusal != nil {
			return err
		}
		if g, err = p.factors.Admit(ctx, q, r, a, "password"); g != nil {
			g.OtherDomains = otherDomains
		}
		return err
	})
	if err == nil && refusal != nil {
		return nil, refusal
	}
	return g, err
}
