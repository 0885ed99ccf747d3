package fs

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"or3.chat/cloud/providers/fs/internal/volume"
)

func mustDisk(t *testing.T) (volume.Disk, string) {
	t.Helper()
	dir := t.TempDir()
	d, err := volume.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, dir
}

func TestWriteAtomicKeepsTheOldContentWhenItFails(t *testing.T) {
	for _, failing := range []string{"create", "write", "sync", "rename"} {
		inner, dir := mustDisk(t)
		d := &faultDisk{Disk: inner}
		if err := volume.WriteAtomic(d, "file", "file.tmp-1", []byte("old")); err != nil {
			t.Fatal(err)
		}
		d.fault = func(op, _ string) error {
			if op == failing {
				return syscall.ENOSPC
			}
			return nil
		}
		if err := volume.WriteAtomic(d, "file", "file.tmp-2", []byte("new")); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", failing, err)
		}
		entries, _ := os.ReadDir(dir)
		if b, _ := os.ReadFile(filepath.Join(dir, "file")); string(b) != "old" || len(entries) != 1 {
			t.Errorf("%s: %q, %v", failing, b, entries)
		}
	}
}

// TestWithoutHardLinks: on such a file system a blob is copied out of the trash.
func TestWithoutHardLinks(t *testing.T) {
	for _, fault := range []error{syscall.EPERM, syscall.EOPNOTSUPP, syscall.EMLINK} {
		r := newRig(t)
		r.store("content")
		r.clock.Advance(aged)
		r.mustGC()
		r.disk.fault = func(op, _ string) error {
			if op == "link" {
				return &os.LinkError{Op: "link", Err: fault}
			}
			return nil
		}
		if err := r.presignDownload("content"); err != nil {
			t.Fatalf("%v: %v", fault, err)
		}
		if rec := r.record("content"); rec.TrashedAt != nil {
			t.Errorf("%v: still in the trash", fault)
		}
		r.refs.Add("ws", hashOf("content"))
		for range 3 {
			r.mustGC()
			r.clock.Advance(aged)
		}
		if rec := r.get(downloadClaims(r, "content")); rec.Code != 200 || rec.Body.String() != "content" || len(r.files()) != 3 {
			t.Errorf("%v: %d, files %v", fault, rec.Code, r.files())
		}
	}
}
