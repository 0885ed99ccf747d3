package fs

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriteback asks for part of a file to be written to the disk. Whether the kernel heeds it does not matter: the fsync
// reports every fault.
func beginWriteback(f File, offset, length int64) {
	if file, ok := f.(*os.File); ok {
		_ = unix.SyncFileRange(int(file.Fd()), offset, length, unix.SYNC_FILE_RANGE_WRITE)
	}
}
