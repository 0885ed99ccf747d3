package syncbench

import (
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/corpus"
	"or3.chat/cloud/bench/internal/load"
	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/bench/internal/process"
	"or3.chat/cloud/bench/internal/run"
	"or3.chat/cloud/providers/sqlite"
)

// database is the file of the sync database in a data directory.
const database = "or3-sync.sqlite"

// instance is a data directory of a build with one account, whose server does not run yet.
type instance struct {
	*Bench
	build     run.Build
	data      string
	devices   []*client.Device
	workspace string
	version   int64
}

// instance makes a data directory with the account of n devices. Its server is stopped again.
func (b *Bench) instance(build run.Build, name string, n int) (*instance, error) {
	i := &instance{Bench: b, build: build, data: b.Path(name + "-" + build.Key + "/data")}
	s, err := i.start()
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	if i.devices, err = b.Devices(s, name, n); err != nil {
		return nil, err
	}
	i.workspace = i.devices[0].Workspace
	return i, s.Stop()
}

// copy copies the data directory; the sessions are good for both.
func (i *instance) copy(data string) (*instance, error) {
	if err := os.MkdirAll(filepath.Dir(data), 0o700); err != nil {
		return nil, err
	}
	c := *i
	c.data = data
	return &c, exec.Command("cp", "-a", i.data, data).Run()
}

// start starts a server on the directory, to which the devices then talk. No bound of a workspace's size stands in the
// way of a history.
func (i *instance) start(env ...string) (*process.Server, error) {
	s, err := process.Cloud{
		Binary: i.build.Binary, Data: i.data, Env: append([]string{"OR3_SYNC_WORKSPACE_QUOTA_BYTES=0"}, env...), Patience: time.Hour,
	}.Start()
	if err != nil {
		return nil, err
	}
	i.devices = at(i.devices, s)
	return s, nil
}

// growers is how many pushes grow a history at the same time.
const growers = 16

// grow pushes ops of the corpus until the workspace's counter has reached a version, in pushes of the same size as
// devices send: this build's by its provider, whose layout is this tree's own, another build's over HTTP. Neither waits
// for the disk.
func (i *instance) grow(ctx context.Context, version int64) error {
	if i.build.Key == i.This().Key {
		return i.growDirectly(ctx, version)
	}
	s, err := i.start("OR3_SQLITE_PRAGMA_SYNCHRONOUS=OFF")
	if err != nil {
		return err
	}
	defer s.Stop()
	p := &load.Pushers{Server: s, Devices: i.devices}
	for i.version < version {
		if err := ctx.Err(); err != nil {
			return err
		}
		ops := min(version-i.version, 40_000)
		if err := measure.Interleave(1, p.Step(int(max(ops, growers*load.Batch)))); err != nil {
			return err
		}
		for _, d := range i.devices {
			i.version = max(i.version, d.Version)
		}
	}
	return s.Stop()
}

// growDirectly grows by the provider of this tree.
func (i *instance) growDirectly(ctx context.Context, version int64) error {
	s, err := i.store(ctx, sqlite.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	var wg sync.WaitGroup
	var newest, left atomic.Int64
	newest.Store(i.version)
	left.Store(version - i.version)
	errs := make([]error, growers)
	for g := range growers {
		source := i.Corpus.Source(i.devices[0].User)
		wg.Go(func() {
			for errs[g] == nil && left.Add(-load.Batch) > -load.Batch {
				var v int64
				v, errs[g] = push(ctx, s, source, i.workspace, load.Batch)
				for old := newest.Load(); v > old && !newest.CompareAndSwap(old, v); old = newest.Load() {
				}
			}
		})
	}
	wg.Wait()
	i.version = newest.Load()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return s.Close()
}

// store opens the database with the provider of this tree, without waiting for the disk.
func (i *instance) store(ctx context.Context, o sqlite.Options) (*sqlite.Store, error) {
	o.Path, o.Synchronous, o.Log, o.Rand = filepath.Join(i.data, database), "OFF", slog.New(slog.DiscardHandler), rand.Reader
	if o.Now == nil {
		o.Now = time.Now
	}
	return sqlite.Open(ctx, o)
}

func push(ctx context.Context, s *sqlite.Store, from *corpus.Source, workspace string, n int) (int64, error) {
	ops, err := from.Ops(n)
	if err != nil {
		return 0, err
	}
	out, err := s.Push(ctx, or3cloud.PushRequest{Scope: or3cloud.Scope{WorkspaceID: workspace}, UserID: from.User, Ops: ops})
	return out.ServerVersion, err
}

// size is how many bytes everything of the sync database takes on the disk.
func (i *instance) size() (total int64, err error) {
	err = filepath.WalkDir(i.data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || len(e.Name()) < len(database) || e.Name()[:len(database)] != database {
			return err
		}
		info, err := e.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err == nil && total == 0 {
		err = fmt.Errorf("%s has no database", i.data)
	}
	return total, err
}

// collect lets two months pass and everything be collected that then may be, and returns the payload that is left. It
// works on the layout of this tree.
func (i *instance) collect(ctx context.Context) (payload int64, err error) {
	later := func() time.Time { return time.Now().Add(60 * 24 * time.Hour) }
	s, err := i.store(ctx, sqlite.Options{Now: later, Retention: 2 * time.Hour, Maintenance: 100 * time.Millisecond})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	// One device, and it has seen everything.
	scope := or3cloud.Scope{WorkspaceID: i.workspace}
	seen := or3cloud.CursorUpdate{Scope: scope, UserID: i.devices[0].User, DeviceID: "bench", Version: i.version}
	if err := s.UpdateCursor(ctx, seen); err != nil {
		return 0, err
	}
	// A run of the maintenance may leave work to the next one: it is over when a whole run has not made the file
	// smaller.
	smallest, ended, same := int64(0), int64(0), 0
	for same < 3 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		time.Sleep(10 * time.Millisecond)
		state := s.MaintenanceState()
		if state.LastError != "" {
			return 0, fmt.Errorf("collection: %s", state.LastError)
		}
		if state.LastRun == ended {
			continue
		}
		ended = state.LastRun
		info, err := os.Stat(filepath.Join(i.data, database))
		if err != nil {
			return 0, err
		}
		if smallest != 0 && info.Size() >= smallest {
			same++
			continue
		}
		smallest, same = info.Size(), 0
	}
	cursor := int64(0)
	for more := true; more; {
		page, err := s.Pull(ctx, or3cloud.PullRequest{
			Scope: scope, UserID: i.devices[0].User, Cursor: cursor, Limit: 1000,
		}, func(c *or3cloud.Change) error {
			payload += int64(len(c.Payload))
			return nil
		})
		if err != nil {
			return 0, err
		}
		cursor, more = page.NextCursor, page.HasMore
	}
	return payload, s.Close()
}
