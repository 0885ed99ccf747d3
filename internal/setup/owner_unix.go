//go:build unix

package setup

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives a new file the owner of the file that it replaces, or of its directory. Root may be working for a
// server's user, who could not read root's files.
func keepOwner(f *os.File, was fs.FileInfo) error {
	st, ok := was.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}

// lured reports whether this process runs as root, and path is another user's link to something that is not theirs.
func lured(path string, target fs.FileInfo) bool {
	link, err := os.Lstat(path)
	if err != nil || os.Geteuid() != 0 || link.Mode().Type() != fs.ModeSymlink {
		return false
	}
	of, to := link.Sys().(*syscall.Stat_t).Uid, target.Sys().(*syscall.Stat_t).Uid
	return of != 0 && of != to
}

// private reports whether only the owner of a file can read it.
func (d folder) private(name string) bool {
	info, err := os.Stat(d.path(name))
	return err == nil && info.Mode().Perm()&0o077 == 0
}
