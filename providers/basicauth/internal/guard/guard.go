// Package guard keeps strangers out and records their attempts: the limits on guessing and on everything else that
// requests can use up, the password hashes and their bounded queue, and the trail of what happened to an account.
package guard

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"or3.chat/cloud/internal/passwd"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/metric"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Guard is the guard of one server.
type Guard struct {
	store *store.Store
	log   *slog.Logger
	now   func() time.Time
	// Limits are the budgets; their windows outlive a restart (Behind).
	Limits *ratelimit.Limiter
	// Passwords makes and compares password hashes.
	Passwords *passwd.Hasher
	// SignIns counts sign-ins.
	SignIns SignIns
}

// SignIns are sign-ins by outcome. Limited are those that were refused without a check because there were too many.
type SignIns struct{ Succeeded, WrongPassword, WrongFactor, Limited metric.Counter }

// New returns a guard with the stored windows.
func New(ctx context.Context, st *store.Store, log *slog.Logger, now func() time.Time, passwords *passwd.Hasher) (*Guard, error) {
	g := &Guard{store: st, log: log, now: now, Passwords: passwords}
	var err error
	if g.Limits, err = keptLimits(ctx, st, now); err != nil {
		return nil, fmt.Errorf("load the limits: %w", err)
	}
	g.LearnLegacyCost(ctx)
	return g, nil
}
