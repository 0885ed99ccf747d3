package or3cloud

import (
	"context"
	"time"
)

// RateWindow is the state of one rate limit budget: when it was used recently.
type RateWindow struct {
	// Key identifies whose budget it is, and for which operation.
	Key string
	// Hits are the times of the requests that still count, oldest first. There are none if the key was deleted.
	Hits []time.Time
	// Expiry is when the last of them stops counting.
	Expiry time.Time
}

// Limits of a RateLimitStore.
const (
	// MaxRateWindows is the largest number of windows kept. Those that end last are kept.
	MaxRateWindows = 20_000
	// LongestRateWindow is how far in the future a window may end. One that ends later was made while the clock was
	// ahead.
	LongestRateWindow = 24 * time.Hour
)

// RateLimitStore is the optional ability of a sync provider to keep rate limit windows across restarts (contract,
// host-integration §4, as far as one process decides). The store decides nothing: the limiter works in memory, reads
// the windows once at the start, and writes them after the requests. Anything that it fails to write is lost with the
// process.
type RateLimitStore interface {
	// RateWindows returns the windows that have not ended at now.
	RateWindows(ctx context.Context, now time.Time) ([]RateWindow, error)
	// KeepRateWindows replaces the windows with the same keys and deletes those without hits. It also deletes windows
	// that have ended at now, that end too late, or that exceed MaxRateWindows. It need not do all of this in one
	// transaction.
	KeepRateWindows(ctx context.Context, now time.Time, windows []RateWindow) error
}
