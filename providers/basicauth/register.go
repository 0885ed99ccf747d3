package basicauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// register is POST /api/basic-auth/register. A refusal clears the cookies, as the endpoint always did; passing
// trouble and rate limits do not, because that would sign somebody out for nothing (contract, auth Pitfalls 10, 13). Nor
// does a request from another origin, which does not get here.
func (p *provider) register(c call) error {
	body, g, err := p.createFromRequest(c)
	switch or3cloud.CodeOf(err) {
	case "":
		p.sessions.SetCookies(c.Request, g)
		if p.opts.registration == registrationInvite && !g.Admitted {
			c.SetCookie(p.inviteCookie(body.Invite, 10*time.Minute))
		}
		return c.answer(true)
	case or3cloud.CodeInvalid, or3cloud.CodeForbidden, or3cloud.CodeUnauthenticated:
		p.sessions.ClearCookies(c.Request)
	}
	return err
}

// inviteCookie takes an invite to the first session of the account, which accepts it (contract, auth §9).
func (p *provider) inviteCookie(token string, lifetime time.Duration) *http.Cookie {
	return p.sessions.Cookie("or3_invite_token", "/", token, lifetime)
}

func (p *provider) createFromRequest(c call) (body form.RegisterBody, g *sessions.Grant, err error) {
	if err := p.limit(c, "register", registerLimit); err != nil {
		return body, nil, err
	}
	f, err := c.body()
	if err != nil {
		return body, nil, err
	}
	if body, err = form.ParseRegister(f); err != nil {
		return body, nil, err
	}
	day := "basic-auth:registered:" + ratelimit.Network(c.ClientIP)
	if v := p.guard.Limits.Take(day, ratelimit.Limit{Max: accountsPerDay, Window: guard.LongestWindow}); !v.Allowed {
		return body, nil, refuse.RateLimited(v.RetryAfter)
	}
	if g, err = p.createAccount(c.Context(), c.Request, body); err != nil {
		p.guard.Limits.Return(day)
	}
	return body, g, err
}

// accountsPerDay is how many accounts can be made from one client address in a day: a school on its first day comes from one,
// and a script that makes accounts to have more workspaces does as well. The operator can add more.
const accountsPerDay = 500

// createAccount checks whether an account may be created, creates it and signs it in.
func (p *provider) createAccount(ctx context.Context, r *or3cloud.Request, body form.RegisterBody) (*sessions.Grant, error) {
	bySetup := p.setup.matches(body.Invite)
	if !bySetup {
		if err := p.refuseSetup(ctx, body.Invite); err != nil {
			return nil, err
		}
		if err := p.admission(ctx, body); err != nil {
			return nil, err
		}
	}
	if err := p.checkNewPassword(body.Password, "password", body.Email, body.DisplayName); err != nil {
		return nil, err
	}
	switch _, err := p.store.Read.AccountByEmail(ctx, body.Email); {
	case err == nil:
		return nil, refuse.Credentials()
	case !store.Absent(err):
		return nil, err
	}
	hash, err := p.guard.Passwords.Hash(ctx, body.Password)
	if err != nil {
		return nil, err
	}
	now := p.now()
	var g *sessions.Grant
	err = p.store.Tx(ctx, func(q store.Queries) error {
		// The setup link is for the first account only, also when two people follow it at once.
		if bySetup && p.opts.registration != registrationOpen {
			if exists, err := q.AnyAccount(ctx); err != nil {
				return err
			} else if exists {
				return p.refusal()
			}
		}
		a, err := p.insertAccount(ctx, q, body.Email, hash, body.DisplayName, p.origin(bySetup))
		if err != nil {
			return err
		}
		if err := p.guard.Record(ctx, q, r, a.ID, guard.EventRegistered, ""); err != nil {
			return err
		}
		g, err = p.sessions.Begin(ctx, q, a, r, now)
		return err
	})
	if sqlitex.IsUnique(err) {
		return nil, refuse.Credentials()
	}
	if err == nil && bySetup {
		p.setup.forget()
	}
	return g, err
}

// refuseSetup refuses the token of a setup link that is not the one of now. Where everybody may register, a wrong token would
// otherwise make an ordinary account of somebody who believes that it is the operator's. An invite is told by its form, and is
// ignored there (contract, auth §9). Whatever else comes as one is a setup token if it looks like one, and in any case before
// there is an account, since nobody can have been invited by then.
func (p *provider) refuseSetup(ctx context.Context, token string) error {
	if p.opts.registration != registrationOpen || token == "" || strings.Contains(token, ".") {
		return nil
	}
	if raw, err := base64.RawURLEncoding.DecodeString(token); err == nil && len(raw) == setupBytes {
		return refuse.Setup()
	}
	exists, err := p.store.Read.AnyAccount(ctx)
	if err == nil && !exists {
		err = refuse.Setup()
	}
	return err
}

// admission says whether somebody without a setup link may register: nil, or the refusal. An invite is looked at and not
// used up; the first session of the account accepts it together with the membership.
func (p *provider) admission(ctx context.Context, body form.RegisterBody) error {
	if p.opts.registration != registrationInvite || body.Invite == "" {
		return p.refusal()
	}
	return p.host.CheckInvite(ctx, body.Invite, body.Email)
}

// origin says how an account that is being registered comes to be.
func (p *provider) origin(bySetup bool) string {
	switch {
	case bySetup:
		return sessions.OriginSetup
	case p.opts.registration == registrationInvite:
		return sessions.OriginInvite
	}
	return sessions.OriginOpen
}

// refusal is what somebody without a setup link is told, or nil when anybody may register.
func (p *provider) refusal() error {
	switch p.opts.registration {
	case registrationOpen:
		return nil
	case registrationInvite:
		return refuse.InviteRequired()
	default:
		return refuse.RegistrationDisabled()
	}
}

func (p *provider) insertAccount(ctx context.Context, q store.Queries, email, hash, displayName, origin string) (db.Account, error) {
	accountID, err := uuid.NewRandomFromReader(p.rand)
	if err != nil {
		return db.Account{}, err
	}
	a := db.Account{ID: accountID.String(), Email: email, PasswordHash: hash, DisplayName: store.Optional(displayName), Origin: origin}
	err = q.InsertAccount(ctx, db.InsertAccountParams{
		ID: a.ID, Email: a.Email, PasswordHash: a.PasswordHash, DisplayName: a.DisplayName, Origin: origin, Now: p.now().UnixMilli(),
	})
	return a, err
}

// bootstrap creates the configured account if there is none with its address. Nothing else is checked about the two
// values, and an account that exists is never changed (contract, auth §8.6).
func (p *provider) bootstrap(ctx context.Context) error {
	email := form.NormalEmail(p.opts.bootstrapEmail)
	if email == "" || p.opts.bootstrapPassword == "" {
		return nil
	}
	if _, err := p.store.Read.AccountByEmail(ctx, email); !store.Absent(err) {
		return err
	}
	hash, err := p.guard.Passwords.Hash(ctx, p.opts.bootstrapPassword)
	if err != nil {
		return err
	}
	err = p.store.Tx(ctx, func(q store.Queries) error {
		_, err := p.insertAccount(ctx, q, email, hash, email, sessions.OriginBootstrap)
		return err
	})
	if err != nil {
		return fmt.Errorf("create the bootstrap account: %w", err)
	}
	return nil
}

// setupBytes is how many random bytes the token of a setup link stands for.
const setupBytes = 32

// setupToken is the secret of the link with which the first account is made. Only its hash is kept.
type setupToken struct {
	mu  sync.Mutex
	sum []byte // nil when there is none
}

// setupFragment implements or3cloud.Instance.Setup. Each call makes the link of the call before worthless.
func (p *provider) setupFragment(ctx context.Context) (string, error) {
	n, err := p.store.Read.CountAccounts(ctx)
	if err != nil || n > 0 {
		return "", store.Fault(err)
	}
	raw := make([]byte, setupBytes)
	if _, err := io.ReadFull(p.rand, raw); err != nil {
		return "", fmt.Errorf("setup link: %w", err)
	}
	token := base64.RawURLEncoding.EncodeToString(raw)
	p.setup.remember(token)
	return url.Values{"setup": {token}}.Encode(), nil
}

func (s *setupToken) remember(token string) {
	sum := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum = sum[:]
}

func (s *setupToken) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum = nil
}

func (s *setupToken) matches(token string) bool {
	sum := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	return token != "" && s.sum != nil && subtle.ConstantTimeCompare(s.sum, sum[:]) == 1
}
