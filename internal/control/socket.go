package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"or3.chat/cloud/internal/localsocket"
)

// socketName is the socket's name in the data directory.
const socketName = "control.sock"

const (
	// headerTimeout and lastAnswers limit how long a caller can hold the server up.
	headerTimeout = 10 * time.Second
	lastAnswers   = 10 * time.Second
)

// ErrNoServer means that no server listens.
var ErrNoServer = errors.New("no server is running")

// Server answers on the socket of a data directory.
type Server struct {
	http   *http.Server
	socket *localsocket.Listener
	done   chan struct{}
}

// Serve runs commands for all who connect to the socket in dir, until Close. The caller holds the lock of the data
// directory, so an existing socket was left behind by a dead process and is replaced.
func Serve(dir string, commands Commands, log *slog.Logger) (*Server, error) {
	ln, err := localsocket.Listen(filepath.Join(dir, socketName))
	if err != nil {
		return nil, err
	}
	s := &Server{
		socket: ln, done: make(chan struct{}),
		http: &http.Server{
			Handler: commands, ReadHeaderTimeout: headerTimeout,
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError), // panics of commands, which net/http recovers
		},
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(ln) // it always returns an error after Close
	}()
	return s, nil
}

// Close gives running commands some time to finish, and removes the socket.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastAnswers)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.done
	return errors.Join(err, s.socket.Remove())
}

// Client is a Caller for the commands of a running server.
type Client struct{ http *http.Client }

// Dial returns a client for the server that has the data directory open, or ErrNoServer.
func Dial(ctx context.Context, dir string) (*Client, error) {
	path := filepath.Join(dir, socketName)
	dial := func(ctx context.Context) (net.Conn, error) { return localsocket.Dial(ctx, path) }
	probe, err := dial(ctx)
	switch {
	case errors.Is(err, localsocket.ErrAbsent):
		return nil, ErrNoServer
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
