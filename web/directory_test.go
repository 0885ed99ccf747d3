//go:build !noweb

package web

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDirectoryFollowsItsPath(t *testing.T) {
	base := t.TempDir()
	release := func(name string) string {
		dir := client(t, map[string]string{"index.html": name, "_nuxt/" + name + ".js": name})
		path := filepath.Join(base, name)
		if err := os.Rename(dir, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := func(target string) {
		t.Helper()
		next := filepath.Join(base, "next")
		if err := os.Symlink(target, next); err != nil {
			t.Skip("no symbolic links here:", err)
		}
		if err := os.Rename(next, filepath.Join(base, "current")); err != nil {
			t.Fatal(err)
		}
	}
	one, two := release("one"), release("two")
	link("one")
	d, err := newDirectory(inCloud(t, filepath.Join(base, "current")))
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, get(d, "/", true)); got != "one" {
		t.Errorf("at first: %q", got)
	}
	link("two")
	if got := body(t, get(d, "/", true)); got != "two" {
		t.Errorf("after the swap: %q", got)
	}
	if err := os.RemoveAll(one); err != nil {
		t.Fatal(err)
	}
	if res := get(d, "/_nuxt/two.js", false); res.StatusCode != 200 {
		t.Errorf("a file of the new release: %d", res.StatusCode)
	}
	// A directory with the same name is another one, too.
	if err := os.Rename(two, filepath.Join(base, "old")); err != nil {
		t.Fatal(err)
	}
	if got := body(t, get(d, "/", true)); got != "two" {
		t.Errorf("while there is none: %q", got)
	}
	three := release("three")
	if err := os.Rename(three, two); err != nil {
		t.Fatal(err)
	}
	if got := body(t, get(d, "/", true)); got != "three" {
		t.Errorf("after the rename: %q", got)
	}
	// What holds no client is not switched to.
	if err := os.Mkdir(filepath.Join(base, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	link("empty")
	if got := body(t, get(d, "/", true)); got != "three" {
		t.Errorf("with an empty directory: %q", got)
	}
}
