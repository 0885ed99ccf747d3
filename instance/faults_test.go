package instance

import (
	"errors"
	"sync/atomic"
	"testing"

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

func TestAFatalProviderWithoutAnybodyToTell(t *testing.T) {
	h := newHouse()
	i := open(t, h.options(t, defaults()))
	h.envs["sync"].Fatal(errors.New("fsync failed"))
	if i.Ready() {
		t.Error("ready although a provider cannot go on")
	}
}

// One measurement serves all directories on a file system, and providers see it.
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
