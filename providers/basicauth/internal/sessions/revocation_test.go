package sessions

import (
	"testing"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Two ends of one session, or two changes of one account, may be applied in either order.
func TestRevocationsOnlyRise(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := start
	version := func(n int64) *int64 { return &n }
	claims := func(n int64) *accessClaims {
		c := &accessClaims{SessionID: "session", Version: version(n), Generation: "mark"}
		c.Subject = "account"
		return c
	}
	for name, c := range map[string]struct {
		revoke func(r *Revocations, n int64, until time.Time)
		claims *accessClaims
	}{
		"session": {func(r *Revocations, _ int64, until time.Time) { r.RevokeSession("session", until) }, claims(9)},
		"generation": {func(r *Revocations, _ int64, until time.Time) {
			r.revokeGeneration(generation{"session", "mark"}, until)
		}, claims(9)},
		"account": {func(r *Revocations, n int64, until time.Time) { r.raiseVersion("account", n, until) }, claims(4)},
	} {
		now = start
		r := NewRevocations(store.NewClock(func() time.Time { return now }))
		c.revoke(r, 5, start.Add(15*time.Minute))
		c.revoke(r, 3, start.Add(time.Minute))
		if r.Permit(c.claims) {
			t.Errorf("%s: a later, weaker call lifts the first", name)
		}
		for now = start; now.Before(start.Add(15 * time.Minute)); now = now.Add(time.Minute) {
			r.RevokeSession("another", now) // sweeps
			if r.Permit(c.claims) {
				t.Errorf("%s: permitted after %v", name, now.Sub(start))
			}
		}
		now = start.Add(17 * time.Minute)
		r.RevokeSession("another", now)
		if !r.Permit(c.claims) {
			t.Errorf("%s: remembered for longer than any token lives", name)
		}
	}
}

func TestRevocationsForgetWhatHasExpired(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := func() time.Time { return at }
	r := NewRevocations(store.NewClock(now))
	version := func(v int64) *int64 { return &v }
	token := &accessClaims{SessionID: "s", Version: version(1)}
	token.Subject = "a"
	if !r.Permit(token) {
		t.Error("refused without a reason")
	}
	r.RevokeSession("s", now().Add(time.Minute))
	if r.Permit(token) {
		t.Error("a revoked session is permitted")
	}
	token.SessionID = "t"
	r.raiseVersion("a", 2, now().Add(time.Minute))
	if r.Permit(token) {
		t.Error("an old version is permitted")
	}
	token.Version = version(2)
	if !r.Permit(token) {
		t.Error("the current version is refused")
	}
	at = at.Add(2 * time.Minute)
	r.RevokeSession("u", now().Add(time.Minute))
	if len(r.sessions) != 1 || len(r.accounts) != 0 {
		t.Errorf("%d sessions, %d accounts remembered", len(r.sessions), len(r.accounts))
	}
}
