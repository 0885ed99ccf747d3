// Package localsocket creates and connects to Unix sockets that only the server's user can use. Their paths may be
// longer than the system allows for sockets.
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
	// mode admits only the server's user.
	mode fs.FileMode = 0o600
	// maxPath is the longest socket path that every system accepts: macOS has 104 bytes, including a final zero.
	maxPath = 103
)

// ErrAbsent means that nothing listens.
var ErrAbsent = errors.New("no one listens")

// Listener is a socket that removes its file.
type Listener struct {
	net.Listener
	path string
}

// Listen creates a socket at path. It replaces an existing one: the caller knows that a dead process left it behind.
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

// Remove removes the file of a closed socket. It may be gone already.
func (l *Listener) Remove() error {
	if err := os.Remove(l.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Dial connects to the socket at path. The error is ErrAbsent if nothing listens there.
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

// Shorten returns a name for path that is short enough for a socket: the path itself, or one through a link in the
// directory for temporary files, which release removes.
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
