//go:build unix

package setup

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestRootWritesForTheOwner checks that files that root sets up in another user's directory belong to that user, so
// that a server can read them.
func TestRootWritesForTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can act as two users")
	}
	const uid, gid = 61234, 61235
	s := in(t, map[string]string{EnvFile: "OTHER=1\n"})
	if err := os.Chown(s.Dir(), uid, gid); err != nil {
		t.Fatal(err)
	}
	apply(t, s, Answers{Values: map[string]string{"OR3_PUBLIC_URL": "https://cloud.example.org", "OR3_DATA_DIR": "deep/data"}})
	for name, want := range map[string]uint32{EnvFile: 0, "deep": uid, "deep/data": uid} {
		info, err := os.Stat(filepath.Join(s.Dir(), name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Uid; got != want {
			t.Errorf("%s belongs to %d, want %d", name, got, want)
		}
	}
	fresh := in(t, nil)
	if err := os.Chown(fresh.Dir(), uid, gid); err != nil {
		t.Fatal(err)
	}
	apply(t, fresh, Answers{Preset: "personal-local"})
	for _, name := range []string{EnvFile, "data"} {
		info, err := os.Stat(filepath.Join(fresh.Dir(), name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Uid; got != uid {
			t.Errorf("%s belongs to %d", name, got)
		}
	}
}
