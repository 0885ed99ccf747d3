package sqlite

import (
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"or3.chat/cloud/providertest"
)

// clock is a settable clock that also runs.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

func openTest(t testing.TB, change ...func(*Options)) (*Store, *clock) {
	t.Helper()
	c := &clock{}
	opts := Options{
		Path: filepath.Join(t.TempDir(), "sync.sqlite"),
		Log:  slog.New(slog.NewTextHandler(t.Output(), nil)), Now: c.now, Rand: rand.Reader,
	}
	for _, f := range change {
		f(&opts)
	}
	s, err := Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}

func TestSync(t *testing.T) {
	providertest.TestSync(t, func(t *testing.T) providertest.SyncBackend {
		s, c := openTest(t)
		return providertest.SyncBackend{Sync: s, Workspaces: s, Advance: c.advance}
	})
}

func TestWorkspaceStore(t *testing.T) {
	providertest.TestWorkspaceStore(t, func(t *testing.T) providertest.WorkspaceBackend {
		s, c := openTest(t, func(o *Options) { o.WorkspacesPerUser = 50 })
		return providertest.WorkspaceBackend{Workspaces: s, Advance: c.advance}
	})
}

// testLog returns a log that the test shows when it fails.
func testLog(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }
