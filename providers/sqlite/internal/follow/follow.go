// Package follow brings the index up to date with the log when the program starts: with what came since the last run
// was written, with everything if the index is damaged or new, and with what tables of earlier layouts say about files.
package follow

import (
	"context"
	"errors"
	"time"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/index"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// WaypointEvery is how many winners of a record there are between two waypoints.
const WaypointEvery = 64

const (
	// followPage is approximately how many entries are read, and then derived, at once.
	followPage = 2048
	// followTold is how often progress is logged.
	followTold = 10 * time.Second
)

// follow brings the index up to date with the log when the program starts: what came since the last run was written is
// derived again.
type follow struct {
	e       *engine.Engine
	index   *index.Index
	blind   map[int64]error
	told    time.Time
	entries int
}

// Deriver returns the function for index.Options.Derive.
func Deriver(e *engine.Engine) func(context.Context, *index.Index) (map[int64]error, error) {
	return func(ctx context.Context, x *index.Index) (map[int64]error, error) {
		f := follow{e: e, index: x, blind: map[int64]error{}}
		return f.blind, f.all(ctx)
	}
}

// followed is what the index learns of an entry.
type followed struct {
	op      index.Key
	version int64
	record  string // the key of its record in the index, if it is the winner
	winner  *index.Winner
	table   int64
	pk      string
	key     []byte   // of its record
	digests []string // that it references
}

func (f *follow) all(ctx context.Context) error {
	const pageSize = 1000
	f.told = f.e.Now()
	for after := int64(0); ; {
		page, err := f.e.Q.NotIndexed(ctx, db.NotIndexedParams{Workspace: after, Max: pageSize})
		if err != nil {
			return sqlitex.Translate(err)
		}
		for _, w := range page {
			after = w.Workspace
			if err := f.workspace(ctx, w); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

func (f *follow) workspace(ctx context.Context, w db.NotIndexedRow) error {
	for after := w.Indexed; after < w.Version; {
		var page []followed
		err := f.e.View(ctx, func(r *engine.Reader) (err error) {
			page, after, err = f.read(r, w.Workspace, after, w.Version)
			return err
		})
		if sqlitex.IsDamage(err) {
			f.blind[w.Workspace] = err
			return nil
		}
		if err == nil {
			err = f.references(ctx, w.Workspace, page)
		}
		if err != nil {
			return err
		}
		err = f.e.Do(ctx, func(context.Context, *engine.Tx) error {
			for _, e := range page {
				f.index.Put(w.Workspace, e.op, e.version, e.record, e.winner)
				for _, digest := range e.digests {
					index.PutReference(f.index, w.Workspace, digest, e.table, e.key, e.version)
				}
			}
			return nil
		})
		if err == nil {
			err = f.index.Settle(ctx)
		}
		if err != nil {
			return err
		}
		f.tell(len(page))
	}
	return nil
}

// tell counts what was done, and logs it now and then.
func (f *follow) tell(n int) {
	if f.entries += n; f.e.Now().Sub(f.told) > followTold {
		f.told = f.e.Now()
		f.e.Log.Info("building the index of the sync database", "entries", f.entries)
	}
}

// references adds what winners reference, which is in tables of its own.
func (f *follow) references(ctx context.Context, num int64, page []followed) error {
	if len(page) == 0 {
		return nil
	}
	first, last := layout.EntryID(num, page[0].version)-1, layout.EntryID(num, page[len(page)-1].version)
	files, err := f.e.Q.FilesBetween(ctx, db.FilesBetweenParams{After: first, Upto: last})
	if err != nil {
		return sqlitex.Translate(err)
	}
	refs, err := f.e.Q.ReferencesBetween(ctx, db.ReferencesBetweenParams{After: first, Upto: last})
	if err != nil {
		return sqlitex.Translate(err)
	}
	winners := map[int64]*followed{}
	for i := range page {
		if e := &page[i]; e.winner != nil {
			winners[layout.EntryID(num, e.version)] = e
		}
	}
	for _, id := range files {
		if e := winners[id]; e != nil {
			e.digests = append(e.digests, syncschema.Digest(e.pk))
		}
	}
	for _, r := range refs {
		digests, ok := layout.UnpackDigests(r.Digests)
		if !ok {
			return layout.ErrDigests
		}
		if e := winners[r.ID]; e != nil {
			e.digests = append(e.digests, digests...)
		}
	}
	return nil
}

// read returns what a part of the log after a version says, and the last version of that part.
func (f *follow) read(r *engine.Reader, num, after, upto int64) (page []followed, last int64, err error) {
	blocks := entries.Of(r).After(num, after, upto)
	for last = upto; blocks.Next(); {
		if page, err = f.block(page, num, blocks, after, upto); err != nil {
			break
		}
		if len(page) >= followPage {
			last = page[len(page)-1].version
			break
		}
	}
	return page, last, errors.Join(err, blocks.Close())
}

// block adds what a block says about the versions after one, up to another. How often a record was won before is not
// counted again: the next winner becomes a waypoint.
func (f *follow) block(page []followed, num int64, b *entries.Blocks, after, upto int64) ([]followed, error) {
	if err := b.Unpack(b.All()); err != nil {
		return page, err
	}
	gone := b.Marks.Collected()
	for i := range b.Len() {
		e, err := b.Entry(i)
		if err != nil {
			return page, err
		}
		if e.Version <= after || e.Version > upto || gone&(1<<i) != 0 {
			continue
		}
		next := followed{op: f.index.Hash(e.OpID), version: e.Version}
		if !e.Lost && !b.Marks.Replaced(i) {
			if next.pk, err = e.PK(); err != nil {
				return page, err
			}
			next.table, next.key = e.Table, layout.RecordKey(next.pk, e.Owner)
			next.record = index.RecordKey(num, e.Table, next.key)
			next.winner = &index.Winner{Version: e.Version, State: e.State, Nth: 1}
			if e.Prev > 0 {
				next.winner.Nth = WaypointEvery - 1
			}
		}
		page = append(page, next)
	}
	return page, nil
}

// Gone returns a function that reports whether the log no longer has an entry. It is for one goroutine.
func Gone() func(r *engine.Reader, id int64) (bool, error) {
	var with *engine.Reader
	var stored *entries.Reader
	return func(r *engine.Reader, id int64) (bool, error) {
		if r != with {
			with, stored = r, entries.Of(r)
		}
		found, err := stored.Exists(id>>layout.VersionBits, layout.VersionOf(id))
		return !found, err
	}
}
