package guard

import (
	"context"
	"encoding/json"
	"time"

	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// LongestWindow is the longest of the limits whose windows are kept.
const LongestWindow = 24 * time.Hour

// DeleteExpiredWindows deletes the windows that have ended, and those that were made by a clock that was ahead.
func DeleteExpiredWindows(ctx context.Context, q store.Queries, now time.Time) error {
	return q.DeleteExpiredWindows(ctx, db.DeleteExpiredWindowsParams{Now: now.UnixMilli(), Latest: now.Add(LongestWindow).UnixMilli()})
}

func keepWindow(ctx context.Context, q store.Queries, w ratelimit.Window) error {
	if len(w.Hits) == 0 {
		return q.DeleteWindow(ctx, w.Key)
	}
	times := make([]int64, len(w.Hits))
	for i, t := range w.Hits {
		times[i] = t.UnixMilli()
	}
	text, err := json.Marshal(times)
	if err != nil {
		return err
	}
	return q.KeepWindow(ctx, db.KeepWindowParams{Key: w.Key, Hits: string(text), ExpiresAt: w.Expiry.UnixMilli()})
}

// keptLimits returns a limiter with the stored windows.
func keptLimits(ctx context.Context, st *store.Store, now func() time.Time) (*ratelimit.Limiter, error) {
	rows, err := st.Read.Windows(ctx, now().UnixMilli())
	if err != nil {
		return nil, err
	}
	windows := make([]ratelimit.Window, 0, len(rows))
	for _, row := range rows {
		var times []int64
		if err := json.Unmarshal([]byte(row.Hits), &times); err != nil {
			return nil, err
		}
		w := ratelimit.Window{Key: row.Key, Expiry: time.UnixMilli(row.ExpiresAt)}
		for _, t := range times {
			w.Hits = append(w.Hits, time.UnixMilli(t))
		}
		windows = append(windows, w)
	}
	return ratelimit.NewKept(now, windows), nil
}
