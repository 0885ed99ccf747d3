//go:build unix

package handover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSocketActivationWantsWhatTheServerHas(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, tc := range []struct {
		pid, fds, names string
		plain           bool
		want            string
	}{
		{"1", "1", "", false, ""}, {"", "", "", false, ""},
		{self, "2", "http:https", false, "exactly one socket"}, {self, "", "", false, "exactly one socket"}, {self, "3", "", true, "exactly one socket"},
		{self, "2", "", true, "FileDescriptorName=http"}, {self, "2", "or3-cloud.socket:or3-cloud.socket", true, "FileDescriptorName=http"},
		{self, "2", "http:http", true, "FileDescriptorName=http"},
	} {
		variables := []string{"LISTEN_PID=" + tc.pid, "LISTEN_FDS=" + tc.fds, "LISTEN_FDNAMES=" + tc.names}
		main, plain, err := activated(Process{Environ: variables}.Variable, tc.plain)
		if main != nil || plain != nil || tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%+v: %v, %v, %v", tc, main, plain, err)
		}
	}
}

func TestInheritance(t *testing.T) {
	for _, tc := range []struct {
		text string
		fd   int
		ok   bool
	}{
		{"", 0, true},
		{fmt.Sprintf(`{"pid":%d,"fd":9}`, os.Getpid()), 9, true},
		{`{"pid":1,"fd":9}`, 0, true}, // of another process
		{"{", 0, false},
	} {
		in, err := Process{Environ: []string{inheritanceVariable + "=" + tc.text}}.inherited()
		if in.FD != tc.fd || (err == nil) != tc.ok {
			t.Errorf("%q: %+v, %v", tc.text, in, err)
		}
	}
	now := time.Unix(1_800_000_000, 0)
	if got := recentFaults([]int64{now.Unix() - 601, now.Unix() - 600, now.Unix()}, now); !slices.Equal(got, []int64{now.Unix() - 600, now.Unix()}) {
		t.Error(got)
	}
}

func TestAServerThatIsStoppedGetsNoSuccessor(t *testing.T) {
	p := Process{Execute: func(string, []string, []string) error { t.Error("executed"); return nil }}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	closing := errors.New("closing")
	if err := (Ending{next: &successor{Process: p}}).conclude(ctx, slog.New(slog.DiscardHandler), closing); err != closing {
		if !errors.Is(err, closing) {
			t.Error(err)
		}
	}
}

func TestProgramPath(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "or3-cloud")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	if got := programPath([]string{link}); got != link {
		t.Errorf("%q; a link that an upgrade changes must not be followed", got)
	}
	for _, argv := range [][]string{nil, {filepath.Join(dir, "none")}} {
		if got := programPath(argv); got != self {
			t.Errorf("%q: %q, want %q", argv, got, self)
		}
	}
}
