// Package ratelimit counts hits in sliding windows, per key, in memory, against an injected clock. It owns the
// arithmetic of the contract's limits (security-middleware §8). Callers decide whom to limit and how.
package ratelimit

import (
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
)

// Limit is a budget: at most Max hits in any span of length Window.
type Limit struct {
	Max    int
	Window time.Duration
}

// Verdict is the state of a key's budget at one moment.
type Verdict struct {
	Allowed bool
	// Limit is the budget's Max.
	Limit int
	// Remaining is the number of hits left before this one.
	Remaining int
	// RetryAfter is how long to wait for the next free hit. It is zero if Allowed.
	RetryAfter time.Duration
}

// MaxKeys limits the number of keys of a Limiter. Beyond it, arbitrary keys are dropped. A key takes some hundred
// bytes, and 24 to 48 more for each hit in its window, of which its Limit allows Max.
const MaxKeys = or3cloud.MaxRateWindows

// sweepPause is how often the limiter looks for expired keys.
const sweepPause = time.Minute

// Limiter keeps the windows of many keys. It is safe for concurrent use.
type Limiter struct {
	now func() time.Time

	mu      sync.Mutex
	windows map[string]*window
	sweepAt time.Time
	// changed holds the keys that were hit since the last call of Changed. It is nil if Changed is not used.
	changed map[string]bool
	// sparing leaves out changes that are not worth a write of their own (KeepSparingly).
	sparing bool
}

// window holds the times of the hits that count, oldest first.
type window struct {
	hits   []time.Time
	expiry time.Time
}

// New returns an empty Limiter that reads the time from now. It ignores the monotonic clock, because hits from a store
// have none. Otherwise hits counted by a clock that was ahead would remain beside those of a correct one.
func New(now func() time.Time) *Limiter {
	return &Limiter{now: func() time.Time { return now().Round(0) }, windows: map[string]*window{}}
}

// Check reports the state of key's budget without using any of it.
func (l *Limiter) Check(key string, lim Limit) Verdict { return l.hit(key, lim, false) }

// Take uses one hit of key's budget if there is one left.
func (l *Limiter) Take(key string, lim Limit) Verdict { return l.hit(key, lim, true) }

// Return gives back the newest hit of key, because what it was for did not happen.
func (l *Limiter) Return(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.windows[key]; w != nil && len(w.hits) > 0 {
		w.hits = w.hits[:len(w.hits)-1]
		l.mark(key)
	}
}

// Reset deletes key.
func (l *Limiter) Reset(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.windows[key] != nil {
		delete(l.windows, key)
		l.mark(key)
	}
}

func (l *Limiter) hit(key string, lim Limit, record bool) Verdict {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.windows[key]
	if w == nil {
		w = &window{}
		if record {
			l.makeRoom(now)
			l.windows[key] = w
		}
	}
	w.settle(now, lim.Window)
	v := Verdict{Allowed: len(w.hits) < lim.Max, Limit: lim.Max, Remaining: max(0, lim.Max-len(w.hits))}
	switch {
	case !v.Allowed && lim.Max > 0:
		v.RetryAfter = w.hits[len(w.hits)-lim.Max].Add(lim.Window).Sub(now)
	case !v.Allowed:
		v.RetryAfter = lim.Window
	case record:
		w.hits = append(w.hits, now)
		w.expiry = now.Add(lim.Window)
		if !l.sparing || worthKeeping(len(w.hits), lim) {
			l.mark(key)
		}
	}
	return v
}

// settle removes the hits that no longer count. A hit in the future was counted while the clock was ahead. If it is at
// most one window ahead, it counts as made now, so that it expires after one window. Beyond that, it is dropped.
func (w *window) settle(now time.Time, length time.Duration) {
	start, end := now.Add(-length), now.Add(length)
	if n := len(w.hits); n > 0 && w.hits[0].After(start) && !w.hits[n-1].After(now) {
		w.expiry = w.hits[n-1].Add(length) // usually all count
		return
	}
	kept := w.hits[:0]
	for _, t := range w.hits {
		if !t.After(start) || t.After(end) {
			continue
		}
		if t.After(now) {
			t = now
		}
		kept = append(kept, t)
	}
	w.hits = kept
	if n := len(kept); n > 0 {
		w.expiry = kept[n-1].Add(length)
	}
}

// expired reports whether no hit counts any more. The time from the last hit to the expiry is the length of the window.
func (w *window) expired(now time.Time) bool {
	n := len(w.hits)
	return n == 0 || !now.Before(w.expiry) || w.hits[n-1].Sub(now) > w.expiry.Sub(w.hits[n-1])
}

// makeRoom limits the number of keys. It removes expired keys once a minute, and when the limit is reached. If none has
// expired, it removes an arbitrary key, so that a flood of new keys cannot grow the map.
func (l *Limiter) makeRoom(now time.Time) {
	due := now.After(l.sweepAt) || l.sweepAt.After(now.Add(sweepPause)) // the clock may have been set back
	if len(l.windows) < MaxKeys && !due {
		return
	}
	if due {
		for k, w := range l.windows {
			if w.expired(now) {
				delete(l.windows, k)
			}
		}
		l.sweepAt = now.Add(sweepPause)
	}
	for k := range l.windows {
		if len(l.windows) < MaxKeys {
			return
		}
		delete(l.windows, k)
	}
}
