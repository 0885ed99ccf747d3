package basicauth

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// behind writes down, once a second at most, what must outlive a restart and may lag a moment: the windows of the limits,
// which tokens were seen, and failed sign-ins in the trail of the account. None of it is worth a write of its own to the
// disk, which a flood could otherwise cause, and the time of which would tell accounts that exist from others.
type behind struct {
	p        *provider
	log      *slog.Logger
	failures chan failure
	loop     *background.Loop
	// settled is what the clock's setBack was when the stored times were settled last.
	settled int64
}

// failure is a failed sign-in at an account that exists.
type failure struct {
	account db.Account
	from    *or3cloud.Request
	at      time.Time
}

const (
	behindPause = time.Second
	// The most that is written at once; more windows wait, more failures are dropped: the log has a line for each.
	maxWindows  = 2000
	maxFailures = 256
)

func newBehind(p *provider) *behind {
	return &behind{p: p, log: p.log, failures: make(chan failure, maxFailures)}
}

// start begins to write. close ends it.
func (b *behind) start() {
	b.settled = b.p.clock.SetBack.Load()
	b.loop = background.Start(background.Task{
		Name: "writing the limits and failed sign-ins down", Log: b.log,
		Delay: behindPause, Pause: background.Every(behindPause), Run: b.writeWaiting,
	})
}

// close writes what is left.
func (b *behind) close() {
	b.loop.Close()
	b.write(context.Background())
}

// failed notes a failed sign-in. It never waits.
func (b *behind) failed(a db.Account, r *or3cloud.Request) {
	// Of the request only what the trail shows: its body and its cookies must not wait in memory.
	from := &or3cloud.Request{Request: &http.Request{Header: http.Header{"User-Agent": {r.UserAgent()}}}, ClientIP: r.ClientIP}
	select {
	case b.failures <- failure{a, from, b.p.now()}:
	default:
	}
}

// write writes what there is at once, or after the write that is under way.
func (b *behind) write(ctx context.Context) { _ = b.loop.Run(ctx) } // the loop has logged the error

// writeWaiting writes what there is. What cannot be written is tried again, except failures.
func (b *behind) writeWaiting(ctx context.Context) error {
	windows := b.p.limits.Changed(maxWindows)
	failures := b.waiting()
	seen := b.p.sightings.waiting(maxWindows)
	now, setBack := b.p.now(), b.p.clock.SetBack.Load()
	if len(windows) == 0 && len(failures) == 0 && len(seen) == 0 && setBack == b.settled {
		return nil
	}
	err := b.p.store.Tx(ctx, func(q store.Queries) error {
		for _, w := range windows {
			if err := keepWindow(ctx, q, w); err != nil {
				return err
			}
		}
		for _, f := range failures {
			if err := b.p.recordFailure(ctx, q, f); err != nil {
				return err
			}
		}
		if err := keepSightings(ctx, q, seen, now); err != nil {
			return err
		}
		if setBack != b.settled {
			if err := b.p.settle(ctx, q, now); err != nil {
				return err
			}
		}
		// Memory forgets keys beyond its bound without a word.
		return errors.Join(deleteExpiredWindows(ctx, q, now), q.DeleteSurplusWindows(ctx, ratelimit.MaxKeys))
	})
	if err != nil {
		b.p.limits.Again(windows)
		return err
	}
	b.p.sightings.written(seen)
	if setBack != b.settled {
		b.settled = setBack
		b.log.Warn("the clock was set back: times that were stored while it was ahead are not believed", "now", now.UTC())
	}
	return nil
}

// longestWindow is the longest of the limits whose windows are kept.
const longestWindow = 24 * time.Hour

func deleteExpiredWindows(ctx context.Context, q store.Queries, now time.Time) error {
	return q.DeleteExpiredWindows(ctx, db.DeleteExpiredWindowsParams{Now: now.UnixMilli(), Latest: now.Add(longestWindow).UnixMilli()})
}

// waiting takes the failures that wait.
func (b *behind) waiting() (out []failure) {
	for {
		select {
		case f := <-b.failures:
			out = append(out, f)
		default:
			return out
		}
	}
}

// recordFailure writes a failed sign-in into the trail, unless the account is gone.
func (p *provider) recordFailure(ctx context.Context, q store.Queries, f failure) error {
	if _, err := q.AccountByID(ctx, f.account.ID); store.Absent(err) {
		return nil
	} else if err != nil {
		return err
	}
	return errors.Join(
		p.recordAt(ctx, q, f.from, f.account.ID, eventSignInFailed, "", f.at),
		p.tellOfFailures(ctx, q, f.from, f.account),
	)
}

func keepWindow(ctx context.Context, q store.Queries, w ratelimit.Window) error {
	if len(w.Hits) == 0 {
		return q.DeleteWindow(ctx, w.Key)
	}
	times := make([]int64, len(w.Hits))
	for i, t := range w.Hits {
		times[i] = t.UnixMilli()
	}
	text, err := json.Marshal(times)
	if err != nil {
		return err
	}
	return q.KeepWindow(ctx, db.KeepWindowParams{Key: w.Key, Hits: string(text), ExpiresAt: w.Expiry.UnixMilli()})
}

// keptLimits returns a limiter with the windows that were written.
func (p *provider) keptLimits(ctx context.Context) (*ratelimit.Limiter, error) {
	rows, err := p.store.Read.Windows(ctx, p.now().UnixMilli())
	if err != nil {
		return nil, err
	}
	windows := make([]ratelimit.Window, 0, len(rows))
	for _, row := range rows {
		var times []int64
		if err := json.Unmarshal([]byte(row.Hits), &times); err != nil {
			return nil, err
		}
		w := ratelimit.Window{Key: row.Key, Expiry: time.UnixMilli(row.ExpiresAt)}
		for _, t := range times {
			w.Hits = append(w.Hits, time.UnixMilli(t))
		}
		windows = append(windows, w)
	}
	return ratelimit.NewKept(p.now, windows), nil
}
