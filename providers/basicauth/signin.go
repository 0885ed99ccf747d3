package basicauth

import (
	"context"
	"log/slog"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/passwd"
	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// entrance has the endpoints for people who are not signed in: they sign in and out, register, and follow links.
type entrance struct {
	opts     *options
	host     or3cloud.HostServices
	log      *slog.Logger
	now      func() time.Time
	front    *front
	store    *store.Store
	onetime  *onetime.Tokens
	guard    *guard.Guard
	behind   *guard.Behind
	letters  *letters.Letters
	sessions *sessions.Sessions
	factors  *factors.Factors
	stepUp   *factors.StepUp
	accounts *accounts.Accounts
}

// signIn is POST /api/basic-auth/sign-in.
func (n *entrance) signIn(c call) error {
	f, err := c.body()
	if err != nil {
		return err
	}
	body, err := form.ParseSignIn(f)
	if err != nil {
		return err
	}
	g, err := n.authenticate(c.Context(), c.Request, body)
	if err != nil {
		if or3cloud.CodeOf(err) == or3cloud.CodeRateLimited {
			n.guard.SignIns.Limited.Add(1)
		}
		return err
	}
	if g == nil {
		n.guard.SignIns.WrongPassword.Add(1)
		// The line that intrusion detection reads (docs/operations.md): keep its text and its attributes as they are.
		n.log.Warn("sign-in failed", "address", c.ClientIP, "email", guard.RedactEmail(body.Email))
		n.sessions.ClearCookies(c.Request)
		return refuse.Credentials()
	}
	n.sessions.SetCookies(c.Request, g)
	if len(g.OtherDomains) > 0 {
		return c.reply(map[string]any{"ok": true, "otherDomains": g.OtherDomains})
	}
	return c.answer(true)
}

// authenticate returns a grant for the right password, otherwise nil. Unknown accounts take as long as known ones.
func (n *entrance) authenticate(ctx context.Context, r *or3cloud.Request, body form.SignInBody) (*sessions.Grant, error) {
	a, err := n.store.Read.AccountByEmail(ctx, body.Email)
	if err != nil && !store.Absent(err) {
		return nil, err
	}
	ok, err := n.guard.Guess(ctx, r, body.Email, a.PasswordHash, body.Password)
	if err != nil {
		return nil, err
	}
	if !ok {
		if a.ID != "" {
			n.behind.Failed(a, r)
		}
		return nil, nil
	}
	if a.DisabledAt.Valid {
		return nil, refuse.Disabled()
	}
	hash := a.PasswordHash
	if passwd.NeedsRehash(hash) {
		if better, err := n.guard.Passwords.Hash(ctx, body.Password); err == nil { // otherwise at the next sign-in
			hash = better
		}
	}
	g, err := n.beginVerified(ctx, r, a, hash)
	if err == nil && hash != a.PasswordHash {
		n.guard.LearnLegacyCost(ctx)
	}
	return g, err
}

// beginVerified starts a session of an account whose password was found to be right, unless the account has changed
// since: a password that is being changed must not open one more session. If the account has a second factor, the
// refusal asks for it instead. hash replaces the account's hash.
func (n *entrance) beginVerified(ctx context.Context, r *or3cloud.Request, verified db.Account, hash string) (g *sessions.Grant, err error) {
	var refusal *or3cloud.Error // the challenge in it has to stay
	err = n.store.Tx(ctx, func(q store.Queries) error {
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
		if refusal, otherDomains, err = n.factors.Demand(ctx, q, r, a); err != nil || refusal != nil {
			return err
		}
		if g, err = n.factors.Admit(ctx, q, r, a, "password"); g != nil {
			g.OtherDomains = otherDomains
		}
		return err
	})
	if err == nil && refusal != nil {
		return nil, refusal
	}
	return g, err
}
