package handover

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// asStranger runs what as a user who is neither root nor the owner of anything, if we are root.
func asStranger(t *testing.T, what func()) {
	t.Helper()
	if os.Getuid() == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := unix.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer unix.Setfsuid(0)
	}
	what()
}

func TestAGroupOfOthersIsExplained(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := listen("unix:"+path, groupOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	asStranger(t, func() { err = Access{Mode: 0o660, Group: "1"}.give(path) })
	if err == nil || !strings.Contains(err.Error(), "not in it") || !strings.Contains(err.Error(), "SupplementaryGroups=1") {
		t.Error(err)
	}
}

// A living server of another user cannot be contacted to find out.
func TestASocketOfAnotherUserIsNotDead(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("takes root, who can be two users")
	}
	path := filepath.Join(t.TempDir(), "s")
	ln, err := listen("unix:"+path, Access{Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	asStranger(t, func() { err = removeDeadSocket(path) })
	if _, gone := os.Lstat(path); err == nil || gone != nil {
		t.Errorf("%v, %v", err, gone)
	}
}

// An abstract socket has no file; the message about a taken one is the same.
func TestAnAbstractSocketInUseIsExplained(t *testing.T) {
	path := "@" + filepath.Join(t.TempDir(), "s")
	ln, err := listen("unix:"+path, Access{Mode: 0o660})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if _, err := listen("unix:"+path, Access{Mode: 0o660}); err == nil || !strings.Contains(err.Error(), path+" is in use") {
		t.Error(err)
	}
}
