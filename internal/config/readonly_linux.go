package config

import (
	"os"

	"golang.org/x/sys/unix"
)

// readOnly reports whether an open file is on a read-only mount, as containers get their secrets: they keep the owner and
// the mode that they have outside, and cannot be written by anyone here.
func readOnly(f *os.File) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &st) == nil && st.Flags&unix.ST_RDONLY != 0
}
