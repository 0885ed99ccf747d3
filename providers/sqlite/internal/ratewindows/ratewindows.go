// Package ratewindows keeps the windows of the host's rate limits: a row each, which goes when it has ended.
package ratewindows

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/db"
)

// Read returns the windows that have not ended at now.
func Read(ctx context.Context, q *db.Queries, now time.Time) ([]or3cloud.RateWindow, error) {
	rows, err := q.RateWindows(ctx, db.RateWindowsParams{Now: now.UnixMilli(), Latest: latest(now)})
	if err != nil {
		return nil, err
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

// latest is when a window may end that was made by a clock that is right.
func latest(now time.Time) int64 { return now.Add(or3cloud.LongestRateWindow).UnixMilli() }

// Row is a window as it is written.
type Row struct {
	key, hits string // no hits: the row goes
	expiry    int64
}

// Rows returns windows in the form in which they are written, which is made before the writer, in pieces of about most bytes.
func Rows(windows []or3cloud.RateWindow, most int) (pieces [][]Row, err error) {
	var piece []Row
	size := 0
	for _, w := range windows {
		row := Row{key: w.Key, expiry: w.Expiry.UnixMilli()}
		if len(w.Hits) > 0 {
			times := make([]int64, len(w.Hits))
			for i, t := range w.Hits {
				times[i] = t.UnixMilli()
			}
			text, err := json.Marshal(times)
			if err != nil {
				return nil, err
			}
			row.hits = string(text)
		}
		piece, size = append(piece, row), size+len(row.key)+len(row.hits)+overhead
		if size >= most {
			pieces, piece, size = append(pieces, piece), nil, 0
		}
	}
	return append(pieces, piece), nil
}

// overhead is about what a row costs beside its texts, in bytes.
const overhead = 256

// Write writes a piece.
func Write(ctx context.Context, q *db.Queries, piece []Row) error {
	for _, row := range piece {
		var err error
		if row.hits == "" {
			err = q.DeleteRateWindow(ctx, row.key)
		} else {
			err = q.KeepRateWindow(ctx, db.KeepRateWindowParams{Key: row.key, Hits: row.hits, ExpiresAt: row.expiry})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Trim drops what has ended at now, what ends too late, and what is too much.
func Trim(ctx context.Context, q *db.Queries, now time.Time) error {
	if err := q.DeleteEndedRateWindows(ctx, now.UnixMilli()); err != nil {
		return err
	}
	if err := q.DeleteLateRateWindows(ctx, latest(now)); err != nil {
		return err
	}
	return q.DeleteSurplusRateWindows(ctx, or3cloud.MaxRateWindows)
}
