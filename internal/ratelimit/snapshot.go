package ratelimit

import (
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
)

// Window is the state of one key, to be kept beyond the life of the process.
type Window = or3cloud.RateWindow

// NewKept returns a Limiter that starts with the windows of another one and reports changes.
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

// KeepSparingly makes l continue with the windows of another limiter and report changes that are worth a write: an idle
// open tab polls all day. Flush reports the rest.
func (l *Limiter) KeepSparingly(windows []Window) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed, l.sparing = map[string]bool{}, true
	l.resume(windows)
}

// shortWindow is the longest window that matters little until half of its budget is used: whatever a crash loses of it
// recovers as fast.
const shortWindow = 5 * time.Minute

func worthKeeping(hits int, lim Limit) bool { return 2*hits >= lim.Max || lim.Window > shortWindow }

// maxHits is how many hits of a window are kept, the newest ones. It limits the size of a window in the store.
const maxHits = 10_000

// AddressPrefix is the prefix of the keys of networks.
const AddressPrefix = "ip:"

// Flush marks all windows with counting hits as changed, except those of networks: the server does not store who
// connected for longer than a minute just because it stops.
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

// Changed returns up to most windows that have changed since they were last returned. The rest comes with the next
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

// Again marks windows as changed whose writing has failed.
func (l *Limiter) Again(windows []Window) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range windows {
		l.mark(w.Key)
	}
}

// mark records a change. The set is limited like the windows.
func (l *Limiter) mark(key string) {
	if l.changed != nil && len(l.changed) < MaxKeys {
		l.changed[key] = true
	}
}

// untold returns the number of windows that Changed still has to return.
func (l *Limiter) untold() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.changed)
}
