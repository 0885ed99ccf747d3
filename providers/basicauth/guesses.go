package basicauth

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/secret"
)

// Nobody can keep somebody else out by guessing: what runs out is the budget of one network for one account. An account at
// which many networks guess becomes guarded, which leaves each of them a few attempts; its owner's password works at the
// first one. Accounts that do not exist have the same limits, so that these tell nobody which ones do.
const (
	guessesPerNetwork = 10 // wrong passwords for one account from one network, in
	guessesWindow     = 15 * time.Minute

	guardedAfter     = 100 // wrong passwords for one account from everywhere, in
	guardedWindow    = time.Hour
	guessesIfGuarded = 3 // attempts that are then left to each network in that time
)

// guesses are the budgets that one attempt at a password touches.
type guesses struct {
	limits           *ratelimit.Limiter
	account, network string
	guarded          bool
}

// guessesAt returns the budgets for the account of an e-mail address. The keys hold a digest instead of the address, because
// they are stored.
func (p *provider) guessesAt(email, clientIP string) guesses {
	account := "guess:" + secret.Fingerprint("guesses at " + email)[:24]
	g := guesses{limits: p.limits, account: account, network: account + ":" + ratelimit.Network(clientIP)}
	g.guarded = !g.limits.Check(g.account, g.accountLimit()).Allowed
	return g
}

func (guesses) accountLimit() ratelimit.Limit {
	return ratelimit.Limit{Max: guardedAfter, Window: guardedWindow}
}

// guardedKey is the key of the budget of a network while the account is guarded.
func (g guesses) guardedKey() string { return g.network + ":guarded" }

// take uses up one attempt before it is made, so that parallel ones are not free. It answers CodeRateLimited when none is
// left.
func (g guesses) take() error {
	v := g.limits.Take(g.network, ratelimit.Limit{Max: guessesPerNetwork, Window: guessesWindow})
	if v.Allowed && g.guarded {
		v = g.limits.Take(g.guardedKey(), ratelimit.Limit{Max: guessesIfGuarded, Window: guardedWindow})
	}
	if !v.Allowed {
		return refuse.RateLimited(v.RetryAfter)
	}
	return nil
}

// wrong counts a wrong password.
func (g guesses) wrong() { g.limits.Take(g.account, g.accountLimit()) }

// right forgets what the network has got wrong before.
func (g guesses) right() {
	g.limits.Reset(g.network)
	g.limits.Reset(g.guardedKey())
}

// undone gives an attempt back that could not be made.
func (g guesses) undone() {
	g.limits.Return(g.network)
	if g.guarded {
		g.limits.Return(g.guardedKey())
	}
}

// guess reports whether password is the one of the account with an address and a hash, within the limits on guessing. An
// empty hash stands for no account, which takes as long. A wrong password is left to the caller to log.
func (p *provider) guess(ctx context.Context, r *or3cloud.Request, email, hash, password string) (ok bool, err error) {
	g := p.guessesAt(email, r.ClientIP)
	if err := g.take(); err != nil {
		return false, err
	}
	if hash == "" {
		err = p.password.VerifyNobody(ctx, password)
	} else {
		ok, err = p.password.Verify(ctx, hash, password)
	}
	switch {
	case err != nil:
		g.undone()
	case ok:
		g.right()
	default:
		g.wrong()
	}
	return ok, err
}
