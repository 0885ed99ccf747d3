// Package times says which stored times are believed. They were written by a clock that may have been ahead. One that lies in
// the future is not believed: what it gates would wait for that day. It is taken for now, and written down so, that it grows
// old from here on.
package times

import "time"

// clockTolerance is by how much a stored time may lie in the future.
const clockTolerance = time.Minute

// Ahead reports whether a stored time lies in the future.
func Ahead(stored, now time.Time) bool { return stored.Sub(now) > clockTolerance }

// Settle takes the stored times that lie in the future for now, and reports whether there were any. A nil one is not given.
func Settle(now time.Time, stored ...*time.Time) (changed bool) {
	for _, t := range stored {
		if t != nil && Ahead(*t, now) {
			*t, changed = now, true
		}
	}
	return changed
}
