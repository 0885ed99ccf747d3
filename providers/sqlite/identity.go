package sqlite

import (
	"context"
	"database/sql"
	"math"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// storeName is the name of the database among the stores of the instance.
const storeName = "sync"

// restore makes a copy safe that is, or may be, older than what was served last.
func restore(now func() time.Time) func(context.Context, *sql.Tx, or3cloud.StoreAdmission) error {
	return func(ctx context.Context, tx *sql.Tx, a or3cloud.StoreAdmission) error {
		at := now().UnixMilli()
		q := db.New(tx)
		if err := q.RaiseCounters(ctx, db.RaiseCountersParams{Version: changelog.RaisedCounter(at, a.Mark.High), Margin: changelog.CounterMargin}); err != nil {
			return err
		}
		if a.Age != or3cloud.StoreOlder {
			return nil
		}
		// It is not known which of them were used or withdrawn since.
		return q.RevokePendingInvites(ctx, at)
	}
}

// DatabaseState implements or3cloud.DatabaseIntegrity.
func (s *Store) DatabaseState() or3cloud.DatabaseState { return s.watch.State() }

// CheckDatabase implements or3cloud.DatabaseIntegrity.
func (s *Store) CheckDatabase(ctx context.Context, in or3cloud.DatabaseCheckRequest) (or3cloud.DatabaseStretch, error) {
	if in.After == rowsPosition {
		faults, err := s.unreadable(ctx)
		s.watch.Found(faults...)
		return or3cloud.DatabaseStretch{Faults: faults}, err
	}
	out, err := s.engine.DB.Check(ctx, in.After, in.Span)
	s.watch.Found(out.Faults...)
	if err == nil && out.Next == "" && (in.Damaged || len(out.Faults) > 0) {
		out.Next = rowsPosition
	}
	return out, err
}

// rowsPosition is the position of a check that has found damage and now reads the rows.
const rowsPosition = "rows"

// noticed records damage that a request for a workspace has met.
func (s *Store) noticed(workspaceID string, err error) {
	if sqlitex.IsDamage(err) {
		s.watch.Found(or3cloud.DatabaseFault{
			Database: s.opts.Path, WorkspaceID: workspaceID, Fault: "a request of this workspace met a page that has changed on the disk",
		})
	}
}

// byEntry are the tables whose rows belong to entries of the log.
var byEntry = []string{"files", "blob_refs"}

// byWorkspace are the other tables whose rows belong to a workspace, without the log.
var byWorkspace = []string{
	"counters", "pins", "kv_names", "device_cursors", "blob_orphans", "retired_generations", "upload_intents", "members", "invites",
}

// byID are tables whose rows are in the order of their ids, without the log.
var byID = []string{"index_pieces", "marks", "pinned"}

// unreadable returns the workspaces that have unreadable rows.
func (s *Store) unreadable(ctx context.Context) (faults []or3cloud.DatabaseFault, err error) {
	found := func(workspaceID, table string, err error) error {
		if !sqlitex.IsDamage(err) {
			return err
		}
		faults = append(faults, or3cloud.DatabaseFault{
			Database: s.opts.Path, WorkspaceID: workspaceID, Fault: "rows of the table " + table + " cannot be read: " + err.Error(),
		})
		return nil
	}
	for _, table := range byID {
		if err := found("", table, s.readInPages(ctx, table, 0, math.MaxInt64)); err != nil {
			return faults, err
		}
	}
	const pageSize = 1000
	for after := int64(0); ; {
		page, err := s.engine.Q.WorkspacesAfter(ctx, db.WorkspacesAfterParams{Num: after, Max: pageSize})
		if err != nil {
			return faults, found("", "workspaces", err)
		}
		for _, w := range page {
			after = w.Num
			if err := found(w.ID, "blocks", s.readLog(ctx, w.Num)); err != nil {
				return faults, err
			}
			for _, table := range byEntry {
				if err := found(w.ID, table, s.readInPages(ctx, table, layout.EntryID(w.Num, 0), layout.EntryID(w.Num, layout.MaxVersion))); err != nil {
					return faults, err
				}
			}
			for _, table := range byWorkspace {
				rows, err := s.engine.DB.Read.QueryContext(ctx, "SELECT * FROM "+table+" WHERE workspace = ?", w.Num)
				if err == nil {
					err = sqlitex.ReadAll(ctx, rows)
				}
				if err := found(w.ID, table, err); err != nil {
					return faults, err
				}
			}
		}
		if len(page) < pageSize {
			return faults, nil
		}
	}
}

// readLog reads the log of a workspace in parts, so that no reader holds back the write-ahead log for long.
func (s *Store) readLog(ctx context.Context, num int64) error {
	for after := int64(0); ; {
		last := after
		err := s.engine.View(ctx, func(r *engine.Reader) (err error) {
			last, err = entries.Of(r).Check(num, after)
			return err
		})
		if err != nil || last == after {
			return err
		}
		after = last
	}
}

// readInPages reads the rows of a table between two ids, in pages, so that no reader holds back the write-ahead log for
// long.
func (s *Store) readInPages(ctx context.Context, table string, after, upto int64) error {
	const pageSize = 500
	for {
		last := int64(0)
		err := s.engine.DB.Read.QueryRowContext(ctx,
			"SELECT coalesce(max(id), 0) FROM (SELECT id FROM "+table+" WHERE id > ? AND id <= ? ORDER BY id LIMIT ?)", after, upto, pageSize).Scan(&last)
		if err != nil || last == 0 {
			return err
		}
		rows, err := s.engine.DB.Read.QueryContext(ctx, "SELECT * FROM "+table+" WHERE id > ? AND id <= ?", after, last)
		if err != nil {
			return err
		}
		if err := sqlitex.ReadAll(ctx, rows); err != nil {
			return err
		}
		after = last
	}
}
