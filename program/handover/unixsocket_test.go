//go:build unix

package handover

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var groupOnly = Access{Mode: 0o660}

// A proxy with another user connects through the group. Neither umask nor order open the socket to anyone else.
//
//walk:follows operations.md [Service] RuntimeDirectory=or3-cloud
func TestModeAndGroupOfTheSocket(t *testing.T) {
	group := os.Getgid()
	if os.Getuid() == 0 {
		group = 65533
	}
	for _, umask := range []int{0, 0o022, 0o077} {
		for _, access := range []Access{groupOnly, {Mode: 0o600}, {Mode: 0o666}, {Mode: 0o660, Group: strconv.Itoa(group)}} {
			path := filepath.Join(t.TempDir(), "s")
			before := unix.Umask(umask)
			ln, err := listen("unix:"+path, access)
			if now := unix.Umask(before); now != umask {
				t.Errorf("the umask is %04o afterwards, before %04o", now, umask)
			}
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(path)
			if err != nil || info.Mode() != access.Mode|fs.ModeSocket {
				t.Errorf("umask %04o, %+v: %v %v", umask, access, info.Mode(), err)
			}
			if gid := info.Sys().(*syscall.Stat_t).Gid; access.Group != "" && int(gid) != group {
				t.Errorf("%+v: group %d", access, gid)
			}
			ln.Close()
			if _, err := os.Lstat(path); err == nil {
				t.Error("the socket is there after its server")
			}
		}
	}
}

func TestASocketThatCannotBeMadeIsExplained(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		path   string
		access Access
		want   string
	}{
		{"s", Access{Mode: 0o660, Group: "no-such-group"}, `OR3_SOCKET_GROUP names the group "no-such-group", which this machine does not have`},
		{"missing/s", groupOnly, "RuntimeDirectory="},
		{strings.Repeat("s", 120), groupOnly, "too long for a socket"},
	} {
		path := filepath.Join(dir, tc.path)
		ln, err := listen("unix:"+path, tc.access)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, %v", tc.path, ln, err)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was left behind", tc.path)
		}
	}
}

// Of several servers that start at a path at once, one gets it, and its clients reach it.
func TestOneServerHasASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close() // as a killed server leaves it
	var wg sync.WaitGroup
	var mu sync.Mutex
	var won []net.Listener
	for range 16 {
		wg.Go(func() {
			ln, err := listen("unix:"+path, groupOnly)
			if err != nil {
				if !strings.Contains(err.Error(), "in use by another program") {
					t.Error(err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			won = append(won, ln)
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d servers have the socket", len(won))
	}
	defer won[0].Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// Anything but the socket of a dead server stays.
func TestOnlyADeadSocketIsRemoved(t *testing.T) {
	dir := t.TempDir()
	busy := filepath.Join(dir, "busy")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: busy}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 8 { // until the queue is full, and the next one is not answered
		if conn, err := net.DialTimeout("unix", busy, dialPatience); err == nil {
			defer conn.Close()
		}
	}
	target := filepath.Join(dir, "file")
	if err := os.WriteFile(target, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"busy": "in use", "file": "is not a socket", "link": "is not a socket", "directory": "is not a socket"} {
		path := filepath.Join(dir, name)
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if ln, err := listen("unix:"+path, groupOnly); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", name, ln, err)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || before.Mode() != after.Mode() {
			t.Errorf("%s was touched", name)
		}
	}
	if text, err := os.ReadFile(target); string(text) != "kept" {
		t.Errorf("%q, %v", text, err)
	}
}

// A server whose file was removed by hand leaves that of its successor alone when it ends.
func TestAServerRemovesItsOwnSocketOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first, err := listen("unix:"+path, groupOnly)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".old"); err != nil { // keeps the inode number of the file taken
		t.Fatal(err)
	}
	second, err := listen("unix:"+path, groupOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	first.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
