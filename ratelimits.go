package or3cloud

import (
	"context"
	"time"
)

// RateWindow is the state of one budget of a rate limit: when it was used lately.
type RateWindow struct {
	// Key says whose budget it is, and for what.
	Key string
	// Hits are the times of the hits that count, oldest first; none if the key was forgotten.
	Hits []time.Time
	// Expiry is when none of them counts any more.
	Expiry time.Time
}

// The bounds of a RateLimitStore.
const (
	// MaxRateWindows is how many windows it keeps; those that end last stay.
	MaxRateWindows = 20_000
	// LongestRateWindow is how far ahead a window may end. One that ends later was made while the clock was ahead.
	LongestRateWindow = 24 * time.Hour
)

// RateLimitStore is the optional ability of a sync provider to keep the windows of rate limits beyond the life of the process
// (contract, host-integration §4, as far as one process decides). It decides nothing: whoever limits does so in memory, reads
// the windows once, at the start, and writes them behind the requests. What it cannot keep is forgotten with the process.
type RateLimitStore interface {
	// RateWindows returns the windows that have not ended at now.
	RateWindows(ctx context.Context, now time.Time) ([]RateWindow, error)
	// KeepRateWindows writes windows in place of those with the same keys and deletes those without hits. Whatever else has
	// ended at now, ends too late, or is too much goes as well. Not all of it need be one transaction.
	KeepRateWindows(ctx context.Context, now time.Time, windows []RateWindow) error
}
