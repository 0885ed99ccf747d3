// Package fill converts earlier layouts into blocks of the log: the table log, with a row for each entry, and the table
// superseded beside it, and before that with the tables op_ids and records. Rows are deleted as their blocks are
// written, so the file does not grow, the remaining rows say how far it is, and the next start continues after an
// interruption. Nothing else uses the database at that time.
package fill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

const (
	// stepBytes and stepBlocks are the amount of text, and the number of blocks, after which a transaction ends; an
	// entry may have more.
	stepBytes  = 1 << 20
	stepBlocks = 32
	// toldEvery is how often progress is logged.
	toldEvery = 10 * time.Second
)

// olderOverhead is what an entry counted besides its pk and its payload in earlier databases.
const olderOverhead = 512

// All fills blocks from the earlier tables, if there are any, and drops those. size is how much an entry counts that
// has this many bytes of text.
func All(ctx context.Context, e *engine.Engine, size func(text int) int64) error {
	f := filling{e: e, size: size, began: e.Now(), told: e.Now()}
	found, err := f.tables(ctx)
	if err != nil || !found {
		return err
	}
	if err := f.measure(ctx); err != nil {
		return err
	}
	for {
		num, more, err := f.next(ctx)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := f.workspace(ctx, num); err != nil {
			return err
		}
	}
	err = e.Do(ctx, func(_ context.Context, t *engine.Tx) error {
		return t.C.Exec(fmt.Sprintf(end, size(0), int64(layout.MaxVersion)))
	})
	if err == nil && f.entries > 0 {
		e.Log.Info("the sync log is now stored in blocks", "entries", f.entries, "took", e.Now().Sub(f.began).Round(time.Second))
	}
	return err
}

const (
	// grow counts what a step has moved; the size of a workspace is computed again from its first block on.
	grow = `UPDATE counters SET bytes = %[2]d + CASE WHEN EXISTS (SELECT 1 FROM blocks WHERE id BETWEEN %[1]d << 43 AND (%[1]d << 43) + %[3]d) THEN bytes ELSE 0 END
WHERE workspace = %[1]d`
	// end runs when all rows are gone. Names count as much as an entry without a text.
	end = `
UPDATE counters SET bytes = %[1]d * (
    (SELECT count(*) FROM kv_names k WHERE k.workspace = counters.workspace) + (SELECT count(*) FROM chat_threads t WHERE t.workspace = counters.workspace))
  + CASE WHEN EXISTS (SELECT 1 FROM blocks WHERE id BETWEEN counters.workspace << 43 AND (counters.workspace << 43) + %[2]d) THEN bytes ELSE 0 END;
DROP TABLE IF EXISTS op_ids;
DROP TABLE IF EXISTS records;
DROP TABLE superseded;
DROP TABLE log`
)

// filling is the progress.
type filling struct {
	e     *engine.Engine
	size  func(text int) int64
	older bool // whether there are op_ids and records

	began, told time.Time
	entries     int
	all, done   int64 // of the size of the log
}

// tables looks for the earlier tables.
func (f *filling) tables(ctx context.Context) (found bool, err error) {
	err = f.e.DB.Read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'log'), EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'op_ids')`).Scan(&found, &f.older)
	return found, sqlitex.Translate(err)
}

// measure adds up the sizes of the workspaces whose logs are not in blocks.
func (f *filling) measure(ctx context.Context) error {
	err := f.e.DB.Read.QueryRowContext(ctx, `SELECT coalesce(sum(bytes), 0) FROM counters c
WHERE EXISTS (SELECT 1 FROM log l WHERE l.id > c.workspace << 43 AND l.id < (c.workspace + 1) << 43)`).Scan(&f.all)
	return sqlitex.Translate(err)
}

// next returns the first workspace whose log is not in blocks. more is false if there is none.
func (f *filling) next(ctx context.Context) (num int64, more bool, err error) {
	var id sql.NullInt64
	err = f.e.DB.Read.QueryRowContext(ctx, "SELECT min(id) FROM log").Scan(&id)
	return id.Int64 >> layout.VersionBits, id.Valid, sqlitex.Translate(err)
}

// workspace moves the log of a workspace. While a step is written the next one is made.
func (f *filling) workspace(ctx context.Context, num int64) error {
	s := source{older: f.older, num: num, size: f.size, after: layout.EntryID(num, 0) - 1}
	if err := s.readWaypoints(ctx, f.e); err != nil {
		return err
	}
	made := make(chan *step)
	together, ctx := errgroup.WithContext(ctx)
	together.Go(func() error {
		defer close(made)
		for more := true; more; {
			var st *step
			err := f.e.View(ctx, func(r *engine.Reader) (err error) {
				st, more, err = s.step(r)
				return err
			})
			if err != nil {
				return err
			}
			select {
			case made <- st:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	together.Go(func() error {
		for st := range made {
			if err := f.e.Do(ctx, st.write); err != nil {
				return err
			}
			f.tell(st)
		}
		return nil
	})
	return together.Wait()
}

// tell logs the progress now and then.
func (f *filling) tell(s *step) {
	f.entries, f.done = f.entries+s.entries, f.done+s.before
	now := f.e.Now()
	if now.Sub(f.told) < toldEvery {
		return
	}
	f.told = now
	share := int64(100)
	if f.done < f.all {
		share = 100 * f.done / f.all
	}
	f.e.Log.Info("the sync log is being stored in blocks", "percent", share, "entries", f.entries)
}

// step is what one transaction moves.
type step struct {
	num         int64
	blocks      []made
	pinned      []db.AddPinnedParams
	waypoints   []waypoint // of entries that are collected
	first, last int64      // the ids of the rows that are deleted
	entries     int
	gone        int64 // how many entries are collected
	before, now int64 // how much the entries counted and count now
}

// made is a block.
type made struct {
	id          int64
	heads, text []byte
	marks       block.Marks
}

// waypoint is a row of waypoints.
type waypoint struct {
	table, version int64
	key            []byte
}

func (s *step) write(ctx context.Context, t *engine.Tx) error {
	if err := t.C.Exec(fmt.Sprintf(grow, s.num, s.now, int64(layout.MaxVersion))); err != nil {
		return err
	}
	for i := range s.blocks {
		b := &s.blocks[i]
		if err := entries.Insert(t, b.id, b.heads, b.text, b.marks); err != nil {
			return err
		}
	}
	for _, p := range s.pinned {
		if err := t.Q.AddPinned(ctx, p); err != nil {
			return err
		}
	}
	for _, w := range s.waypoints {
		if err := engine.Run(t.St.DeleteWaypoint, s.num, w.table, w.key, w.version); err != nil {
			return err
		}
	}
	return errors.Join(
		t.Q.AddEntriesGone(ctx, s.gone),
		t.C.Exec(fmt.Sprintf("DELETE FROM log WHERE id BETWEEN %d AND %d; DELETE FROM superseded WHERE id BETWEEN %[1]d AND %[2]d", s.first, s.last)))
}
