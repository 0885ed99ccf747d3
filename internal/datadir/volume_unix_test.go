//go:build unix

package datadir

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const (
	serverUID, serverGID = 61234, 61235
	volumeGroup          = 62000
	otherUID, otherGroup = 61300, 62001
)

// TestStartOnAVolume is a start in a process of the server's user. TestVolumesThatDecideModes runs it. It prints the
// log and the secret.
func TestStartOnAVolume(t *testing.T) {
	path := os.Getenv("DATADIR_TEST_VOLUME")
	if path == "" {
		t.Skip("it is a part of TestVolumesThatDecideModes")
	}
	d, err := Open(path, Options{
		Shared: os.Getenv("DATADIR_TEST_SHARED") != "",
		Log:    slog.New(slog.NewTextHandler(os.Stdout, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, name := range []string{"OR3_A", "OR3_B"} {
		if _, err := d.Secret(name); err != nil {
			t.Fatal(err)
		}
	}
}

// starter returns a function that opens a directory as the server's user, a member of the volume's group.
func starter(t *testing.T) func(path string, shared bool) (string, error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a volume of another user")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := passable(t)
	copied := filepath.Join(dir, "test")
	if err := os.WriteFile(copied, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return func(path string, shared bool) (string, error) {
		c := exec.Command(copied, "-test.run=^TestStartOnAVolume$")
		c.Dir, c.Env = dir, []string{"DATADIR_TEST_VOLUME=" + path}
		if shared {
			c.Env = append(c.Env, "DATADIR_TEST_SHARED=true")
		}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: serverUID, Gid: serverGID, Groups: []uint32{volumeGroup}}}
		out, err := c.CombinedOutput()
		return string(out), err
	}
}

// passable returns a directory that every user can reach.
func passable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// mount does to a volume what the kubelet does for fsGroup at each mount: the group gets every file, with the owner's
// permissions.
func mount(t *testing.T, volume string) {
	t.Helper()
	err := filepath.WalkDir(volume, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		mode := info.Mode() | 0o660
		if e.IsDir() {
			mode |= 0o110 | fs.ModeSetgid
		}
		return errors.Join(os.Lchown(path, -1, volumeGroup), os.Chmod(path, mode))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestVolumesThatDecideModes starts twice on volumes whose root the server does not own, and whose modes are reset
// before each start.
func TestVolumesThatDecideModes(t *testing.T) {
	start := starter(t)
	for name, tc := range map[string]struct {
		root    fs.FileMode // of the volume's root
		below   bool        // the data directory is below it
		prepare func(t *testing.T, data string)
		shared  bool
		fault   string
		warning string
	}{
		"fsGroup":                             {root: 0o700, warning: "the group of the volume"},
		"fsGroup, of a new disk":              {root: 0o755, warning: ""},
		"fsGroup, and the directory is below": {root: 0o755, below: true, warning: "the group of the volume"},
		"emptyDir":                            {root: 0o777, fault: "can be changed by other users (mode 0777)"},
		"emptyDir, and the operator says it is his": {root: 0o777, shared: true, warning: "OR3_SHARED_VOLUME says"},
		"of a former user of the server": {root: 0o700, warning: "the group of the volume", prepare: func(t *testing.T, data string) {
			err := filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
				return errors.Join(err, os.Lchown(path, otherUID, -1))
			})
			if err != nil {
				t.Fatal(err)
			}
		}},
		"a secret for everyone": {root: 0o700, fault: "secrets/OR3_B can be read by other users (mode 0664): run chmod 600", prepare: func(t *testing.T, data string) {
			chmod(t, filepath.Join(data, "secrets/OR3_B"), 0o664)
		}},
		"a secret for everyone, and the operator says it is his": {root: 0o700, shared: true, warning: "the group of the volume", prepare: func(t *testing.T, data string) {
			chmod(t, filepath.Join(data, "secrets/OR3_B"), 0o664)
		}},
		"a secret for another group": {root: 0o700, fault: "secrets/OR3_B can be read by other users (mode 0660)", prepare: func(t *testing.T, data string) {
			if err := os.Chown(filepath.Join(data, "secrets/OR3_B"), -1, otherGroup); err != nil {
				t.Fatal(err)
			}
		}},
		"a foreign file for everyone, where everyone may look": {root: 0o755, fault: "database.sqlite is open to them (mode 0664)", prepare: func(t *testing.T, data string) {
			file := filepath.Join(data, "database.sqlite")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(file, otherUID, volumeGroup); err != nil {
				t.Fatal(err)
			}
			chmod(t, file, 0o664)
		}},
		"an own file for everyone, where everyone may look": {root: 0o755, prepare: func(t *testing.T, data string) {
			chmod(t, filepath.Join(data, "marks.json"), 0o664)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			volume := filepath.Join(passable(t), "volume")
			if err := os.Mkdir(volume, 0o700); err != nil {
				t.Fatal(err)
			}
			chmod(t, volume, tc.root)
			data := volume
			if tc.below {
				data = filepath.Join(volume, "data")
			}
			mount(t, volume)
			if out, err := start(data, tc.shared); tc.prepare == nil && tc.fault != "" {
				checkStart(t, out, err, tc.fault, "")
				return
			} else if err != nil {
				t.Fatalf("the first start: %v\n%s", err, out)
			}
			own := filepath.Join(data, "marks.json")
			if err := errors.Join(os.WriteFile(own, nil, 0o600), os.Chown(own, serverUID, serverGID)); err != nil {
				t.Fatal(err)
			}
			before := secretsOf(t, data)
			mount(t, volume)
			if tc.prepare != nil {
				tc.prepare(t, data)
			}
			out, err := start(data, tc.shared)
			checkStart(t, out, err, tc.fault, tc.warning)
			if after := secretsOf(t, data); after != before {
				t.Error("another secret was generated")
			}
			if tc.fault == "" {
				mount(t, volume)
				out, err := start(data, tc.shared)
				checkStart(t, out, err, "", tc.warning)
			}
		})
	}
}

// checkStart checks the outcome of a start. A refusal must say what to do if nothing can be changed, and there must be
// at most one warning.
func checkStart(t *testing.T, out string, err error, fault, warning string) {
	t.Helper()
	if fault != "" {
		if err == nil || !strings.Contains(out, fault) || !strings.Contains(out, "OR3_SHARED_VOLUME=true") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if n := strings.Count(out, "level=WARN"); !strings.Contains(out, warning) || warning != "" && n != 1 || n > 1 {
		t.Errorf("%d warnings\n%s", n, out)
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func secretsOf(t *testing.T, data string) string {
	t.Helper()
	var all bytes.Buffer
	for _, name := range []string{"OR3_A", "OR3_B"} {
		text, err := os.ReadFile(filepath.Join(data, secretsDir, name))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// TestTheGroupOfTheServerMayReachItsData is the part that needs no second user.
func TestTheGroupOfTheServerMayReachItsData(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	d := open(t, path)
	secret, err := d.Secret("OR3_A")
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	if err := os.Chown(path, -1, os.Getegid()); err != nil { // on some systems files get the group of their directory
		t.Fatal(err)
	}
	file := filepath.Join(path, secretsDir, "OR3_A")
	if err := os.Chown(file, -1, os.Getegid()); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, 0o770|fs.ModeSetgid)
	chmod(t, file, 0o660)
	var log bytes.Buffer
	again, err := Open(path, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got, err := again.Secret("OR3_A"); err != nil || got != secret {
		t.Errorf("%q, %v", got, err)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings\n%s", n, &log)
	}
	if got := mode(t, path); got != 0o770 {
		t.Errorf("the mode of the volume was changed to %04o", got)
	}
}
