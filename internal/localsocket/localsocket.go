// Package localsocket makes Unix sockets that only the server's user can connect to, and connects to them. Their paths may be longer
// than the system takes for a socket.
package localsocket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

const (
	// mode lets no one in but the server's user.
	mode fs.FileMode = 0o600
	// maxPath is the longest path that every system takes for a socket: macOS has 104 bytes, with a zero at the end.
	maxPath = 103
)

// ErrAbsent says that no one listens.
var ErrAbsent = errors.New("no one listens")

// Listener is a socket whose file goes with it.
type Listener struct {
	net.Listener
	path string
}

// Listen makes a socket at path. What is there is replaced: the caller knows that it is left over from a process that has died.
func Listen(path string) (*Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var ln net.Listener
	err := withShortPath(path, func(short string) (err error) {
		ln, err = net.Listen("unix", short)
		return err
	})
	if err != nil {
		return nil, err
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // it knows the short path, which may be gone
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, ln.Close(), os.Remove(path))
	}
	return &Listener{ln, path}, nil
}

// Remove removes the file of a socket that is closed. It may be gone already.
func (l *Listener) Remove() error {
	if err := os.Remove(l.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Dial connects to the socket at path. The error is ErrAbsent if no one listens there.
func Dial(ctx context.Context, path string) (conn net.Conn, err error) {
	err = withShortPath(path, func(short string) (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, "unix", short)
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist), isRefused(err):
		return nil, ErrAbsent
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the server's socket %s may not be opened by this user; run the command as the user that the server runs as: %w", path, err)
	}
	return conn, err
}

// Shorten returns a name for path that is short enough for a socket: the path itself, or one through a link in the directory for
// temporary files, which release removes.
func Shorten(path string) (short string, release func() error, err error) {
	if len(path) <= maxPath {
		return path, func() error { return nil }, nil
	}
	dir, err := os.MkdirTemp("", "or3-")
	if err != nil {
		return "", nil, err
	}
	release = func() error { return os.RemoveAll(dir) }
	link := filepath.Join(dir, "d")
	if err := os.Symlink(filepath.Dir(path), link); err != nil {
		return "", nil, errors.Join(err, release())
	}
	return filepath.Join(link, filepath.Base(path)), release, nil
}

func withShortPath(path string, use func(short string) error) (err error) {
	short, release, err := Shorten(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	return use(short)
}
