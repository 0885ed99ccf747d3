package datadir

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// witness returns how the file system identifies a file, which no copy preserves: its inode number and its creation
// time, or its last change if the creation time is not recorded. It is empty if unknown.
func witness(path string) string {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO|unix.STATX_BTIME|unix.STATX_CTIME, &st); err != nil {
		return ""
	}
	born := st.Btime
	if st.Mask&unix.STATX_BTIME == 0 {
		born = st.Ctime
	}
	return fmt.Sprintf("%d-%d.%09d", st.Ino, born.Sec, born.Nsec)
}
