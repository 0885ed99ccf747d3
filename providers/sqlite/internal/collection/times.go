package collection

import (
	"context"
	"math"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// HasTimesAfter reports whether the log is known to have times after a limit, in Unix milliseconds. Collection depends
// on them, so deletions show it, and the entry at which the collector stands.
func (c *Collector) HasTimesAfter(ctx context.Context, limit int64) (found bool, err error) {
	if c.stands.Load() > limit {
		return true, nil
	}
	for step := (db.TombstonesAfterParams{After: -1, Upto: math.MaxInt64, Max: collectPage}); ; {
		ids, err := c.e.Q.TombstonesAfter(ctx, step)
		if err != nil || len(ids) == 0 {
			return false, sqlitex.Translate(err)
		}
		err = c.e.View(ctx, func(r *engine.Reader) error {
			from := entries.Of(r)
			for _, id := range ids {
				e, there, err := from.Head(id>>layout.VersionBits, layout.VersionOf(id))
				if err != nil {
					return err
				}
				found = found || there && e.At > limit
			}
			return nil
		})
		if err != nil || found {
			return found, err
		}
		step.After = ids[len(ids)-1]
	}
}

// SettleTimes replaces times of the log after a limit by the latest, both in Unix milliseconds. It goes through the
// whole log.
func (c *Collector) SettleTimes(ctx context.Context, limit, latest int64) error {
	const pageSize = 1000
	for after := int64(0); ; {
		page, err := c.e.Q.WorkspacesAfter(ctx, db.WorkspacesAfterParams{Num: after, Max: pageSize})
		if err != nil {
			return sqlitex.Translate(err)
		}
		for _, w := range page {
			after = w.Num
			if err := c.compact.Settle(ctx, w.Num, limit, latest); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			c.stands.Store(0)
			return nil
		}
	}
}
