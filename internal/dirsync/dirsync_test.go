package dirsync

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

func TestOnlyWhatCannotBeDoneIsTolerated(t *testing.T) {
	for err, fault := range map[error]bool{
		nil: false, syscall.EINVAL: false, syscall.ENOTSUP: false, syscall.ENOSYS: false,
		syscall.EIO: true, syscall.ENOSPC: true, syscall.EDQUOT: true, os.ErrPermission: true,
	} {
		got := tolerate(&os.PathError{Op: "sync", Path: "d", Err: err})
		if err == nil {
			got = tolerate(nil)
		}
		if (got != nil) != fault || fault && !errors.Is(got, err) {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestARealDirectoryIsFlushed(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := Sync(dir); err != nil {
		t.Error(err)
	}
}

// A file is replaced as a whole, whatever a killed process has left behind, and no link redirects the bytes.
func TestFilesAreReplaced(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(dir, "elsewhere")
	if err := os.WriteFile(elsewhere, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, text := range []string{"first", "second"} {
		if err := os.Symlink("elsewhere", filepath.Join(dir, "file.new")); err != nil && runtime.GOOS != "windows" {
			t.Fatal(err)
		}
		if err := Replace(root, "file", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := root.ReadFile("file"); err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
	}
	info, err := root.Lstat("file")
	if err != nil || !info.Mode().IsRegular() || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if got, err := os.ReadFile(elsewhere); err != nil || string(got) != "kept" {
		t.Errorf("%q, %v", got, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("%v, %v", left, err)
	}
}
