package basicauth

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/db"
)

// A server's clock may have been ahead for a while and then been set right. Times that were stored meanwhile lie ahead, and
// nothing may wait for that day or count as new until then. This file has the rules; settle_test.go has a line for every
// stored time.

// clockTolerance is how far ahead a stored time of something that has happened may lie and still be believed: small
// corrections of the clock are no reason to doubt anything.
const clockTolerance = 5 * time.Minute

// latest is the latest stored time of something that has happened which is believed at a moment, in milliseconds.
func latest(now time.Time) int64 { return now.Add(clockTolerance).UnixMilli() }

// within reports whether something happened less than span ago, as far as the stored time at is believed.
func within(at int64, now time.Time, span time.Duration) bool {
	return at <= latest(now) && now.Sub(time.UnixMilli(at)) < span
}

// watchedClock is a clock that notices when it was set back.
type watchedClock struct {
	read    func() time.Time
	highest atomic.Int64 // the latest time that was read, in milliseconds
	setBack atomic.Int64 // when it was found to have been set back last, in milliseconds; 0 for never
}

func newWatchedClock(read func() time.Time) *watchedClock { return &watchedClock{read: read} }

// now returns the time.
func (c *watchedClock) now() time.Time {
	t := c.read()
	ms := t.UnixMilli()
	for {
		highest := c.highest.Load()
		behind := highest > ms && highest > latest(t)
		if ms <= highest && !behind || c.highest.CompareAndSwap(highest, ms) {
			if behind {
				c.setBack.Store(ms)
			}
			return t
		}
	}
}

// believes reports whether a signed time of the past, in whole seconds, can be relied on. What was revoked before the clock
// was ahead may have been forgotten then, so access tokens from before it was set back are renewed.
func (c *watchedClock) believes(signed time.Time) bool {
	back := c.setBack.Load()
	return back == 0 || !signed.Before(time.UnixMilli(back).Truncate(time.Second))
}

// settle brings the times that were stored while the clock was ahead back to what they can be now. They are not believed
// before either; it makes sure that they are not believed again when that day comes.
func (p *provider) settle(ctx context.Context, q queries, now time.Time) error {
	ms, until := now.UnixMilli(), p.accessUntil(now).UnixMilli()
	idle, absolute := now.Add(p.opts.refreshTTL).UnixMilli(), now.Add(p.opts.sessionTTL).UnixMilli()
	return errors.Join(
		q.KeepSetBack(ctx, ms),
		q.SettleSessions(ctx, db.SettleSessionsParams{Now: ms, Latest: latest(now), IdleEnd: idle, AbsoluteEnd: absolute, AccessEnd: until}),
		q.SettleTokens(ctx, db.SettleTokensParams{Now: ms, Latest: latest(now), IdleEnd: idle}),
		q.SettleTOTP(ctx, db.SettleTOTPParams{Now: ms, Newest: newestStep(now)}),
		q.SettleAccounts(ctx, ms),
		q.SettleDeletedAccounts(ctx, until),
		q.SettlePasskeys(ctx, ms),
		q.SettleEvents(ctx, db.SettleEventsParams{Now: ms, Latest: latest(now)}),
		settleMail(ctx, q, now),
		q.DeleteExpiredOneTimeTokens(ctx, db.DeleteExpiredOneTimeTokensParams{Now: ms, Latest: latest(now)}),
		deleteExpiredWindows(ctx, q, now),
	)
}

// settleAtStart is settle for a start whose clock is behind what is stored, and says so.
func (p *provider) settleAtStart(ctx context.Context, now time.Time) error {
	newest, err := p.store.read.NewestTime(ctx)
	if err != nil {
		return err
	}
	if newest <= latest(now) {
		back, err := p.store.read.SetBackAt(ctx)
		p.clock.setBack.Store(back)
		return err
	}
	p.log.Warn("the clock is behind the newest time in the database of the accounts: it was ahead then, or is wrong now",
		"newest", time.UnixMilli(newest).UTC(), "now", now.UTC())
	p.clock.setBack.Store(now.UnixMilli())
	return p.store.tx(ctx, func(q queries) error { return p.settle(ctx, q, now) })
}

// newestStep is the newest time step of an authenticator app that can have been used at a moment.
func newestStep(now time.Time) int64 {
	return now.Add(clockTolerance).Unix()/totpPeriod + totpSkew
}

// usedStep returns the last step that was used, as far as it is believed.
func usedStep(stored int64, now time.Time) int64 {
	if stored > newestStep(now) {
		return math.MinInt64
	}
	return stored
}
