package datadir

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// witness returns what the file system knows a file by, which no copy takes over: its number, and when it was made, or
// where that is not recorded when it last changed. It is empty if that cannot be told.
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
