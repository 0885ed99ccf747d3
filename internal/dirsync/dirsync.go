// Package dirsync makes directory entries durable, as far as the file system can, and replaces small files.
package dirsync

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Sync flushes an open directory. It is not an error if the file system does not support that, as with some SMB and
// FUSE ones: there is nothing to wait for, and no later attempt would help. Windows cannot open directories for this,
// but NTFS journals its entries.
func Sync(dir *os.File) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	return tolerate(dir.Sync())
}

// SyncIn is Sync for the directory with a name.
func SyncIn(root *os.Root, name string) error {
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(Sync(dir), dir.Close())
}

// Replace replaces a file completely and durably or not at all. Only the owner can read it.
func Replace(root *os.Root, name string, data []byte) error {
	temp := name + ".new"
	if err := root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by a killed process
		return err
	}
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	return SyncIn(root, filepath.Dir(name))
}

// tolerate drops errors that mean that directories are not flushed here (fsync(2)).
func tolerate(err error) error {
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}
