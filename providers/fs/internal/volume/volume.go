// Package volume is the storage directory as the provider uses it: writes are durable and atomic, and no name or link
// leads out of it. It knows names, and nothing about contents.
package volume

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"path/filepath"

	"or3.chat/cloud/internal/dirsync"
)

// The permissions of everything that the provider creates: only the server may read blobs.
const (
	DirMode  = 0o700
	FileMode = 0o600
)

// Disk is the storage directory as the provider uses it. Paths are relative and slash-separated. It is an interface so
// that tests can make a disk fill up, fail or lie; Open returns the real one.
type Disk interface {
	// Mkdir makes a directory and its parents; it is not an error if they exist.
	Mkdir(dir string) error
	// Create makes a new file for writing and fails if the name is taken.
	Create(name string) (File, error)
	// Open opens a regular file for reading. Anything else under that name is an error, including a symbolic link.
	Open(name string) (File, error)
	// Lstat describes a name without following a symbolic link.
	Lstat(name string) (iofs.FileInfo, error)
	// ReadDir lists a directory.
	ReadDir(dir string) ([]iofs.DirEntry, error)
	// Rename replaces newname by oldname in one step.
	Rename(oldname, newname string) error
	// Link gives a file a second name.
	Link(oldname, newname string) error
	// Remove deletes one name.
	Remove(name string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Close releases the disk.
	Close() error
}

// File is an open file of a Disk. The real one is an *os.File, which lets the kernel send it to a socket.
type File interface {
	io.Reader
	io.Writer
	io.Seeker
	io.Closer
	Stat() (iofs.FileInfo, error)
	// Sync makes the content durable.
	Sync() error
}

// ErrNotPlain is a symbolic link, device or directory where only a regular file or real directory may be. We never make
// one, so someone else did.
var ErrNotPlain = errors.New("fs: not a plain file or directory")

// ErrCorrupt is a file that cannot be understood. That is not absence: the content it describes may well be there.
var ErrCorrupt = errors.New("fs: corrupt file")

// rootDisk is a Disk below an os.Root, which no name can leave. An os.Root follows symbolic links that stay inside; the
// plain checks rule these out too, since a link from one workspace to another would stay inside.
type rootDisk struct{ root *os.Root }

// Open opens the directory dir, which must exist, as a Disk.
func Open(dir string) (Disk, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return rootDisk{root}, nil
}

// plainDir checks that dir and all its parents are directories and not links to directories.
func (d rootDisk) plainDir(dir string) error {
	if dir == "." {
		return nil
	}
	if !filepath.IsLocal(dir) {
		return &iofs.PathError{Op: "open", Path: dir, Err: ErrNotPlain}
	}
	if err := d.plainDir(path.Dir(dir)); err != nil {
		return err
	}
	info, err := d.root.Lstat(dir)
	if err == nil && !info.IsDir() {
		err = &iofs.PathError{Op: "open", Path: dir, Err: ErrNotPlain}
	}
	return err
}

func (d rootDisk) Mkdir(dir string) error {
	if err := d.root.MkdirAll(dir, DirMode); err != nil {
		return err
	}
	return d.plainDir(dir)
}

func (d rootDisk) Create(name string) (File, error) {
	if err := d.plainDir(path.Dir(name)); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, FileMode)
	if err != nil {
		return nil, err // Not f: a nil *os.File in an interface is not nil.
	}
	return &newFile{File: f, raw: f}, nil
}

func (d rootDisk) Open(name string) (File, error) {
	info, err := d.Lstat(name)
	if err != nil {
		return nil, err
	}
	// Looking first keeps a FIFO from blocking the open; comparing afterwards detects a swap in between.
	if !info.Mode().IsRegular() {
		return nil, &iofs.PathError{Op: "open", Path: name, Err: ErrNotPlain}
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err == nil && !os.SameFile(info, opened) {
		err = &iofs.PathError{Op: "open", Path: name, Err: ErrNotPlain}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (d rootDisk) Lstat(name string) (iofs.FileInfo, error) {
	if err := d.plainDir(path.Dir(name)); err != nil {
		return nil, err
	}
	return d.root.Lstat(name)
}

func (d rootDisk) ReadDir(dir string) ([]iofs.DirEntry, error) {
	if err := d.plainDir(dir); err != nil {
		return nil, err
	}
	return iofs.ReadDir(d.root.FS(), dir)
}

func (d rootDisk) Rename(oldname, newname string) error {
	if err := d.plainDir(path.Dir(newname)); err != nil {
		return err
	}
	return d.root.Rename(oldname, newname)
}

func (d rootDisk) Link(oldname, newname string) error {
	if info, err := d.Lstat(oldname); err != nil {
		return err
	} else if !info.Mode().IsRegular() {
		return &iofs.PathError{Op: "link", Path: oldname, Err: ErrNotPlain}
	}
	if err := d.plainDir(path.Dir(newname)); err != nil {
		return err
	}
	return d.root.Link(oldname, newname)
}

func (d rootDisk) Remove(name string) error {
	if err := d.plainDir(path.Dir(name)); err != nil {
		return err
	}
	return d.root.Remove(name)
}

func (d rootDisk) SyncDir(dir string) error { return dirsync.SyncIn(d.root, dir) }

func (d rootDisk) Close() error { return d.root.Close() }

// ReadAll returns the content of a small file, and an error if it is larger than limit.
func ReadAll(d Disk, name string, limit int64) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%w %s: too large", ErrCorrupt, name)
	}
	return b, err
}

// WriteAtomic replaces a small file so that after a crash it has its old or its new content. The caller supplies an
// unused temporary name.
func WriteAtomic(d Disk, name, tmp string, content []byte) error {
	f, err := d.Create(tmp)
	if err != nil {
		return err
	}
	n, err := f.Write(content)
	if err == nil && n < len(content) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.Rename(tmp, name)
	}
	if err != nil {
		d.Remove(tmp)
		return err
	}
	return d.SyncDir(path.Dir(name))
}

// IgnoreAbsence returns err, or nil if it says that a name does not exist.
func IgnoreAbsence(err error) error {
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	return err
}

// MakeDir makes a directory below parent durable before something is put into it.
func MakeDir(d Disk, parent, name string) error {
	dir := path.Join(parent, name)
	if _, err := d.Lstat(dir); err == nil {
		return nil
	}
	if err := d.Mkdir(dir); err != nil {
		return err
	}
	return errors.Join(d.SyncDir(parent), d.SyncDir("."))
}
