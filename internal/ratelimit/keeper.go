package ratelimit

import (
	"context"
	"log/slog"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/background"
)

// keepPause is how long changes may stay unwritten. sweepKept is how long expired windows stay in the store while
// nothing else is written.
const (
	keepPause = time.Second
	sweepKept = time.Minute
	// maxKept is how many windows are written at once. The others wait.
	maxKept = 2000
)

// Keeper writes the windows of a Limiter after the requests, in one goroutine. The Limiter keeps working even if a
// write fails.
type Keeper struct {
	limiter *Limiter
	store   or3cloud.RateLimitStore
	loop    *background.Loop
	// written are the keys in the store, with the end of their windows. Only the goroutine uses it.
	written map[string]time.Time
	swept   time.Time
}

// Keep makes l continue with the windows in store, and writes changes until Close. If the windows cannot be read, it
// logs that and starts without them: a server that has forgotten its limits is better than none.
func Keep(ctx context.Context, l *Limiter, store or3cloud.RateLimitStore, log *slog.Logger) *Keeper {
	k := &Keeper{limiter: l, store: store, written: map[string]time.Time{}, swept: l.now()}
	windows, err := store.RateWindows(ctx, l.now())
	if err != nil {
		log.Warn("the rate limits of the last run could not be read and start again", "error", err)
	}
	l.KeepSparingly(windows)
	for _, w := range windows {
		k.written[w.Key] = w.Expiry
	}
	k.loop = background.Start(background.Task{
		Name: "writing the rate limits down", Log: log, Harmless: true,
		Delay: keepPause, Pause: background.Every(keepPause), Run: k.write,
	})
	return k
}

// Close stops the goroutine and writes all remaining changes. A nil Keeper does nothing.
func (k *Keeper) Close() {
	if k == nil {
		return
	}
	k.loop.Close()
	k.limiter.Flush()
	for k.limiter.untold() > 0 {
		if k.loop.Run(context.Background()) != nil {
			return // the loop has logged it
		}
	}
}

// write writes changed windows and removes expired ones.
func (k *Keeper) write(ctx context.Context) error {
	now := k.limiter.now()
	windows := k.limiter.Changed(maxKept)
	if len(windows) == 0 && !k.due(now) {
		return nil
	}
	if err := k.store.KeepRateWindows(ctx, now, windows); err != nil {
		k.limiter.Again(windows)
		return err
	}
	for key, end := range k.written {
		if !end.After(now) {
			delete(k.written, key)
		}
	}
	for _, w := range windows {
		if delete(k.written, w.Key); len(w.Hits) > 0 && len(k.written) < MaxKeys {
			k.written[w.Key] = w.Expiry
		}
	}
	k.swept = now
	return nil
}

// due reports whether a written window has expired and nothing has been written for a while.
func (k *Keeper) due(now time.Time) bool {
	if since := now.Sub(k.swept); since >= 0 && since < sweepKept {
		return false
	}
	k.swept = now
	for _, end := range k.written {
		if !end.After(now) || end.Sub(now) > or3cloud.LongestRateWindow {
			return true
		}
	}
	return false
}
