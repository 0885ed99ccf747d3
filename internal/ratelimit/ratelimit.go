// Package ratelimit counts hits in sliding windows, per key, in memory and against an injected clock. It owns the
// arithmetic of the contract's limits (security-middleware §8); who is limited and how often is the caller's.
package ratelimit

import (
	"sync"
	"time"
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
	// Remaining is how many hits were left before this one.
	Remaining int
	// RetryAfter is how long to wait for the next free hit; zero when Allowed.
	RetryAfter time.Duration
}

// maxKeys bounds the memory of a Limiter: beyond it arbitrary keys are forgotten. One takes a few hundred bytes.
const maxKeys = 20_000

// Limiter keeps the windows of many keys. It is safe for concurrent use.
type Limiter struct {
	now func() time.Time

	mu      sync.Mutex
	windows map[string]*window
	sweepAt time.Time
	// changed holds the keys that were hit since Changed was called last; nil if nobody calls it.
	changed map[string]bool
}

// window is a ring of the times of the last hits, oldest first.
type window struct {
	hits   []time.Time
	expiry time.Time
}

// New returns an empty Limiter that reads the time from now.
func New(now func() time.Time) *Limiter {
	return &Limiter{now: now, windows: map[string]*window{}}
}

// Check reports the state of key's budget without using any of it.
func (l *Limiter) Check(key string, lim Limit) Verdict { return l.hit(key, lim, false) }

// Take uses one hit of key's budget if there is one left.
func (l *Limiter) Take(key string, lim Limit) Verdict { return l.hit(key, lim, true) }

// Return gives the newest hit of key back: what it was for did not happen.
func (l *Limiter) Return(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.windows[key]; w != nil && len(w.hits) > 0 {
		w.hits = w.hits[:len(w.hits)-1]
		l.mark(key)
	}
}

// Reset forgets key.
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
	start := now.Add(-lim.Window)
	n := 0
	for n < len(w.hits) && !w.hits[n].After(start) {
		n++
	}
	w.hits = w.hits[n:]
	v := Verdict{Allowed: len(w.hits) < lim.Max, Limit: lim.Max, Remaining: max(0, lim.Max-len(w.hits))}
	switch {
	case !v.Allowed && lim.Max > 0:
		v.RetryAfter = w.hits[len(w.hits)-lim.Max].Add(lim.Window).Sub(now)
	case !v.Allowed:
		v.RetryAfter = lim.Window
	case record:
		w.hits = append(w.hits, now)
		w.expiry = now.Add(lim.Window)
		l.mark(key)
	}
	return v
}

// makeRoom keeps the number of keys bounded. Expired keys go once a minute, and at the bound; if none has expired an
// arbitrary one goes, so that a flood of new keys cannot grow the map.
func (l *Limiter) makeRoom(now time.Time) {
	if len(l.windows) < maxKeys && now.Before(l.sweepAt) {
		return
	}
	if now.After(l.sweepAt) {
		for k, w := range l.windows {
			if now.After(w.expiry) {
				delete(l.windows, k)
			}
		}
		l.sweepAt = now.Add(time.Minute)
	}
	for k := range l.windows {
		if len(l.windows) < maxKeys {
			return
		}
		delete(l.windows, k)
	}
}
