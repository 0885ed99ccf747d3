// Package dirsync makes the names in a directory durable, as far as its file system can do that.
package dirsync

import (
	"errors"
	"os"
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

// tolerate takes errors away which say that directories are not flushed here (fsync(2)).
func tolerate(err error) error {
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}
