package sqlite

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
)

// The collector removes entries in steps of one transaction each: a step holds the writer for a few milliseconds, and
// pushes pass between the steps. As many steps as a page has are offered to the writer at once, so that the collector
// keeps up with devices that write without pause.
const (
	collectStep = 256
	collectPage = 8 * collectStep
)

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
		steps, ctx := errgroup.WithContext(ctx)
		for step := range slices.Chunk(rows, collectStep) {
			steps.Go(func() error {
				return s.w.do(ctx, func(ctx context.Context, t *tx) error { return t.dropEntries(ctx, num, step) })
			})
		}
		if err := steps.Wait(); err != nil || len(rows) < collectPage {
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
		err = errors.Join(err, run(t.st.deleteSuperseded, r.ID), run(t.st.deleteOpID, num, r.OpID))
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
			Workspace: num, Tbl: table, After: []byte{}, Floor: floor, Silent: silent, Before: s.cutoff(in.Retention), Max: collectStep,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) collectDeletes(ctx context.Context, step db.CollectableDeletesParams) error {
	for {
		rows, err := s.q.CollectableDeletes(ctx, step)
		if err != nil {
			return sqlitex.Translate(err)
		}
		err = s.w.do(ctx, func(ctx context.Context, t *tx) error {
			horizon, err := t.dropDeletes(ctx, step.Workspace, rows)
			t.afterCommit(func() { s.heads.raise(step.Workspace, 0, horizon) })
			return err
		})
		if err != nil || len(rows) < collectStep {
			return err
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
