package sqlite

import (
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex/faultydisk"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// TestNearlyFullDisk: what grows is refused with a 503 that names a time, everything else goes on, and writes resume
// without a restart.
func TestNearlyFullDisk(t *testing.T) {
	var full atomic.Bool
	s, _ := openTest(t, func(o *Options) { o.Full = full.Load })
	user, ws := workspaceOf(t, s)
	if _, err := pushOps(s, user, ws, threadOp(t, 1)); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	_, pushed := pushOps(s, user, ws, threadOp(t, 2))
	_, made := s.CreateWorkspace(t.Context(), user, "new", "")
	for _, err := range []error{pushed, made} {
		var e *or3cloud.Error
		if !errors.As(err, &e) || e.Code != or3cloud.CodeUnavailable || e.RetryAfter != engine.FullRetryAfter {
			t.Errorf("on a nearly full disk: %v", err)
		}
	}
	if n := count(t, s, user, ws); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
	scope := or3cloud.Scope{WorkspaceID: ws}
	for what, err := range map[string]error{
		"cursor":     s.UpdateCursor(t.Context(), or3cloud.CursorUpdate{Scope: scope, UserID: user, DeviceID: "d", Version: 1}),
		"collection": s.GCChangeLog(t.Context(), or3cloud.SyncGCRequest{Scope: scope}),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	full.Store(false)
	if _, err := pushOps(s, user, ws, threadOp(t, 2)); err != nil {
		t.Errorf("after space returned: %v", err)
	}
}

// TestAFailedSyncIsReportedOnce, whether in a commit or in a checkpoint, and the log is kept for the next process.
func TestAFailedSyncIsReportedOnce(t *testing.T) {
	for _, during := range []string{"commit", "checkpoint"} {
		t.Run(during, func(t *testing.T) {
			disk := faultydisk.New(t)
			path := filepath.Join(t.TempDir(), "db.sqlite")
			var reasons []error
			s, _ := openTest(t, func(o *Options) {
				o.VFS, o.Path, o.Log = disk.Name, path, slog.New(slog.DiscardHandler)
				o.Fatal = func(err error) { reasons = append(reasons, err) }
			})
			user, ws := workspaceOf(t, s)
			if _, err := pushOps(s, user, ws, threadOp(t, 1)); err != nil {
				t.Fatal(err)
			}
			bad := error(sqlite3.IOERR_FSYNC)
			disk.Sync.Store(&bad)
			if during == "checkpoint" {
				if err := s.engine.Outside(t.Context(), "PRAGMA wal_checkpoint(PASSIVE)"); !errors.Is(err, sqlite3.IOERR_FSYNC) {
					t.Fatal(err)
				}
			} else if _, err := pushOps(s, user, ws, threadOp(t, 2)); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
				t.Fatal(err)
			}
			disk.Sync.Store(nil)
			for range 2 {
				if _, err := pushOps(s, user, ws, threadOp(t, 3)); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
					t.Fatalf("push after a failed fsync: %v; nothing may be acknowledged", err)
				}
			}
			if len(reasons) != 1 || !errors.Is(reasons[0], sqlite3.IOERR_FSYNC) {
				t.Fatalf("reported %v", reasons)
			}
			if n := count(t, s, user, ws); n != 1 {
				t.Errorf("%d records can be read, want 1", n)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again, _ := openTest(t, func(o *Options) { o.Path = path })
			if res, err := pushOps(again, user, ws, threadOp(t, 1)); err != nil || !res.Results[0].Replayed {
				t.Fatalf("an acknowledged op is missing after the new start: %+v, %v", res, err)
			}
		})
	}
}
