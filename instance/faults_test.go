package instance

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/internal/diskspace"
)

func TestAProviderThatCannotGoOnIsReportedOnce(t *testing.T) {
	h := newHouse()
	o := h.options(t, defaults())
	var reasons []string
	o.Fatal = func(err error) { reasons = append(reasons, err.Error()) }
	i := open(t, o)
	h.envs["sync"].Fatal(errors.New("fsync failed"))
	h.envs["sync"].Fatal(errors.New("fsync failed again"))
	if len(reasons) != 1 || reasons[0] != `provider "sync": fsync failed` {
		t.Errorf("%q", reasons)
	}
	if i.Ready() {
		t.Error("ready although a provider cannot go on")
	}
}

func TestAFatalProviderWithoutAListener(t *testing.T) {
	h := newHouse()
	i := open(t, h.options(t, defaults()))
	h.envs["sync"].Fatal(errors.New("fsync failed"))
	if i.Ready() {
		t.Error("ready although a provider cannot go on")
	}
}

// A store that cannot be written cannot record that itself.
func TestAFailureIsNotedUntilAdministratorsAreTold(t *testing.T) {
	h := newHouse()
	o := h.options(t, defaults())
	o.DataDir = t.TempDir()
	past := func(i *Instance) (out []adminevent.Fault) {
		for _, f := range i.Faults() {
			if f.State == failed {
				out = append(out, f)
			}
		}
		return out
	}
	i := open(t, o)
	h.envs["sync"].Fatal(errors.New("fsync /a/path: failed"))
	h.envs["storage"].Fatal(errors.New("because of that"))
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	if note, err := os.ReadFile(filepath.Join(o.DataDir, faultFile)); err != nil || strings.Contains(string(note), "/a/path") {
		t.Errorf("%s, %v", note, err)
	}
	for range 2 { // also if the next process is killed
		next := open(t, o)
		if got := past(next); len(got) != 1 || got[0].ID != "sync" || got[0].Faults != 1 {
			t.Errorf("%+v", got)
		}
		if err := next.Close(); err != nil {
			t.Fatal(err)
		}
	}
	next := open(t, o)
	next.Told(adminevent.Fault{ID: "sync", State: damaged})
	next.Told(past(next)[0])
	if got := past(next); len(got) != 0 {
		t.Errorf("%+v after it was told", got)
	}
	if got := past(open(t, o)); len(got) != 0 {
		t.Errorf("%+v after the next start", got)
	}
}

func TestDiskSpaceReachesProviders(t *testing.T) {
	h := newHouse()
	o := h.options(t, defaults())
	var free atomic.Uint64
	free.Store(50 << 30)
	o.DataDir = t.TempDir()
	o.Disk = func(string) (diskspace.Usage, error) {
		return diskspace.Usage{Device: 1, Free: free.Load(), Total: 100 << 30}, nil
	}
	i := open(t, o)
	full := h.envs["storage"].DiskFull(o.DataDir)
	if full() {
		t.Error("full at the start")
	}
	free.Store(1 << 20)
	i.space.Check()
	if !full() {
		t.Error("not full with one MiB left")
	}
	if report := i.Disk(); report == nil || report.State != "full" {
		t.Errorf("%+v", report)
	}
}
