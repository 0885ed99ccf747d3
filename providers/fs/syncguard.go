package fs

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
)

// syncGuard is a Disk that changes nothing any more once a sync has failed. The kernel may have dropped what it could not
// write and report success the next time, so only a new process, which reads what is really there, may go on. Reading
// goes on meanwhile.
type syncGuard struct {
	Disk
	log    *slog.Logger
	fatal  func(error) // told once; may be nil
	broken atomic.Bool
}

var errSyncFailed = errors.New("fs: a sync has failed; nothing is written until or3-cloud has started anew")

// synced passes the outcome of a sync on and remembers a failure. A full disk is none: nothing was promised, and the
// next attempt is as good as the first.
func (g *syncGuard) synced(what string, err error) error {
	if err == nil || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || !g.broken.CompareAndSwap(false, true) {
		return err
	}
	g.log.Error("the storage directory takes no more files until or3-cloud has started anew", "during", what, "error", err)
	if g.fatal != nil {
		g.fatal(fmt.Errorf("%s in the storage directory: %w", what, err))
	}
	return err
}

func (g *syncGuard) check() error {
	if g.broken.Load() {
		return errSyncFailed
	}
	return nil
}

func (g *syncGuard) Mkdir(dir string) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.Disk.Mkdir(dir)
}

func (g *syncGuard) Create(name string) (File, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	f, err := g.Disk.Create(name)
	if err != nil {
		return nil, err
	}
	return &guardedFile{f, g}, nil
}

func (g *syncGuard) Rename(oldname, newname string) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.Disk.Rename(oldname, newname)
}

func (g *syncGuard) Link(oldname, newname string) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.Disk.Link(oldname, newname)
}

func (g *syncGuard) Remove(name string) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.Disk.Remove(name)
}

func (g *syncGuard) SyncDir(dir string) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.synced("fsync of a directory", g.Disk.SyncDir(dir))
}

// guardedFile is a file that is being written.
type guardedFile struct {
	File
	guard *syncGuard
}

func (f *guardedFile) Sync() error { return f.guard.synced("fsync of a file", f.File.Sync()) }
