package datadir

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// witness returns what the file system knows a file by, which no copy takes over: its number and when it was made. It is
// empty if that cannot be told.
func witness(path string) string {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return ""
	}
	return fmt.Sprintf("%d-%d.%09d", st.Ino, st.Btim.Sec, st.Btim.Nsec)
}
