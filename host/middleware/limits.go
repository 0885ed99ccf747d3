package middleware

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/ratelimit"
)

// maxHeld limits how many requests Hold keeps waiting at once; the others are refused.
const maxHeld = 256

// Limits are the host's budgets. It is safe for concurrent use.
type Limits struct {
	limiter *ratelimit.Limiter
	limits  map[ratelimit.Operation]ratelimit.Limit
	held    atomic.Int32
	keeper  *ratelimit.Keeper
}

// NewLimits returns the default budgets, changed by overrides, the value of OR3_RATE_LIMIT_OVERRIDES_JSON. If off,
// nothing is limited. Useless overrides were reported at the start (internal/config).
func NewLimits(now func() time.Time, overrides string, off bool) *Limits {
	l := &Limits{limiter: ratelimit.New(now)}
	if !off {
		l.limits, _ = ratelimit.Limits(overrides)
	}
	return l
}

// Keep lets the budgets outlive the process, if there is a store for them. Close, which it then needs, ends it.
func (l *Limits) Keep(ctx context.Context, store or3cloud.RateLimitStore, log *slog.Logger) {
	if store != nil {
		l.keeper = ratelimit.Keep(ctx, l.limiter, store, log)
	}
}

// Close stores what has been used of the budgets.
func (l *Limits) Close() {
	l.keeper.Close()
	l.keeper = nil
}

func key(op ratelimit.Operation, subject string) string { return subject + ":" + string(op) }

// Check refuses with 429 when subject has used up op's budget. It uses none of it: requests that fail are free.
func (l *Limits) Check(op ratelimit.Operation, subject string) (ratelimit.Verdict, error) {
	limit, limited := l.limits[op]
	if !limited {
		return ratelimit.Verdict{Allowed: true}, nil
	}
	v := l.limiter.Check(key(op, subject), limit)
	if !v.Allowed {
		return v, httpapi.RateLimited(v.RetryAfter)
	}
	return v, nil
}

// CheckWithHeaders is Check, and tells the client its budget as it was before this request.
func (l *Limits) CheckWithHeaders(w http.ResponseWriter, op ratelimit.Operation, subject string) error {
	v, err := l.Check(op, subject)
	httpapi.BudgetHeaders(w, v.Limit, v.Remaining)
	return err
}

// Take counts a request of subject, whatever its outcome, and refuses it with 429 when the budget of op is used up.
func (l *Limits) Take(op ratelimit.Operation, subject string) error {
	limit, limited := l.limits[op]
	if !limited {
		return nil
	}
	if v := l.limiter.Take(key(op, subject), limit); !v.Allowed {
		return httpapi.RateLimited(v.RetryAfter)
	}
	return nil
}

// TakeOf is Take for a limit from another setting than the overrides, which nothing switches off.
func (l *Limits) TakeOf(op ratelimit.Operation, subject string, limit ratelimit.Limit) ratelimit.Verdict {
	return l.limiter.Take(key(op, subject), limit)
}

// Return returns the newest request of subject to the budget: what it was for did not happen.
func (l *Limits) Return(op ratelimit.Operation, subject string) { l.limiter.Return(key(op, subject)) }

// Forget restores the whole budget of subject.
func (l *Limits) Forget(op ratelimit.Operation, subject string) { l.limiter.Reset(key(op, subject)) }

// Record counts a request of subject that succeeded.
func (l *Limits) Record(op ratelimit.Operation, subject string) {
	if limit, limited := l.limits[op]; limited {
		l.limiter.Take(key(op, subject), limit)
	}
}

// Hold is Check, but holds a request back, for at most patience, until there is budget again. It is for clients that
// take any refusal for a failed attempt and have only a few (contract, storage Pitfall 4).
func (l *Limits) Hold(ctx context.Context, op ratelimit.Operation, subject string, patience time.Duration) error {
	for {
		v, err := l.Check(op, subject)
		if err == nil || v.RetryAfter > patience {
			return err
		}
		if l.held.Add(1) > maxHeld {
			l.held.Add(-1)
			return err
		}
		wait := max(v.RetryAfter, time.Millisecond)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		l.held.Add(-1)
		if ctx.Err() != nil {
			return or3cloud.Unavailable(ctx.Err(), "Service Unavailable", time.Second)
		}
		patience -= wait
	}
}
