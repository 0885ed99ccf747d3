package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// socketName is the socket's name in the data directory.
const socketName = "control.sock"

const (
	// socketMode lets nobody in but the server's user.
	socketMode fs.FileMode = 0o600
	// maxSocketPath is the longest path that every system takes for a socket: macOS has 104 bytes, with a zero at the end.
	maxSocketPath = 103
	// headerTimeout and lastAnswers bound how long a caller can hold the server up.
	headerTimeout = 10 * time.Second
	lastAnswers   = 10 * time.Second
)

// ErrNoServer says that nobody listens.
var ErrNoServer = errors.New("no server is running")

// Server answers on the socket of a data directory.
type Server struct {
	http *http.Server
	path string
	done chan struct{}
}

// Serve runs commands for whoever connects to the socket in dir, until Close. The caller holds the lock of the data directory,
// so a socket that is there already is left over from a process that has died, and is replaced.
func Serve(dir string, commands Commands, log *slog.Logger) (*Server, error) {
	path := filepath.Join(dir, socketName)
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
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // it knows the short path, which is gone
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, ln.Close(), os.Remove(path))
	}
	s := &Server{
		path: path, done: make(chan struct{}),
		http: &http.Server{
			Handler: commands, ReadHeaderTimeout: headerTimeout,
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError), // panics of commands, which net/http recovers
		},
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(ln) // it ends with Close, and says so
	}()
	return s, nil
}

// Close lets the commands under way finish, for a while, and removes the socket.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastAnswers)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.done
	if gone := os.Remove(s.path); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// Client is a Caller for the commands of a running server.
type Client struct{ http *http.Client }

// Dial returns a client for the server that has the data directory open, or ErrNoServer.
func Dial(ctx context.Context, dir string) (*Client, error) {
	path := filepath.Join(dir, socketName)
	dial := func(ctx context.Context) (conn net.Conn, err error) {
		err = withShortPath(path, func(short string) (err error) {
			conn, err = new(net.Dialer).DialContext(ctx, "unix", short)
			return err
		})
		return conn, err
	}
	probe, err := dial(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist), isRefused(err):
		return nil, ErrNoServer
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the server's socket %s may not be opened by this user; run the command as the user that the server runs as: %w", path, err)
	case err != nil:
		return nil, err
	}
	probe.Close()
	return &Client{&http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}}}, nil
}

// Call implements Caller.
func (c *Client) Call(ctx context.Context, name string, in, out any) error {
	input, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/"+name, bytes.NewReader(input))
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("the running server: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return fmt.Errorf("the running server: %w", err)
	}
	if res.StatusCode == http.StatusOK {
		return decode(answer, out)
	}
	var f failure
	if err := json.Unmarshal(answer, &f); err != nil || f.Code == "" {
		return fmt.Errorf("the running server answered %s", res.Status)
	}
	return f.asError()
}

// withShortPath calls use with a name for path that is short enough for a socket: the path itself, or one through a link in the
// directory for temporary files that lives as long as the call.
func withShortPath(path string, use func(short string) error) (err error) {
	if len(path) <= maxSocketPath {
		return use(path)
	}
	dir, err := os.MkdirTemp("", "or3-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	link := filepath.Join(dir, "d")
	if err := os.Symlink(filepath.Dir(path), link); err != nil {
		return err
	}
	return use(filepath.Join(link, filepath.Base(path)))
}
