// Package diskspace watches the free space of the file systems under an instance's directories. It owns the two
// watermarks, the reserve file, and the knowledge about file systems that are not local.
//
// A full disk is a normal state, not an accident. Below the late mark, writes that take space are refused before they
// fail half-way, reads continue, and writes resume on their own when there is space again.
package diskspace

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"or3.chat/cloud/internal/background"
)

// The watermarks for file systems of ordinary size. Small ones get smaller marks; see marks.
const (
	// EarlyBytes is the free space below which the operator is warned: some days ahead, at a few hundred megabytes a
	// day.
	EarlyBytes = 1 << 30
	// EarlyPercent of the whole file system applies instead if it is less than EarlyBytes.
	EarlyPercent = 5
	// LateBytes is the free space below which writes that take space are refused. It is enough for the largest current
	// uploads and for everything that the databases may still write: commits in progress, write-ahead logs, and
	// maintenance that frees space.
	LateBytes = 128 << 20
	// ReserveBytes is the size of the reserve file: space for what a checkpoint of a write-ahead log adds to the
	// database, on a disk that other programs have filled to the last byte.
	ReserveBytes = 16 << 20
	// Interval is how often the free space is measured.
	Interval = time.Second
)

// reserveName is the file that is released at the late mark.
const reserveName = "reserve"

// State tells whether there is enough free space.
type State int32

// The states.
const (
	// OK means enough free space.
	OK State = iota
	// Low is below the early mark: the operator is warned, but nothing is refused.
	Low
	// Full is below the late mark: writes that take space are refused.
	Full
)

// String returns the state as operators see it.
func (s State) String() string { return [...]string{"ok", "low", "full"}[s] }

// Usage is what a file system reports about itself.
type Usage struct {
	// Device distinguishes the file systems of this machine.
	Device uint64
	// Free and Total are in bytes. Free is what an unprivileged process may still write.
	Free, Total uint64
	// Network is the type of a file system served by another machine, such as "nfs". It is empty for a local one.
	Network string
}

// mark is a watermark: the state begins below down and ends at up. The gap prevents flapping at the mark.
type mark struct{ down, up uint64 }

// marks returns the watermarks and the reserve size of a file system, given its size. On a small one, the late mark is
// half of the early one, so that a warning comes before the refusal and writing is possible at all.
func marks(total uint64) (early, late mark, reserve int64) {
	early.down = min(EarlyBytes, total/100*EarlyPercent)
	late.down = min(LateBytes, early.down/2)
	early.up = early.down + early.down/4
	late.up = late.down + late.down/2 // more than the reserve that is released below it
	return early, late, int64(min(ReserveBytes, late.down/4))
}

// next returns the state after a measurement.
func next(was State, u Usage) State {
	early, late, _ := marks(u.Total)
	switch {
	case u.Free < late.down || was == Full && u.Free < late.up:
		return Full
	case u.Free < early.down || was >= Low && u.Free < early.up:
		return Low
	default:
		return OK
	}
}

// Judge returns the state of a file system from a single measurement, without a previous state.
func Judge(u Usage) State { return next(OK, u) }

// Nearest measures dir with measure or, if it does not exist yet, the nearest directory above it.
func Nearest(dir string, measure func(dir string) (Usage, error)) (Usage, error) {
	for {
		u, err := measure(dir)
		parent := filepath.Dir(dir)
		if err == nil || parent == dir {
			return u, err
		}
		dir = parent
	}
}

// Options are the dependencies of a Monitor. A nil Measure asks the operating system.
type Options struct {
	Log     *slog.Logger
	Measure func(dir string) (Usage, error)
}

// Monitor watches the file systems of any number of directories, each file system once.
type Monitor struct {
	log     *slog.Logger
	measure func(dir string) (Usage, error)
	loop    *background.Loop // nil until Start

	mu      sync.Mutex
	watches []*Watch
}

// New returns a Monitor that measures only on demand, until Start.
func New(o Options) *Monitor {
	if o.Measure == nil {
		o.Measure = Measure
	}
	return &Monitor{log: o.Log, measure: o.Measure}
}

// Start measures once per Interval, until Close.
func (m *Monitor) Start() {
	m.loop = background.Start(background.Task{
		Name: "measuring the free disk space", Log: m.log, Delay: Interval, Pause: background.Every(Interval),
		Run: func(context.Context) error { m.Check(); return nil },
	})
}

// Close stops what Start began.
func (m *Monitor) Close() { m.loop.Close() }

// Watch returns the watch of the file system under dir, which need not exist yet.
func (m *Monitor) Watch(dir string) *Watch { return m.add(dir, false) }

// WatchWithReserve is Watch for the directory that gets the reserve file. The directory exists and belongs to this
// process.
func (m *Monitor) WatchWithReserve(dir string) *Watch { return m.add(dir, true) }

func (m *Monitor) add(dir string, reserve bool) *Watch {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = filepath.Clean(dir)
	usage, err := Nearest(dir, m.measure)
	for _, w := range m.watches {
		if w.dir == dir || err == nil && w.usage.Total > 0 && w.usage.Device == usage.Device {
			return w
		}
	}
	w := &Watch{dir: dir}
	if reserve {
		w.reserve = filepath.Join(dir, reserveName)
	}
	m.watches = append(m.watches, w)
	m.check(w)
	return w
}

// Check measures everything once.
func (m *Monitor) Check() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.watches {
		m.check(w)
	}
}

// check measures one file system, reports changes, and manages the reserve. A failed measurement changes nothing:
// writes will show what the disk can really do.
func (m *Monitor) check(w *Watch) {
	u, err := Nearest(w.dir, m.measure)
	if err != nil {
		if !w.failed {
			m.log.Warn("the free disk space cannot be measured", "dir", w.dir, "error", err)
		}
		w.failed = true
		return
	}
	w.failed = false
	was := w.State()
	now := next(was, u)
	w.usage = u
	w.state.Store(int32(now))
	if now != was {
		m.announce(w.dir, now, u)
	}
	if w.reserve != "" {
		m.tendReserve(w, now)
	}
}

func (m *Monitor) announce(dir string, s State, u Usage) {
	level, text := slog.LevelInfo, "there is enough disk space again"
	switch s {
	case Low:
		level, text = slog.LevelWarn, "the disk is nearly full: free some space soon, or changes will be refused"
	case Full:
		level, text = slog.LevelWarn, "the disk is full: changes and uploads are refused until there is space; reading goes on"
	}
	m.log.Log(context.Background(), level, text, "dir", dir, "freeBytes", u.Free, "totalBytes", u.Total)
}

// tendReserve releases the reserve if the disk is full and restores it when there is plenty of space.
func (m *Monitor) tendReserve(w *Watch, s State) {
	var err error
	switch {
	case s == Full:
		err = dropReserve(w.reserve)
	case s == OK:
		_, _, size := marks(w.usage.Total)
		err = makeReserve(w.reserve, size)
	}
	if err != nil && !w.reserveFailed {
		m.log.Warn("the reserve of disk space cannot be kept", "file", w.reserve, "error", err)
	}
	w.reserveFailed = err != nil
}

// Report is the state of one file system as operators see it.
type Report struct {
	State string `json:"state"`
	// FreeBytes is how much may still be written.
	FreeBytes uint64 `json:"freeBytes"`
	// Network is the type of a file system that is not local.
	Network string `json:"network,omitempty"`
	// TotalBytes is the size of the file system, and HeadroomBytes what may be written before what grows is refused.
	TotalBytes    uint64 `json:"-"`
	HeadroomBytes uint64 `json:"-"`
}

// Report returns the state of the file system with the least free space, relative to its marks, or nil before the first
// measurement. It includes any network file system.
func (m *Monitor) Report() *Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	var r *Report
	var worst State
	network := ""
	for _, w := range m.watches {
		if w.usage.Total == 0 {
			continue
		}
		if w.usage.Network != "" {
			network = w.usage.Network
		}
		if r == nil || w.State() > worst || w.State() == worst && w.usage.Free < r.FreeBytes {
			worst = w.State()
			_, late, _ := marks(w.usage.Total)
			r = &Report{
				State: worst.String(), FreeBytes: w.usage.Free, TotalBytes: w.usage.Total, HeadroomBytes: w.usage.Free - min(late.down, w.usage.Free),
			}
		}
	}
	if r != nil {
		r.Network = network
	}
	return r
}

// Watch is the state of one file system.
type Watch struct {
	dir     string
	reserve string // path of the reserve file, if any
	state   atomic.Int32

	// Protected by the monitor's lock.
	usage                 Usage
	failed, reserveFailed bool
}

// State returns the last measured state. It costs one atomic load.
func (w *Watch) State() State { return State(w.state.Load()) }

// Full reports whether writes that take space must be refused. It costs one atomic load.
func (w *Watch) Full() bool { return w.State() == Full }
