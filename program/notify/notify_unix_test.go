//go:build unix

package notify

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// TestTheManagerHears is the manager: it is told once that the server is ready, and after that only as long as the
// server answers.
func TestTheManagerHears(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	heard := make(chan string)
	go func() {
		buf := make([]byte, 64)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				close(heard)
				return
			}
			heard <- string(buf[:n])
		}
	}()
	environ := map[string]string{"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "4000", "WATCHDOG_PID": strconv.Itoa(os.Getpid())}
	var answers atomic.Bool
	asked := make(chan bool)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	Ready(ctx, slog.New(slog.DiscardHandler), func(name string) string { return environ[name] }, func(ctx context.Context) error {
		select {
		case asked <- true:
		case <-ctx.Done():
		}
		if !answers.Load() {
			return errors.New("it hangs")
		}
		return nil
	})
	if got := patience.Receive(t, "readiness", heard); got != "READY=1" {
		t.Errorf("heard %q first", got)
	}
	for range 3 { // each of these checks has failed, and nothing was sent by the next one
		patience.Receive(t, "the question whether it answers", asked)
	}
	select {
	case got := <-heard:
		t.Errorf("heard %q of a server that hangs", got)
	default:
	}
	answers.Store(true)
	go func() {
		for range asked {
		}
	}()
	for range 2 {
		if got := patience.Receive(t, "a sign of life", heard); got != "WATCHDOG=1" {
			t.Errorf("heard %q", got)
		}
	}
	cancel()
}

func TestWhoHasAWatchdog(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, tc := range []struct {
		usec, pid string
		want      string
	}{
		{"120000000", self, "30s"}, {"120000000", "", "30s"}, {"120000000", "1", "0s"}, {"", "", "0s"}, {"much", self, "0s"}, {"-4", self, "0s"},
	} {
		environ := map[string]string{"WATCHDOG_USEC": tc.usec, "WATCHDOG_PID": tc.pid}
		if got := interval(func(name string) string { return environ[name] }); got.String() != tc.want {
			t.Errorf("%+v: every %v", tc, got)
		}
	}
}
