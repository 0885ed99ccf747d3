package compact

import (
	"context"
	"errors"
	"time"

	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
)

const (
	// quiet is how long a workspace must have had no push for its last blocks to be joined although more may come.
	quiet = time.Hour
	// leastTried and mostTried are the sizes in bytes of unpacked texts that are packed.
	leastTried, mostTried = 1 << 10, 1 << 20
)

// Join joins small blocks that follow each other, if they fill a block, and packs texts that the writer had to copy.
// Blocks that do not fill one yet wait for more. In a quiet workspace they do not wait, as long as joining at least
// doubles them.
func (c *Compactor) Join(ctx context.Context, num int64) error {
	progress, release, err := c.Begin(ctx, num)
	if err != nil {
		return err
	}
	defer release()
	for joined := progress.Joined; joined < progress.Version; {
		w := joining{upto: progress.Collected, joined: joined, before: c.e.Now().Add(-quiet).UnixMilli()}
		err := c.e.View(ctx, func(r *engine.Reader) error { return w.look(entries.Of(r), num, joined, progress.Version) })
		if err == nil {
			err = c.run(ctx, w.groups, 0)
		}
		if err != nil || w.joined == joined {
			return err
		}
		joined = w.joined
		err = c.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
			return t.Q.SetJoined(ctx, db.SetJoinedParams{Version: joined, Workspace: num})
		})
		if err != nil || w.last {
			return err
		}
	}
	return nil
}

// joining looks for groups.
type joining struct {
	upto   int64 // the collector has passed the entries up to here
	before int64 // a workspace is quiet if its last entry is older
	groups []group
	joined int64 // the last version in a group that is full
	last   bool  // whether all blocks have been looked at

	g      group
	latest int64 // when the last entry of the group was accepted
	end    int64 // its version
	try    bool  // whether its text might be packed
}

func (w *joining) look(r *entries.Reader, num, after, upto int64) error {
	blocks := r.After(num, after, upto)
	n := 0
	for blocks.Next() {
		if n++; n > lookedAt && w.joined > after {
			return blocks.Close()
		}
		p, _, err := partOf(blocks.ID, &blocks.Block, blocks.Marks, w.upto)
		var e block.Entry
		if err == nil {
			e, err = blocks.Entry(blocks.Len() - 1)
		}
		if err != nil {
			return errors.Join(err, blocks.Close())
		}
		if e.Version > after {
			w.add(p, &e, blocks.Packed())
		}
	}
	w.last = true
	if n := len(w.g.parts); n > 1 && w.latest < w.before && w.g.left >= 2*w.g.parts[0].left() {
		w.groups = append(w.groups, w.g)
	}
	return blocks.Close()
}

// add adds a block, of which e is the last entry.
func (w *joining) add(p part, e *block.Entry, packed bool) {
	if !w.g.takes(p) {
		w.full()
	}
	w.g.add(p)
	w.latest, w.end = e.At, e.Version
	w.try = len(w.g.parts) == 1 && !packed && p.text >= leastTried && p.text <= mostTried
	if w.g.left >= block.MaxEntries || w.g.text >= block.FullText || w.g.heads >= block.FullHeads {
		w.full()
	}
}

// full ends the current group.
func (w *joining) full() {
	if len(w.g.parts) > 1 || w.try {
		w.groups = append(w.groups, w.g)
	}
	w.joined, w.g, w.try = w.end, group{}, false
}
