package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// vacuumPages is how many free pages one transaction returns to the file system.
const vacuumPages = 256

// maintenance compacts the log of every workspace and tidies the file, again and again, in steps that hold the writer
// only briefly (requirement 3.3).
type maintenance struct {
	s    *Store
	loop *background.Loop

	mu      sync.Mutex
	running bool
	state   or3cloud.MaintenanceState // without State and LastError
}

func startMaintenance(s *Store, every time.Duration) *maintenance {
	m := &maintenance{s: s, state: or3cloud.MaintenanceState{Enabled: true}}
	m.loop = background.Start(background.Task{
		Name: "maintenance of the sync database", Log: s.opts.Log, Delay: every, Pause: background.Every(every), Run: m.run,
	})
	return m
}

// run is one pass over everything. An error ends it; the next pass starts over.
func (m *maintenance) run(ctx context.Context) error {
	start := m.s.opts.Now()
	m.setRunning(true)
	defer m.setRunning(false)
	if err := m.pass(ctx); err != nil {
		return err
	}
	m.s.opts.Log.Log(ctx, slog.LevelDebug, "maintenance of the sync database", "took", m.s.opts.Now().Sub(start))
	m.set(func(st *or3cloud.MaintenanceState) {
		*st = or3cloud.MaintenanceState{Enabled: true, LastRun: m.s.opts.Now().UnixMilli()}
	})
	return nil
}

func (m *maintenance) setRunning(running bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = running
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
	if err := m.forgetCopies(); err != nil {
		return err
	}
	if err := m.s.PurgeDeliveries(ctx, time.Time{}); err != nil { // of webhooks that are gone, even where no engine runs
		return err
	}
	const pageSize = 1000
	var damaged error // it concerns one workspace, and the others go on
	after := int64(0)
	for {
		page, err := m.s.engine.Q.WorkspacesAfter(ctx, db.WorkspacesAfterParams{Num: after, Max: pageSize})
		if err != nil {
			return err
		}
		for i, w := range page {
			m.set(func(st *or3cloud.MaintenanceState) { st.Backlog = len(page) - i })
			if err := m.collect(ctx, w.ID); sqlitex.IsDamage(err) {
				damaged = errors.Join(damaged, err)
			} else if err != nil {
				return err
			}
			after = w.Num
		}
		if len(page) < pageSize {
			return errors.Join(damaged, m.tend(ctx))
		}
	}
}

// collect collects what can be collected in a workspace.
func (m *maintenance) collect(ctx context.Context, workspaceID string) error {
	in := or3cloud.SyncGCRequest{Scope: or3cloud.Scope{WorkspaceID: workspaceID}}
	if err := m.s.GCChangeLog(ctx, in); err != nil {
		return err
	}
	return m.s.GCTombstones(ctx, in)
}

// copyLife is how long the copy of the database from before its layout changed is kept, unless the new one is damaged.
const copyLife = 14 * 24 * time.Hour

// forgetCopies deletes the copies from before the layout changed.
func (m *maintenance) forgetCopies() error {
	for _, migration := range layoutMigrations {
		name := sqlitex.CopyOf(m.s.opts.Path, migration)
		info, err := os.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		case m.s.opts.Now().Sub(info.ModTime()) < copyLife, m.s.DatabaseState().State == or3cloud.DatabaseDamaged:
			continue
		}
		m.s.opts.Log.Info("deleted the copy of the sync database from before its layout changed", "copy", name)
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// tend returns free pages, refreshes the planner's statistics and moves the write-ahead log into the file.
func (m *maintenance) tend(ctx context.Context) error {
	for free := int64(1); free > 0; {
		err := m.s.engine.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
			if err := t.C.Exec(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages)); err != nil {
				return err
			}
			return t.Conn.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free)
		})
		if err != nil {
			return err
		}
		if free < vacuumPages {
			break
		}
	}
	if err := m.s.engine.Outside(ctx, "PRAGMA optimize"); err != nil {
		return err
	}
	return m.s.engine.Checkpoint(ctx)
}

// MaintenanceState implements or3cloud.MaintenanceReporter.
func (s *Store) MaintenanceState() or3cloud.MaintenanceState {
	st := or3cloud.MaintenanceState{State: "idle"}
	running, failed := false, false
	if s.m != nil {
		s.m.mu.Lock()
		st, running = s.m.state, s.m.running
		s.m.mu.Unlock()
		failed = s.m.loop.Err() != nil
	}
	host := s.host.read(s.opts.Now())
	st.Enabled, st.LastRun = st.Enabled || host.known, max(st.LastRun, host.lastRun)
	st.State = "idle"
	if failed || host.failed {
		st.State, st.LastError = "failed", "maintenance failed; see the log"
	}
	if running || host.running {
		st.State = "running"
	}
	return st
}

// hostRun is how long a run of the host may take.
const hostRun = time.Hour

// hostMaintenance is what a host reports about its own runs.
type hostMaintenance struct {
	mu    sync.Mutex
	since time.Time // of the current run; zero if there is none
	runs  hostRuns
}

type hostRuns struct {
	known, running, failed bool
	lastRun                int64
}

func (h *hostMaintenance) read(now time.Time) hostRuns {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.runs
	if !h.since.IsZero() {
		out.running = now.Sub(h.since) < hostRun
		out.failed = out.failed || !out.running
	}
	return out
}

// note records that a run has begun, or how it has ended.
func (h *hostMaintenance) note(since time.Time, f func(*hostRuns)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.since, h.runs.known = since, true
	f(&h.runs)
}

// BeginMaintenanceRun implements or3cloud.MaintenanceRecorder.
func (s *Store) BeginMaintenanceRun() { s.host.note(s.opts.Now(), func(*hostRuns) {}) }

// CompleteMaintenanceRun implements or3cloud.MaintenanceRecorder.
func (s *Store) CompleteMaintenanceRun(at time.Time) {
	latest := s.opts.Now().UnixMilli()
	s.host.note(time.Time{}, func(r *hostRuns) { r.failed, r.lastRun = false, min(at.UnixMilli(), latest) })
}

// FailMaintenanceRun implements or3cloud.MaintenanceRecorder.
func (s *Store) FailMaintenanceRun(reason string) {
	s.opts.Log.Warn("the host's maintenance of the sync database failed", "reason", reason)
	s.host.note(time.Time{}, func(r *hostRuns) { r.failed = true })
}
