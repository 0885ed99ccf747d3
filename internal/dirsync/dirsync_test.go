package dirsync

import (
	"errors"
	"os"
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
