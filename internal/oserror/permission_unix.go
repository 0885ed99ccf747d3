//go:build unix

package oserror

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// permits reports whether this process may read and write a file, or enter and change a directory.
func permits(path string) bool {
	mode := uint32(unix.R_OK | unix.W_OK)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		mode |= unix.X_OK
	}
	return unix.Access(path, mode) == nil
}

// remedy tells who owns a file, who this process is, and what would grant access. own is the directory around the file
// that may be given away as a whole, or "". Nothing else on the machine may.
func remedy(path, own string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return "See who may use it with ls -ld " + path
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "See who may use it with ls -ld " + path
	}
	owner, me := userName(int(stat.Uid)), userName(os.Geteuid())
	switch {
	case permits(path):
		return "The mode allows it, so something else forbids it, such as SELinux, AppArmor or ReadWritePaths= of the systemd unit: see ausearch -m avc, or journalctl"
	case int(stat.Uid) == os.Geteuid():
		return fmt.Sprintf("It belongs to the user of this process, %s, and its mode is %04o. Run: chmod u+rwX %s", me, info.Mode().Perm(), path)
	}
	way := fmt.Sprintf("Let the user %s use it, with chown, chmod or setfacl", me)
	if own != "" {
		way = fmt.Sprintf("Give everything there to the user of the server: chown -R %s %s", me, own)
	}
	if stat.Uid != 0 { // a start by root leaves files behind that only root can use
		way = fmt.Sprintf("Run it as %s. Or, if %s is the right user: %s", owner, me, strings.ToLower(way[:1])+way[1:])
	}
	return fmt.Sprintf("It belongs to %s (mode %04o), and this process runs as %s. %s", owner, info.Mode().Perm(), me, way)
}

// userName returns the name of a user, or the number if there is no name, as with systemd's DynamicUser= and in
// containers.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}
