//go:build unix

package program

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"or3.chat/cloud/docs"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/internal/sqlitex"
)

// unprivileged is the user that runs the program when the tests run as root, whom permissions do not stop.
const unprivileged = 65534

// station is a directory in which an unprivileged user can run the program, with a data directory that a server has
// used.
type station struct {
	t       *testing.T
	dir     string
	program string
}

func newStation(t *testing.T) station {
	t.Helper()
	dir := t.TempDir()
	s := station{t: t, dir: dir, program: filepath.Join(dir, "or3-cloud")}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.must(os.Chmod(filepath.Dir(dir), 0o755))
	s.must(os.Chmod(dir, 0o755))
	if os.Link(self, s.program) != nil {
		copyFile(t, self, s.program, 0o755)
	}
	s.must(os.Mkdir(filepath.Join(dir, "used"), 0o755))
	s.give(filepath.Join(dir, "used"))
	server := s.command("used", nil, "serve", "--addr", "unix:s")
	s.must(server.Start())
	if _, _, err := patience.Request(filepath.Join(dir, "used/s"), "GET", "/"); err != nil {
		t.Fatal(err)
	}
	patience.Until(t, "the server has noted that the directory is the original", func() bool {
		_, err := os.Stat(filepath.Join(dir, "used/data/marks/directory.json"))
		return err == nil
	})
	s.must(server.Process.Signal(os.Interrupt))
	s.must(server.Wait())
	return s
}

func (s station) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// give gives everything below a path to the unprivileged user.
func (s station) give(path string) {
	s.t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	s.must(filepath.WalkDir(path, func(name string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(name, unprivileged, unprivileged)
	}))
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, mode)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// copyTree copies files and directories with their permissions.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		switch target := filepath.Join(to, rel); {
		case err != nil:
			return err
		case e.IsDir():
			return os.Mkdir(target, info.Mode().Perm())
		case info.Mode().IsRegular():
			copyFile(t, name, target, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// command is the program in a directory of the station, as an unprivileged user and with only env set.
func (s station) command(dir string, env []string, args ...string) *exec.Cmd {
	c := exec.Command(s.program, args...)
	c.Dir = filepath.Join(s.dir, dir)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "OR3_LOG_FORMAT=text"}, env...)
	if os.Geteuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: unprivileged, Gid: unprivileged}}
	}
	return c
}

// refusal is a state in which the program cannot start, and what it must say.
type refusal struct {
	name string
	// breaks creates the state in a directory that has a used data directory. It may return a function that undoes it.
	breaks func(t *testing.T, dir string) (undo func())
	env    []string
	args   []string // those of a start if nil
	code   int      // 1 if 0
	// file is the file that is named: below the directory, or as it is if it begins with "=".
	file        string
	reason, fix string
}

// TestRefusedStartsNameFileReasonAndFix breaks what a start needs, one thing at a time, and reads what the real program
// says.
func TestRefusedStartsNameFileReasonAndFix(t *testing.T) {
	s := newStation(t)
	shut := func(name string) func(*testing.T, string) func() {
		return func(t *testing.T, dir string) func() {
			path := filepath.Join(dir, name)
			if err := os.Chmod(path, 0); err != nil {
				t.Fatal(err)
			}
			return func() { _ = os.Chmod(path, 0o700) }
		}
	}
	readOnly := func(name string) func(*testing.T, string) func() {
		return func(t *testing.T, dir string) func() {
			path := filepath.Join(dir, name)
			if err := os.Chmod(path, 0o500); err != nil {
				t.Fatal(err)
			}
			return func() { _ = os.Chmod(path, 0o700) }
		}
	}
	replace := func(name, content string) func(*testing.T, string) func() {
		return func(t *testing.T, dir string) func() {
			path := filepath.Join(dir, name)
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			return nil
		}
	}
	remove := func(name string) func(*testing.T, string) func() {
		return func(t *testing.T, dir string) func() {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			return nil
		}
	}
	directory := func(name string) func(*testing.T, string) func() {
		return func(t *testing.T, dir string) func() {
			remove(name)(t, dir)
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
			return nil
		}
	}
	newer := func(name string) func(*testing.T, string) func() {
		return func(t *testing.T, dir string) func() {
			db, err := sqlitex.Open(t.Context(), sqlitex.Options{
				Path:       filepath.Join(dir, name),
				Migrations: fstest.MapFS{"99999_newer.sql": {Data: []byte("-- +goose Up\nCREATE TABLE newer (a);\n")}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			return nil
		}
	}
	overwritten := func(name string) func(*testing.T, string) func() {
		return func(t *testing.T, dir string) func() {
			f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(make([]byte, 6*4096), 4096); err != nil {
				t.Fatal(err)
			}
			return nil
		}
	}
	const (
		sync, accounts = "data/or3-sync.sqlite", "data/basic-auth.sqlite"
		ours           = "Run: chmod u+rwX "
		backup         = "Restore it from a backup"
		jwt            = "data/secrets/OR3_BASIC_AUTH_JWT_SECRET"
	)
	cases := []refusal{
		{name: "data directory of another user", breaks: shut("data"), file: "data", reason: "permission denied", fix: ours},
		{name: "data directory that cannot be written", breaks: readOnly("data"), file: "data", reason: "permission denied", fix: ours},
		{name: "data directory is a file", breaks: replace("data", ""), file: "data", reason: "is a file, where a directory belongs", fix: "name another path"},
		{name: "data directory below a file", args: []string{"serve", "--addr", "unix:s", "--data", "file/data"}, breaks: replace("file", ""),
			file: "file", reason: "is a file, where a directory belongs", fix: "name another path"},
		{name: "no lock", breaks: shut("data/lock"), file: "data/lock", reason: "permission denied", fix: ours},
		{name: "lock is a directory", breaks: directory("data/lock"), file: "data/lock", reason: "is a directory, where a file belongs", fix: "Move it away"},
		{name: "identity unreadable", breaks: shut("data/identity.json"), file: "data/identity.json", reason: "permission denied", fix: ours},
		{name: "identity damaged", breaks: replace("data/identity.json", "{"), file: "data/identity.json", reason: "is damaged", fix: "restore it from a backup"},
		{name: "identity missing", breaks: remove("data/identity.json"), file: "data", reason: "it has no identity.json", fix: "or3-cloud adopt all --data"},
		{name: "directory of secrets unreadable", breaks: shut("data/secrets"), file: jwt, reason: "permission denied", fix: ours},
		{name: "secret unreadable", breaks: shut(jwt), file: jwt, reason: "permission denied", fix: ours},
		{name: "secret empty", breaks: replace(jwt, ""), file: jwt, reason: "is empty", fix: "restore it from a backup"},
		{name: "secrets elsewhere", breaks: func(t *testing.T, dir string) func() {
			secrets := filepath.Join(dir, "data/secrets")
			if err := os.Rename(secrets, filepath.Join(dir, "elsewhere")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("../elsewhere", secrets); err != nil {
				t.Fatal(err)
			}
			return nil
		}, file: "data/secrets", reason: "by a symbolic link", fix: "Put the files themselves there"},
		{name: "marks unreadable", breaks: shut("data/marks"), file: "data/marks", reason: "permission denied", fix: ours},
		{name: "files unreadable", breaks: shut("data/blobs"), file: "data/blobs", reason: "permission denied", fix: ours},
		{name: "files cannot be written", breaks: readOnly("data/blobs/workspaces"), file: "data/blobs/workspaces", reason: "permission denied", fix: ours},
		{name: "directory of files is a file", breaks: replace("data/blobs", ""), file: "data/blobs", reason: "is a file, where a directory belongs", fix: "Move it away"},
		{name: "files missing", breaks: remove("data/blobs"), file: "data/blobs", reason: "is missing", fix: "or3-cloud adopt blobs --data"},
		{name: "web directory missing", args: []string{"serve", "--addr", "unix:s", "--web", "nowhere"},
			file: "nowhere", reason: "--web: ", fix: "does not exist. Create it, or name another path"},
		{name: "web directory without a client", args: []string{"serve", "--addr", "unix:s", "--web", "client"}, breaks: directory("client"),
			file: "=client", reason: "has no index.html", fix: "give the directory that the client's build wrote"},
		{name: "web directory is a file", args: []string{"serve", "--addr", "unix:s", "--web", "client"}, breaks: replace("client", ""),
			file: "=client", reason: "is a file", fix: "give the directory that the client's build wrote"},
		{name: "web directory unreadable", args: []string{"serve", "--addr", "unix:s", "--web", "data/blobs"}, breaks: shut("data/blobs"),
			file: "data/blobs", reason: "permission denied", fix: ours},
		{name: "no such address", args: []string{"serve", "--addr", "192.0.2.1:3000"},
			file: "=192.0.2.1:3000", reason: "this machine has no address 192.0.2.1", fix: "choose one that it has with --addr or OR3_ADDR"},
		{name: "socket in a directory that does not exist", args: []string{"serve", "--addr", "unix:" + s.dir + "/none/s"},
			file: "=none", reason: "of the socket does not exist", fix: "RuntimeDirectory="},
		{name: "socket with a long path", args: []string{"serve", "--addr", "unix:" + s.dir + "/" + strings.Repeat("x", 120)},
			file: "=" + strings.Repeat("x", 120), reason: "is too long for a socket, which may have 103 bytes", fix: "choose another one with --addr or OR3_ADDR"},
		{name: "socket in a directory of others", args: []string{"serve", "--addr", "unix:closed/s"}, breaks: func(t *testing.T, dir string) func() {
			directory("closed")(t, dir)
			return readOnly("closed")(t, dir)
		}, file: "=closed", reason: "the server's user may not create a socket in", fix: "give it the directory"},
		{name: ".env unreadable", breaks: func(t *testing.T, dir string) func() {
			replace(".env", "OR3_ADDR=unix:other\n")(t, dir)
			return shut(".env")(t, dir)
		}, file: "=.env", reason: "cannot be read: permission denied", fix: "name another one with --env-file"},
		{name: ".env is a directory", breaks: directory(".env"), file: "=.env", reason: "it is a directory", fix: "name another one with --env-file"},
		{name: "env file missing", args: []string{"serve", "--env-file", "nowhere.env"},
			file: "=nowhere.env", reason: "cannot be read", fix: "Give the path of a readable file"},
		{name: "secret file missing", env: []string{"OR3_BASIC_AUTH_JWT_SECRET_FILE=nowhere"},
			file: "=nowhere", reason: "cannot be read", fix: "Name a readable file"},
		{name: "breach file missing", env: []string{"OR3_BASIC_AUTH_BREACH_FILE=/nowhere"},
			file: "=/nowhere", reason: "OR3_BASIC_AUTH_BREACH_FILE: ", fix: "does not exist. Create it, or name another path"},
		{name: "breach file of another kind", env: []string{"OR3_BASIC_AUTH_BREACH_FILE=words"}, breaks: replace("words", strings.Repeat("password\n", 10)),
			file: "=words", reason: "is not a sorted list of SHA-1 digests", fix: "name the file that is ordered by hash"},
		{name: "mail server that is none", env: []string{"OR3_SMTP_URL=http://user:hunter2@mail.example.org"},
			file: "=OR3_SMTP_URL", reason: "begins neither with", fix: "Use smtp://"},
		{name: "public address that is none", env: []string{"OR3_PUBLIC_URL=https://user:hunter2@cloud.example.org/x"},
			file: "=OR3_PUBLIC_URL", reason: "is not an origin", fix: "for example https://cloud.example.org"},
		{name: "unknown flag", args: []string{"serve", "--adr", "x"}, code: 2, file: "=--adr", reason: "unknown flag", fix: "Did you mean --addr?"},
		{name: "unknown command", args: []string{"srve"}, code: 2, file: `="srve"`, reason: "is not a command", fix: "Did you mean serve?"},
		{name: "flag of another kind", args: []string{"gc", "--dry-run=perhaps"}, code: 2, file: `="perhaps"`, reason: "--dry-run takes true or false", fix: "gc --help"},
		{name: "workspace without a name", args: []string{"gc", "--workspace", ""}, code: 2, file: "=--workspace", reason: "names no workspace", fix: "leave it out"},
		{name: "invite to no workspace", args: []string{"user", "invite", "bob@example.org", "--workspace", ""}, code: 2,
			file: "=--workspace", reason: "names no workspace", fix: "leave it out"},
		{name: "message to no workspace", args: []string{"workspace", "notify", "", "title", "text"}, code: 2,
			file: "=WORKSPACE", reason: "names no workspace", fix: "or3-cloud workspace list"},
		{name: "members of no workspace", args: []string{"workspace", "members", "remove", "", "bob@example.org"}, code: 2,
			file: "=WORKSPACE", reason: "names no workspace", fix: "or3-cloud workspace list"},
		{name: "number that is none", args: []string{"fsck", "--rate", "fast"}, code: 2, file: `="fast"`, reason: "--rate takes a whole number", fix: "fsck --help"},
		{name: "adopt without a data directory", args: []string{"adopt", "sync", "--data", "nowhere"},
			file: "nowhere", reason: "there is no data directory", fix: "name another directory with --data"},
	}
	for _, db := range []string{sync, accounts} {
		cases = append(cases,
			refusal{name: db + " is not a database", breaks: replace(db, strings.Repeat("no database", 1000)), file: db, reason: "the file is not a database", fix: backup},
			refusal{name: db + " is empty", breaks: replace(db, ""), file: db, reason: "is empty", fix: backup},
			refusal{name: db + " is missing", breaks: remove(db), file: db, reason: "is missing", fix: backup},
			refusal{name: db + " is unreadable", breaks: shut(db), file: db, reason: "permission denied", fix: ours},
			refusal{name: db + " is a directory", breaks: directory(db), file: db, reason: "is a directory, where a file belongs", fix: "Move it away"},
			refusal{name: db + " is damaged", breaks: overwritten(db), file: db, reason: "is damaged: ", fix: backup},
			refusal{name: db + " is of a newer version", breaks: newer(db), file: db, reason: "was written by a newer version", fix: "install that version again"},
		)
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) { s.refuse(t, tc) })
	}
}

// refuse runs one case and checks what every refusal has in common.
func (s station) refuse(t *testing.T, tc refusal) {
	t.Helper()
	dir := filepath.Join(s.dir, regexp.MustCompile(`[^a-z]+`).ReplaceAllString(tc.name, "-")) // a path that a message may show
	copyTree(t, filepath.Join(s.dir, "used"), dir)
	if tc.breaks != nil {
		if undo := tc.breaks(t, dir); undo != nil {
			defer undo()
		}
	}
	s.give(dir)
	args := tc.args
	if args == nil {
		args = []string{"serve", "--addr", "unix:s"}
	}
	rel, err := filepath.Rel(s.dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	s.runRefused(t, s.command(rel, tc.env, args...), dir, tc)
}

// jargon is what no operator should have to read.
var jargon = regexp.MustCompile(`goroutine|\.go:\d|(^|[:;] )(openat|open|stat|statat|mkdir|mkdirat|bind|remove|listen (tcp|unix)|strconv\.\w+|sqlite3|goose)\b[^;,]*: `)

func (s station) runRefused(t *testing.T, c *exec.Cmd, dir string, tc refusal) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer context.AfterFunc(ctx, func() { _ = c.Process.Kill() })()
	_ = c.Wait()
	if want := max(tc.code, 1); c.ProcessState.ExitCode() != want {
		t.Errorf("the exit code is %d, want %d", c.ProcessState.ExitCode(), want)
	}
	message, report := "", strings.Contains(stderr.String(), "so nothing was started:")
	lines := 0
	for line := range strings.Lines(stderr.String()) {
		if strings.HasPrefix(line, "time=") {
			if !strings.Contains(line, "level=WARN") {
				t.Errorf("a line of a server that runs: %s", line)
			}
			continue
		}
		message += line
		lines++
	}
	if !report && lines > 1 && !(tc.code == 2 && lines == 2 && strings.Contains(message, "\nTry: ")) {
		t.Errorf("the message has %d lines", lines)
	}
	file, whole := strings.CutPrefix(tc.file, "=")
	if !whole {
		file = filepath.Join(dir, file)
	}
	for _, want := range []string{file, tc.reason, tc.fix} {
		if !strings.Contains(message, want) {
			t.Errorf("%q is not said", want)
		}
	}
	withoutPaths := strings.ReplaceAll(message, dir, "")
	if found := jargon.FindString(withoutPaths); found != "" {
		t.Errorf("jargon: %q", found)
	}
	if strings.Contains(message, "hunter2") || strings.Contains(stdout.String(), "http") {
		t.Errorf("a secret or a link is shown: %s%s", message, stdout.String())
	}
	if starts := len(c.Args) > 1 && c.Args[1] == "serve"; starts && tc.reason != "unknown flag" && !explained(t, message) {
		t.Error("docs/troubleshooting.md has no such message")
	}
	if t.Failed() {
		t.Logf("stderr: %s\nstdout: %s", stderr.String(), stdout.String())
	}
}

// explained reports whether docs/troubleshooting.md has a message that occurs in an output. The steps before a reason
// do not count.
func explained(t *testing.T, output string) bool {
	t.Helper()
	refusals, err := docs.Refusals()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(refusals, func(r docs.Refusal) bool {
		return (strings.HasPrefix(r.Text, "<") || !strings.HasSuffix(r.Key, ":")) && r.In(output)
	})
}

// TestAnAddressThatIsTakenNamesItsHolder starts a server where another program listens.
func TestAnAddressThatIsTakenNamesItsHolder(t *testing.T) {
	s := newStation(t)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	addr := other.Addr().String()
	s.refuse(t, refusal{name: "taken", args: []string{"serve", "--addr", addr}, file: "=" + addr, reason: "is in use by another program", fix: "choose another address with --addr or OR3_ADDR"})
	socket, err := net.Listen("unix", filepath.Join(s.dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	s.must(os.Chmod(filepath.Join(s.dir, "socket"), 0o666))
	want := "choose another path with --addr or OR3_ADDR"
	if runtime.GOOS == "linux" {
		want += fmt.Sprintf("; it is the process with pid %d", os.Getpid())
	}
	s.refuse(t, refusal{name: "taken socket", args: []string{"serve", "--addr", "unix:" + filepath.Join(s.dir, "socket")},
		file: "=" + filepath.Join(s.dir, "socket"), reason: "is in use by another program", fix: want})
}

// TestASecondStartDoesNotSeemToRun starts two servers on one data directory: the second says why it cannot, and nothing
// else.
func TestASecondStartDoesNotSeemToRun(t *testing.T) {
	s := newStation(t)
	first := s.command("used", nil, "serve", "--addr", "unix:s")
	s.must(first.Start())
	t.Cleanup(func() { _ = first.Process.Kill(); _ = first.Wait() })
	if _, _, err := patience.Request(filepath.Join(s.dir, "used/s"), "GET", "/"); err != nil {
		t.Fatal(err)
	}
	s.runRefused(t, s.command("used", nil, "serve", "--addr", "127.0.0.1:0"), filepath.Join(s.dir, "used"), refusal{
		file: "data", reason: fmt.Sprintf("is in use by the process with pid %d", first.Process.Pid), fix: "stop it, or name another directory with --data",
	})
}

// TestPortsBelow1024TakeAPrivilege asks for port 80 without one. Where the kernel gives it to everyone, there is
// nothing to test.
func TestPortsBelow1024TakeAPrivilege(t *testing.T) {
	if start, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err != nil || slices.Contains([]string{"0", "80"}, strings.TrimSpace(string(start))) {
		t.Skip("every process may listen on port 80 here")
	}
	s := newStation(t)
	s.refuse(t, refusal{name: "privileged", args: []string{"serve", "--addr", "127.0.0.1:80"},
		file: "=127.0.0.1:80", reason: "permission denied: ports below 1024 are for privileged processes", fix: "setcap cap_net_bind_service=+ep " + s.program})
}

// TestFileSystemsThatTakeNothing starts servers on file systems that are full or read-only.
func TestFileSystemsThatTakeNothing(t *testing.T) {
	s := newStation(t)
	mount := func(name, options string) string {
		dir := filepath.Join(s.dir, name)
		s.must(os.Mkdir(dir, 0o755))
		if err := mountMemory(dir, options); err != nil {
			t.Skipf("mounting a small file system is not permitted here: %v", err)
		}
		t.Cleanup(func() { _ = unmount(dir) })
		return dir
	}
	full := mount("full", "size=64k,mode=777")
	filler, err := os.Create(filepath.Join(full, "filler"))
	s.must(err)
	_, err = io.Copy(filler, strings.NewReader(strings.Repeat("x", 1<<20)))
	if err == nil {
		t.Fatal("the file system is not full")
	}
	_ = filler.Close()
	s.refuse(t, refusal{name: "no room", args: []string{"serve", "--addr", "unix:s", "--data", full + "/data"},
		file: "=" + full + "/data", reason: "because its file system is full", fix: "Free some space there"})

	fixed := mount("fixed", "size=4m,mode=777")
	s.must(os.Mkdir(filepath.Join(fixed, "data"), 0o700))
	s.must(os.Chown(filepath.Join(fixed, "data"), unprivileged, unprivileged))
	s.must(remountReadOnly(fixed))
	for _, name := range []string{"data", "new"} {
		s.refuse(t, refusal{name: "no writing " + name, args: []string{"serve", "--addr", "unix:s", "--data", filepath.Join(fixed, name)},
			file: "=" + filepath.Join(fixed, name), reason: "because its file system is read-only", fix: "Mount it writable"})
	}
}
