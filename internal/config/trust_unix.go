//go:build unix

package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// distrust returns an untrusted if a user other than root can change the content of an open file.
//
// A directory in which everyone may rename must be sticky, all the way up. A group with that right is accepted: if its
// members replace the file, the new file belongs to them and is refused for that.
func distrust(f *os.File, info fs.FileInfo, path string) error {
	if info.Mode()&fs.ModeDevice != 0 || readOnly(f) { // /dev/null; a mounted secret
		return nil
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return untrusted{
			fmt.Sprintf("belongs to the user with id %d, who can change it; the server trusts its own files and those of root", st.Uid),
			fmt.Sprintf("If you trust what is in it, run: chown %d %s", os.Geteuid(), path),
		}
	}
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return untrusted{fmt.Sprintf("can be changed by other users (mode %04o)", perm), "Run: chmod go-w " + path}
	}
	return replaceable(path)
}

// replaceable returns an untrusted if every user can replace a file.
func replaceable(path string) error {
	for _, dir := range directories(path) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return untrusted{
				fmt.Sprintf("can be replaced by other users, because everyone may write to %s (mode %04o)", dir, info.Mode().Perm()),
				fmt.Sprintf("Run: chmod o-w %s; or keep the file elsewhere", dir),
			}
		}
	}
	return nil
}

// directories returns the directories that lead to a path, both as written and with links resolved.
func directories(path string) []string {
	var dirs []string
	ways := []string{path}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		ways = append(ways, real)
	}
	for _, way := range ways {
		abs, err := filepath.Abs(way)
		if err != nil {
			continue
		}
		for dir := filepath.Dir(abs); ; dir = filepath.Dir(dir) {
			dirs = append(dirs, dir)
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return dirs
}

// exposed reports whether every user can read an open file. It does not consider read-only mounts; see readOnly.
func exposed(f *os.File, info fs.FileInfo) bool {
	return info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 && !readOnly(f)
}
