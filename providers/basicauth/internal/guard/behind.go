package guard

import (
	"context"
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

// Behind writes, once a second at most, what must outlive a restart and may lag a moment: the windows of the limits,
// which tokens were seen, and failed sign-ins in the trail of the account. None of it is worth a disk write of its own,
// which a flood could otherwise cause, and whose time would tell accounts that exist from others.
type Behind struct {
	guard    *Guard
	clock    *store.Clock
	rooms    Rooms
	log      *slog.Logger
	failures chan failure
	loop     *background.Loop
	// settled is what the clock's SetBack was when the stored times were last settled.
	settled int64
}

// Rooms are what other packages do in the same transaction.
type Rooms struct {
	Sightings Sightings
	// TellOfFailures tells the owner of an account, after a failed sign-in was recorded, when there have been many.
	TellOfFailures func(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account) error
	// Settle corrects the times that were stored while the clock was ahead.
	Settle func(ctx context.Context, q store.Queries, now time.Time) error
}

// Sightings are records of tokens that were seen.
type Sightings interface {
	// Write returns two functions: one stores up to most of them, and one is called once that is committed. Both are
	// nil if there is nothing to write.
	Write(most int) (write func(ctx context.Context, q store.Queries, now time.Time) error, written func())
}

// failure is a failed sign-in to an account that exists.
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

// NewBehind returns a Behind for a guard and for the packages that use it.
func NewBehind(g *Guard, clock *store.Clock, rooms Rooms) *Behind {
	return &Behind{guard: g, clock: clock, rooms: rooms, log: g.log, failures: make(chan failure, maxFailures)}
}

// Start starts the writing. Close ends it.
func (b *Behind) Start() {
	b.settled = b.clock.SetBack.Load()
	b.loop = background.Start(background.Task{
		Name: "storing the limits and failed sign-ins", Log: b.log, Harmless: true,
		Delay: behindPause, Pause: background.Every(behindPause), Run: b.writeWaiting,
	})
}

// Close writes what is left.
func (b *Behind) Close() {
	b.loop.Close()
	b.Write(context.Background())
}

// Failed notes a failed sign-in. It never waits.
func (b *Behind) Failed(a db.Account, r *or3cloud.Request) {
	// Keep only what the trail shows of the request: its body and its cookies must not wait in memory.
	from := &or3cloud.Request{Request: &http.Request{Header: http.Header{"User-Agent": {r.UserAgent()}}}, ClientIP: r.ClientIP}
	select {
	case b.failures <- failure{a, from, b.guard.now()}:
	default:
	}
}

// Write writes what is waiting, now or after the write that is under way.
func (b *Behind) Write(ctx context.Context) { _ = b.loop.Run(ctx) } // the loop has logged the error

// writeWaiting writes what is waiting. What cannot be written is tried again, except failures.
func (b *Behind) writeWaiting(ctx context.Context) error {
	limits := b.guard.Limits
	windows := limits.Changed(maxWindows)
	failures := b.waiting()
	writeSeen, written := b.rooms.Sightings.Write(maxWindows)
	now, setBack := b.guard.now(), b.clock.SetBack.Load()
	if len(windows) == 0 && len(failures) == 0 && writeSeen == nil && setBack == b.settled {
		return nil
	}
	err := b.guard.store.Tx(ctx, func(q store.Queries) error {
		for _, w := range windows {
			if err := keepWindow(ctx, q, w); err != nil {
				return err
			}
		}
		for _, f := range failures {
			if err := b.recordFailure(ctx, q, f); err != nil {
				return err
			}
		}
		if writeSeen != nil {
			if err := writeSeen(ctx, q, now); err != nil {
				return err
			}
		}
		if setBack != b.settled {
			if err := b.rooms.Settle(ctx, q, now); err != nil {
				return err
			}
		}
		// Memory forgets keys beyond its limit without notice.
		return errors.Join(DeleteExpiredWindows(ctx, q, now), q.DeleteSurplusWindows(ctx, ratelimit.MaxKeys))
	})
	if err != nil {
		limits.Again(windows)
		return err
	}
	if written != nil {
		written()
	}
	if setBack != b.settled {
		b.settled = setBack
		b.log.Warn("the clock was set back: times that were stored while it was ahead are not believed", "now", now.UTC())
	}
	return nil
}

// waiting takes the failures that are waiting.
func (b *Behind) waiting() (out []failure) {
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
func (b *Behind) recordFailure(ctx context.Context, q store.Queries, f failure) error {
	if _, err := q.AccountByID(ctx, f.account.ID); store.Absent(err) {
		return nil
	} else if err != nil {
		return err
	}
	return errors.Join(
		b.guard.RecordAt(ctx, q, f.from, f.account.ID, EventSignInFailed, "", f.at),
		b.rooms.TellOfFailures(ctx, q, f.from, f.account),
	)
}
