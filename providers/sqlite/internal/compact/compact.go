// Package compact rewrites blocks of the log: without the entries that were collected, and small neighbours as one.
// Nothing else changes a block that is written. Blocks are read and packed outside the writer, which puts them in place
// with the marks that they have by then.
package compact

import (
	"bytes"
	"context"
	"math/bits"

	"golang.org/x/sync/errgroup"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

const (
	// atOnce is how many jobs are offered to the writer together, unless they have atOnceBytes of text: they share
	// commits, and pushes pass between them. Each writes one block. A busy writer takes a quarter of a second to get to
	// them, so there have to be many.
	atOnce      = 64
	atOnceBytes = 16 * block.FullText
	// deletedAtOnce is how many empty blocks one job deletes.
	deletedAtOnce = 8
	// lookedAt is how many blocks are looked at in one read transaction.
	lookedAt = 256
)

// Compactor changes blocks.
type Compactor struct {
	e    *engine.Engine
	turn chan struct{}
}

// New returns the Compactor of a database.
func New(e *engine.Engine) *Compactor { return &Compactor{e: e, turn: make(chan struct{}, 1)} }

// Hold waits until no block is being changed, and keeps it so until release is called: the place of an entry stays
// valid from the look-up to the mark.
func (c *Compactor) Hold(ctx context.Context) (release func(), err error) {
	select {
	case c.turn <- struct{}{}:
		return func() { <-c.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Begin is Hold for work that goes along the log of a workspace: it also returns how far collecting and joining have
// come there.
func (c *Compactor) Begin(ctx context.Context, num int64) (progress db.ProgressRow, release func(), err error) {
	if release, err = c.Hold(ctx); err != nil {
		return progress, nil, err
	}
	if progress, err = c.e.Q.Progress(ctx, num); err != nil {
		release()
	}
	return progress, release, sqlitex.Translate(err)
}

// part is a block that becomes a part of another one.
type part struct {
	id   int64
	n    int    // its entries
	drop uint64 // those of them that are dropped
	text int    // bytes of those that stay
	// heads is how many bytes all heads take.
	heads int
}

func (p *part) left() int { return p.n - bits.OnesCount64(p.drop) }

// group are blocks that follow each other and become one, under the id of the first. If nothing of them stays, they are
// deleted.
type group struct {
	parts             []part
	left, text, heads int
}

// takes reports whether a block fits into the group.
func (g *group) takes(p part) bool {
	if g.left == 0 || p.left() == 0 { // blocks that stay and blocks that do not are different jobs
		return len(g.parts) == 0 || g.left == 0 && p.left() == 0 && len(g.parts) < deletedAtOnce
	}
	return g.left+p.left() <= block.MaxEntries && g.text+p.text <= block.FullText && g.heads+p.heads <= block.FullHeads
}

func (g *group) add(p part) {
	g.parts = append(g.parts, p)
	g.left, g.text, g.heads = g.left+p.left(), g.text+p.text, g.heads+p.heads
}

// job is a group as it will be.
type job struct {
	group
	heads, text []byte
	latest      int64 // later times are replaced by it; 0 if they are believed
	idle        bool  // whether nothing is gained
}

// make reads a group and packs what stays of it.
func (j *job) make(r *entries.Reader, w *block.Writer) error {
	if j.left == 0 {
		return nil
	}
	w.Reset()
	for _, p := range j.parts {
		if p.left() == 0 {
			continue
		}
		stay := ^p.drop & (^uint64(0) >> (64 - p.n))
		b, err := r.Load(p.id, stay)
		if err == nil {
			err = w.Copy(&b, p.drop, 0)
		}
		if err != nil {
			return err
		}
	}
	if j.latest > 0 {
		w.Until(j.latest)
	}
	w.Pack()
	heads, text := w.Finish(layout.VersionOf(j.parts[0].id))
	if j.idle = len(j.parts) == 1 && j.parts[0].drop == 0 && j.latest == 0 && len(text) >= j.group.text; !j.idle {
		j.heads, j.text = bytes.Clone(heads), bytes.Clone(text)
	}
	return nil
}

// put puts a group in place. Marks may have been set since it was read; nothing else has changed.
func (j *job) put(t *engine.Tx) error {
	r := entries.In(t)
	var all block.Marks
	n := 0
	for i, p := range j.parts {
		m, err := r.Marks(p.id)
		if err != nil {
			return err
		}
		all = all.Join(n, m.Without(p.drop))
		n += p.left()
		if i > 0 || j.left == 0 {
			if err := entries.Delete(t, p.id); err != nil {
				return err
			}
		}
	}
	if j.left == 0 {
		return nil
	}
	return entries.Replace(t, j.parts[0].id, j.heads, j.text, all)
}

// run makes groups in a read transaction and puts them in place. The caller holds the turn.
func (c *Compactor) run(ctx context.Context, groups []group, latest int64) error {
	var w block.Writer
	for len(groups) > 0 {
		var jobs []job
		err := c.e.View(ctx, func(r *engine.Reader) error {
			from := entries.Of(r)
			for size := 0; len(groups) > 0 && len(jobs) < atOnce && size < atOnceBytes; groups = groups[1:] {
				j := job{group: groups[0], latest: latest}
				if err := j.make(from, &w); err != nil {
					return err
				}
				if !j.idle {
					jobs = append(jobs, j)
				}
				size += j.group.text
			}
			return nil
		})
		if err != nil {
			return err
		}
		together, ctx := errgroup.WithContext(ctx)
		for _, j := range jobs {
			together.Go(func() error {
				return c.e.Do(ctx, func(_ context.Context, t *engine.Tx) error { return j.put(t) })
			})
		}
		if err := together.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// partOf returns a block as a part, without the entries up to a version that were collected. gone is how many bytes of
// text they have.
func partOf(id int64, b *block.Block, m block.Marks, upto int64) (p part, gone int, err error) {
	p = part{id: id, n: b.Len(), heads: b.HeadsSize()}
	for i := range b.Len() {
		if m.Collected()&(1<<i) != 0 {
			v, err := b.Version(i)
			if err != nil {
				return p, 0, err
			}
			if v <= upto {
				p.drop |= 1 << i
				gone += b.Size(i)
				continue
			}
		}
		p.text += b.Size(i)
	}
	return p, gone, nil
}
