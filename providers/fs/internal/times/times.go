// Package times decides which stored times to believe. They were written by a clock that may have been ahead. A time in
// the future is not believed, because everything that depends on it would wait for that day. It is replaced by now, and
// stored that way, so that it ages from here on.
package times

import "time"

// clockTolerance is how far in the future a stored time may be.
const clockTolerance = time.Minute

// Ahead reports whether a stored time is in the future.
func Ahead(stored, now time.Time) bool { return stored.Sub(now) > clockTolerance }

// Settle replaces stored times that are in the future by now, and reports whether there were any. Nil pointers are
// skipped.
func Settle(now time.Time, stored ...*time.Time) (changed bool) {
	for _, t := range stored {
		if t != nil && Ahead(*t, now) {
			*t, changed = now, true
		}
	}
	return changed
}
