package basicauth

import (
	"sync"
	"time"
)

// revocations is what access tokens are checked against besides their signature: the sessions and account versions
// that ended while access tokens for them were still valid. Entries go when the last such token has expired, so the
// memory is bounded by the sign-outs within one access lifetime.
type revocations struct {
	now func() time.Time

	mu       sync.RWMutex
	sessions map[string]time.Time
	accounts map[string]accountVersion
	sweepAt  time.Time
}

type accountVersion struct {
	oldest int64
	until  time.Time
}

func newRevocations(now func() time.Time) *revocations {
	return &revocations{now: now, sessions: map[string]time.Time{}, accounts: map[string]accountVersion{}}
}

// revokeSession refuses the access tokens of a session; the last of them expires at until.
func (r *revocations) revokeSession(sessionID string, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep()
	r.sessions[sessionID] = until
}

// raiseVersion refuses the access tokens of an account whose version is below oldest.
func (r *revocations) raiseVersion(accountID string, oldest int64, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep()
	r.accounts[accountID] = accountVersion{oldest, until}
}

// permit reports whether nothing speaks against an access token with these claims.
func (r *revocations) permit(c *accessClaims) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ended := r.sessions[c.SessionID]
	return !ended && *c.Version >= r.accounts[c.Subject].oldest
}

func (r *revocations) sweep() {
	now := r.now()
	if now.Before(r.sweepAt) {
		return
	}
	r.sweepAt = now.Add(time.Minute)
	for k, until := range r.sessions {
		if now.After(until) {
			delete(r.sessions, k)
		}
	}
	for k, v := range r.accounts {
		if now.After(v.until) {
			delete(r.accounts, k)
		}
	}
}
