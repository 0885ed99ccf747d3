package control

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/patience"
)

type greeting struct {
	Name string `json:"name"`
}

// commands returns commands that greet, refuse, fail and panic.
func commands() Commands {
	return Commands{
		"greet": Func(func(_ context.Context, in greeting) (greeting, error) { return greeting{"hello " + in.Name}, nil }),
		"refuse": Func(func(context.Context, struct{}) (any, error) {
			return nil, or3cloud.WrapError(errors.New("the disk is gone"), or3cloud.CodeUnavailable, "not now")
		}),
		"fail":  Func(func(context.Context, struct{}) (any, error) { return nil, errors.New("a fault") }),
		"panic": Func(func(context.Context, struct{}) (any, error) { panic("a mistake") }),
	}
}

func serve(t *testing.T, dir string, c Commands) *Server {
	t.Helper()
	s, err := Serve(dir, c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

func dial(t *testing.T, dir string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBothWaysBehaveAlike runs the same commands in this process and through a socket.
func TestBothWaysBehaveAlike(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir, commands())
	for name, caller := range map[string]Caller{"here": commands(), "socket": dial(t, dir)} {
		t.Run(name, func(t *testing.T) {
			var out greeting
			if err := caller.Call(t.Context(), "greet", greeting{"Ann & Bob"}, &out); err != nil || out.Name != "hello Ann & Bob" {
				t.Errorf("%+v, %v", out, err)
			}
			if err := caller.Call(t.Context(), "greet", greeting{}, nil); err != nil {
				t.Error(err)
			}
			for _, tc := range []struct {
				command string
				in      any
				code    or3cloud.Code
				text    string
			}{
				{"refuse", struct{}{}, or3cloud.CodeUnavailable, "not now: the disk is gone"},
				{"fail", struct{}{}, or3cloud.CodeInternal, "a fault"},
				{"greet", map[string]string{"title": "Dr"}, or3cloud.CodeInvalid, `unknown field "title"`},
				{"greet", []int{1}, or3cloud.CodeInvalid, "does not understand"},
				{"dance", struct{}{}, or3cloud.CodeUnsupported, `"dance"`},
			} {
				err := caller.Call(t.Context(), tc.command, tc.in, nil)
				if or3cloud.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.text) {
					t.Errorf("%s: %v", tc.command, err)
				}
			}
			if err := caller.Call(t.Context(), "greet", greeting{}, new(int)); err == nil {
				t.Error("an answer of another form was read")
			}
			if err := caller.Call(t.Context(), "greet", func() {}, nil); err == nil {
				t.Error("what is not JSON was sent")
			}
		})
	}
}

func TestACommandThatPanicsHarmsNoOther(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir, commands())
	c := dial(t, dir)
	if err := c.Call(t.Context(), "panic", struct{}{}, nil); err == nil {
		t.Error("no error")
	}
	if err := c.Call(t.Context(), "greet", greeting{"Ann"}, nil); err != nil {
		t.Error(err)
	}
}

func TestTheSocketIsPrivateAndGoesWithTheServer(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, dir, commands())
	info, err := os.Stat(filepath.Join(dir, "control.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "control.sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if _, err := Dial(t.Context(), dir); !errors.Is(err, ErrNoServer) {
		t.Errorf("%v", err)
	}
}

func TestASocketThatADeadProcessLeftIsReplaced(t *testing.T) {
	dir := t.TempDir()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "control.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(t.Context(), dir); !errors.Is(err, ErrNoServer) {
		t.Errorf("%v", err)
	}
	serve(t, dir, commands())
	if err := dial(t, dir).Call(t.Context(), "greet", greeting{"Ann"}, nil); err != nil {
		t.Error(err)
	}
}

// TestALongPathWorks serves in a directory whose path is longer than a socket's path may be.
func TestALongPathWorks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 20), strings.Repeat("path", 20))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	s := serve(t, dir, commands())
	if err := dial(t, dir).Call(t.Context(), "greet", greeting{"Ann"}, nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "control.sock")); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "control.sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("links were left behind: %v, %v", left, err)
	}
}

func TestCloseLetsACommandFinish(t *testing.T) {
	dir := t.TempDir()
	begun, finish := make(chan struct{}), make(chan struct{})
	s := serve(t, dir, Commands{"wait": Func(func(context.Context, struct{}) (greeting, error) {
		close(begun)
		<-finish
		return greeting{"done"}, nil
	})})
	c := dial(t, dir)
	var wg sync.WaitGroup
	var out greeting
	var callErr, closeErr error
	wg.Go(func() { callErr = c.Call(t.Context(), "wait", struct{}{}, &out) })
	<-begun
	closed := make(chan struct{})
	wg.Go(func() {
		defer close(closed)
		closeErr = s.Close()
	})
	select {
	case <-closed:
		t.Error("closed under a running command")
	case <-time.After(20 * time.Millisecond): // it takes time to see that nothing happens
	}
	close(finish)
	wg.Wait()
	if callErr != nil || closeErr != nil || out.Name != "done" {
		t.Errorf("%+v, %v, %v", out, callErr, closeErr)
	}
}

func TestADirectoryWithoutServerIsTold(t *testing.T) {
	for name, dir := range map[string]string{"empty": t.TempDir(), "missing": filepath.Join(t.TempDir(), "none")} {
		if _, err := Dial(t.Context(), dir); !errors.Is(err, ErrNoServer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Serve(filepath.Join(t.TempDir(), "none"), commands(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("served in a directory that is not there")
	}
}

// TestAnAnswerOfAnotherProgramDoesNotCount talks to an HTTP server that is not ours.
func TestAnAnswerOfAnotherProgramDoesNotCount(t *testing.T) {
	dir := t.TempDir()
	ln, err := net.Listen("unix", filepath.Join(dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	other := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = other.Serve(ln) }()
	t.Cleanup(func() { other.Close(); <-done })
	if err := dial(t, dir).Call(t.Context(), "greet", greeting{}, nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("%v", err)
	}
}

// TestASecretInACommandIsInNoLog keeps what commands carry, such as passwords, out of the server's log.
func TestASecretInACommandIsInNoLog(t *testing.T) {
	dir := t.TempDir()
	var log patience.Output
	s, err := Serve(dir, commands(), slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, dir)
	_ = c.Call(t.Context(), "greet", greeting{"a-secret-phrase"}, nil)
	_ = c.Call(t.Context(), "greet", map[string]string{"a-secret-phrase": "x"}, nil)
	_ = c.Call(t.Context(), "panic", struct{}{}, nil)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if text := log.String(); strings.Contains(text, "a-secret-phrase") || !strings.Contains(text, "a mistake") {
		t.Error(text)
	}
}
