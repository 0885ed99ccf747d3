package sessions

import (
	"context"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Revocations is what access tokens are checked against besides their signature: the sessions and account versions that
// ended while access tokens for them were still valid. Entries are dropped when the last such token has expired, so the
// memory is limited by the sign-outs within one access lifetime.
type Revocations struct {
	clock *store.Clock
	// restored is when the database was replaced by an older copy: whatever was signed before has ended. It is not
	// believed while it is in the future, where a clock that was ahead has put it.
	restored time.Time

	mu          sync.RWMutex
	sessions    map[string]time.Time
	generations map[generation]time.Time
	accounts    map[string]accountVersion
	sweepAt     time.Time
	watchers    watchers
}

type accountVersion struct {
	oldest int64
	until  time.Time
}

// NewRevocations returns an empty Revocations.
func NewRevocations(clock *store.Clock) *Revocations {
	return &Revocations{
		clock: clock, sessions: map[string]time.Time{}, generations: map[generation]time.Time{}, accounts: map[string]accountVersion{},
	}
}

// RevokeSession refuses the access tokens of a session; the last of them expires at until. Like the other two it only
// ever refuses more, and for longer: of two calls in either order the stricter one holds.
func (r *Revocations) RevokeSession(sessionID string, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep()
	r.sessions[sessionID] = later(r.sessions[sessionID], until)
	r.watchers.tell(or3cloud.Revocation{SessionID: sessionID})
}

// revokeGeneration refuses the access tokens that were issued with one refresh token.
func (r *Revocations) revokeGeneration(g generation, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep()
	r.generations[g] = later(r.generations[g], until)
	r.watchers.tell(or3cloud.Revocation{SessionID: g.session})
}

// raiseVersion refuses the access tokens of an account whose version is below oldest.
func (r *Revocations) raiseVersion(accountID string, oldest int64, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep()
	known := r.accounts[accountID]
	r.accounts[accountID] = accountVersion{max(known.oldest, oldest), later(known.until, until)}
	r.watchers.tell(or3cloud.Revocation{UserID: accountID})
}

// Permit reports whether nothing revokes an access token with these claims.
func (r *Revocations) Permit(c *accessClaims) bool {
	if c.IssuedAt != nil && c.IssuedAt.Unix() < r.restored.Unix() && !r.restored.After(r.clock.Now()) {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ended := r.sessions[c.SessionID]
	_, replaced := r.generations[c.generation()]
	return !ended && !replaced && *c.Version >= r.accounts[c.Subject].oldest && r.clock.Believes(c.issued())
}

func (r *Revocations) sweep() {
	now := r.clock.Now()
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

// loadRevocations loads every revocation that can concern a live access token.
func (s *Sessions) loadRevocations(ctx context.Context, now time.Time) error {
	r := s.Revoked
	r.restored = time.UnixMilli(s.store.File.RestoredAt())
	sessions, err := s.store.Read.RevokedSessions(ctx, now.UnixMilli())
	if err != nil {
		return err
	}
	for _, v := range sessions {
		r.RevokeSession(v.ID, time.UnixMilli(v.AccessUntil))
	}
	accounts, err := s.store.Read.OutdatedAccounts(ctx, now.UnixMilli())
	if err != nil {
		return err
	}
	for _, v := range accounts {
		r.raiseVersion(v.ID, v.TokenVersion, time.UnixMilli(v.AccessUntil))
	}
	deleted, err := s.store.Read.DeletedAccounts(ctx, now.UnixMilli())
	if err != nil {
		return err
	}
	for _, v := range deleted {
		r.raiseVersion(v.ID, NoVersion, time.UnixMilli(v.AccessUntil))
	}
	span := s.AccessUntil(now).Sub(now)
	replaced, err := s.store.Read.ReplacedTokens(ctx, now.Add(-span).UnixMilli())
	if err != nil {
		return err
	}
	for _, v := range replaced {
		r.revokeGeneration(generationOf(v.SessionID, v.Fingerprint), time.UnixMilli(v.ReplacedAt).Add(span))
	}
	return nil
}
