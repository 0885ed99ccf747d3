package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex/faultydisk"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// workspaceOf makes a user and returns the default workspace.
func workspaceOf(t testing.TB, s *Store) (user, ws string) {
	t.Helper()
	user, err := s.GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "u"})
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.GetOrCreateDefaultWorkspace(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	return user, w.ID
}

// threadOp makes a valid op whose id and pk derive from n.
func threadOp(t testing.TB, n int) or3cloud.Op {
	t.Helper()
	pk := fmt.Sprint("row", n)
	op := or3cloud.Op{
		Table: or3cloud.TableThreads, Operation: or3cloud.OpPut, PK: pk,
		Payload: fmt.Appendf(nil, `{"id":%q,"status":"ready","deleted":false,"pinned":false,"created_at":1,"updated_at":1,"clock":1}`, pk),
		Stamp:   or3cloud.Stamp{DeviceID: "d", OpID: fmt.Sprintf("00000000-0000-4000-8000-%012x", n), HLC: "h", Clock: 1},
	}
	if p := syncschema.Check(&op); p != nil {
		t.Fatal(p.Text)
	}
	return op
}

func pushOps(s *Store, user, ws string, ops ...or3cloud.Op) (or3cloud.PushResult, error) {
	return s.Push(context.Background(), or3cloud.PushRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Ops: ops})
}

func count(t testing.TB, s *Store, user, ws string) (n int) {
	t.Helper()
	in := or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Limit: 1000}
	if _, err := s.Pull(context.Background(), in, func(*or3cloud.Change) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDiskFull: pushes answer 503 and leave nothing, reads go on, and writes resume without a restart.
func TestDiskFull(t *testing.T) {
	disk := faultydisk.New(t)
	s, _ := openTest(t, func(o *Options) { o.VFS = disk.Name })
	user, ws := workspaceOf(t, s)
	if _, err := pushOps(s, user, ws, threadOp(t, 1)); err != nil {
		t.Fatal(err)
	}
	full := error(sqlite3.FULL)
	disk.Write.Store(&full)
	_, err := pushOps(s, user, ws, threadOp(t, 2))
	var e *or3cloud.Error
	if !errors.As(err, &e) || e.Code != or3cloud.CodeUnavailable || e.RetryAfter <= 0 {
		t.Fatalf("push on a full disk: %v", err)
	}
	if n := count(t, s, user, ws); n != 1 {
		t.Fatalf("%d records while the disk is full, want 1", n)
	}
	disk.Write.Store(nil)
	res, err := pushOps(s, user, ws, threadOp(t, 2), threadOp(t, 3))
	if err != nil || res.ServerVersion != 3 {
		t.Fatalf("after space returned: %+v, %v", res, err)
	}
}

// TestFailedSyncIsFinal: after a failed fsync nothing more is acknowledged until the database is reopened, which finds
// everything that was acknowledged.
func TestFailedSyncIsFinal(t *testing.T) {
	disk := faultydisk.New(t)
	path := filepath.Join(t.TempDir(), "db.sqlite")
	s, _ := openTest(t, func(o *Options) { o.VFS, o.Path = disk.Name, path })
	user, ws := workspaceOf(t, s)
	if _, err := pushOps(s, user, ws, threadOp(t, 1)); err != nil {
		t.Fatal(err)
	}
	bad := error(sqlite3.IOERR_FSYNC)
	disk.Sync.Store(&bad)
	if _, err := pushOps(s, user, ws, threadOp(t, 2)); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Fatalf("push with a failing fsync: %v", err)
	}
	disk.Sync.Store(nil)
	if _, err := pushOps(s, user, ws, threadOp(t, 3)); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Fatalf("push after a failed fsync: %v; nothing may be acknowledged", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, _ := openTest(t, func(o *Options) { o.Path = path })
	if res, err := pushOps(again, user, ws, threadOp(t, 1)); err != nil || !res.Results[0].Replayed {
		t.Fatalf("an acknowledged op is missing after the restart: %+v, %v", res, err)
	}
	if _, err := pushOps(again, user, ws, threadOp(t, 3)); err != nil {
		t.Fatal(err)
	}
}

// TestOneJobCannotHurtItsGroup: a job that fails or panics is undone alone.
func TestOneJobCannotHurtItsGroup(t *testing.T) {
	s, _ := openTest(t)
	user, ws := workspaceOf(t, s)
	hold, held := make(chan struct{}), make(chan struct{})
	results := make(chan error, 4)
	go func() {
		results <- s.engine.Do(context.Background(), func(context.Context, *engine.Tx) error {
			close(held)
			<-hold
			return nil
		})
	}()
	<-held // the writer is busy: jobs that come now share its transaction
	num, err := s.Number(t.Context(), ws)
	if err != nil {
		t.Fatal(err)
	}
	spoil := func(end func() error) {
		results <- s.engine.Do(context.Background(), func(_ context.Context, tx *engine.Tx) error {
			if err := engine.Run(tx.St.SetCounter, int64(1000), int64(0), num); err != nil {
				return err
			}
			return end()
		})
	}
	go spoil(func() error { return errors.New("spoiled") })
	go spoil(func() error { panic("spoiled") })
	pushed := make(chan error, 1)
	go func() {
		_, err := pushOps(s, user, ws, threadOp(t, 1))
		pushed <- err
	}()
	close(hold)
	failed := 0
	for range 3 {
		if err := <-results; err != nil {
			failed++
		}
	}
	if err := <-pushed; err != nil || failed != 2 {
		t.Fatalf("push: %v; %d jobs failed, want the 2 spoiled ones", err, failed)
	}
	if res, err := pushOps(s, user, ws); err != nil || res.ServerVersion != 1 {
		t.Fatalf("counter %d, %v; a failed job left something behind", res.ServerVersion, err)
	}
}

// TestFirstJobCannotHurtThoseBehind: the job that begins a transaction takes no other one with it when it fails or
// panics.
func TestFirstJobCannotHurtThoseBehind(t *testing.T) {
	for name, end := range map[string]func() error{
		"error": func() error { return errors.New("spoiled") },
		"panic": func() error { panic("spoiled") },
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := openTest(t)
			user, ws := workspaceOf(t, s)
			num, err := s.Number(t.Context(), ws)
			if err != nil {
				t.Fatal(err)
			}
			hold, held, spoiled := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			go func() {
				spoiled <- s.engine.Do(context.Background(), func(_ context.Context, tx *engine.Tx) error {
					close(held)
					<-hold
					if err := engine.Run(tx.St.SetCounter, int64(1000), int64(0), num); err != nil {
						return err
					}
					return end()
				})
			}()
			<-held
			pushed := make(chan error, 1)
			go func() {
				_, err := pushOps(s, user, ws, threadOp(t, 1))
				pushed <- err
			}()
			close(hold)
			if err := <-spoiled; err == nil || !strings.Contains(err.Error(), "spoiled") {
				t.Errorf("the first job: %v", err)
			}
			if err := <-pushed; err != nil {
				t.Errorf("the push behind it: %v", err)
			}
			if res, err := pushOps(s, user, ws); err != nil || res.ServerVersion != 1 {
				t.Errorf("counter %d, %v; the failed job left something behind", res.ServerVersion, err)
			}
		})
	}
}

func TestClosedStore(t *testing.T) {
	s, _ := openTest(t)
	user, ws := workspaceOf(t, s)
	if _, err := pushOps(s, user, ws, threadOp(t, 1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := pushOps(s, user, ws, threadOp(t, 2)); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Fatalf("push after close: %v", err)
	}
	in := or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Limit: 1}
	if _, err := s.Pull(t.Context(), in, func(*or3cloud.Change) error { return nil }); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Fatalf("pull after close: %v", err)
	}
}

// TestCancelledPush: a client that has gone before its turn leaves nothing.
func TestCancelledPush(t *testing.T) {
	s, _ := openTest(t)
	user, ws := workspaceOf(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := or3cloud.PushRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Ops: []or3cloud.Op{threadOp(t, 1)}}
	if _, err := s.Push(ctx, in); !errors.Is(err, context.Canceled) {
		t.Fatalf("push: %v", err)
	}
	if n := count(t, s, user, ws); n != 0 {
		t.Fatalf("%d records", n)
	}
}
