package volume

import (
	"errors"
	"log/slog"
	"syscall"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/breaker"
)

// guard is a Disk that makes no more changes once a sync has failed. The kernel may have dropped what it could not
// write and report success the next time, so only a new process, which reads what is really there, may go on. Reading
// still works.
type guard struct {
	Disk
	breaker *breaker.Breaker
}

// Guard puts d behind a breaker that opens when a sync fails. refuse makes the error for every change after that; fatal
// is called once and may be nil.
func Guard(d Disk, log *slog.Logger, refuse func(cause error) *or3cloud.Error, fatal func(error)) Disk {
	return &guard{d, breaker.New(breaker.Options{Store: "the storage directory", Log: log, Refuse: refuse, Fatal: fatal})}
}

// synced passes the outcome of a sync on and remembers a failure. A full disk does not count: nothing was promised, and
// the next attempt is as good as the first.
func (g *guard) synced(what string, err error) error {
	if err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		g.breaker.Trip(what, err)
	}
	return err
}

func (g *guard) Mkdir(dir string) error {
	if err := g.breaker.Err(); err != nil {
		return err
	}
	return g.Disk.Mkdir(dir)
}

func (g *guard) Create(name string) (File, error) {
	if err := g.breaker.Err(); err != nil {
		return nil, err
	}
	f, err := g.Disk.Create(name)
	if err != nil {
		return nil, err
	}
	return &guardedFile{f, g}, nil
}

func (g *guard) Rename(oldname, newname string) error {
	if err := g.breaker.Err(); err != nil {
		return err
	}
	return g.Disk.Rename(oldname, newname)
}

func (g *guard) Link(oldname, newname string) error {
	if err := g.breaker.Err(); err != nil {
		return err
	}
	return g.Disk.Link(oldname, newname)
}

func (g *guard) Remove(name string) error {
	if err := g.breaker.Err(); err != nil {
		return err
	}
	return g.Disk.Remove(name)
}

func (g *guard) SyncDir(dir string) error {
	if err := g.breaker.Err(); err != nil {
		return err
	}
	return g.synced("fsync of a directory", g.Disk.SyncDir(dir))
}

// guardedFile is a file that is being written.
type guardedFile struct {
	File
	guard *guard
}

func (f *guardedFile) Sync() error { return f.guard.synced("fsync of a file", f.File.Sync()) }
