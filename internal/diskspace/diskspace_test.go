package diskspace

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

func TestMarks(t *testing.T) {
	for _, c := range []struct {
		total, early, late uint64
		reserve            int64
	}{
		{1000 * gib, gib, 128 * mib, 16 * mib},
		{10 * gib, 10 * gib / 100 * 5, 128 * mib, 16 * mib},
		{2000 * mib, 100 * mib, 50 * mib, 50 * mib / 4}, // the late mark stays below the early one
		{0, 0, 0, 0},
	} {
		early, late, reserve := marks(c.total)
		if early.down != c.early || late.down != c.late || reserve != c.reserve {
			t.Errorf("of %d: %d, %d, %d; want %+v", c.total, early.down, late.down, reserve, c)
		}
		if late.up-late.down < uint64(reserve) {
			t.Errorf("of %d: giving the reserve up would end the state that it is given up in", c.total)
		}
	}
}

func TestNext(t *testing.T) {
	for _, c := range []struct {
		was  State
		free uint64
		want State
	}{
		{OK, gib, OK}, {OK, gib - 1, Low}, {OK, 128*mib - 1, Full},
		{Low, gib, Low}, {Low, gib + gib/4, OK}, {Low, 128 * mib, Low}, {Low, 0, Full},
		{Full, 128 * mib, Full}, {Full, 192*mib - 1, Full}, {Full, 192 * mib, Low}, {Full, 2 * gib, OK},
	} {
		if got := next(c.was, Usage{Free: c.free, Total: 100 * gib}); got != c.want {
			t.Errorf("%v with %d free: %v, want %v", c.was, c.free, got, c.want)
		}
	}
}

// disk is a file system whose free space the test controls.
type disk struct {
	free   atomic.Uint64
	failed atomic.Bool
	asked  atomic.Int64
}

func (d *disk) measure(dir string) (Usage, error) {
	d.asked.Add(1)
	if d.failed.Load() {
		return Usage{}, errors.New("no answer")
	}
	if _, err := os.Stat(dir); err != nil {
		return Usage{}, err
	}
	return Usage{Device: 1, Free: d.free.Load(), Total: 100 * gib}, nil
}

func TestTheOperatorIsToldOnceAndTheReserveIsGivenUp(t *testing.T) {
	var log bytes.Buffer
	d := &disk{}
	d.free.Store(50 * gib)
	m := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Measure: d.measure})
	if m.Report() != nil {
		t.Error("a report on nothing")
	}
	dir := t.TempDir()
	w := m.WatchWithReserve(dir)
	if other := m.Watch(filepath.Join(dir, "not", "made", "yet")); other != w {
		t.Error("one file system is watched twice")
	}
	reserve := filepath.Join(dir, reserveName)
	for _, step := range []struct {
		free    uint64
		state   State
		logged  string // part of the only new log line, or empty
		reserve bool
	}{
		{50 * gib, OK, "", true},
		{gib / 2, Low, "nearly full", true},
		{gib / 2, Low, "", true},
		{gib, Low, "", true}, // at the mark, where it would flap
		{100 * mib, Full, "refused", false},
		{116 * mib, Full, "", false}, // releasing the reserve freed space
		{150 * mib, Full, "", false},
		{gib / 2, Low, "nearly full", false},
		{10 * gib, OK, "enough", true},
	} {
		log.Reset()
		d.free.Store(step.free)
		m.Check()
		lines := strings.Count(log.String(), "\n")
		if w.State() != step.state || w.Full() != (step.state == Full) {
			t.Errorf("%d free: %v, want %v", step.free, w.State(), step.state)
		}
		if step.logged == "" && lines != 0 || step.logged != "" && (lines != 1 || !strings.Contains(log.String(), step.logged)) {
			t.Errorf("%d free: logged %q, want %q", step.free, &log, step.logged)
		}
		info, err := os.Stat(reserve)
		if kept := err == nil && info.Size() == ReserveBytes; kept != step.reserve {
			t.Errorf("%d free: reserve %v, want %v", step.free, kept, step.reserve)
		}
		if r := m.Report(); r.State != step.state.String() || r.FreeBytes != step.free {
			t.Errorf("%d free: %+v", step.free, r)
		}
	}
}

func TestAMeasurementThatFailsChangesNothing(t *testing.T) {
	var log bytes.Buffer
	d := &disk{}
	m := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Measure: d.measure})
	w := m.Watch(t.TempDir())
	if !w.Full() {
		t.Fatal("not full with nothing free")
	}
	log.Reset()
	d.failed.Store(true)
	m.Check()
	m.Check()
	if !w.Full() || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("full %v, logged %q", w.Full(), &log)
	}
}

func TestTheReserveReallyTakesRoom(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, reserveName)
	if err := makeReserve(path, 4*mib); err != nil {
		t.Fatal(err)
	}
	// A sparse file would not be a reserve. Blocks are what stat(2) counts.
	if n, ok := allocated(t, path); ok && n < 4*mib {
		t.Errorf("%d bytes are allocated", n)
	}
	if err := makeReserve(path, 4*mib); err != nil {
		t.Error(err)
	}
	f, err := os.Create(filepath.Join(dir, "written"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := fill(f, mib+7); err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != mib+7 {
		t.Errorf("%v, %v", info.Size(), err)
	}
	for range 2 {
		if err := dropReserve(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestItMeasuresByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		d.free.Store(50 * gib)
		m := New(Options{Log: slog.New(slog.DiscardHandler), Measure: d.measure})
		w := m.Watch(t.TempDir())
		m.Start()
		before := d.asked.Load()
		d.free.Store(0)
		time.Sleep(10*Interval + Interval/2)
		synctest.Wait()
		if n := d.asked.Load() - before; n != 10 || !w.Full() {
			t.Errorf("measured %d times in 10 intervals, full %v", n, w.Full())
		}
		m.Close()
		m.Close()
	})
}

// TestAPanicDoesNotEndTheMeasuring matters because a server without a watch would fill its disk unnoticed.
func TestAPanicDoesNotEndTheMeasuring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		d.free.Store(50 * gib)
		var broken atomic.Bool
		m := New(Options{Log: slog.New(slog.DiscardHandler), Measure: func(dir string) (Usage, error) {
			if broken.Load() {
				panic("a fault of ours")
			}
			return d.measure(dir)
		}})
		w := m.Watch(t.TempDir())
		m.Start()
		defer m.Close()
		broken.Store(true)
		time.Sleep(Interval)
		synctest.Wait()
		broken.Store(false)
		d.free.Store(0)
		time.Sleep(10 * Interval)
		synctest.Wait()
		if !w.Full() {
			t.Error("nothing is measured any more")
		}
	})
}

func TestMeasureTheRealDisk(t *testing.T) {
	u, err := Measure(t.TempDir())
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil || u.Total == 0 || u.Free > u.Total {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := Measure(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that is not there was measured")
	}
}

func BenchmarkFull(b *testing.B) {
	var w Watch
	for b.Loop() {
		w.Full()
	}
}
