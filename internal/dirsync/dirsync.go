// Package dirsync makes the names in a directory durable, as far as its file system can do that, and puts small files there.
package dirsync

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Sync flushes an open directory. A file system that does not know how, such as some of SMB and FUSE, is no fault: there
// is nothing to wait for, and no later attempt would help. Directories cannot be opened for that on Windows, where NTFS
// journals its names.
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

// Replace puts a file into the place of the one before, complete and on the disk or not at all, readable by the owner alone.
func Replace(root *os.Root, name string, data []byte) error {
	temp := name + ".new"
	if err := root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that was killed
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

// tolerate takes errors away which say that directories are not flushed here (fsync(2)).
func tolerate(err error) error {
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}
