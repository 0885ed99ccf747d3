package handover

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"or3.chat/cloud/setting"
)

// listen opens a TCP address or unix:PATH.
func listen(addr string, access Access) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return listenUnix(path, access)
	}
	return listenTCP(addr, chooseAddress)
}

// listenTCP opens a TCP address. choose says how another one is chosen.
func listenTCP(addr, choose string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, cannotListen(addr, choose, err)
	}
	return ln, nil
}

// Try finds out whether a server could listen, and if not says why as the server would. It returns the listener, for a
// caller that wants to see what arrives there; for the path of a socket it only looks, because listening would change
// something, and returns nil.
func Try(at Addresses) (net.Listener, error) {
	if at.Plain != "" {
		ln, err := listenTCP(at.Plain, setting.HTTPAddr)
		if err != nil {
			return nil, err
		}
		defer ln.Close()
	}
	path, ok := strings.CutPrefix(at.Main, "unix:")
	if !ok {
		return listen(at.Main, at.Access)
	}
	if at.Access.Group != "" {
		if _, err := groupID(at.Access.Group); err != nil {
			return nil, err
		}
	}
	if strings.HasPrefix(path, "@") {
		return nil, nil
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, socketFault(path, err)
	}
	_, err := deadSocket(path)
	return nil, err
}

// Access says who may connect to a Unix socket, which takes the permission to write to its file.
type Access struct {
	Mode  fs.FileMode
	Group string // name or number; empty for the default group
}

// give sets mode and group of a file.
func (a Access) give(path string) error {
	if a.Group != "" {
		gid, err := groupID(a.Group)
		if err != nil {
			return err
		}
		if err := os.Lchown(path, -1, gid); errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("the socket %s cannot be given to the group %q of %s, because the server's user is not in it; add it with usermod -aG, under systemd with SupplementaryGroups=%[2]s",
				path, a.Group, setting.SocketGroup)
		} else if err != nil {
			return err
		}
	}
	return os.Chmod(path, a.Mode)
}

func groupID(group string) (int, error) {
	if gid, err := strconv.ParseUint(group, 10, 31); err == nil {
		return int(gid), nil
	}
	g, err := user.LookupGroup(group)
	var unknown user.UnknownGroupError
	if errors.As(err, &unknown) {
		return 0, fmt.Errorf("%s names the group %q, which this machine does not have; getent group lists those that it has", setting.SocketGroup, group)
	}
	if err != nil {
		return 0, fmt.Errorf("%s names the group %q, which cannot be looked up: %w; use its number", setting.SocketGroup, group, err)
	}
	return strconv.Atoi(g.Gid)
}

// listenUnix makes a socket at path, in place of what a killed server has left behind. Until its access is set only the
// server's user can connect. The directory is locked while it does, so that of two servers that start at once one sees
// the other's socket.
func listenUnix(path string, access Access) (net.Listener, error) {
	if strings.HasPrefix(path, "@") { // an abstract socket of Linux: there is no file
		ln, err := net.Listen("unix", path)
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, inUse(path, "path", chooseAddress, "")
		}
		return ln, err
	}
	unlock, err := lockDirectory(filepath.Dir(path))
	if err != nil {
		return nil, socketFault(path, err)
	}
	defer unlock()
	if err := removeDeadSocket(path); err != nil {
		return nil, err
	}
	ln, err := bindPrivately(path)
	if err != nil {
		return nil, socketFault(path, err)
	}
	own := ownSocket(ln)
	if err := access.give(path); err != nil {
		return nil, errors.Join(err, own.Close())
	}
	return own, nil
}

// socketFault says how to fix a socket that cannot be created.
func socketFault(path string, err error) error {
	dir := filepath.Dir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the directory %s of the socket does not exist; create it for the server's user, under systemd with RuntimeDirectory=", dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the server's user may not create a socket in %s; give it the directory, under systemd with RuntimeDirectory=", dir)
	case errors.Is(err, syscall.EINVAL) && len(path) > maxSocketPath:
		return fmt.Errorf("the path %s is too long for a socket, which may have %d bytes; choose another one with --addr or %s", path, maxSocketPath, setting.Addr)
	}
	return fmt.Errorf("the socket %s: %w", path, err)
}

// maxSocketPath is how long the path of a socket may be on all systems, in bytes.
const maxSocketPath = 103

// dialPatience is how long a server on a socket has to show that it is alive.
const dialPatience = time.Second

// removeDeadSocket removes what a killed server has left behind, and nothing else.
func removeDeadSocket(path string) error {
	dead, err := deadSocket(path)
	if err != nil || !dead {
		return err
	}
	return os.Remove(path)
}

// deadSocket reports whether a killed server has left a socket at a path. Only a refused connection shows that no one
// listens. A permission error, or a full queue, shows the opposite. An error says that something else is there.
func deadSocket(path string) (dead bool, err error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, socketFault(path, err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return false, fmt.Errorf("%s exists and is not a socket; choose another path with --addr or %s", path, setting.Addr)
	}
	conn, err := net.DialTimeout("unix", path, dialPatience)
	switch {
	case err == nil:
		defer conn.Close()
		return false, inUse(path, "path", chooseAddress, peerProcess(conn))
	case isRefused(err):
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, inUse(path, "path", chooseAddress, "")
}

// ownedSocket is a socket whose file is removed with it, unless another server's file is there by then.
type ownedSocket struct {
	*net.UnixListener
	file fs.FileInfo
}

// ownSocket makes ln remove its file, which is there already.
func ownSocket(ln net.Listener) net.Listener {
	l, ok := ln.(*net.UnixListener)
	if !ok {
		return ln
	}
	l.SetUnlinkOnClose(false)
	file, _ := os.Lstat(l.Addr().String())
	return &ownedSocket{l, file}
}

// SetUnlinkOnClose says whether the file is removed; it is by default.
func (s *ownedSocket) SetUnlinkOnClose(unlink bool) {
	if !unlink {
		s.file = nil
	}
}

// Close implements net.Listener.
func (s *ownedSocket) Close() error {
	path := s.Addr().String()
	if now, err := os.Lstat(path); err == nil && s.file != nil && os.SameFile(s.file, now) {
		_ = os.Remove(path) // before listening ends, while no other server can take the path
		s.file = nil
	}
	return s.UnixListener.Close()
}
