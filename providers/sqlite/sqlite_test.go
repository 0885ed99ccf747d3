package sqlite

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
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
	if _, measured := t.(*testing.B); !measured {
		opts.recentKeys = 50 // so that all tests use runs of the index
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

func TestJobs(t *testing.T) {
	providertest.TestJobs(t, func(t *testing.T) providertest.JobBackend {
		s, c := openTest(t)
		return providertest.JobBackend{Jobs: s, Advance: c.advance}
	})
}

func TestAudit(t *testing.T) {
	providertest.TestAudit(t, func(t *testing.T) providertest.AuditBackend {
		s, c := openTest(t)
		return providertest.AuditBackend{Audit: s, Now: c.now, Advance: c.advance}
	})
}

// testLog returns a log that the test shows when it fails.
func testLog(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

func TestAdminActions(t *testing.T) {
	s, _ := openTest(t)
	user, err := s.GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	ws, err := s.GetOrCreateDefaultWorkspace(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ workspace, action, want string }{
		{ws.ID, "sync.explode", "Unknown action"}, {"", actionGCChangeLog, "Workspace not resolved"}, {"", actionGCTombstones, "Workspace not resolved"},
	} {
		_, err := admin{s}.RunAction(t.Context(), tc.workspace, tc.action, nil)
		var known *or3cloud.Error
		if !errors.As(err, &known) || known.Message != tc.want || known.Code != or3cloud.CodeInvalid {
			t.Errorf("%+v: %v", tc, err)
		}
	}
	const most = 100 * 365 * 86400
	for _, tc := range []struct {
		payload map[string]any
		want    int64
	}{
		{nil, 30 * 86400}, {map[string]any{"retentionSeconds": 90.0, "retentionDays": 2.0}, 90}, {map[string]any{"retentionDays": 0.5}, 43200},
		{map[string]any{"retentionSeconds": -1.0, "retentionDays": "2"}, 30 * 86400},
		{map[string]any{"retentionSeconds": 1e300}, most}, {map[string]any{"retentionDays": 1e300}, most},
	} {
		got, err := admin{s}.RunAction(t.Context(), ws.ID, actionGCTombstones, tc.payload)
		report, _ := got.(map[string]any)
		if err != nil || report["ok"] != true || report["action"] != actionGCTombstones || report["retentionSeconds"] != tc.want {
			t.Errorf("%v: %v, %v", tc.payload, got, err)
		}
	}
}
