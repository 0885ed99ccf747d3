package compact

import (
	"context"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// worthShare decides when a block is rewritten: one byte in this many of its text must belong to collected entries.
// Then the file stays below 4/3 of what it holds, and each byte that is freed costs three that are written.
const worthShare = 4

// Sweep frees the bytes of what was collected in a workspace. Entries that the collector has not passed stay, whatever
// happened to them: they say which entries they have replaced.
func (c *Compactor) Sweep(ctx context.Context, num int64) error {
	progress, release, err := c.Begin(ctx, num)
	if err != nil {
		return err
	}
	defer release()
	for after, last := layout.EntryID(num, 0)-1, layout.EntryID(num, layout.MaxVersion); ; {
		ids, err := c.e.Q.CollectedAfter(ctx, db.CollectedAfterParams{After: after, Upto: last, Max: lookedAt})
		if err != nil {
			return sqlitex.Translate(err)
		}
		groups, err := c.worth(ctx, ids, progress.Collected)
		if err == nil {
			err = c.run(ctx, groups, 0)
		}
		if err != nil || len(ids) < lookedAt {
			return err
		}
		after = ids[len(ids)-1]
	}
}

// worth returns the blocks of which a good part was collected, neighbours together.
func (c *Compactor) worth(ctx context.Context, ids []int64, collected int64) (groups []group, err error) {
	var g group
	end := func() {
		if len(g.parts) > 0 {
			groups = append(groups, g)
		}
		g = group{}
	}
	err = c.e.View(ctx, func(r *engine.Reader) error {
		from := entries.Of(r)
		for _, id := range ids {
			b, m, found, err := from.Block(id)
			if err != nil {
				return err
			}
			if !found {
				continue
			}
			p, gone, err := partOf(id, &b, m, collected)
			if err != nil {
				return err
			}
			if p.drop == 0 || gone*worthShare < gone+p.text {
				continue
			}
			if n := len(g.parts); n > 0 {
				next, err := from.BlockAfter(g.parts[n-1].id)
				if err != nil {
					return err
				}
				if next != id || !g.takes(p) {
					end()
				}
			}
			g.add(p)
		}
		return nil
	})
	end()
	return groups, err
}
