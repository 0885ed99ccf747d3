package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
)

// storeName is the database's among the stores of the instance.
const storeName = "sync"

// A workspace's counter must never fall: a device with a higher cursor would skip whatever the others write until the
// counter has passed it (contract, sync Pitfall 16). After an older copy was put back, counters go on above any version
// that may have been given out: above the time in milliseconds, which no honest use outruns, and above what the mark knew.

// counterMargin is how far above both of them: more than is given out between two steps of the mark.
const counterMargin = 1 << 20

// raisedCounter returns where the counters of an older copy go on.
func raisedCounter(now, high int64) int64 {
	return min(max(now, high), maxVersion>>1) + counterMargin
}

// restore makes a copy safe that is, or may be, older than what was served last.
func restore(now func() time.Time) func(context.Context, *sql.Tx, or3cloud.StoreAdmission) error {
	return func(ctx context.Context, tx *sql.Tx, a or3cloud.StoreAdmission) error {
		at := now().UnixMilli()
		q := db.New(tx)
		if err := q.RaiseCounters(ctx, db.RaiseCountersParams{Version: raisedCounter(at, a.Mark.High), Margin: counterMargin}); err != nil {
			return err
		}
		if a.Age != or3cloud.StoreOlder {
			return nil
		}
		// Which of them were used or withdrawn since is not known.
		return q.RevokePendingInvites(ctx, at)
	}
}

// outran reports whether a device's cursor shows that the database is an older copy: it is above the counter, and not
// above what can have been given out. A workspace that was made in this run cannot be older than itself. A member who
// makes a cursor up raises the counter to there at most.
func (s *Store) outran(num, version, cursor int64) bool {
	return cursor > version && num <= s.w.inherited && cursor <= raisedCounter(s.opts.Now().UnixMilli(), s.db.Mark.High())
}

// catchUp raises the counter of a workspace above the cursor of a device that has outrun it.
func (t *tx) catchUp(s *Store, num, cursor int64) (version int64, err error) {
	found, err := one(t.st.counter, func(s *sqlite3.Stmt) { version = s.ColumnInt64(0) }, num)
	if err != nil || !found || !s.outran(num, version, cursor) {
		return version, err
	}
	version = raisedCounter(t.at, s.db.Mark.High())
	t.high = max(t.high, version)
	t.afterCommit(func() {
		s.heads.raise(num, version, 0)
		s.older.Do(func() {
			s.opts.Log.Warn("THE SYNC DATABASE IS AN OLDER COPY: a device has seen versions that are not in it. The counter of its workspace was raised, "+
				"so that devices receive what is written from now on", "workspace", num)
		})
	})
	return version, run(t.st.setCounter, version, int64(0), num)
}

// takeStep adds a step of the mark to the transaction if one is due, and returns what must be told after the commit.
func (w *writer) takeStep(now time.Time) *or3cloud.StoreStamp {
	if !w.mark.Due(now) {
		return nil
	}
	stamp := w.mark.Next(now, w.high)
	if err := run(w.st.step, stamp.Step, stamp.High, stamp.At); err != nil {
		return nil // the jobs and the commit meet the same fault
	}
	return &stamp
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
	out, err := s.db.Check(ctx, in.After, in.Span)
	s.watch.Found(out.Faults...)
	if err == nil && out.Next == "" && (in.Damaged || len(out.Faults) > 0) {
		out.Next = rowsPosition
	}
	return out, err
}

// rowsPosition is the position of a check that has found damage and looks at the rows.
const rowsPosition = "rows"

// noticed records damage that a request has met, by the workspace that it was about.
func (s *Store) noticed(workspaceID string, err error) {
	if sqlitex.IsDamage(err) {
		s.watch.Found(or3cloud.DatabaseFault{
			Database: s.opts.Path, WorkspaceID: workspaceID, Fault: "a request of this workspace met a page that has changed on the disk",
		})
	}
}

// byWorkspace are the tables whose rows belong to a workspace, apart from the log.
var byWorkspace = []string{
	"counters", "records", "op_ids", "kv_names", "device_cursors", "files", "blob_refs", "blob_orphans", "retired_generations", "upload_intents", "members", "invites",
}

// unreadable returns which workspaces have rows that cannot be read.
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
	const pageSize = 1000
	for after := int64(0); ; {
		page, err := s.q.WorkspacesAfter(ctx, db.WorkspacesAfterParams{Num: after, Max: pageSize})
		if err != nil {
			return faults, found("", "workspaces", err)
		}
		for _, w := range page {
			after = w.Num
			if err := found(w.ID, "log", s.readLog(ctx, w.Num)); err != nil {
				return faults, err
			}
			for _, table := range byWorkspace {
				rows, err := s.db.Read.QueryContext(ctx, "SELECT * FROM "+table+" WHERE workspace = ?", w.Num)
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

// readLog reads all entries of a workspace, in pages, so that no reader holds the write-ahead log back for long.
func (s *Store) readLog(ctx context.Context, num int64) error {
	const pageSize = 500
	for after := entryID(num, 0); ; {
		last := int64(0)
		err := s.db.Read.QueryRowContext(ctx,
			"SELECT coalesce(max(id), 0) FROM (SELECT id FROM log WHERE id > ? AND id <= ? ORDER BY id LIMIT ?)", after, entryID(num, maxVersion), pageSize).Scan(&last)
		if err != nil || last == 0 {
			return err
		}
		rows, err := s.db.Read.QueryContext(ctx, "SELECT * FROM log WHERE id > ? AND id <= ?", after, last)
		if err != nil {
			return err
		}
		if err := sqlitex.ReadAll(ctx, rows); err != nil {
			return err
		}
		after = last
	}
}
