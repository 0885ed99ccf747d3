package diskspace

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Measure asks the operating system about the file system under a directory.
func Measure(dir string) (Usage, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return Usage{}, fmt.Errorf("statfs %s: %w", dir, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return Usage{}, fmt.Errorf("stat %s: %w", dir, err)
	}
	u := Usage{Device: uint64(st.Dev), Free: fs.Bavail * uint64(fs.Bsize), Total: fs.Blocks * uint64(fs.Bsize)}
	if fs.Flags&unix.MNT_LOCAL == 0 {
		u.Network = unix.ByteSliceToString(fs.Fstypename[:])
	}
	return u, nil
}

func allocate(f *os.File, size int64) error { return fill(f, size) }
