package localsocket

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSocketsOfAnyLength(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), strings.Repeat("long", 30))} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "s")
		if _, err := Dial(t.Context(), path); !errors.Is(err, ErrAbsent) {
			t.Errorf("nothing there: %v", err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil { // left over
			t.Fatal(err)
		}
		ln, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Type() != os.ModeSocket {
			t.Errorf("%v %v", info, err)
		}
		greeted := make(chan error, 1)
		go func() {
			conn, err := ln.Accept()
			if err == nil {
				_, err = conn.Write([]byte("hello"))
				err = errors.Join(err, conn.Close())
			}
			greeted <- err
		}()
		short, release, err := Shorten(path)
		if err != nil || len(short) > maxPath || (short == path) != (len(path) <= maxPath) {
			t.Fatalf("%s: %v", short, err)
		}
		conn, err := net.Dial("unix", short)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(conn); err != nil || string(text) != "hello" {
			t.Errorf("%q %v", text, err)
		}
		if err := errors.Join(<-greeted, conn.Close(), release(), ln.Close()); err != nil {
			t.Error(err)
		}
		if short != path {
			if _, err := os.Lstat(filepath.Dir(short)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the link is left: %v", err)
			}
		}
		if _, err := Dial(t.Context(), path); !errors.Is(err, ErrAbsent) {
			t.Errorf("a dead socket: %v", err)
		}
		for range 2 {
			if err := ln.Remove(); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := Listen(filepath.Join(t.TempDir(), "none", "s")); err == nil {
		t.Error("listens in a directory that is not there")
	}
}
