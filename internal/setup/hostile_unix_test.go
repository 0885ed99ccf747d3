//go:build unix

package setup

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"or3.chat/cloud/internal/patience"
)

// A pipe would never be read to its end, a device would be lost, and a dangling link would become a file.
func TestForeignFilesAreLeftAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(path string) error
		says string
	}{
		{"a pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }, "not a regular file"},
		{"a link to a pipe", func(path string) error {
			return errors.Join(syscall.Mkfifo(path+".pipe", 0o600), os.Symlink(path+".pipe", path))
		}, "not a regular file"},
		{"a socket", func(path string) error {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			return errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Close(fd))
		}, "not a regular file"},
		{"a link to nothing", func(path string) error { return os.Symlink(path+".gone", path) }, "does not exist"},
		{"a directory", func(path string) error { return os.Mkdir(path, 0o700) }, "directory"},
	} {
		for _, name := range []string{EnvFile, "Caddyfile"} {
			t.Run(c.name+" "+name, func(t *testing.T) {
				dir, err := os.MkdirTemp("", "s") // short enough for a socket
				if err != nil {
					t.Fatal(err)
				}
				defer os.RemoveAll(dir)
				path := filepath.Join(dir, name)
				if err := c.make(path); err != nil {
					t.Skip(err)
				}
				before, err := os.Lstat(path)
				if err != nil {
					t.Fatal(err)
				}
				failed := make(chan error, 1)
				go func() {
					s, err := Open(Options{Dir: dir, Registry: registry(t), Rand: rand.Reader})
					if err == nil {
						_, _, err = s.Plan(Answers{Values: public, Files: []string{"caddy"}})
					}
					failed <- err
				}()
				if err := patience.Receive(t, "an answer", failed); err == nil || !strings.Contains(err.Error(), c.says) {
					t.Error(err)
				}
				if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
					t.Error("it is another one", err)
				}
			})
		}
	}
}

// TestOfSeveralSetUpsOneWrites checks that the others report that they wrote nothing, so that no one relies on keys
// that are in no file.
func TestOfSeveralSetUpsOneWrites(t *testing.T) {
	s := in(t, map[string]string{EnvFile: "OTHER=1\n"})
	const many = 8
	plans := make([]Plan, many)
	for i := range plans {
		plans[i] = plan(t, s, Answers{Preset: Recommended, Values: public})
	}
	written := make([]bool, many)
	var all sync.WaitGroup
	for i := range plans {
		all.Go(func() { written[i] = s.Apply(plans[i]) == nil })
	}
	all.Wait()
	text := tree(t, s.Dir())[EnvFile]
	for i := range plans {
		if is := text == string(plans[i].Files[0].Text()); is != written[i] {
			t.Errorf("set-up %d says that it has written: %v; its keys are there: %v", i, written[i], is)
		}
	}
	if !slices.Contains(written, true) {
		t.Error("none has written")
	}
	// Two that run one after the other, the second with an outdated plan.
	unlock, err := s.lock()
	if err != nil {
		t.Fatal(err)
	}
	again := reopen(t, s.Dir())
	next := plan(t, again, Answers{Preset: "local-only"})
	if err := again.Apply(next); err == nil {
		t.Error("written although another one is at it")
	}
	unlock()
	if err := again.Apply(next); err != nil {
		t.Error(err)
	}
}

// The leftovers contain keys.
func TestWhatAKilledSetUpLeavesIsRemoved(t *testing.T) {
	s := in(t, map[string]string{EnvFile: "OTHER=1\n"})
	p := plan(t, s, Answers{Preset: Recommended, Values: public, Files: []string{"systemd"}})
	before := tree(t, s.Dir())
	for _, f := range p.Files { // a process killed before the first rename
		if _, err := stage(s.path(f.Path), f); err != nil {
			t.Fatal(err)
		}
	}
	if left := tree(t, s.Dir()); len(left) == len(before) {
		t.Fatal("nothing is left")
	}
	_, files := apply(t, reopen(t, s.Dir()), Answers{Preset: Recommended, Values: public, Files: []string{"systemd"}})
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{EnvFile, "or3-cloud.service"}, names); diff != "" {
		t.Errorf("-want +left\n%s", diff)
	}
}

// TestAPlaceWhereAllUsersCanWriteIsRefused checks this because a start would refuse the files there.
func TestAPlaceWhereAllUsersCanWriteIsRefused(t *testing.T) {
	for _, c := range []struct {
		mode    fs.FileMode
		environ []string
		refused bool
	}{
		{0o777, nil, true}, {0o777, []string{"OR3_SHARED_VOLUME=true"}, false}, {0o777 | fs.ModeSticky, nil, false}, {0o755, nil, false},
	} {
		s := in(t, nil)
		s.environ = map[string]string{}
		for _, kv := range c.environ {
			name, text, _ := strings.Cut(kv, "=")
			s.environ[name] = text
		}
		if err := os.Chmod(s.Dir(), c.mode); err != nil {
			t.Fatal(err)
		}
		_, problems, err := s.Plan(Answers{Values: public})
		if err != nil || (len(problems) == 1 && problems[0].Fix != "") != c.refused {
			t.Errorf("%v %v: %+v %v", c.mode, c.environ, problems, err)
		}
	}
}

// TestRootFollowsNoLinkOfAnotherUser checks that root does not write through a user's link to a file that is not
// theirs, and does not replace a file for a user who may not.
func TestRootFollowsNoLinkOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can act as two users")
	}
	const uid = 61234
	for _, c := range []struct {
		link, target int
		refused      bool
	}{{uid, 0, true}, {uid, uid + 1, true}, {uid, uid, false}, {0, 0, false}, {0, uid, false}} {
		dir, file := t.TempDir(), filepath.Join(t.TempDir(), "secrets")
		path := filepath.Join(dir, EnvFile)
		if err := errors.Join(os.WriteFile(file, []byte("A=1\n"), 0o600), os.Chown(file, c.target, 0), os.Symlink(file, path), os.Lchown(path, c.link, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Options{Dir: dir, Registry: registry(t)}); (err != nil) != c.refused {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
