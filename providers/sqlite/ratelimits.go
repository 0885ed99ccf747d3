package sqlite

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/ratewindows"
)

// RateWindows implements or3cloud.RateLimitStore.
func (s *Store) RateWindows(ctx context.Context, now time.Time) ([]or3cloud.RateWindow, error) {
	windows, err := ratewindows.Read(ctx, s.q, now)
	return windows, sqlitex.Translate(err)
}

// KeepRateWindows implements or3cloud.RateLimitStore. On a full disk it does nothing but make room.
func (s *Store) KeepRateWindows(ctx context.Context, now time.Time, windows []or3cloud.RateWindow) error {
	full := s.checkRoom()
	if full != nil {
		windows = nil
	}
	pieces, err := ratewindows.Rows(windows, stretchCost/4)
	if err != nil {
		return err
	}
	for i, piece := range pieces {
		err := s.w.do(ctx, func(ctx context.Context, t *tx) error {
			if err := ratewindows.Write(ctx, t.q, piece); err != nil || i < len(pieces)-1 {
				return err
			}
			return ratewindows.Trim(ctx, t.q, now)
		})
		if err != nil {
			return err
		}
	}
	return full
}

var _ or3cloud.RateLimitStore = (*Store)(nil)
