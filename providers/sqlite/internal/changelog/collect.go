package changelog

import (
	"context"
	"errors"
	"time"

	"github.com/ncruces/go-sqlite3"
	"golang.org/x/sync/errgroup"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncrule"
)

// The collector removes entries in steps of one transaction each: a step holds the writer for a few milliseconds, and
// pushes pass between the steps. As many steps as a page has are offered to the writer at once, so that the collector
// keeps up with devices that write without pause. A step frees the pages of collectBytes of payloads at most, or those of
// one entry.
const (
	collectStep  = 256
	collectBytes = 8 << 20
	collectPage  = 8 * collectStep
)

// steps divides rows with payloads of a size into steps.
func steps[T any](rows []T, size func(T) int64) (out [][]T) {
	begin, total := 0, int64(0)
	for i, r := range rows {
		if total += size(r); i > begin && (i-begin == collectStep || total > collectBytes) {
			out, begin, total = append(out, rows[begin:i]), i, size(r)
		}
	}
	if begin < len(rows) {
		out = append(out, rows[begin:])
	}
	return out
}

// tombstoneDevices says how much longer a silent device protects winning deletes than superseded entries: a device
// that missed a dropped delete keeps the record as a zombie, and a base client cannot be told to start over
// (contract, sync §7).
const tombstoneDevices = 4

// floor returns the version that all devices heard of within a span have seen, of whatever user; -1 when there is no
// such device. No device holds back what is older than silent: a device that was heard of within the span had it before
// it, unless it keeps reporting an old version, as no client does.
func (l *Log) floor(ctx context.Context, num int64, within time.Duration) (version, silent int64, err error) {
	since := l.e.Now().Add(-within)
	version, err = l.e.Q.CursorFloor(ctx, db.CursorFloorParams{Workspace: num, Since: since.UnixMilli()})
	return version, since.Add(-l.opts.Retention).UnixMilli(), sqlitex.Translate(err)
}

// cutoff is the time before which entries are old enough: a caller can lengthen the configured retention only.
func (l *Log) cutoff(wish time.Duration) int64 {
	return l.e.Now().Add(-max(wish, l.opts.Retention)).UnixMilli()
}

// GCChangeLog implements or3cloud.SyncCollector. It goes through the superseded entries only; winners are not among
// them, whatever their age.
func (l *Log) GCChangeLog(ctx context.Context, in or3cloud.SyncGCRequest) error {
	num, err := l.ws.Number(ctx, in.Scope.WorkspaceID)
	if err != nil {
		return err
	}
	floor, silent, err := l.floor(ctx, num, l.opts.DeviceStale)
	if err != nil {
		return err
	}
	step := db.CollectableEntriesParams{
		After: layout.EntryID(num, 0), Upto: layout.EntryID(num, layout.MaxVersion), Floor: floor, Silent: silent, Before: l.cutoff(in.Retention), Max: collectPage,
	}
	for {
		// Read outside the writer: the search may pass many entries that are not old enough. What it finds stays
		// collectable, for an entry that lost never wins again.
		rows, err := l.e.Q.CollectableEntries(ctx, step)
		if err != nil {
			return sqlitex.Translate(err)
		}
		group, ctx := errgroup.WithContext(ctx)
		for _, some := range steps(rows, func(r db.CollectableEntriesRow) int64 { return r.Bytes }) {
			group.Go(func() error {
				return l.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error { return dropEntries(ctx, t, num, some) })
			})
		}
		if err := group.Wait(); err != nil || len(rows) < collectPage {
			return err
		}
		step.After = rows[len(rows)-1].ID
	}
}

// dropEntries removes entries. The index finds them no more, and forgets them when runs are merged.
func dropEntries(ctx context.Context, t *engine.Tx, num int64, rows []db.CollectableEntriesRow) error {
	size := int64(0)
	for _, r := range rows {
		err := engine.Run(t.St.DeleteEntry, r.ID)
		if t.C.Changes() > 0 { // another collection may have been faster
			size += EntryOverhead + r.Bytes
		}
		key := layout.RecordKey(layout.UnpackID(r.Pk), r.Owner)
		err = errors.Join(err, engine.Run(t.St.DeleteSuperseded, r.ID),
			engine.Run(t.St.DeleteWaypoint, num, r.Tbl, key, layout.VersionOf(r.ID)))
		if err != nil {
			return err
		}
	}
	return errors.Join(t.Q.AddEntriesGone(ctx, int64(len(rows))), t.Q.GiveBack(ctx, db.GiveBackParams{Bytes: size, Workspace: num}))
}

// GCTombstones implements or3cloud.SyncCollector.
func (l *Log) GCTombstones(ctx context.Context, in or3cloud.SyncGCRequest) error {
	num, err := l.ws.Number(ctx, in.Scope.WorkspaceID)
	if err != nil {
		return err
	}
	floor, silent, err := l.floor(ctx, num, tombstoneDevices*l.opts.DeviceStale)
	if err != nil || floor < 0 { // without a device no one says that a delete has been seen
		return err
	}
	if err := l.rememberDeletes(ctx, num); err != nil {
		return err
	}
	err = l.collectDeletes(ctx, db.CollectableDeletesParams{
		After: layout.EntryID(num, 0), Upto: layout.EntryID(num, layout.MaxVersion), Floor: layout.EntryID(num, floor), Silent: silent,
		Before: l.cutoff(in.Retention), KvClock: syncrule.MaxClock - syncrule.ClockStep, Max: collectStep,
	})
	if err != nil {
		return err
	}
	return l.collectPins(ctx, db.CollectablePinsParams{
		After: layout.EntryID(num, 0), Upto: layout.EntryID(num, layout.MaxVersion), Floor: floor, Silent: silent, Before: l.cutoff(in.Retention), Max: collectStep,
	})
}

// rememberDeletes lets chats that are read here have deletions before they are dropped.
func (l *Log) rememberDeletes(ctx context.Context, num int64) error {
	read := false
	err := l.e.View(ctx, func(r *engine.Reader) (err error) {
		read, err = engine.One(r.St.ChatHead, func(*sqlite3.Stmt) {}, num)
		return err
	})
	if err != nil || !read {
		return err
	}
	return l.CatchUpChats(ctx, num)
}

// collectPins removes pinned entries under the rule of deletions: a device that misses one may be stuck (see kvnames.go).
func (l *Log) collectPins(ctx context.Context, step db.CollectablePinsParams) error {
	num := step.After >> layout.VersionBits
	for {
		found, err := l.e.Q.CollectablePins(ctx, step)
		if err != nil {
			return sqlitex.Translate(err)
		}
		rows := make([]db.CollectableEntriesRow, len(found))
		for i, r := range found {
			rows[i] = db.CollectableEntriesRow(r)
		}
		for _, some := range steps(rows, func(r db.CollectableEntriesRow) int64 { return r.Bytes }) {
			err := l.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
				horizon := layout.VersionOf(some[len(some)-1].ID)
				t.AfterCommit(func() { l.heads.raise(num, 0, horizon) })
				return errors.Join(dropEntries(ctx, t, num, some), t.Q.RaiseHorizon(ctx, db.RaiseHorizonParams{Horizon: horizon, Workspace: num}))
			})
			if err != nil {
				return err
			}
		}
		if len(found) < collectStep {
			return nil
		}
		step.After = found[len(found)-1].ID
	}
}

func (l *Log) collectDeletes(ctx context.Context, step db.CollectableDeletesParams) error {
	num := step.After >> layout.VersionBits
	for {
		rows, err := l.e.Q.CollectableDeletes(ctx, step)
		if err != nil {
			return sqlitex.Translate(err)
		}
		if n := len(rows); n > 0 {
			if err := writeIndex(ctx, l, num, layout.VersionOf(rows[n-1].ID)); err != nil {
				return err
			}
		}
		for _, some := range steps(rows, func(r db.CollectableDeletesRow) int64 { return r.Bytes }) {
			err = l.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
				horizon, err := dropDeletes(ctx, t, num, some)
				t.AfterCommit(func() { l.heads.raise(num, 0, horizon) })
				return err
			})
			if err != nil {
				return err
			}
		}
		if len(rows) < collectStep {
			return nil
		}
		step.After = rows[len(rows)-1].ID
	}
}

// writeIndex makes sure that the runs of the index know the entries up to a version. What is in memory alone is derived from the log again
// after a start: without a deletion that was dropped meanwhile, the winner before it would be found.
func writeIndex(ctx context.Context, l *Log, num, version int64) error {
	indexed, err := l.e.Q.IndexedVersion(ctx, num)
	if err != nil || indexed >= version {
		return sqlitex.Translate(err)
	}
	return l.index.Write(ctx)
}

// dropDeletes removes winning deletes, unless their record came back meanwhile, and raises the horizon over them.
func dropDeletes(ctx context.Context, t *engine.Tx, num int64, rows []db.CollectableDeletesRow) (horizon int64, err error) {
	size := int64(0)
	for _, r := range rows {
		n, err := t.Q.DropTombstone(ctx, r.ID)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			continue
		}
		version, key := layout.VersionOf(r.ID), layout.RecordKey(layout.UnpackID(r.Pk), r.Owner)
		err = errors.Join(engine.Run(t.St.DeleteWaypoint, num, r.Tbl, key, version), t.Q.DeleteEntry(ctx, r.ID))
		if layout.TableName(r.Tbl) == or3cloud.TableKV {
			err = errors.Join(err, t.Q.Unpin(ctx, db.UnpinParams{Workspace: num, Pk: key}))
		}
		if err != nil {
			return 0, err
		}
		horizon = max(horizon, version)
		size += EntryOverhead + r.Bytes
	}
	return horizon, errors.Join(
		t.Q.AddEntriesGone(ctx, int64(len(rows))),
		t.Q.RaiseHorizon(ctx, db.RaiseHorizonParams{Horizon: horizon, Workspace: num}),
		t.Q.GiveBack(ctx, db.GiveBackParams{Bytes: size, Workspace: num}),
	)
}
