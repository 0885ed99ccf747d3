package basicauth

import (
	"sync"
	"time"
)

// revocations is what access tokens are checked against besides their signature: the sessions and account versions
// that ended while access tokens for them were still valid. Entries go when the last such token has expired, so the
// memory is bounded by the sign-outs within one access lifetime.
type revocations struct {
	clock *watchedClock
	// restored is when an older copy of the database was put back: whatever was signed before has ended. It is not
	// believed while it lies in the future, where a clock that was ahead has put it.
	restored time.Time

	mu          sync.RWMutex
	sessions    map[string]time.Time
	generations map[generation]time.Time
	accounts    map[string]accountVersion
	sweepAt     time.Time
}

type accountVersion struct {
	oldest int64
	until  time.Time
}

func newRevocations(clock *watchedClock) *revocations {
	return &revocations{
		clock: clock, sessions: map[string]time.Time{}, generations: map[generation]time.Time{}, accounts: map[string]accountVersion{},
	}
}

// revokeSession refuses the access tokens of a session; the last of them expires at until. Like the other two it only ever
// refuses more and longer: of two that come in either order the stricter one holds.
func (r *revocations) revokeSession(sessionID string, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep()
	r.sessions[sessionID] = later(r.sessions[sessionID], until)
}

// revokeGeneration refuses the access tokens that were issued with one refresh token.
func (r *revocations) revokeGeneration(g generation, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep()
	r.generations[g] = later(r.generations[g], until)
}

// raiseVersion refuses the access tokens of an account whose version is below oldest.
func (r *revocations) raiseVersion(accountID string, oldest int64, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep()
	known := r.accounts[accountID]
	r.accounts[accountID] = accountVersion{max(known.oldest, oldest), later(known.until, until)}
}

// permit reports whether nothing speaks against an access token with these claims.
func (r *revocations) permit(c *accessClaims) bool {
	if c.IssuedAt != nil && c.IssuedAt.Unix() < r.restored.Unix() && !r.restored.After(r.clock.now()) {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ended := r.sessions[c.SessionID]
	_, replaced := r.generations[c.generation()]
	return !ended && !replaced && *c.Version >= r.accounts[c.Subject].oldest && r.clock.believes(c.issued())
}

func (r *revocations) sweep() {
	now := r.clock.now()
	if now.Before(r.sweepAt) && !r.sweepAt.After(now.Add(time.Minute)) { // the clock may have been set back
		return
	}
	r.sweepAt = now.Add(time.Minute)
	for k, until := range r.sessions {
		if now.After(until) {
			delete(r.sessions, k)
		}
	}
	for k, until := range r.generations {
		if now.After(until) {
			delete(r.generations, k)
		}
	}
	for k, v := range r.accounts {
		if now.After(v.until) {
			delete(r.accounts, k)
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
