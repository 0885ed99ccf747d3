package ratelimit

import "time"

// Window is the state of one key, for keeping it beyond the life of the process.
type Window struct {
	Key string
	// Hits are the times of the hits that count, oldest first; none if the key was forgotten.
	Hits []time.Time
	// Expiry is when none of them counts any more.
	Expiry time.Time
}

// NewKept returns a Limiter that starts with what another one had in it, and tells what changes.
func NewKept(now func() time.Time, windows []Window) *Limiter {
	l := New(now)
	l.changed = map[string]bool{}
	for _, w := range windows {
		if kept := (&window{hits: w.Hits, expiry: w.Expiry}); len(l.windows) < MaxKeys && !kept.expired(l.now()) {
			l.windows[w.Key] = kept
		}
	}
	return l
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
			v.Hits, v.Expiry = append([]time.Time(nil), w.hits...), w.expiry
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
