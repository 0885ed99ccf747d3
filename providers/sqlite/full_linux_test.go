package sqlite

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/diskspace"
)

// TestRealFullDisk fills a small file system to the last byte, without and with a watch on it: reads go on, pushes are
// answered with 503, writes resume when there is space, and nothing that was acknowledged is lost.
func TestRealFullDisk(t *testing.T) {
	for _, watched := range []bool{false, true} {
		name := map[bool]string{false: "unwatched", true: "watched"}[watched]
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=32m"); err != nil {
				t.Skipf("mounting a file system of 32 MiB is not permitted here: %v", err)
			}
			t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
			monitor := diskspace.New(diskspace.Options{Log: slog.New(slog.DiscardHandler)})
			path := filepath.Join(dir, "db.sqlite")
			s, _ := openTest(t, func(o *Options) {
				o.Path = path
				o.Fatal = func(err error) { t.Errorf("a full disk was called fatal: %v", err) }
				if watched {
					o.Full = monitor.WatchWithReserve(dir).Full
				}
			})
			user, ws := workspaceOf(t, s)
			acknowledged := 0
			push := func() error {
				_, err := pushOps(s, user, ws, threadOp(t, acknowledged+1))
				if err == nil {
					acknowledged++
				}
				return err
			}
			for range 10 {
				if err := push(); err != nil {
					t.Fatal(err)
				}
			}
			filler := filepath.Join(dir, "filler")
			f, err := os.Create(filler)
			if err != nil {
				t.Fatal(err)
			}
			for block := make([]byte, 4096); err == nil; {
				_, err = f.Write(block)
			}
			f.Close()
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			monitor.Check()
			for err = nil; err == nil && acknowledged < 5000; { // space that is already allocated may still be written
				err = push()
			}
			var e *or3cloud.Error
			if !errors.As(err, &e) || e.Code != or3cloud.CodeUnavailable || e.RetryAfter <= 0 {
				t.Fatalf("push %d on a full disk: %v", acknowledged, err)
			}
			if watched && acknowledged != 10 {
				t.Errorf("%d pushes were let through below the late mark", acknowledged-10)
			}
			in := or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Limit: 5001}
			read := 0
			if _, err := s.Pull(t.Context(), in, func(*or3cloud.Change) error { read++; return nil }); err != nil || read != acknowledged {
				t.Errorf("%d records can be read, want %d: %v", read, acknowledged, err)
			}
			if watched { // the reserve was released, and the log can use it
				if err := s.engine.Outside(t.Context(), "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
					t.Errorf("checkpoint: %v", err)
				}
			}
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			monitor.Check()
			if err := push(); err != nil {
				t.Fatalf("after space returned: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again, _ := openTest(t, func(o *Options) { o.Path = path })
			read = 0
			if _, err := again.Pull(t.Context(), in, func(*or3cloud.Change) error { read++; return nil }); err != nil || read != acknowledged {
				t.Errorf("%d records after a new start, want %d: %v", read, acknowledged, err)
			}
			if err := again.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
