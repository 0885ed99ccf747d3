package datadir

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// witness returns how the file system identifies a file, which no copy preserves: its inode number and creation time.
// It is empty if unknown.
func witness(path string) string {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return ""
	}
	return fmt.Sprintf("%d-%d.%09d", st.Ino, st.Btim.Sec, st.Btim.Nsec)
}
