package compact

import (
	"context"
	"errors"

	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// Settle replaces acceptance times of a workspace's entries after a limit by the latest, both in Unix milliseconds.
func (c *Compactor) Settle(ctx context.Context, num, limit, latest int64) error {
	release, err := c.Hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	for after, more := int64(0), true; more; {
		var groups []group
		err := c.e.View(ctx, func(r *engine.Reader) error {
			blocks := entries.Of(r).After(num, after, layout.MaxVersion)
			more = false
			for n := 0; blocks.Next(); n++ {
				if more = n == lookedAt; more {
					break
				}
				p, ahead, last, err := ahead(blocks, limit)
				if err != nil {
					return errors.Join(err, blocks.Close())
				}
				if after = max(after, last); ahead {
					groups = append(groups, group{parts: []part{p}, left: p.n, text: p.text, heads: p.heads})
				}
			}
			return blocks.Close()
		})
		if err == nil {
			err = c.run(ctx, groups, latest)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ahead returns a block as a part, whether it has a time after a limit, and its last version.
func ahead(b *entries.Blocks, limit int64) (p part, found bool, last int64, err error) {
	if p, _, err = partOf(b.ID, &b.Block, block.Marks{}, 0); err != nil {
		return p, false, 0, err
	}
	for i := range b.Len() {
		e, err := b.Entry(i)
		if err != nil {
			return p, false, 0, err
		}
		found, last = found || e.At > limit, e.Version
	}
	return p, found, last, nil
}
