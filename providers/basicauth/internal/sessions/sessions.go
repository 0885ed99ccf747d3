// Package sessions knows who is signed in. A session is one browser; it is proved by an access token, which is verified
// without touching the disk, and by a refresh token, which is exchanged for a new pair each time it is used.
package sessions

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/internal/sealed"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/secret"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Options are the lifetimes of tokens and cookies.
type Options struct {
	// AccessTTL is the lifetime of an access token, RefreshTTL that of a session without use, SessionTTL that of a
	// session in any case.
	AccessTTL, RefreshTTL, SessionTTL time.Duration
	// Grace is how long a refresh token is still accepted after it was exchanged.
	Grace time.Duration
	// Production says that cookies are sent over HTTPS only.
	Production bool
	// BasePath is the path below which browsers see this server, usually empty (setting.BasePath).
	BasePath string
}

// Sessions are the sessions of one server.
type Sessions struct {
	opts   Options
	store  *store.Store
	guard  *guard.Guard
	log    *slog.Logger
	now    func() time.Time
	rand   io.Reader
	sealer *sealed.Sealer
	// Access signs and verifies access tokens.
	Access  *AccessTokens
	refresh secret.Opaque
	// Revoked is what access tokens are checked against besides their signature.
	Revoked *Revocations
	// rotations counts the rotations of each session.
	rotations *ratelimit.Limiter
	Sightings Sightings
}

// New returns the sessions of the store, with the revocations that can concern a live access token in memory.
func New(ctx context.Context, opts Options, st *store.Store, g *guard.Guard, log *slog.Logger, clock *store.Clock, random io.Reader,
	sealer *sealed.Sealer, access *AccessTokens) (*Sessions, error) {
	s := &Sessions{
		opts: opts, store: st, guard: g, log: log, now: clock.Now, rand: random, sealer: sealer, Access: access,
		refresh: secret.Opaque{Rand: random}, Revoked: NewRevocations(clock), rotations: ratelimit.New(clock.Now),
	}
	if err := s.loadRevocations(ctx, clock.Now()); err != nil {
		return nil, fmt.Errorf("load revoked sessions: %w", err)
	}
	return s, nil
}
