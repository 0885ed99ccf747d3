// Package ratewindows stores the windows of the host's rate limits: a row each, which is deleted when it has ended.
package ratewindows

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// Windows implements or3cloud.RateLimitStore.
type Windows struct{ e *engine.Engine }

// New returns the windows of a database.
func New(e *engine.Engine) *Windows { return &Windows{e} }

// RateWindows implements or3cloud.RateLimitStore.
func (w *Windows) RateWindows(ctx context.Context, now time.Time) ([]or3cloud.RateWindow, error) {
	rows, err := w.e.Q.RateWindows(ctx, db.RateWindowsParams{Now: now.UnixMilli(), Latest: latest(now)})
	if err != nil {
		return nil, sqlitex.Translate(err)
	}
	out := make([]or3cloud.RateWindow, 0, len(rows))
	for _, row := range rows {
		var times []int64
		if err := json.Unmarshal([]byte(row.Hits), &times); err != nil {
			return nil, fmt.Errorf("window of a rate limit: %w", err)
		}
		w := or3cloud.RateWindow{Key: row.Key, Expiry: time.UnixMilli(row.ExpiresAt), Hits: make([]time.Time, len(times))}
		for i, t := range times {
			w.Hits[i] = time.UnixMilli(t)
		}
		out = append(out, w)
	}
	return out, nil
}

// latest is the latest end of a window that was made by a clock that is right.
func latest(now time.Time) int64 { return now.Add(or3cloud.LongestRateWindow).UnixMilli() }

// KeepRateWindows implements or3cloud.RateLimitStore. On a full disk it only frees space.
func (w *Windows) KeepRateWindows(ctx context.Context, now time.Time, windows []or3cloud.RateWindow) error {
	full := w.e.CheckRoom()
	if full != nil {
		windows = nil
	}
	pieces, err := rows(windows, pieceSize)
	if err != nil {
		return err
	}
	for i, piece := range pieces {
		err := w.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
			if err := write(ctx, t.Q, piece); err != nil || i < len(pieces)-1 {
				return err
			}
			return trim(ctx, t.Q, now)
		})
		if err != nil {
			return err
		}
	}
	return full
}

// pieceSize is approximately how many bytes one job of the writer writes.
const pieceSize = 1 << 20

// row is a window as it is written.
type row struct {
	key, hits string // without hits, the row is deleted
	expiry    int64
}

// rows returns windows in the form in which they are written, which is made before the writer, in pieces of about most
// bytes.
func rows(windows []or3cloud.RateWindow, most int) (pieces [][]row, err error) {
	var piece []row
	size := 0
	for _, w := range windows {
		r := row{key: w.Key, expiry: w.Expiry.UnixMilli()}
		if len(w.Hits) > 0 {
			times := make([]int64, len(w.Hits))
			for i, t := range w.Hits {
				times[i] = t.UnixMilli()
			}
			text, err := json.Marshal(times)
			if err != nil {
				return nil, err
			}
			r.hits = string(text)
		}
		piece, size = append(piece, r), size+len(r.key)+len(r.hits)+overhead
		if size >= most {
			pieces, piece, size = append(pieces, piece), nil, 0
		}
	}
	return append(pieces, piece), nil
}

// overhead is approximately what a row costs besides its texts, in bytes.
const overhead = 256

// write writes a piece.
func write(ctx context.Context, q *db.Queries, piece []row) error {
	for _, r := range piece {
		var err error
		if r.hits == "" {
			err = q.DeleteRateWindow(ctx, r.key)
		} else {
			err = q.KeepRateWindow(ctx, db.KeepRateWindowParams{Key: r.key, Hits: r.hits, ExpiresAt: r.expiry})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// trim drops what has ended by now, what ends too late, and what is too much.
func trim(ctx context.Context, q *db.Queries, now time.Time) error {
	if err := q.DeleteEndedRateWindows(ctx, now.UnixMilli()); err != nil {
		return err
	}
	if err := q.DeleteLateRateWindows(ctx, latest(now)); err != nil {
		return err
	}
	return q.DeleteSurplusRateWindows(ctx, or3cloud.MaxRateWindows)
}
