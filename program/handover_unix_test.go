//go:build unix

package program

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/control"
	"or3.chat/cloud/internal/patience"
)

// buildProgram returns the program as it is released, at a path of the test's own. It is compiled for the first test
// that needs it.
func buildProgram(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a binary")
	}
	compiled, err := built()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "or3-cloud")
	if err := os.Link(compiled, program); err != nil {
		t.Fatal(err)
	}
	return program
}

var built = sync.OnceValues(func() (string, error) {
	program := filepath.Join(buildDir, "compiled")
	if out, err := exec.Command("go", "build", "-o", program, "or3.chat/cloud/cmd/or3-cloud").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
})

// killAtEnd ends a server with the test, and shows its log if the test has failed.
func killAtEnd(t *testing.T, server *exec.Cmd, log fmt.Stringer) {
	t.Helper()
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
		if t.Failed() {
			t.Logf("%s", log)
		}
	})
}

// fresh sends one request on its own connection.
func fresh(method, url string) (status int, retryAfter string, err error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience.Limit}
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header.Get("Retry-After"), err
}

// manyQuestions lets a client resolve its session as often as it can.
const manyQuestions = `OR3_RATE_LIMIT_OVERRIDES_JSON={"auth:session":{"windowMs":60000,"maxRequests":1000000}}`

// TestUpgradeKeepsThePortOpen sends requests all the time, each on its own connection, while the program executes
// itself again: each is answered with 200 or with 503 and Retry-After (contract, client-behaviour Pitfall 1).
func TestUpgradeKeepsThePortOpen(t *testing.T) {
	program := buildProgram(t)
	server := exec.Command(program, "serve", "--addr", "127.0.0.1:0")
	server.Dir, server.Env = t.TempDir(), []string{"OR3_LOG_FORMAT=json", manyQuestions}
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	killAtEnd(t, server, &log)
	urls := make(chan string, 16)
	go func() {
		defer close(urls)
		text, buf := "", make([]byte, 4096)
		for {
			n, err := out.Read(buf)
			text += string(buf[:n])
			for {
				line, rest, ok := strings.Cut(text, "\n")
				if !ok {
					break
				}
				text = rest
				if _, url, ok := strings.Cut(line, " serves "); ok {
					urls <- url
				}
			}
			if err != nil {
				return
			}
		}
	}()
	url := <-urls
	const starts = 3
	answers := map[int]int{}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			status, retryAfter, err := fresh("GET", url+"/api/auth/session")
			if err != nil || status != 200 && (status != 503 || retryAfter == "") {
				t.Errorf("%d, Retry-After %q, %v", status, retryAfter, err)
			}
			answers[status]++
		}
	}()
	for range starts {
		if err := server.Process.Signal(syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		if next := <-urls; next != url {
			t.Fatalf("the new process serves %q, the old one %q", next, url)
		}
		commands, err := control.Dial(t.Context(), filepath.Join(server.Dir, "data"))
		if err == nil {
			err = commands.Call(t.Context(), "user/list", struct{}{}, nil)
		}
		if err != nil {
			t.Errorf("a command to the new process: %v", err)
		}
	}
	close(stop)
	<-done
	t.Log(answers)
	if answers[200] == 0 {
		t.Error("no request was served")
	}
	// A program that does not run does not count as an upgrade. What is executed is the file that was renamed into
	// place, as installers do.
	broken := filepath.Join(filepath.Dir(program), "broken")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(broken, program); err != nil {
		t.Fatal(err)
	}
	if err := server.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	if status, _, err := fresh("GET", url+"/api/auth/session"); status != 200 {
		t.Errorf("with a broken program in its place: %d, %v", status, err)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		t.Error("the port is open after the end")
	}
}

// TestSocketActivation starts the program as systemd does: descriptor 3 is a listening socket.
func TestSocketActivation(t *testing.T) {
	program := buildProgram(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// The variables name the process, so a shell sets them and executes the program.
	server := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" serve --addr 127.0.0.1:0`, program)
	server.Dir, server.ExtraFiles = dir, []*os.File{f}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill() })
	if status, body, err := patience.Request(path, "GET", "/api/auth/session"); err != nil || status != 200 {
		t.Fatalf("%d %s, %v", status, body, err)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket is systemd's and must stay: %v", err)
	}
}

// execution is what a process would have executed in its place.
type execution struct {
	program string
	argv    []string
	left    inheritance
	environ []string
}

// inheritanceVariable is where a process finds the socket of its predecessor, and inheritance what it finds there.
const inheritanceVariable = "_OR3_CLOUD_INHERITANCE"

type inheritance struct {
	PID    int     `json:"pid"`
	FD     int     `json:"fd"`
	Unlink bool    `json:"unlink,omitempty"`
	Faults []int64 `json:"faults,omitempty"`
}

// faulty runs the server in this process until its sync provider says that it cannot go on, and returns what follows.
// prepare, if it is not nil, is called with the path of the program before that.
func faulty(t *testing.T, prepare func(program string), faults ...int64) (executed []execution, log string, err error) {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	var stderr, stdout patience.Output
	a := newApp(registerProviders)
	a.stdout, a.stderr, a.logJSON = &stdout, &stderr, true
	a.environ = []string{"OR3_DATA_DIR=" + filepath.Join(dir, "data"), "OR3_ADDR=unix:" + socket, "LISTEN_FDS=1", "KEPT=1"}
	if len(faults) > 0 { // this process has a predecessor, whose socket it takes over
		ln, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		ln.(*net.UnixListener).SetUnlinkOnClose(false)
		f, err := ln.(*net.UnixListener).File()
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		fd, err := unix.Dup(int(f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		left, err := json.Marshal(inheritance{PID: os.Getpid(), FD: fd, Unlink: true, Faults: faults})
		if err != nil {
			t.Fatal(err)
		}
		a.environ = append(a.environ, inheritanceVariable+"="+string(left))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	a.process.Program, a.process.Argv = filepath.Join(dir, "or3-cloud"), []string{"or3-cloud", "serve"}
	if err := os.Symlink(self, a.process.Program); err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(a.process.Program)
	}
	a.process.Execute = func(program string, argv, environ []string) error {
		i := slices.IndexFunc(environ, func(e string) bool { return strings.HasPrefix(e, inheritanceVariable) })
		e := execution{program: program, argv: argv, environ: slices.Delete(slices.Clone(environ), i, i+1)}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(environ[i], inheritanceVariable+"=")), &e.left); err != nil {
			t.Error(err)
		}
		// The socket is open: a client is not refused, but waits for the successor, which answers it.
		answered := make(chan string, 1)
		dialled := make(chan struct{})
		go func() {
			conn, err := net.Dial("unix", socket)
			close(dialled)
			if err != nil {
				answered <- err.Error()
				return
			}
			defer conn.Close()
			text, _ := io.ReadAll(conn)
			answered <- string(text)
		}()
		<-dialled
		inherited := os.NewFile(uintptr(e.left.FD), "socket")
		ln, err := net.FileListener(inherited)
		inherited.Close()
		if err != nil {
			t.Error(err)
			return nil
		}
		ln.(*net.UnixListener).SetUnlinkOnClose(e.left.Unlink)
		defer ln.Close()
		conn, err := ln.Accept()
		if err != nil {
			t.Error(err)
			return nil
		}
		io.WriteString(conn, "successor")
		conn.Close()
		if got := <-answered; got != "successor" {
			t.Errorf("a client that came in between got %q", got)
		}
		executed = append(executed, e)
		return nil
	}
	var broken or3cloud.Env
	opened := make(chan struct{})
	a.register = []func(*or3cloud.Registry) error{func(r *or3cloud.Registry) error {
		var real or3cloud.Registry
		if err := registerProviders(&real); err != nil {
			return err
		}
		for _, p := range real.Providers() {
			if open := p.Open; p.ID == "sqlite" {
				p.Open = func(ctx context.Context, env or3cloud.Env) (*or3cloud.Instance, error) {
					broken = env
					return open(ctx, env)
				}
			}
			if open := p.Open; p.ID == "fs" { // the last one
				p.Open = func(ctx context.Context, env or3cloud.Env) (*or3cloud.Instance, error) {
					defer close(opened)
					return open(ctx, env)
				}
			}
			if err := r.Register(p); err != nil {
				return err
			}
		}
		return nil
	}}
	done := make(chan error, 1)
	go func() { done <- serveCommand{app: a}.run(t.Context()) }()
	select {
	case <-opened:
	case err := <-done:
		t.Fatalf("%v\n%s", err, &stderr)
	}
	if status, body, err := patience.Request(socket, "GET", "/api/auth/session"); err != nil || status != 200 {
		t.Fatalf("%d %s, %v", status, body, err)
	}
	broken.Fatal(errors.New("fsync: input/output error"))
	err = <-done
	if _, statErr := os.Lstat(socket); statErr == nil {
		t.Error("no one removed the socket in the end")
	}
	return executed, stderr.String(), err
}

func TestAFaultOfAProviderRestartsTheProgram(t *testing.T) {
	executed, log, err := faulty(t, nil)
	if err != nil || len(executed) != 1 {
		t.Fatalf("%+v, %v", executed, err)
	}
	e := executed[0]
	if filepath.Base(e.program) != "or3-cloud" || !slices.Equal(e.argv, []string{"or3-cloud", "serve"}) {
		t.Errorf("%+v", e)
	}
	if e.left.PID != os.Getpid() || !e.left.Unlink || len(e.left.Faults) != 1 {
		t.Errorf("%+v", e.left)
	}
	if len(e.environ) != 3 || !slices.Contains(e.environ, "KEPT=1") {
		t.Errorf("%q", e.environ)
	}
	if !strings.Contains(log, "fsync: input/output error") {
		t.Errorf("the reason is not in the log:\n%s", log)
	}
}

// TestAFaultIsNotAnUpgrade puts something else in the place of the program before the fatal error: the program that
// runs is executed, and not one that has not been tried.
func TestAFaultIsNotAnUpgrade(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems have no name for the program that runs")
	}
	for name, prepare := range map[string]func(string){
		"another program": func(path string) {
			if err := errors.Join(os.Remove(path), os.Symlink("/bin/true", path)); err != nil {
				t.Error(err)
			}
		},
		"nothing": func(path string) {
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			executed, _, err := faulty(t, prepare)
			if err != nil || len(executed) != 1 {
				t.Fatalf("%+v, %v", executed, err)
			}
			running, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := filepath.EvalSymlinks(executed[0].program); err != nil || got != running {
				t.Errorf("%s leads to %q (%v), want %q", executed[0].program, got, err, running)
			}
		})
	}
}

func TestFaultsAreCountedOverNewStarts(t *testing.T) {
	now := time.Now().Unix()
	executed, _, err := faulty(t, nil, 1, now-2, now-1)
	if err != nil || len(executed) != 1 || len(executed[0].left.Faults) != 3 {
		t.Fatalf("%+v, %v", executed, err)
	}
	executed, _, err = faulty(t, nil, now-3, now-2, now-1)
	if err == nil || len(executed) != 0 || !strings.Contains(err.Error(), "3 restarts within 10m0s did not help") ||
		!strings.Contains(err.Error(), "fsync: input/output error") {
		t.Fatalf("%+v, %v", executed, err)
	}
}

// The socket is the same file with the same mode after an upgrade, and is removed with the last server.
func TestAnUpgradeKeepsTheSocket(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, path := filepath.Join(dir, "or3-cloud"), filepath.Join(dir, "s")
	if err := os.Symlink(self, program); err != nil { // TestMain decides by the name
		t.Fatal(err)
	}
	server := exec.Command(program, "serve", "--addr", "unix:"+path)
	server.Dir = dir
	server.Env = append(os.Environ(), "OR3_LOG_FORMAT=text", "OR3_SOCKET_MODE=0666", fmt.Sprintf("OR3_SOCKET_GROUP=%d", os.Getgid()))
	log, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill() })
	lines := bufio.NewScanner(log)
	until := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("the log ends without %q", text)
	}
	until("msg=ready")
	before, err := os.Lstat(path)
	if err != nil || before.Mode() != 0o666|fs.ModeSocket {
		t.Fatalf("%v, %v", before, err)
	}
	for range 2 {
		if err := server.Process.Signal(syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		until("handed over")
		until("msg=ready")
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || after.Mode() != before.Mode() {
			t.Fatalf("after an upgrade: %v, %v", after, err)
		}
		if status, body, err := patience.Request(path, "GET", "/api/health"); err != nil || status != 200 {
			t.Errorf("%d %s, %v", status, body, err)
		}
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is there after its server")
	}
}
