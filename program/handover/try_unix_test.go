//go:build unix

package handover

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTryingChangesNothing tries addresses, and looks at what is left behind.
func TestTryingChangesNothing(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	alive, err := net.Listen("unix", filepath.Join(dir, "alive"))
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	dead, err := net.Listen("unix", filepath.Join(dir, "dead"))
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		addr, group, fault string
		listens            bool
	}{
		{"127.0.0.1:0", "", "", true},
		{taken.Addr().String(), "", "in use", false},
		{"unix:" + filepath.Join(dir, "new"), "", "", false},
		{"unix:" + filepath.Join(dir, "dead"), "", "", false},
		{"unix:" + filepath.Join(dir, "alive"), "", "in use", false},
		{"unix:" + filepath.Join(dir, "file"), "", "is not a socket", false},
		{"unix:" + filepath.Join(dir, "none", "s"), "", "does not exist", false},
		{"unix:" + filepath.Join(dir, "new"), "no-such-group-here", "no-such-group-here", false},
		{"unix:@abstract", "", "", false},
	} {
		ln, err := Try(Addresses{Main: c.addr, Access: Access{Mode: 0o660, Group: c.group}})
		if (ln != nil) != c.listens || (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, %v", c.addr, ln, err)
		}
		if ln != nil {
			ln.Close()
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("%v, %v", entries, err)
	}
}
