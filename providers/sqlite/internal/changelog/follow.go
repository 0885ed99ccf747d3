package changelog

import (
	"context"
	"time"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/index"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

const (
	// followPage is how many entries are read at once. They are written down in the steps of collections.
	followPage = 8 * collectStep
	// followTold is how often the log tells how far it is.
	followTold = 10 * time.Second
)

// follow brings the index to where the log is, when the program starts: what came since the last run was written is derived again. In a
// database from before the index that is everything, and the tables that the index replaces are then dropped. Whatever interrupts it,
// the next start goes on.
type follow struct {
	e       *engine.Engine
	index   *index.Index
	older   bool // whether there are tables from before the index
	blind   map[int64]error
	told    time.Time
	entries int
}

// deriver returns what index.Options.Derive is for a log.
func deriver(e *engine.Engine) func(context.Context, *index.Index) (map[int64]error, error) {
	return func(ctx context.Context, x *index.Index) (map[int64]error, error) {
		f := follow{e: e, index: x, blind: map[int64]error{}}
		return f.blind, f.all(ctx)
	}
}

func (f *follow) all(ctx context.Context) error {
	err := f.e.DB.Read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'op_ids')").Scan(&f.older)
	if err != nil {
		return sqlitex.Translate(err)
	}
	f.told = f.e.Now()
	if err := f.workspaces(ctx); err != nil || !f.older {
		return err
	}
	if err := f.index.Flush(ctx); err != nil {
		return err
	}
	return f.e.Do(ctx, func(_ context.Context, t *engine.Tx) error { return t.C.Exec("DROP TABLE op_ids; DROP TABLE records") })
}

func (f *follow) workspaces(ctx context.Context) error {
	const pageSize = 1000
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
	step := db.NotIndexedEntriesParams{After: layout.EntryID(w.Workspace, w.Indexed), Upto: layout.EntryID(w.Workspace, w.Version), Max: followPage}
	for {
		rows, err := f.e.Q.NotIndexedEntries(ctx, step)
		if sqlitex.IsDamage(err) && !f.older {
			f.blind[w.Workspace] = err
			return nil
		}
		if err != nil || len(rows) == 0 {
			return sqlitex.Translate(err)
		}
		for _, some := range steps(rows, func(r db.NotIndexedEntriesRow) int64 { return r.Bytes }) {
			err := f.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
				if f.older {
					if err := keepOlder(ctx, t, w.Workspace, some); err != nil {
						return err
					}
				}
				return f.derive(w.Workspace, some)
			})
			if err != nil {
				return err
			}
		}
		if err := f.index.Settle(ctx); err != nil {
			return err
		}
		step.After = rows[len(rows)-1].ID
		f.tell(len(rows))
	}
}

// tell counts what was done, and tells of it now and then.
func (f *follow) tell(n int) {
	if f.entries += n; f.e.Now().Sub(f.told) > followTold {
		f.told = f.e.Now()
		f.e.Log.Info("the index of the sync database is made", "entries", f.entries)
	}
}

// What the log takes over from the tables that the index replaces: fingerprints, in the form of layout.PackOp, and states.
const (
	keepFingerprints = `
UPDATE log SET op_id = CAST(x'0310' || o.fingerprint || log.op_id AS BLOB) FROM op_ids o
WHERE o.workspace = ?1 AND o.op_id = log.op_id AND length(o.fingerprint) = 16 AND log.id BETWEEN ?2 AND ?3`
	olderState = `SELECT state FROM records WHERE workspace = ?1 AND tbl = ?2 AND pk = ?3 AND version = ?4 AND state <> 0`
	keepState  = `UPDATE log SET op = ?1 WHERE id = ?2`
)

// keepOlder writes down in entries, and in rows, what the tables from before say of them.
func keepOlder(ctx context.Context, t *engine.Tx, num int64, rows []db.NotIndexedEntriesRow) error {
	if _, err := t.Conn.ExecContext(ctx, keepFingerprints, num, rows[0].ID, rows[len(rows)-1].ID); err != nil {
		return err
	}
	find, err := t.Conn.PrepareContext(ctx, olderState)
	if err != nil {
		return err
	}
	defer find.Close()
	for i := range rows {
		r := &rows[i]
		if !r.Wins {
			continue
		}
		state := int64(0)
		err := find.QueryRowContext(ctx, num, r.Tbl, layout.RecordKey(layout.UnpackID(r.Pk), r.Owner), layout.VersionOf(r.ID)).Scan(&state)
		if engine.NoRows(err) {
			continue
		}
		if err != nil {
			return err
		}
		r.Op = r.Op&(1<<layout.OpBits-1) | state<<layout.OpBits
		if _, err := t.Conn.ExecContext(ctx, keepState, r.Op, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// derive adds entries to the index. How often a record was won before is not counted again: the next winner becomes a waypoint.
func (f *follow) derive(num int64, rows []db.NotIndexedEntriesRow) error {
	for _, r := range rows {
		_, opID := layout.SplitOp(r.OpID)
		version := layout.VersionOf(r.ID)
		if !r.Wins {
			f.index.Put(num, f.index.Hash(opID), version, "", nil)
			continue
		}
		w := index.Winner{Version: version, State: r.Op >> layout.OpBits, Nth: 1}
		if r.Prev > 0 {
			w.Nth = waypointEvery - 1
		}
		pk := layout.UnpackID(r.Pk)
		key := layout.RecordKey(pk, r.Owner)
		f.index.Put(num, f.index.Hash(opID), version, index.RecordKey(num, r.Tbl, key), &w)
		if r.File {
			index.PutReference(f.index, num, syncschema.Digest(pk), r.Tbl, key, version)
		}
		digests, ok := unpackDigests(r.Digests)
		if !ok {
			return errDigests
		}
		for _, digest := range digests {
			index.PutReference(f.index, num, digest, r.Tbl, key, version)
		}
	}
	return nil
}

// gone reports whether the log no longer has an entry.
func gone(r *engine.Reader, id int64) (bool, error) {
	found, err := engine.One(r.St.EntryExists, func(*sqlite3.Stmt) {}, id)
	return !found, err
}
