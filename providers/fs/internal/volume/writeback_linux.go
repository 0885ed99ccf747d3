package volume

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriteback asks for part of a file to be written to the disk. It does not matter whether the kernel complies: the
// fsync reports every error.
func beginWriteback(f *os.File, offset, length int64) {
	_ = unix.SyncFileRange(int(f.Fd()), offset, length, unix.SYNC_FILE_RANGE_WRITE)
}
