//go:build unix

package datadir

import (
	"io/fs"
	"os"
	"slices"
	"strconv"
	"syscall"
)

// reachOf returns whom the mode of a file or directory admits.
func reachOf(info fs.FileInfo) reach {
	perm := info.Mode().Perm()
	switch {
	case perm&0o077 == 0:
		return reachNone
	case perm&0o007 == 0 && inGroup(info):
		return reachGroup
	}
	return reachOthers
}

// inGroup reports whether this process is in the group of a file.
func inGroup(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	groups, _ := os.Getgroups()
	return int(st.Gid) == os.Getegid() || slices.Contains(groups, int(st.Gid))
}

// groupOf returns the number of a file's group, for people.
func groupOf(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return strconv.FormatUint(uint64(st.Gid), 10)
	}
	return ""
}
