package sqlite

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/datadir"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/providertest"
)

// instance is a data directory with a sync database that can be closed, copied and opened again.
type instance struct {
	t    *testing.T
	path string
	dir  *datadir.Dir
	*Store
}

func newInstance(t *testing.T) *instance {
	i := &instance{t: t, path: filepath.Join(t.TempDir(), "data")}
	t.Cleanup(i.stop)
	i.start()
	return i
}

func (i *instance) start() {
	i.t.Helper()
	var err error
	if i.dir, err = datadir.Open(i.path, datadir.Options{}); err != nil {
		i.t.Fatal(err)
	}
	i.Store, err = Open(i.t.Context(), Options{
		Path: i.database(), Log: testLog(i.t), Now: time.Now, Rand: rand.Reader, Stores: i.dir,
	})
	if err == nil {
		err = i.dir.Opened()
	}
	if err != nil {
		i.t.Fatal(err)
	}
}

func (i *instance) database() string { return filepath.Join(i.path, "or3-sync.sqlite") }

func (i *instance) stop() {
	if i.Store == nil {
		return
	}
	if err := errors.Join(i.Store.Close(), i.dir.Close()); err != nil {
		i.t.Error(err)
	}
	i.Store = nil
}

func (i *instance) restart(change func()) {
	i.t.Helper()
	i.stop()
	if change != nil {
		change()
	}
	i.start()
}

func (i *instance) read() []byte {
	i.t.Helper()
	b, err := os.ReadFile(i.database())
	if err != nil {
		i.t.Fatal(err)
	}
	return b
}

func (i *instance) write(b []byte) {
	i.t.Helper()
	if err := os.WriteFile(i.database(), b, 0o600); err != nil {
		i.t.Fatal(err)
	}
}

func (i *instance) pull(user, ws string, cursor int64) (pks []string, page or3cloud.PullPage) {
	i.t.Helper()
	in := or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Cursor: cursor, Limit: 100}
	page, err := i.Pull(context.Background(), in, func(c *or3cloud.Change) error { pks = append(pks, c.PK); return nil })
	if err != nil {
		i.t.Fatal(err)
	}
	return pks, page
}

func (i *instance) push(user, ws string, ops ...int) int64 {
	i.t.Helper()
	var all []or3cloud.Op
	for _, n := range ops {
		all = append(all, threadOp(i.t, n))
	}
	res, err := pushOps(i.Store, user, ws, all...)
	if err != nil {
		i.t.Fatal(err)
	}
	return res.ServerVersion
}

// TestOlderCopyOfTheDatabase guards sync Pitfall 16: a device that was ahead gets what others write after an older copy
// was restored, is not told to start over, and invites that were withdrawn since are not valid.
func TestOlderCopyOfTheDatabase(t *testing.T) {
	i := newInstance(t)
	user, ws := workspaceOf(t, i.Store)
	i.push(user, ws, 1)
	var backup []byte
	i.restart(func() { backup = i.read() })
	cursor := i.push(user, ws, 2, 3, 4)
	i.restart(func() { i.write(backup) })
	if i.DatabaseState().RestoredAt == 0 {
		t.Error("the state does not say that an older copy was put back")
	}
	before := time.Now().UnixMilli()
	version := i.push(user, ws, 5, 6)
	got, page := i.pull(user, ws, cursor)
	if strings.Join(got, " ") != "row5 row6" || page.RequiresSnapshot || page.OldestRetainedVersion != 0 || page.NextCursor != version || version < before {
		t.Errorf("got %v and %+v, version %d", got, page, version)
	}
	// A device that was behind sees everything, and a later start changes nothing.
	i.restart(nil)
	if got, _ := i.pull(user, ws, 0); strings.Join(got, " ") != "row1 row5 row6" {
		t.Errorf("got %v", got)
	}
	if next := i.push(user, ws, 7); next != version+1 {
		t.Errorf("version %d after %d", next, version)
	}
}

// TestCursorsTellAnOlderCopy: a snapshot of a whole file system cannot be detected from inside; the first device that
// is ahead reveals it.
func TestCursorsTellAnOlderCopy(t *testing.T) {
	for name, report := range map[string]func(*instance, string, string, int64){
		"pull": func(i *instance, user, ws string, cursor int64) {
			if got, page := i.pull(user, ws, cursor); len(got) != 0 || page.NextCursor != cursor || page.RequiresSnapshot {
				t.Errorf("got %v and %+v", got, page)
			}
		},
		"cursor": func(i *instance, user, ws string, cursor int64) {
			err := i.UpdateCursor(context.Background(), or3cloud.CursorUpdate{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, DeviceID: "d", Version: cursor})
			if err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := newInstance(t)
			user, ws := workspaceOf(t, i.Store)
			i.push(user, ws, 1)
			i.restart(nil)
			// No device can have seen a version that no clock has reached: the counter stays.
			report(i, user, ws, or3cloud.MaxSafeInteger)
			report(i, user, ws, layout.MaxVersion)
			if version := i.push(user, ws, 2); version != 2 {
				t.Fatalf("version %d", version)
			}
			const cursor = 9
			report(i, user, ws, cursor)
			i.push(user, ws, 3)
			if got, _ := i.pull(user, ws, cursor); strings.Join(got, " ") != "row3" {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestStartsThatAreNotTimeTravel: neither restarts nor killed processes leave gaps.
func TestStartsThatAreNotTimeTravel(t *testing.T) {
	i := newInstance(t)
	user, ws := workspaceOf(t, i.Store)
	for n := 1; n < 6; n++ {
		if version := i.push(user, ws, n); version != int64(n) {
			t.Fatalf("version %d instead of %d", version, n)
		}
		i.restart(nil)
	}
	if i.DatabaseState().RestoredAt != 0 {
		t.Error("a restart was taken for an older copy")
	}
}

// TestForeignLogIsRefused: the write-ahead log of another copy would be copied into the database.
func TestForeignLogIsRefused(t *testing.T) {
	i := newInstance(t)
	user, ws := workspaceOf(t, i.Store)
	i.push(user, ws, 1)
	var backup []byte
	i.restart(func() { backup = i.read() })
	i.push(user, ws, 2)
	log, err := os.ReadFile(i.database() + "-wal")
	if err != nil || len(log) == 0 {
		t.Fatalf("no log: %v", err)
	}
	i.stop()
	i.write(backup)
	if err := os.WriteFile(i.database()+"-wal", log, 0o600); err != nil {
		t.Fatal(err)
	}
	dir, err := datadir.Open(i.path, datadir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	s, err := Open(t.Context(), Options{Path: i.database(), Log: testLog(t), Now: time.Now, Rand: rand.Reader, Stores: dir})
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "-wal") {
		t.Errorf("error %v", err)
	}
}

// TestDamagedHeadersStopTheStart and say what to do.
func TestDamagedHeadersStopTheStart(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"overwritten": func(b []byte) []byte { return append(make([]byte, 100), b[100:]...) },
		"truncated":   func(b []byte) []byte { return b[:len(b)/2] },
		"one byte":    func(b []byte) []byte { return b[:1] },
		"first page":  func(b []byte) []byte { return append(append(b[:100:100], make([]byte, 3996)...), b[4096:]...) },
	} {
		t.Run(name, func(t *testing.T) {
			i := newInstance(t)
			i.stop()
			i.write(damage(i.read()))
			dir, err := datadir.Open(i.path, datadir.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer dir.Close()
			s, err := Open(t.Context(), Options{Path: i.database(), Log: testLog(t), Now: time.Now, Rand: rand.Reader, Stores: dir})
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), "backup") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// noise is a text that compression hardly makes smaller.
func noise(seed, size int) string {
	text := make([]byte, size/2)
	mathrand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(text)
	return hex.EncodeToString(text)
}

// TestDamagedPagesAreReported: a pull that meets one is a 503, and a check names the workspace.
func TestDamagedPagesAreReported(t *testing.T) {
	i := newInstance(t)
	user, ws := workspaceOf(t, i.Store)
	for n := range 60 {
		op := threadOp(t, n)
		op.Payload = []byte(strings.Replace(string(op.Payload), `"id"`, `"title":"`+noise(n, 3000)+`","id"`, 1))
		if _, err := pushOps(i.Store, user, ws, op); err != nil {
			t.Fatal(err)
		}
	}
	i.restart(func() {
		b := i.read()
		for n := len(b) / 4096 * 7 / 10; n < len(b)/4096*9/10; n++ {
			copy(b[n*4096:][:4096], make([]byte, 4000))
		}
		i.write(b)
	})
	in := or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Limit: 1000}
	_, err := i.Pull(context.Background(), in, func(*or3cloud.Change) error { return nil })
	var e *or3cloud.Error
	if !errors.As(err, &e) || e.Code != or3cloud.CodeUnavailable || e.RetryAfter <= 0 {
		t.Errorf("pull: %v", err)
	}
	if s := i.DatabaseState(); s.State != or3cloud.DatabaseDamaged || s.DamagedWorkspaces != 1 {
		t.Errorf("state %+v", s)
	}
	named := false
	for next, damaged := "", false; ; {
		out, err := i.CheckDatabase(context.Background(), or3cloud.DatabaseCheckRequest{After: next, Damaged: damaged})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range out.Faults {
			damaged, named = true, named || f.WorkspaceID == ws
		}
		if next = out.Next; next == "" {
			break
		}
	}
	if !named {
		t.Error("the check did not name the workspace")
	}
}

// TestDamagedBlocksAreReported: a row that SQLite can read but that is not a block is damage of its workspace, and of
// no other.
func TestDamagedBlocksAreReported(t *testing.T) {
	s, _ := openTest(t)
	user, sound := workspaceOf(t, s)
	changed := []string{
		"UPDATE blocks SET text = CAST(substr(text, 1, length(text) / 2) AS BLOB)",
		"UPDATE blocks SET heads = CAST(x'07' || substr(heads, 2) AS BLOB)",
		"UPDATE blocks SET heads = CAST(substr(heads, 1, 9) AS BLOB)",
	}
	workspaces := []string{sound}
	for range changed {
		ws, err := s.CreateWorkspace(t.Context(), user, "more", "")
		if err != nil {
			t.Fatal(err)
		}
		workspaces = append(workspaces, ws)
	}
	for _, ws := range workspaces {
		for n := range 3 {
			op := threadOp(t, n)
			op.Payload = []byte(strings.Replace(string(op.Payload), `"id"`, `"title":"`+strings.Repeat("y ", 1000)+`","id"`, 1))
			if _, err := pushOps(s, user, ws, op); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n, change := range changed {
		num, err := s.Number(t.Context(), workspaces[n+1])
		if err != nil {
			t.Fatal(err)
		}
		change += fmt.Sprintf(" WHERE id = (%d << 43) + 2", num)
		if err := s.engine.Do(t.Context(), func(_ context.Context, t *engine.Tx) error { return t.C.Exec(change) }); err != nil {
			t.Fatal(err)
		}
	}
	for n, ws := range workspaces {
		in := or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Limit: 1000}
		_, err := s.PullText(t.Context(), in, func(*or3cloud.Change) error { return nil }, func([]byte, int) error { return nil })
		_, other := s.Pull(t.Context(), in, func(*or3cloud.Change) error { return nil })
		for _, err := range []error{err, other} {
			if code := or3cloud.CodeOf(err); n == 0 && code != "" || n > 0 && (code != or3cloud.CodeUnavailable || !strings.Contains(err.Error(), "block 2")) {
				t.Errorf("workspace %d: %v", n, err)
			}
		}
		if state := s.DatabaseState(); state.DamagedWorkspaces != n {
			t.Errorf("workspace %d: %+v", n, state)
		}
	}
	out, err := s.CheckDatabase(t.Context(), or3cloud.DatabaseCheckRequest{After: rowsPosition, Damaged: true})
	if err != nil || len(out.Faults) != len(changed) {
		t.Fatalf("%+v, %v", out, err)
	}
	for n, f := range out.Faults {
		if f.WorkspaceID != workspaces[n+1] || !strings.Contains(f.Fault, "block 2") {
			t.Errorf("fault %d is %+v, want one of %s", n, f, workspaces[n+1])
		}
	}
}

func TestStores(t *testing.T) {
	providertest.TestStores(t, func(t *testing.T) providertest.StoreBackend {
		path := filepath.Join(t.TempDir(), "or3-sync.sqlite")
		return providertest.StoreBackend{Place: path, Open: func(stores or3cloud.Stores) (func() error, error) {
			s, err := Open(t.Context(), Options{Path: path, Log: testLog(t), Now: time.Now, Rand: rand.Reader, Stores: stores})
			if err != nil {
				return nil, err
			}
			return s.Close, nil
		}}
	})
}
