package sqlite

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
)

// TestMaintenanceGivesSpaceBack: superseded entries are removed, and the space that they took is freed.
func TestMaintenanceGivesSpaceBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db.sqlite")
	s, c := openTest(t, func(o *Options) { o.Path = path; o.Maintenance = 24 * time.Hour })
	user, ws := workspaceOf(t, s)
	text := make([]byte, 20_000)
	for i := range text {
		text[i] = 'a' + byte(rand.IntN(26)) // which does not compress
	}
	for n := range 300 {
		op := threadOp(t, 1)
		op.Stamp.Clock = int64(n)
		op.Stamp.OpID = fmt.Sprintf("00000000-0000-4000-8000-%012x", n)
		op.Payload = fmt.Appendf(nil, `{"id":"row1","title":%q,"status":"ready","deleted":false,"pinned":false,"created_at":1,"updated_at":1,"clock":1}`, text)
		if _, err := pushOps(s, user, ws, op); err != nil {
			t.Fatal(err)
		}
	}
	cursor := or3cloud.CursorUpdate{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, DeviceID: "d", Version: 300}
	if err := s.UpdateCursor(t.Context(), cursor); err != nil {
		t.Fatal(err)
	}
	pages := func() (n int64) {
		if err := s.engine.DB.Read.QueryRow("PRAGMA page_count").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := pages()
	s.m.loop.Run(t.Context())
	if pages() < before {
		t.Fatal("something was collected inside the retention")
	}
	c.advance(40 * 24 * time.Hour)
	if err := s.UpdateCursor(t.Context(), cursor); err != nil {
		t.Fatal(err)
	}
	s.m.loop.Run(t.Context())
	if after := pages(); after > before/4 {
		t.Errorf("%d pages before, %d after", before, after)
	}
	if st := s.MaintenanceState(); !st.Enabled || st.State != "idle" || st.LastRun == 0 || st.LastError != "" {
		t.Errorf("state %+v", st)
	}
	if n := count(t, s, user, ws); n != 1 {
		t.Errorf("%d records, want the one that is left", n)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
}

func TestMaintenanceReportsFailure(t *testing.T) {
	s, _ := openTest(t, func(o *Options) { o.Maintenance = 24 * time.Hour })
	if err := s.engine.DB.Read.Close(); err != nil {
		t.Fatal(err)
	}
	s.m.loop.Run(t.Context())
	if st := s.MaintenanceState(); st.State != "failed" || st.LastError == "" {
		t.Errorf("state %+v", st)
	}
}

// TestMaintenanceReportsAPanic: a panic ends the pass, not the process, and is reported like any other error.
func TestMaintenanceReportsAPanic(t *testing.T) {
	s, _ := openTest(t, func(o *Options) { o.Maintenance = 24 * time.Hour })
	q := s.engine.Q
	s.engine.Q = nil
	err := s.m.loop.Run(t.Context())
	s.engine.Q = q
	if st := s.MaintenanceState(); err == nil || st.State != "failed" || st.LastError == "" {
		t.Errorf("%v, state %+v", err, st)
	}
	if err := s.m.loop.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := s.MaintenanceState(); st.State != "idle" || st.LastError != "" || st.LastRun == 0 {
		t.Errorf("after a pass that succeeded: %+v", st)
	}
}

// TestADamagedWorkspaceHoldsUpNoOther: maintenance fails, but has done what it could.
func TestADamagedWorkspaceHoldsUpNoOther(t *testing.T) {
	s, c := openTest(t, func(o *Options) { o.Maintenance, o.Retention = 24*time.Hour, changelog.MinRetention })
	user, first := workspaceOf(t, s)
	second, err := s.CreateWorkspace(t.Context(), user, "another", "")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		for _, ws := range []string{first, second} {
			op := threadOp(t, 1)
			op.Stamp.Clock, op.Stamp.OpID = int64(n+1), fmt.Sprintf("00000000-0000-4000-8000-%012x", n)
			if _, err := pushOps(s, user, ws, op); err != nil {
				t.Fatal(err)
			}
		}
	}
	execute(t, s, "UPDATE blocks SET heads = x'00' WHERE id = (SELECT min(id) FROM blocks)")
	c.advance(3 * time.Hour)
	for _, ws := range []string{first, second} {
		if err := s.UpdateCursor(t.Context(), or3cloud.CursorUpdate{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, DeviceID: "d", Version: 100}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.m.loop.Run(t.Context()); !sqlitex.IsDamage(err) || s.MaintenanceState().State != "failed" {
		t.Errorf("%v, state %+v", err, s.MaintenanceState())
	}
	if n := rowsOf(t, s, "blocks WHERE id >> 43 = (SELECT max(num) FROM workspaces)"); n != 1 {
		t.Errorf("%d blocks of the other workspace, want the one of the winner", n)
	}
}
