// Package faultydisk lets tests make the disk under a SQLite database fail. It is for tests only.
package faultydisk

import (
	"sync/atomic"
	"testing"

	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"
)

// Disk is a file system for the driver. While Write or Sync holds an error, all writes or syncs fail with it.
type Disk struct {
	vfs.VFS
	// Name is the name of the disk for sqlitex.Options.VFS.
	Name        string
	Write, Sync atomic.Pointer[error]
}

// New returns a working disk with a name unique to the test.
func New(t *testing.T) *Disk {
	d := &Disk{VFS: vfs.Find(""), Name: t.Name()}
	vfs.Register(d.Name, d)
	t.Cleanup(func() { vfs.Unregister(d.Name) })
	return d
}

// Open implements vfs.VFS.
func (d *Disk) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return d.wrap(d.VFS.Open(name, flags))
}

// OpenFilename implements vfs.VFSFilename.
func (d *Disk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return d.wrap(vfsutil.WrapOpenFilename(d.VFS, name, flags))
}

func (d *Disk) wrap(f vfs.File, flags vfs.OpenFlag, err error) (vfs.File, vfs.OpenFlag, error) {
	if err != nil {
		return nil, flags, err
	}
	return &file{File: f, disk: d}, flags, nil
}

type file struct {
	vfs.File
	disk *Disk
}

// WriteAt implements vfs.File.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if err := f.disk.Write.Load(); err != nil {
		return 0, *err
	}
	return f.File.WriteAt(p, off)
}

// Sync implements vfs.File.
func (f *file) Sync(flags vfs.SyncFlag) error {
	if err := f.disk.Sync.Load(); err != nil {
		return *err
	}
	return f.File.Sync(flags)
}

// SharedMemory implements vfs.FileSharedMemory.
func (f *file) SharedMemory() vfs.SharedMemory { return vfsutil.WrapSharedMemory(f.File) }
