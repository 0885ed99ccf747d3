package oserror

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestARefusalIsExplained(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := func(path string, errno syscall.Errno) error {
		return fmt.Errorf("what was being done: %w", &fs.PathError{Op: "openat", Path: path, Err: errno})
	}
	for _, tc := range []struct {
		err  error
		want []string
	}{
		{refused(file, syscall.EACCES), []string{file + ": permission denied"}},
		{Within(dir, refused("file", syscall.EACCES)), []string{file + ": permission denied"}},
		{refused(filepath.Join(dir, "new"), syscall.ENOSPC), []string{filepath.Join(dir, "new"), "full", "df -h " + dir}},
		{refused(filepath.Join(dir, "none/new"), syscall.EROFS), []string{"read-only", "findmnt --target " + dir + " "}},
		{refused(file, syscall.EISDIR), []string{file + " is a directory"}},
		{refused(filepath.Join(file, "below"), syscall.ENOTDIR), []string{file + " is a file"}},
		{refused(filepath.Join(dir, "none"), syscall.ENOENT), []string{"none does not exist"}},
		{refused(file, syscall.ENAMETOOLONG), []string{"too long"}},
		{refused(file, syscall.EMFILE), []string{"LimitNOFILE="}},
		{refused(file, syscall.EIO), []string{"dmesg"}},
		{errors.Join(&os.LinkError{Op: "rename", Old: "x", New: file, Err: syscall.EROFS}, errors.New("another")), []string{file, "read-only"}},
	} {
		got := Explain(tc.err)
		for _, want := range tc.want {
			if !strings.Contains(got.Error(), want) {
				t.Errorf("%v: %q does not say %q", tc.err, got, want)
			}
		}
		if strings.Contains(got.Error(), "openat") || !errors.Is(got, tc.err) {
			t.Errorf("%v became %q", tc.err, got)
		}
		if again := Explain(fmt.Errorf("more: %w", got)); again.Error() != "more: "+got.Error() {
			t.Errorf("explained twice: %q", again)
		}
	}
}

func TestALinkOutOfADirectoryIsExplained(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "secrets")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	_, err = root.Open("secrets/jwt")
	got := Explain(Within(dir, fmt.Errorf("opening: %w", err)))
	if want := filepath.Join(dir, "secrets") + " leads out of " + dir; err == nil || !strings.HasPrefix(got.Error(), want) || !errors.Is(got, err) {
		t.Errorf("%v became %v", err, got)
	}
}

func TestOtherErrorsStayAsTheyAre(t *testing.T) {
	for _, err := range []error{
		errors.New("a fault"), syscall.EACCES, &fs.PathError{Op: "open", Path: "/x", Err: syscall.EINVAL}, Within("/x", errors.New("a fault")),
	} {
		if got := Explain(err); got.Error() != err.Error() {
			t.Errorf("%v became %q", err, got)
		}
	}
	if Within("/x", nil) != nil || Explain(nil) != nil {
		t.Error("an error was made of none")
	}
}
