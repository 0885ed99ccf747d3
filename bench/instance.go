package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/bench/internal/corpus"
	"or3.chat/cloud/providers/sqlite"
)

// instance is a data directory with one account, whose history is written without a server.
type instance struct {
	data      string
	devices   []*device
	user      string
	workspace string
	version   int64
	source    *corpus.Source
}

// instance makes a data directory with the account of n devices. Its server is stopped again.
func (b *bench) instance(name string, n int) (*instance, error) {
	s, err := startServer(b.binary, b.path(name+"/data"))
	if err != nil {
		return nil, err
	}
	defer s.stop()
	devices, err := b.devices(s, name, n)
	if err != nil {
		return nil, err
	}
	d := devices[0]
	return &instance{data: s.data, devices: devices, user: d.user, workspace: d.workspace, source: d.ops}, s.stop()
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

// start starts a server on the instance.
func (i *instance) start(b *bench) (*server, error) { return startServer(b.binary, i.data) }

// on returns the devices with connections to a server.
func (i *instance) on(s *server) []*device {
	out := make([]*device, len(i.devices))
	for n, d := range i.devices {
		out[n] = d.at(s)
	}
	return out
}

// store opens the database with the provider, without waiting for the disk.
func (i *instance) store(ctx context.Context) (*sqlite.Store, error) {
	return sqlite.Open(ctx, sqlite.Options{
		Path: filepath.Join(i.data, "or3-sync.sqlite"), Synchronous: "OFF",
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Rand: rand.Reader,
	})
}

// seedBatch is how many ops are written at a time.
const seedBatch = 1000

// seed pushes ops until the workspace's counter has reached a version.
func (i *instance) seed(ctx context.Context, c *corpus.Corpus, version int64) error {
	s, err := i.store(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	for i.version < version {
		if i.version, err = push(ctx, s, i.source, i.workspace, int(min(seedBatch, version-i.version))); err != nil {
			return err
		}
	}
	return s.Close()
}

// seedWorkspaces makes n further workspaces with a few ops each and returns their ids.
func (i *instance) seedWorkspaces(ctx context.Context, n, ops int) (ids []string, err error) {
	s, err := i.store(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for range n {
		id, err := s.CreateWorkspace(ctx, i.user, "Workspace", "")
		if err != nil {
			return nil, err
		}
		if _, err := push(ctx, s, i.source, id, ops); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, s.Close()
}

func push(ctx context.Context, s *sqlite.Store, from *corpus.Source, workspace string, n int) (int64, error) {
	ops, err := from.Ops(n)
	if err != nil {
		return 0, err
	}
	out, err := s.Push(ctx, or3cloud.PushRequest{Scope: or3cloud.Scope{WorkspaceID: workspace}, UserID: from.User, Ops: ops})
	return out.ServerVersion, err
}
