package middleware

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/ratelimit"
)

// Operation names a budget of the host.
type Operation string

// The operations (contract, security-middleware §8).
const (
	SyncPush        Operation = "sync:push"
	SyncPull        Operation = "sync:pull"
	SyncSnapshot    Operation = "sync:snapshot"
	SyncCursor      Operation = "sync:cursor"
	SyncGC          Operation = "sync:gc"
	StorageUpload   Operation = "storage:upload"
	StorageDownload Operation = "storage:download"
	StorageCommit   Operation = "storage:commit"
	AuthSession     Operation = "auth:session"
	WorkspaceCreate Operation = "workspace:create"
	WorkspaceChange Operation = "workspace:change"
)

// defaults is far above upstream's budgets on purpose: a refused pull restarts a bootstrap, a refused cursor update
// starts a reconnect loop, a refused page load locks the app, and a refused upload is given up after five quick tries
// (contract, sync §5, client-behaviour Pitfall 6, auth Pitfall 11, storage Pitfall 4). sync:gc is shared by both routes,
// which every open tab of an older client calls every ten minutes.
func defaults() map[Operation]ratelimit.Limit {
	perMinute := func(n int) ratelimit.Limit { return ratelimit.Limit{Max: n, Window: time.Minute} }
	return map[Operation]ratelimit.Limit{
		SyncPush: perMinute(600), SyncPull: perMinute(1200), SyncSnapshot: perMinute(1200), SyncCursor: perMinute(1200),
		SyncGC: perMinute(60), StorageUpload: perMinute(600), StorageDownload: perMinute(1200),
		StorageCommit: perMinute(600), AuthSession: perMinute(600),
		WorkspaceCreate: perMinute(10), WorkspaceChange: perMinute(60),
	}
}

// maxHeld bounds how many requests Hold keeps waiting at once; the others are refused.
const maxHeld = 256

// Limits are the host's budgets. It is safe for concurrent use.
type Limits struct {
	limiter *ratelimit.Limiter
	limits  map[Operation]ratelimit.Limit
	held    atomic.Int32
}

// NewLimits returns the default budgets, changed by overrides, the value of OR3_RATE_LIMIT_OVERRIDES_JSON. If off,
// nothing is limited.
func NewLimits(now func() time.Time, overrides string, off bool) *Limits {
	l := &Limits{limiter: ratelimit.New(now), limits: defaults()}
	if off {
		l.limits = nil
		return l
	}
	for op, limit := range parseOverrides(overrides) {
		l.limits[op] = limit
	}
	if up := l.limits[StorageUpload]; l.limits[StorageCommit].Max < up.Max {
		l.limits[StorageCommit] = up // an upload that may not be committed is lost
	}
	return l
}

// parseOverrides reads {"sync:push":{"windowMs":60000,"maxRequests":200}}. Numbers must be positive and are floored; a
// member that is missing keeps its default, and what cannot be read is ignored, as upstream does.
func parseOverrides(text string) map[Operation]ratelimit.Limit {
	var raw map[Operation]json.RawMessage
	if json.Unmarshal([]byte(text), &raw) != nil {
		return nil
	}
	out := map[Operation]ratelimit.Limit{}
	for op, value := range raw {
		limit, known := defaults()[op]
		var o struct {
			WindowMS    *float64 `json:"windowMs"`
			MaxRequests *float64 `json:"maxRequests"`
		}
		if !known || json.Unmarshal(value, &o) != nil {
			continue
		}
		if o.WindowMS != nil {
			n, ok := positive(*o.WindowMS, float64(math.MaxInt64/int64(time.Millisecond)/2))
			if !ok {
				continue
			}
			limit.Window = time.Duration(n) * time.Millisecond
		}
		if o.MaxRequests != nil {
			n, ok := positive(*o.MaxRequests, math.MaxInt32)
			if !ok {
				continue
			}
			limit.Max = int(n)
		}
		out[op] = limit
	}
	return out
}

func positive(f, most float64) (int64, bool) {
	if f = math.Floor(f); f >= 1 {
		return int64(min(f, most)), true
	}
	return 0, false
}

func key(op Operation, subject string) string { return subject + ":" + string(op) }

// Check refuses with 429 when subject has used up op's budget. It uses none of it: failing requests are free.
func (l *Limits) Check(op Operation, subject string) (ratelimit.Verdict, error) {
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
func (l *Limits) CheckWithHeaders(w http.ResponseWriter, op Operation, subject string) error {
	v, err := l.Check(op, subject)
	httpapi.BudgetHeaders(w, v.Limit, v.Remaining)
	return err
}

// Take counts a request of subject, whatever comes of it, and refuses it with 429 when the budget of op is used up.
func (l *Limits) Take(op Operation, subject string) error {
	limit, limited := l.limits[op]
	if !limited {
		return nil
	}
	if v := l.limiter.Take(key(op, subject), limit); !v.Allowed {
		return httpapi.RateLimited(v.RetryAfter)
	}
	return nil
}

// Record counts a request of subject that succeeded.
func (l *Limits) Record(op Operation, subject string) {
	if limit, limited := l.limits[op]; limited {
		l.limiter.Take(key(op, subject), limit)
	}
}

// Hold is Check that holds a request back, for at most patience, until there is budget again. It is for clients that
// take any refusal for a failed attempt and have only a few (contract, storage Pitfall 4).
func (l *Limits) Hold(ctx context.Context, op Operation, subject string, patience time.Duration) error {
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
