package store

import (
	"sync/atomic"
	"time"
)

// A server's clock may have been ahead for a while and then been corrected. Times that were stored in between are in
// the future, and nothing may wait for them or count as new until then. This file has the rules; clock_test.go of
// basicauth has a line for every stored time.

// Tolerance is how far in the future a stored time of something that has happened may be and still be believed: small
// corrections of the clock cast no doubt on anything.
const Tolerance = 5 * time.Minute

// Latest is the latest stored time, in milliseconds, of something that has happened that is believed at a moment.
func Latest(now time.Time) int64 { return now.Add(Tolerance).UnixMilli() }

// Within reports whether something happened less than span ago, if the stored time at is believed.
func Within(at int64, now time.Time, span time.Duration) bool {
	return at <= Latest(now) && now.Sub(time.UnixMilli(at)) < span
}

// Clock is a clock that notices when it was set back.
type Clock struct {
	read    func() time.Time
	highest atomic.Int64 // the latest time that was read, in milliseconds
	// SetBack is when the clock was last found to have been set back, in milliseconds; 0 for never.
	SetBack atomic.Int64
}

// NewClock returns a Clock that reads the time with read.
func NewClock(read func() time.Time) *Clock { return &Clock{read: read} }

// Now returns the time.
func (c *Clock) Now() time.Time {
	t := c.read()
	ms := t.UnixMilli()
	for {
		highest := c.highest.Load()
		behind := highest > ms && highest > Latest(t)
		if ms <= highest && !behind || c.highest.CompareAndSwap(highest, ms) {
			if behind {
				c.SetBack.Store(ms)
			}
			return t
		}
	}
}

// Believes reports whether a signed time of the past, in whole seconds, can be relied on. What was revoked before the
// clock was ahead may have been forgotten then, so access tokens from before it was set back are renewed.
func (c *Clock) Believes(signed time.Time) bool {
	back := c.SetBack.Load()
	return back == 0 || !signed.Before(time.UnixMilli(back).Truncate(time.Second))
}
