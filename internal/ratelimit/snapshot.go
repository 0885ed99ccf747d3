package ratelimit

import (
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
)

// Window is the state of one key, for keeping it beyond the life of the process.
type Window = or3cloud.RateWindow

// NewKept returns a Limiter that starts with what another one had in it, and tells what changes.
func NewKept(now func() time.Time, windows []Window) *Limiter {
	l := New(now)
	l.changed = map[string]bool{}
	l.resume(windows)
	return l
}

func (l *Limiter) resume(windows []Window) {
	for _, w := range windows {
		if kept := (&window{hits: w.Hits, expiry: w.Expiry}); len(l.windows) < MaxKeys && !kept.expired(l.now()) {
			l.windows[w.Key] = kept
		}
	}
}

// KeepSparingly makes l go on with what another one had in it, and tell what changes if it is worth a write: a tab that is
// open and does nothing polls all day. The rest is told by Flush.
func (l *Limiter) KeepSparingly(windows []Window) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed, l.sparing = map[string]bool{}, true
	l.resume(windows)
}

// shortWindow is up to how long a window says little before half of its budget is used: what a crash forgets of it comes
// back as soon.
const shortWindow = 5 * time.Minute

func worthKeeping(hits int, lim Limit) bool { return 2*hits >= lim.Max || lim.Window > shortWindow }

// maxHits is how many hits of a window are kept, the newest ones, which bounds what one takes in the store.
const maxHits = 10_000

// AddressPrefix begins the keys of networks.
const AddressPrefix = "ip:"

// Flush marks as changed all windows in which a hit counts, but for those of networks: what no one has to know beyond a
// minute is not written down because a server stops.
func (l *Limiter) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for key, w := range l.windows {
		if !strings.HasPrefix(key, AddressPrefix) && !w.expired(now) {
			l.mark(key)
		}
	}
}

// Changed returns up to most windows that have changed since they were returned last. What is left comes with the next
// call.
func (l *Limiter) Changed(most int) []Window {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Window
	for key := range l.changed {
		if len(out) == most {
			break
		}
		delete(l.changed, key)
		v := Window{Key: key}
		if w := l.windows[key]; w != nil {
			v.Hits, v.Expiry = append([]time.Time(nil), w.hits[max(0, len(w.hits)-maxHits):]...), w.expiry
		}
		out = append(out, v)
	}
	return out
}

// Again marks as changed windows whose keeping has failed.
func (l *Limiter) Again(windows []Window) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range windows {
		l.mark(w.Key)
	}
}

// mark notes a change. The set is bounded like the windows.
func (l *Limiter) mark(key string) {
	if l.changed != nil && len(l.changed) < MaxKeys {
		l.changed[key] = true
	}
}

// untold returns how many windows Changed has still to tell.
func (l *Limiter) untold() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.changed)
}
