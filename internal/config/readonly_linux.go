package config

import (
	"os"

	"golang.org/x/sys/unix"
)

// readOnly reports whether an open file is on a read-only mount, as secrets in containers are. They keep the owner and
// mode that they have outside, and nothing in the container can write them.
func readOnly(f *os.File) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &st) == nil && st.Flags&unix.ST_RDONLY != 0
}
