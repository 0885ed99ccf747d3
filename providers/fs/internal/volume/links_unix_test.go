//go:build unix

package volume

import (
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestLinksAreNotFollowed: not out of the root or inside it, not as a file or as a directory.
func TestLinksAreNotFollowed(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	outside := filepath.Join(t.TempDir(), "secret")
	for _, err := range []error{
		os.WriteFile(outside, []byte("secret"), 0o600),
		os.MkdirAll(filepath.Join(dir, "workspaces", "a"), 0o700),
		os.WriteFile(filepath.Join(dir, "workspaces", "a", "file"), []byte("a's"), 0o600),
		os.Symlink(outside, filepath.Join(dir, "workspaces", "a", "out")),
		os.Symlink("file", filepath.Join(dir, "workspaces", "a", "in")),
		os.Symlink("a", filepath.Join(dir, "workspaces", "b")),
		os.Symlink(filepath.Dir(outside), filepath.Join(dir, "workspaces", "c")),
		syscall.Mkfifo(filepath.Join(dir, "workspaces", "a", "fifo"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		"workspaces/a/out", "workspaces/a/in", "workspaces/b/file", "workspaces/c/secret", "workspaces/a/fifo", "workspaces/a",
		"../" + filepath.Base(dir) + "/workspaces/a/file", outside, "/etc/passwd", "workspaces/../../x",
	} {
		if f, err := d.Open(name); err == nil {
			f.Close()
			t.Errorf("opened %s", name)
		}
	}
	for _, name := range []string{"workspaces/b/new", "workspaces/c/new", "workspaces/a/out", "../new"} {
		if f, err := d.Create(name); err == nil {
			f.Close()
			t.Errorf("created %s", name)
		}
		if err := d.Rename("workspaces/a/file", name); err == nil && name != "workspaces/a/out" {
			t.Errorf("renamed to %s", name)
		}
	}
	if err := d.Link("workspaces/a/in", "workspaces/a/again"); err == nil {
		t.Error("linked a link")
	}
	if err := d.Mkdir("workspaces/b"); !errors.Is(err, ErrNotPlain) && !errors.Is(err, iofs.ErrExist) {
		t.Errorf("took a link for a directory: %v", err)
	}
	if b, err := os.ReadFile(outside); err != nil || string(b) != "secret" {
		t.Errorf("the file outside has changed: %q, %v", b, err)
	}
}
