package sqlite

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/db"
)

// vacuumPages is how many free pages one transaction gives back to the file system.
const vacuumPages = 256

// maintenance compacts the log of every workspace and tends the file, again and again, in steps that hold the writer
// only briefly (requirement 3.3).
type maintenance struct {
	s      *Store
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	state or3cloud.MaintenanceState
}

func startMaintenance(s *Store, every time.Duration) *maintenance {
	ctx, cancel := context.WithCancel(context.Background())
	m := &maintenance{s: s, cancel: cancel, done: make(chan struct{})}
	m.state = or3cloud.MaintenanceState{Enabled: true, State: "idle"}
	go m.loop(ctx, every)
	return m
}

func (m *maintenance) close() {
	m.cancel()
	<-m.done
}

func (m *maintenance) loop(ctx context.Context, every time.Duration) {
	defer close(m.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.run(ctx)
		}
	}
}

// run is one pass over everything. A fault ends it; the next pass starts over.
func (m *maintenance) run(ctx context.Context) {
	start := m.s.opts.Now()
	m.set(func(st *or3cloud.MaintenanceState) { st.State = "running" })
	err := m.pass(ctx)
	if ctx.Err() != nil {
		return
	}
	took := m.s.opts.Now().Sub(start)
	if err != nil {
		m.s.opts.Log.Error("maintenance of the sync database failed", "error", err, "took", took)
		m.set(func(st *or3cloud.MaintenanceState) {
			st.State, st.LastError = "failed", "maintenance failed; see the log"
		})
		return
	}
	m.s.opts.Log.Log(ctx, slog.LevelDebug, "maintenance of the sync database", "took", took)
	m.set(func(st *or3cloud.MaintenanceState) {
		*st = or3cloud.MaintenanceState{Enabled: true, State: "idle", LastRun: m.s.opts.Now().UnixMilli()}
	})
}

func (m *maintenance) set(f func(*or3cloud.MaintenanceState)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.state)
}

func (m *maintenance) pass(ctx context.Context) error {
	if err := m.s.noticeClock(ctx); err != nil {
		return err
	}
	if err := m.s.settleTimes(ctx); err != nil {
		return err
	}
	const pageSize = 1000
	after := int64(0)
	for {
		page, err := m.s.q.WorkspacesAfter(ctx, db.WorkspacesAfterParams{Num: after, Max: pageSize})
		if err != nil {
			return err
		}
		for i, w := range page {
			m.set(func(st *or3cloud.MaintenanceState) { st.Backlog = len(page) - i })
			in := or3cloud.SyncGCRequest{Scope: or3cloud.Scope{WorkspaceID: w.ID}}
			if err := m.s.GCChangeLog(ctx, in); err != nil {
				return err
			}
			if err := m.s.GCTombstones(ctx, in); err != nil {
				return err
			}
			after = w.Num
		}
		if len(page) < pageSize {
			return m.tend(ctx)
		}
	}
}

// tend gives free pages back, refreshes the planner's statistics and moves the write-ahead log into the file.
func (m *maintenance) tend(ctx context.Context) error {
	for free := int64(1); free > 0; {
		err := m.s.w.do(ctx, func(ctx context.Context, t *tx) error {
			if err := t.c.Exec(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages)); err != nil {
				return err
			}
			return t.conn.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free)
		})
		if err != nil {
			return err
		}
		if free < vacuumPages {
			break
		}
	}
	if err := m.s.w.outside(ctx, "PRAGMA optimize"); err != nil {
		return err
	}
	return m.s.w.outside(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
}

// MaintenanceState implements or3cloud.MaintenanceReporter.
func (s *Store) MaintenanceState() or3cloud.MaintenanceState {
	if s.m == nil {
		return or3cloud.MaintenanceState{State: "idle"}
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.m.state
}
