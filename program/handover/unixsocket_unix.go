//go:build unix

package handover

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// bindPrivately makes a socket that only its owner can connect to.
func bindPrivately(path string) (net.Listener, error) {
	before := unix.Umask(0o177)
	defer unix.Umask(before)
	return net.Listen("unix", path)
}

// lockDirectory keeps other servers from making a socket in a directory until unlock is called. If the file system has
// no locks, or the directory cannot be read, it does nothing.
func lockDirectory(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if errors.Is(err, os.ErrPermission) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	_ = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	return func() { f.Close() }, nil
}

// isRefused reports whether no one listens on a socket.
func isRefused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }
