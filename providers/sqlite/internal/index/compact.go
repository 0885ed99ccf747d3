package index

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

const (
	// mergeRuns is how many runs of a level become one of the next.
	mergeRuns = 4
	// rowsPerJob is how many rows a job of the writer writes or deletes, of a page each. A busy writer takes a while to
	// get to a job, so jobsAtOnce are offered together, which then share a commit.
	rowsPerJob, jobsAtOnce = 64, 4
	// ahead is how many pieces of each run are read at once.
	ahead = 16
	// goneShare is the fraction of the keys of a merge that must stand for entries that are gone, one in this many, for
	// the log to be consulted.
	goneShare = 8
	// goneAtOnce is for how many keys the log is consulted at once.
	goneAtOnce = 512
	// rest is how many times longer the compaction pauses after a step of a merge than it has worked on it. Merges take
	// a few percent of a processor if they are spread out, so pushes should not have to share it. But each run that is
	// not merged yet costs every look-up a check of a filter: once a level has mostRuns, merges go on without a rest.
	rest     = 4
	mostRuns = 3 * mergeRuns
)

// compact writes what is frozen, and merges runs, until there is nothing left to do. Before and after that it deletes
// rows of runs that are not linked: those that were merged, and those that were not finished.
func (x *Index) compact(ctx context.Context) error {
	if x.damage.Load() != nil || x.committed().fault != nil {
		if err := x.derive(ctx); err != nil {
			return err
		}
	}
	x.resting = true
	defer func() { x.resting = false }()
	if err := x.sweep(ctx); err != nil {
		return err
	}
	if err := x.work(ctx, 0); err != nil {
		return err
	}
	return x.sweep(ctx)
}

// Write writes everything recent as a run.
func (x *Index) Write(ctx context.Context) error {
	for done := false; ; {
		if err := x.loop.Run(ctx); err != nil || done {
			return err
		}
		err := x.e.Do(ctx, func(context.Context, *engine.Tx) error {
			if done = x.current.frozen.root == nil; done {
				x.freeze()
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// work does what is due for what is newer than an age, which is what may not wait for a merge of what is older.
func (x *Index) work(ctx context.Context, newer int64) error {
	for {
		s := x.committed()
		if s.frozen.root != nil {
			if err := x.flush(ctx, s.frozen); err != nil {
				return fmt.Errorf("write a run: %w", err)
			}
			continue
		}
		due := x.due(s.runs, newer)
		if due == nil {
			return nil
		}
		if err := x.merge(ctx, due, due[len(due)-1] == s.runs[len(s.runs)-1]); err != nil {
			return fmt.Errorf("merge runs: %w", err)
		}
	}
}

// due returns the runs to merge first, the newest in front: the oldest of the lowest level that has enough.
func (x *Index) due(runs []*run, newer int64) []*run {
	level, begin := 0, 0
	for i, r := range runs {
		if r.age <= newer {
			return nil
		}
		// A level holds runs of about the same size. A run that has shrunk, because the log no longer has what it knew,
		// stays with the one that follows it: only merges that include the oldest run drop anything.
		if l := x.level(r); l > level {
			level, begin = l, i
		}
		if more := i + 1; more-begin >= mergeRuns && (more == len(runs) || x.level(runs[more]) > level || runs[more].age <= newer) {
			return runs[more-mergeRuns : more]
		}
	}
	return nil
}

// level is how often four runs of recent keys were merged to make a run of this size, if nothing was dropped.
func (x *Index) level(r *run) (level int) {
	for n := r.entries; n >= mergeRuns*int64(x.opts.RecentKeys); n /= mergeRuns {
		level++
	}
	return level
}

// behind reports whether merges do not keep up with what is written.
func behind(x *Index, runs []*run) bool {
	level, n := 0, 0
	for _, r := range runs {
		if l := x.level(r); l > level {
			level, n = l, 0
		}
		if n++; n == mostRuns {
			return true
		}
	}
	return false
}

// flush writes a tree as a run of the lowest level.
func (x *Index) flush(ctx context.Context, t tree) error {
	done := map[int64]int64{} // the last version of each workspace
	out := x.newOutput(ctx, t.n)
	defer out.settle()
	for c := t.from(""); ; {
		more, err := c.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if isOp(c.key) {
			ws := workspaceOf(c.key)
			done[ws] = max(done[ws], versionOf(c.key))
		}
		if err := out.add(c.key, c.value); err != nil {
			return err
		}
	}
	if err := out.link(func(context.Context, *engine.Tx) error { x.current.frozen = tree{}; return nil }); err != nil {
		return err
	}
	// The run may exist for a while before this is written: deriving the same again changes nothing.
	for some := range slices.Chunk(slices.Collect(maps.Keys(done)), rowsPerJob) {
		err := x.e.Do(ctx, func(ctx context.Context, t *engine.Tx) (err error) {
			for _, ws := range some {
				err = errors.Join(err, t.Q.Indexed(ctx, db.IndexedParams{Workspace: ws, Version: done[ws]}))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	x.forget()
	return nil
}

// merge makes one run of several that follow each other in age. If there is no older one, what the log no longer has
// may be left out, and is if it is worth checking.
func (x *Index) merge(ctx context.Context, runs []*run, oldest bool) error {
	keys := 0
	cursors := make([]cursor, len(runs))
	for i, r := range runs {
		keys += int(r.entries)
		cursors[i] = &mergeCursor{ctx: ctx, x: x, r: r}
	}
	gone := int64(0)
	if oldest {
		var err error
		if gone, err = x.e.Q.EntriesGone(ctx); err != nil {
			return sqlitex.Translate(err)
		}
	}
	forget := gone*goneShare > int64(keys)
	out := x.newOutput(ctx, keys)
	defer out.settle()
	m, err := newMerged("", cursors...)
	if err != nil {
		return err
	}
	out.age, out.newer = runs[0].age, runs[0].age
	waiting := pairs{}
	for {
		more, err := m.next()
		if err != nil {
			return err
		}
		if more && !forget {
			if err := out.add(m.at()); err != nil {
				return err
			}
			continue
		}
		if more {
			waiting.add(m.at())
		}
		if waiting.n() == goneAtOnce || !more {
			if err := x.addLiving(ctx, &waiting, out); err != nil {
				return err
			}
		}
		if !more {
			return out.link(func(ctx context.Context, t *engine.Tx) error {
				s := &x.current
				s.runs = slices.DeleteFunc(slices.Clone(s.runs), func(r *run) bool { return slices.Contains(runs, r) })
				if !forget {
					return nil
				}
				return t.Q.AddEntriesGone(ctx, -gone)
			}, runs...)
		}
	}
}

// addLiving adds the keys whose entries the log has.
func (x *Index) addLiving(ctx context.Context, waiting *pairs, out *output) error {
	gone := make([]bool, waiting.n())
	err := x.e.View(ctx, func(r *engine.Reader) (err error) {
		for i := 0; i < len(gone) && err == nil; i++ {
			gone[i], err = x.opts.Gone(r, entryOf(waiting.at(i)))
		}
		return err
	})
	for i := 0; i < len(gone) && err == nil; i++ {
		if !gone[i] {
			err = out.add(waiting.at(i))
		}
	}
	waiting.clear()
	return err
}

// pairs are keys with their values.
type pairs struct {
	text   []byte
	ends   []int
	values []uint64
}

func (p *pairs) n() int { return len(p.ends) }

func (p *pairs) add(key []byte, value uint64) {
	p.text = append(p.text, key...)
	p.ends, p.values = append(p.ends, len(p.text)), append(p.values, value)
}

func (p *pairs) at(i int) ([]byte, uint64) {
	begin := 0
	if i > 0 {
		begin = p.ends[i-1]
	}
	return p.text[begin:p.ends[i]], p.values[i]
}

func (p *pairs) clear() { p.text, p.ends, p.values = p.text[:0], p.ends[:0], p.values[:0] }

// mergeCursor goes through a run that is being merged. Its pieces are read in short transactions: they do not change,
// and only the compaction deletes them.
type mergeCursor struct {
	pieceReader
	ctx    context.Context
	x      *Index
	r      *run
	n      int64
	pieces [][]byte
	read   int64
}

func (c *mergeCursor) next() (bool, error) {
	for {
		more, err := c.pieceReader.next()
		if err != nil || more {
			return more, err
		}
		if c.n == c.read {
			if c.read == c.r.pieces {
				return false, nil
			}
			if err := c.load(); err != nil {
				return false, err
			}
		}
		c.reset(c.pieces[c.n%ahead])
		c.n++
	}
}

func (c *mergeCursor) load() error {
	if c.pieces == nil {
		c.pieces = make([][]byte, ahead)
	}
	return c.x.e.View(c.ctx, func(r *engine.Reader) error {
		v := View{index: c.x, piece: r.St.IndexPiece}
		for range min(ahead, c.r.pieces-c.read) {
			var err error
			if c.pieces[c.read%ahead], err = v.load(c.r, c.read, c.pieces[c.read%ahead]); err != nil {
				return err
			}
			c.read++
		}
		return nil
	})
}

func (c *mergeCursor) at() ([]byte, uint64) { return c.key, c.value }

// output writes a run in jobs of the writer. The run is invisible until it is linked.
type output struct {
	*runWriter
	ctx     context.Context
	x       *Index
	newer   int64 // the age from which on work may not wait; -1 if all of it may
	begun   time.Time
	rows    [][]byte
	pages   int
	stored  int64
	offered int
	jobs    errgroup.Group
}

func (x *Index) newOutput(ctx context.Context, keys int) *output {
	o := &output{ctx: ctx, x: x, newer: -1, begun: time.Now()}
	o.runWriter = newRunWriter(x.seed, keys, o.take)
	o.id, o.age = x.next, x.next
	x.next++
	return o
}

// take collects rows for a job. Between jobs it does what may not wait.
func (o *output) take(row []byte) error {
	o.rows = append(o.rows, seal(rowID(o.id, o.stored+int64(len(o.rows))), row))
	if o.pages += 1 + len(row)/4096; o.pages < rowsPerJob {
		return nil
	}
	if o.offer(); o.offered < jobsAtOnce {
		return nil
	}
	worked := time.Since(o.begun) // without the wait for the writer
	if err := o.settle(); err != nil {
		return err
	}
	defer func() { o.begun = time.Now() }()
	if o.newer < 0 {
		return nil
	}
	if err := o.rest(worked); err != nil {
		return err
	}
	return o.x.work(o.ctx, o.newer)
}

// rest pauses after a step of a merge, so that others have the processor, unless merges are behind.
func (o *output) rest(worked time.Duration) error {
	if !o.x.resting || behind(o.x, o.x.committed().runs) {
		return nil
	}
	timer := time.NewTimer(rest * worked)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-o.ctx.Done():
		return o.ctx.Err()
	}
}

// offer hands the rows that were collected to the writer.
func (o *output) offer() {
	if len(o.rows) == 0 {
		return
	}
	rows, first := o.rows, o.stored
	o.jobs.Go(func() error {
		return o.x.e.Do(o.ctx, func(_ context.Context, t *engine.Tx) (err error) {
			for i, row := range rows {
				err = errors.Join(err, engine.Run(t.St.InsertIndexPiece, rowID(o.id, first+int64(i)), row))
			}
			return err
		})
	})
	o.stored += int64(len(rows))
	o.rows, o.pages, o.offered = nil, 0, o.offered+1
}

// settle waits until what was offered is written.
func (o *output) settle() error {
	err := o.jobs.Wait()
	o.x.notice(err)
	o.offered = 0
	return err
}

// link makes the run visible, in the place that its age says, together with another change of the state.
func (o *output) link(change func(context.Context, *engine.Tx) error, instead ...*run) error {
	err := o.close()
	o.offer()
	if err := errors.Join(err, o.settle()); err != nil {
		return err
	}
	r := &run{}
	*r = o.run
	err = o.x.e.Do(o.ctx, func(ctx context.Context, t *engine.Tx) error {
		if err := change(ctx, t); err != nil {
			return err
		}
		for _, old := range instead {
			if err := t.Q.DropIndexRun(ctx, old.id); err != nil {
				return err
			}
		}
		o.x.changed = true
		if r.entries == 0 {
			return nil
		}
		at, _ := slices.BinarySearchFunc(o.x.current.runs, r.age, func(other *run, age int64) int { return int(age - other.age) })
		o.x.current.runs = slices.Insert(slices.Clone(o.x.current.runs), at, r)
		return t.Q.InsertIndexRun(ctx, db.InsertIndexRunParams{ID: r.id, Age: r.age, Entries: r.entries, Pieces: r.pieces, Chunks: r.chunks})
	})
	o.x.notice(err)
	return err
}

// sweep deletes the rows of runs that are no longer linked, or never were. Between jobs it writes what is frozen: there
// may be many rows.
func (x *Index) sweep(ctx context.Context) (err error) {
	defer func() { x.notice(err) }()
	known, next := map[int64]bool{}, x.next
	for _, r := range x.committed().runs {
		known[r.id] = true
	}
	for after := int64(-1); ; {
		id, err := x.e.Q.IndexPieceAfter(ctx, after)
		if err != nil || id < 0 || id>>rowBits >= next { // which is a run that was written in the meantime
			return sqlitex.Translate(err)
		}
		if r := id >> rowBits; known[r] {
			after = rowID(r+1, 0) - 1
			continue
		}
		var jobs errgroup.Group
		for first := id; first < id+jobsAtOnce*rowsPerJob; first += rowsPerJob {
			jobs.Go(func() error {
				return x.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
					return t.Q.DropIndexPieces(ctx, db.DropIndexPiecesParams{First: first, Last: first + rowsPerJob - 1})
				})
			})
		}
		if err := jobs.Wait(); err != nil {
			return err
		}
		if err := x.work(ctx, math.MaxInt64); err != nil {
			return err
		}
		after = id - 1
	}
}
