package sqlite

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
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
func (s *Store) floor(ctx context.Context, num int64, within time.Duration) (version, silent int64, err error) {
	since := s.opts.Now().Add(-within)
	version, err = s.q.CursorFloor(ctx, db.CursorFloorParams{Workspace: num, Since: since.UnixMilli()})
	return version, since.Add(-s.opts.Retention).UnixMilli(), sqlitex.Translate(err)
}

// cutoff is the time before which entries are old enough: a caller can lengthen the configured retention only.
func (s *Store) cutoff(wish time.Duration) int64 {
	return s.opts.Now().Add(-max(wish, s.opts.Retention)).UnixMilli()
}

// GCChangeLog implements or3cloud.SyncCollector. It goes through the superseded entries only; winners are not among
// them, whatever their age.
func (s *Store) GCChangeLog(ctx context.Context, in or3cloud.SyncGCRequest) error {
	num, err := s.number(ctx, in.Scope.WorkspaceID)
	if err != nil {
		return err
	}
	if err := s.forgetOrphans(ctx, num); err != nil {
		return err
	}
	floor, silent, err := s.floor(ctx, num, s.opts.DeviceStale)
	if err != nil {
		return err
	}
	step := db.CollectableEntriesParams{
		After: entryID(num, 0), Upto: entryID(num, maxVersion), Floor: floor, Silent: silent, Before: s.cutoff(in.Retention), Max: collectPage,
	}
	for {
		// Read outside the writer: the search may pass many entries that are not old enough. What it finds stays
		// collectable, for an entry that lost never wins again.
		rows, err := s.q.CollectableEntries(ctx, step)
		if err != nil {
			return sqlitex.Translate(err)
		}
		group, ctx := errgroup.WithContext(ctx)
		for _, some := range steps(rows, func(r db.CollectableEntriesRow) int64 { return r.Bytes }) {
			group.Go(func() error {
				return s.w.do(ctx, func(ctx context.Context, t *tx) error { return t.dropEntries(ctx, num, some) })
			})
		}
		if err := group.Wait(); err != nil || len(rows) < collectPage {
			return err
		}
		step.After = rows[len(rows)-1].ID
	}
}

// dropEntries removes entries with their op ids.
func (t *tx) dropEntries(ctx context.Context, num int64, rows []db.CollectableEntriesRow) error {
	size := int64(0)
	for _, r := range rows {
		err := run(t.st.deleteEntry, r.ID)
		if t.c.Changes() > 0 { // another collection may have been faster
			size += entryOverhead + r.Bytes
		}
		key := recordKey(unpackID(r.Pk), r.Owner)
		err = errors.Join(err, run(t.st.deleteSuperseded, r.ID), run(t.st.deleteOpID, num, r.OpID),
			run(t.st.deleteWaypoint, num, r.Tbl, key, versionOf(r.ID)))
		if err != nil {
			return err
		}
	}
	return t.q.GiveBack(ctx, db.GiveBackParams{Bytes: size, Workspace: num})
}

// GCTombstones implements or3cloud.SyncCollector.
func (s *Store) GCTombstones(ctx context.Context, in or3cloud.SyncGCRequest) error {
	num, err := s.number(ctx, in.Scope.WorkspaceID)
	if err != nil {
		return err
	}
	floor, silent, err := s.floor(ctx, num, tombstoneDevices*s.opts.DeviceStale)
	if err != nil || floor < 0 { // without a device no one says that a delete has been seen
		return err
	}
	for table := int64(1); table <= int64(len(or3cloud.SyncTables)); table++ {
		err := s.collectDeletes(ctx, db.CollectableDeletesParams{
			Workspace: num, Tbl: table, After: []byte{}, Floor: floor, Silent: silent, Before: s.cutoff(in.Retention),
			KvClock: syncrule.MaxClock - syncrule.ClockStep, Max: collectStep,
		})
		if err != nil {
			return err
		}
	}
	return s.collectPins(ctx, db.CollectablePinsParams{
		After: entryID(num, 0), Upto: entryID(num, maxVersion), Floor: floor, Silent: silent, Before: s.cutoff(in.Retention), Max: collectStep,
	})
}

// collectPins removes pinned entries under the rule of deletions: a device that misses one may be stuck (see kvnames.go).
func (s *Store) collectPins(ctx context.Context, step db.CollectablePinsParams) error {
	num := step.After >> versionBits
	for {
		found, err := s.q.CollectablePins(ctx, step)
		if err != nil {
			return sqlitex.Translate(err)
		}
		rows := make([]db.CollectableEntriesRow, len(found))
		for i, r := range found {
			rows[i] = db.CollectableEntriesRow(r)
		}
		for _, some := range steps(rows, func(r db.CollectableEntriesRow) int64 { return r.Bytes }) {
			err := s.w.do(ctx, func(ctx context.Context, t *tx) error {
				horizon := versionOf(some[len(some)-1].ID)
				t.afterCommit(func() { s.heads.raise(num, 0, horizon) })
				return errors.Join(t.dropEntries(ctx, num, some), t.q.RaiseHorizon(ctx, db.RaiseHorizonParams{Horizon: horizon, Workspace: num}))
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

func (s *Store) collectDeletes(ctx context.Context, step db.CollectableDeletesParams) error {
	for {
		rows, err := s.q.CollectableDeletes(ctx, step)
		if err != nil {
			return sqlitex.Translate(err)
		}
		for _, some := range steps(rows, func(r db.CollectableDeletesRow) int64 { return r.Bytes }) {
			err = s.w.do(ctx, func(ctx context.Context, t *tx) error {
				horizon, err := t.dropDeletes(ctx, step.Workspace, some)
				t.afterCommit(func() { s.heads.raise(step.Workspace, 0, horizon) })
				return err
			})
			if err != nil {
				return err
			}
		}
		if len(rows) < collectStep {
			return nil
		}
		step.After = rows[len(rows)-1].Pk
	}
}

// dropDeletes removes winning deletes, unless their record came back meanwhile, and raises the horizon over them.
func (t *tx) dropDeletes(ctx context.Context, num int64, rows []db.CollectableDeletesRow) (horizon int64, err error) {
	size := int64(0)
	for _, r := range rows {
		n, err := t.q.DeleteRecord(ctx, db.DeleteRecordParams{Workspace: num, Tbl: r.Tbl, Pk: r.Pk, Version: r.Version})
		if err != nil {
			return 0, err
		}
		if n == 0 {
			continue
		}
		err = errors.Join(
			run(t.st.deleteWaypoint, num, r.Tbl, r.Pk, r.Version),
			t.q.DeleteEntry(ctx, entryID(num, r.Version)),
			t.q.DeleteOpID(ctx, db.DeleteOpIDParams{Workspace: num, OpID: r.OpID}),
		)
		if err != nil {
			return 0, err
		}
		horizon = max(horizon, r.Version)
		size += entryOverhead + r.Bytes
	}
	return horizon, errors.Join(
		t.q.RaiseHorizon(ctx, db.RaiseHorizonParams{Horizon: horizon, Workspace: num}),
		t.q.GiveBack(ctx, db.GiveBackParams{Bytes: size, Workspace: num}),
	)
}
