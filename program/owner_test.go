//go:build unix

package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/program/owner"
	"or3.chat/cloud/program/version"
)

// service is the server of a user without name or login, with its own data directory.
type service struct {
	t *testing.T
	// The user can run program, and data is in a directory in which only root creates things.
	program, data, socket string
	uid, gid              uint32
}

// newService makes the data directory of a service. It needs root.
func newService(t *testing.T) *service {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can act as two users")
	}
	top := t.TempDir()
	for _, dir := range []string{top, filepath.Dir(top)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The program as it is released: a test binary, with the race detector, takes a second for each of many starts.
	s := &service{t: t, program: filepath.Join(top, "or3-cloud"), data: filepath.Join(top, "data"), uid: 61234, gid: 61235}
	err := os.Link(buildProgram(t), s.program)
	if err == nil {
		err = os.Mkdir(s.data, 0o700)
	}
	if err == nil {
		err = os.Chown(s.data, int(s.uid), int(s.gid))
	}
	run := filepath.Join(top, "run")
	if err == nil {
		err = os.Mkdir(run, 0o777)
	}
	if err == nil {
		err = os.Chown(run, int(s.uid), int(s.gid))
	}
	if err != nil {
		t.Fatal(err)
	}
	// Root's configuration is read before root is given up, and only then.
	if err := os.WriteFile(filepath.Join(top, ".env"), []byte("OR3_PUBLIC_URL=https://cloud.example.test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.socket = filepath.Join(run, "s")
	return s
}

// command is the program as root runs it.
func (s *service) command(args ...string) *exec.Cmd {
	c := exec.Command(s.program, args...)
	c.Dir, c.Env = filepath.Dir(s.program), []string{"OR3_DATA_DIR=" + s.data, "OR3_ADDR=unix:" + s.socket, "OR3_LOG_LEVEL=warn", "OR3_AUTH_REGISTRATION_MODE=invite_only",
		"OR3_ADMIN_USERNAME=admin", "OR3_ADMIN_PASSWORD=Correct horse 1"}
	c.Stdin = strings.NewReader("Correct-Horse-9-battery\n")
	return c
}

// start starts the server as its user, and returns when every route is served, with a function that stops it.
func (s *service) start() (stop func()) {
	s.t.Helper()
	c := s.command("serve")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: s.uid, Gid: s.gid}}
	return s.run(c)
}

func (s *service) run(c *exec.Cmd) (stop func()) {
	s.t.Helper()
	c.Dir = filepath.Dir(s.socket)
	var log bytes.Buffer
	c.Stderr = &log
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Process.Kill() }) // for tests that end early
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	if !patience.Try(func() bool {
		select {
		case err := <-ended:
			s.t.Fatalf("the server of the owner does not start: %v\n%s", err, &log)
		default:
		}
		res, err := s.client(nil).Get("http://localhost/api/auth/session")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	}) {
		s.t.Fatal("the server of the owner does not become ready")
	}
	return func() {
		s.t.Helper()
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			s.t.Fatal(err)
		}
		if err := <-ended; err != nil {
			s.t.Errorf("the server of the owner ends with %v\n%s", err, &log)
		}
	}
}

// foreign returns what in the data directory does not belong to the user.
func (s *service) foreign() (found []string) {
	s.t.Helper()
	err := filepath.WalkDir(s.data, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && info.Sys().(*syscall.Stat_t).Uid != s.uid {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// leaves returns the commands without subcommands, by their path.
func leaves(c *cobra.Command) (paths []string) {
	if !c.HasSubCommands() {
		return []string{strings.TrimPrefix(c.CommandPath(), version.Name+" ")}
	}
	for _, sub := range c.Commands() {
		paths = append(paths, leaves(sub)...)
	}
	return paths
}

// TestNoCommandOfRootLeavesFilesOfRoot runs every command of the program as root on the data directory of another user,
// while the server of that user runs and while it does not, and starts the server after each. A new command needs a
// row.
func TestNoCommandOfRootLeavesFilesOfRoot(t *testing.T) {
	type row struct {
		command string // as in the tree
		args    []string
		code    int
	}
	const ann, bob = "ann@example.test", "bob@example.test"
	rows := []row{
		{"user add", []string{ann, "--name", "Ann"}, 0},
		{"user add", []string{bob, "--reset-link"}, 0},
		{"user list", nil, 0},
		{"admin password", nil, 0},
		{"workspace list", nil, 0},
		{"user invite", []string{"carl@example.test", "--workspace", "WORKSPACE"}, 0},
		{"user passwd", []string{ann}, 0},
		{"user reset-link", []string{ann}, 0},
		{"user excuse", []string{ann, "--expires", "7d"}, 0},
		{"user sessions", []string{ann}, 0},
		{"user revoke", []string{ann, "--all"}, 0},
		{"user disable", []string{ann}, 0},
		{"user enable", []string{ann}, 0},
		{"user admin grant", []string{bob}, 0}, // who has no user yet
		{"user admin list", nil, 0},
		{"user admin revoke", []string{bob}, 0},
		{"workspace create", []string{"Team", "--owner", bob}, 0},
		{"workspace delete", []string{"Team"}, 0},
		{"workspace restore", []string{"Team"}, 0},
		{"workspace members list", []string{"WORKSPACE"}, 0},
		{"workspace members add", []string{"WORKSPACE", bob, "--role", "viewer"}, 0},
		{"workspace members role", []string{"WORKSPACE", bob, "owner"}, 0},
		{"workspace members remove", []string{"WORKSPACE", bob}, 0},
		{"workspace invites list", []string{"WORKSPACE"}, 0},
		{"workspace invites revoke", []string{"WORKSPACE", "unknown"}, 1},
		{"workspace notify", []string{"WORKSPACE", "a title", "a text"}, 0},
		{"workspace free-name", []string{"WORKSPACE", "a-setting"}, 0},
		{"job list", nil, 0},
		{"job abort", []string{"unknown"}, 1},
		{"log", []string{"WORKSPACE"}, 0},
		{"log", []string{"WORKSPACE", "1000"}, 1},
		{"audit", nil, 0},
		{"fsck", nil, 0},
		{"gc", nil, 0},
		{"gc", []string{"--dry-run"}, 0},
		{"action list", nil, 0},
		{"action run", []string{"sync.gc-tombstones", "--workspace", "WORKSPACE", "--yes"}, 0},
		{"action run", []string{"storage.check-files"}, 0},
		{"mail test", []string{ann}, 1},
		{"adopt", []string{"blobs"}, 0},
		{"adopt", []string{"all"}, 0},
		{"status", nil, 0}, // 1 without a server, as are the next two
		{"logs", nil, 0},
		{"log-level", []string{"debug"}, 0},
		{"config", nil, 0},
		{"doctor", []string{"--offline"}, 0},
		{"healthcheck", nil, 0}, // 1 without a server
		{"providers", nil, 0},
		{"build", []string{"--without", "nothing"}, 2},
		{"init", []string{"--dry-run", "--preset", "personal-local"}, 0},
		{"version", nil, 0},
		{"serve", nil, 1},
		{"engine", nil, 1},
		{"user delete", []string{bob, "--yes"}, 0},
	}
	for _, command := range leaves(newApp(registerProviders).root()) {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.command == command }) {
			t.Errorf("or3-cloud %s has no row", command)
		}
	}
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprintf("running=%v", running), func(t *testing.T) {
			s := newService(t)
			stop := s.start()
			if !running {
				stop()
			}
			workspace := ""
			for _, r := range rows {
				if r.command == "workspace list" { // the first session begins a workspace
					if !running {
						stop = s.start()
					}
					s.signIn(ann)
					if !running {
						stop()
					}
				}
				if !running && slices.Contains([]string{"healthcheck", "status", "logs", "log-level"}, r.command) {
					r.code = 1
				}
				if running && r.command == "adopt" {
					continue // it is for a server that does not run
				}
				if slices.Contains(r.args, "WORKSPACE") && workspace == "" {
					workspace = s.firstWorkspace()
				}
				args := slices.Concat(strings.Fields(r.command), r.args)
				for i := range args {
					args[i] = strings.ReplaceAll(args[i], "WORKSPACE", workspace)
				}
				c := s.command(args...)
				out, _ := c.CombinedOutput()
				if code := c.ProcessState.ExitCode(); code != r.code {
					t.Errorf("or3-cloud %s: exit code %d\n%s", strings.Join(args, " "), code, out)
				}
				if files := s.foreign(); len(files) > 0 {
					t.Fatalf("or3-cloud %s has left what is not the owner's: %v", strings.Join(args, " "), files)
				}
				if !running {
					s.start()()
				}
			}
			if running {
				stop()
				s.start()()
			}
		})
	}
}

// client sends requests to the server.
func (s *service) client(jar http.CookieJar) *http.Client {
	return &http.Client{Jar: jar, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", s.socket)
		},
	}}
}

// signIn signs a user in and resolves the session, as a browser does.
func (s *service) signIn(email string) {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	client := s.client(jar)
	body := fmt.Sprintf(`{"email":%q,"password":"Correct-Horse-9-battery"}`, email)
	res, err := client.Post("http://localhost/api/basic-auth/sign-in", "application/json", strings.NewReader(body))
	if err == nil {
		res.Body.Close()
		res, err = client.Get("http://localhost/api/auth/session")
	}
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if answer, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(answer), `"authenticated":true`) {
		s.t.Fatalf("session: %s, %v", answer, err)
	}
}

// firstWorkspace returns the id of a workspace, which root asks for.
func (s *service) firstWorkspace() string {
	s.t.Helper()
	out, err := s.command("workspace", "list", "--json").Output()
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(out), `"id": "`)
	id, _, _ := strings.Cut(rest, `"`)
	if id == "" {
		s.t.Fatalf("no workspace in %s", out)
	}
	return id
}

// TestRootReachesWhatItsOwnerCannotWalkTo has a directory above the data directory that only root may pass, as systemd
// makes one for DynamicUser=.
func TestRootReachesWhatItsOwnerCannotWalkTo(t *testing.T) {
	s := newService(t)
	s.start()()
	private := filepath.Join(filepath.Dir(s.data), "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.data, filepath.Join(private, "data")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("private/data", s.data); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"user", "add", "ann@example.test"}, {"fsck"}, {"gc"}, {"adopt", "blobs"}, {"user", "delete", "ann@example.test", "--yes"}} {
		if out, err := s.command(args...).CombinedOutput(); err != nil {
			t.Fatalf("or3-cloud %v: %v\n%s", args, err, out)
		}
	}
	if err := os.Remove(s.data); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(private, "data"), s.data); err != nil {
		t.Fatal(err)
	}
	if files := s.foreign(); len(files) > 0 {
		t.Errorf("not the owner's: %v", files)
	}
	s.start()()
}

// TestWhoseADataDirectoryIs is about directories whose owner and content differ.
func TestWhoseADataDirectoryIs(t *testing.T) {
	t.Run("a volume of root's with the data of another user", func(t *testing.T) {
		s := newService(t)
		s.start()()
		for _, path := range []string{s.data, filepath.Join(s.data, "..")} {
			if err := os.Chown(path, 0, int(s.gid)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(s.data, 0o770|os.ModeSetgid); err != nil {
			t.Fatal(err)
		}
		if out, err := s.command("user", "list").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if files := s.foreign(); len(files) != 1 || files[0] != s.data {
			t.Errorf("not the owner's: %v", files)
		}
		if out, err := s.command("serve").CombinedOutput(); err == nil || !strings.Contains(string(out), "setpriv --reuid=61234 --regid=61235") {
			t.Errorf("%v\n%s", err, out)
		}
		s.start()()
	})
	t.Run("a server of root's in the directory of another user", func(t *testing.T) {
		s := newService(t)
		if err := os.Chown(s.data, 0, 0); err != nil {
			t.Fatal(err)
		}
		s.uid, s.gid = 0, 0
		s.start()()
		s.uid = 61234
		if err := os.Chown(s.data, int(s.uid), 0); err != nil {
			t.Fatal(err)
		}
		if out, err := s.command("user", "list").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		s.uid = 0
		s.start()()
	})
	t.Run("files that root has left earlier", func(t *testing.T) {
		s := newService(t)
		s.start()()
		if err := os.Chown(filepath.Join(s.data, "lock"), 0, 0); err != nil {
			t.Fatal(err)
		}
		out, err := s.command("gc").CombinedOutput()
		advice := fmt.Sprintf("chown -R 61234:61235 %s", s.data)
		if err == nil || !strings.Contains(string(out), advice) || !strings.Contains(string(out), "root has lock in it") {
			t.Fatalf("%v\n%s", err, out)
		}
		if out, err := exec.Command("sh", "-c", advice).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		s.start()()
	})
	t.Run("an absent directory", func(t *testing.T) {
		s := newService(t)
		if err := os.Remove(s.data); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"gc"}, {"adopt", "all"}} {
			if out, err := s.command(args...).CombinedOutput(); err == nil || !strings.Contains(string(out), "there is no data directory") {
				t.Errorf("or3-cloud %v: %v\n%s", args, err, out)
			}
		}
		if _, err := os.Stat(s.data); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a data directory was made: %v", err)
		}
	})
}

// TestTheCommandThatRootIsToldStartsTheServer runs the command in the refusal of a server that root has started.
func TestTheCommandThatRootIsToldStartsTheServer(t *testing.T) {
	s := newService(t)
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip("util-linux is not installed")
	}
	s.start()()
	out, err := s.command("serve").CombinedOutput()
	if err == nil || s.foreign() != nil {
		t.Fatalf("%v, %v\n%s", err, s.foreign(), out)
	}
	_, line, _ := strings.Cut(string(out), "or with: ")
	line, _, _ = strings.Cut(line, ";")
	fields := strings.Fields(line)
	if len(fields) < 3 || fields[0] != "setpriv" {
		t.Fatalf("no command in %s", out)
	}
	c := s.command()
	c.Path, _ = exec.LookPath(fields[0])
	c.Args = slices.Concat(fields[:len(fields)-2], strings.Fields(owner.LowPorts), []string{s.program, fields[len(fields)-1]})
	s.run(c)()
	if files := s.foreign(); len(files) > 0 {
		t.Errorf("not the owner's: %v", files)
	}
}

// TestRootMayTakeAnEmptyDirectory is the container whose process is root and whose data directory was created by a user
// of the machine.
func TestRootMayTakeAnEmptyDirectory(t *testing.T) {
	s := newService(t)
	for range 2 {
		s.run(s.command("serve"))()
	}
	if out, err := s.command("user", "list").CombinedOutput(); err != nil {
		t.Errorf("a command of root: %v\n%s", err, out)
	}
	s.run(s.command("serve"))()
}
