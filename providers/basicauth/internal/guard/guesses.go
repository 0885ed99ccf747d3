package guard

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/secret"
)

// No one can lock someone else out by guessing: what runs out is the budget of one network for one account. An account
// that many networks guess at becomes guarded, which leaves each of them a few attempts; its owner's password works at
// the first one. Accounts that do not exist have the same limits, so that the limits do not reveal which ones do.
const (
	GuessesPerNetwork = 10 // wrong passwords for one account from one network, in
	GuessesWindow     = 15 * time.Minute

	GuardedAfter     = 100 // wrong passwords for one account from everywhere, in
	GuardedWindow    = time.Hour
	GuessesIfGuarded = 3 // attempts that each network then has in that time
)

// Guesses are the budgets that one attempt at a password touches.
type Guesses struct {
	limits           *ratelimit.Limiter
	account, network string
	Guarded          bool
}

// GuessesAt returns the budgets for the account of an e-mail address. The keys hold a digest of the address, because
// they are stored.
func (g *Guard) GuessesAt(email, clientIP string) Guesses {
	account := "guess:" + secret.Fingerprint("guesses at " + email)[:24]
	b := Guesses{limits: g.Limits, account: account, network: account + ":" + ratelimit.Network(clientIP)}
	b.Guarded = !b.limits.Check(b.account, b.accountLimit()).Allowed
	return b
}

func (Guesses) accountLimit() ratelimit.Limit {
	return ratelimit.Limit{Max: GuardedAfter, Window: GuardedWindow}
}

// guardedKey is the key of a network's budget while the account is guarded.
func (g Guesses) guardedKey() string { return g.network + ":guarded" }

// Take uses up one attempt before it is made, so that parallel ones are not free. The error is CodeRateLimited when
// none is left.
func (g Guesses) Take() error {
	v := g.limits.Take(g.network, ratelimit.Limit{Max: GuessesPerNetwork, Window: GuessesWindow})
	if v.Allowed && g.Guarded {
		v = g.limits.Take(g.guardedKey(), ratelimit.Limit{Max: GuessesIfGuarded, Window: GuardedWindow})
	}
	if !v.Allowed {
		return refuse.RateLimited(v.RetryAfter)
	}
	return nil
}

// Wrong counts a wrong password.
func (g Guesses) Wrong() { g.limits.Take(g.account, g.accountLimit()) }

// right clears the network's earlier wrong guesses.
func (g Guesses) right() {
	g.limits.Reset(g.network)
	g.limits.Reset(g.guardedKey())
}

// undone gives back an attempt that could not be made.
func (g Guesses) undone() {
	g.limits.Return(g.network)
	if g.Guarded {
		g.limits.Return(g.guardedKey())
	}
}

// Guess reports whether password is that of the account with this address and hash, within the limits on guessing. An
// empty hash means that there is no account, and takes as long. Logging a wrong password is up to the caller.
func (g *Guard) Guess(ctx context.Context, r *or3cloud.Request, email, hash, password string) (ok bool, err error) {
	budget := g.GuessesAt(email, r.ClientIP)
	if err := budget.Take(); err != nil {
		return false, err
	}
	if hash == "" {
		err = g.Passwords.VerifyUnknown(ctx, password)
	} else {
		ok, err = g.Passwords.Verify(ctx, hash, password)
	}
	switch {
	case err != nil:
		budget.undone()
	case ok:
		budget.right()
	default:
		budget.Wrong()
	}
	return ok, err
}
