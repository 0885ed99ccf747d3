package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"or3.chat/cloud/internal/leaktest"
	"or3.chat/cloud/internal/patience"
)

// server is the program running on a data directory. It can be stopped, killed and started again.
type server struct {
	t    testing.TB
	bin  string
	args []string
	env  map[string]string
	// data is the data directory; it stays the same over restarts.
	data string

	cmd    *exec.Cmd
	exited chan struct{}
	// exit is the result of the process; read it after exited.
	exit error
	url  string
	logs *logBuffer
	// fault is part of log lines that are errors because of what the test does.
	fault string
	// secrets are those of all exchanges with the server; none may appear in its output.
	secrets leaktest.Watch
}

// setup changes a server before its first start.
type setup func(*server)

// withEnv sets an environment variable of the process.
func withEnv(name, value string) setup { return func(s *server) { s.env[name] = value } }

// withBinary selects another build.
func withBinary(path string) setup { return func(s *server) { s.bin = path } }

// withArgs adds arguments after those of the harness.
func withArgs(args ...string) setup {
	return func(s *server) { s.args = append(s.args, args...) }
}

// withData selects the data directory.
func withData(dir string) setup { return func(s *server) { s.data = dir } }

// generousLimits lifts the limits per minute, so that recorded minutes can be replayed in seconds.
const generousLimits = `{"sync:push":{"windowMs":60000,"maxRequests":1000000},"sync:pull":{"windowMs":60000,"maxRequests":1000000},` +
	`"sync:cursor":{"windowMs":60000,"maxRequests":1000000},"sync:gc":{"windowMs":60000,"maxRequests":1000000},` +
	`"sync:snapshot":{"windowMs":60000,"maxRequests":1000000},"storage:upload":{"windowMs":60000,"maxRequests":1000000},` +
	`"storage:download":{"windowMs":60000,"maxRequests":1000000},"storage:commit":{"windowMs":60000,"maxRequests":1000000},` +
	`"auth:session":{"windowMs":60000,"maxRequests":1000000}}`

// newServer prepares a server on a new data directory without starting it.
func newServer(t testing.TB, setups ...setup) *server {
	t.Helper()
	home := t.TempDir()
	s := &server{t: t, data: filepath.Join(home, "data"), logs: &logBuffer{}, env: map[string]string{
		"OR3_LOG_LEVEL": "debug", "HOME": home, "TMPDIR": os.TempDir(), "PATH": os.Getenv("PATH"), "GORACE": os.Getenv("GORACE"),
	}}
	for _, set := range setups {
		set(s)
	}
	if s.bin == "" {
		s.bin = binary(t, buildServer)
	}
	t.Cleanup(func() {
		s.kill()
		// The race detector and the runtime write to the log, and the server must not log errors here, except about a
		// disk that a test has filled.
		for line := range strings.Lines(s.logs.String()) {
			for _, alarm := range []string{"DATA RACE", "panic:", `"level":"ERROR"`} {
				if strings.Contains(line, alarm) && !strings.Contains(line, `"status":507`) && (s.fault == "" || !strings.Contains(line, s.fault)) {
					t.Errorf("the server logged %s", line)
				}
			}
		}
		s.secrets.Check(t, s.logs.String())
		if t.Failed() {
			t.Logf("log of the server:\n%s", s.logs.tail(8000))
		}
	})
	return s
}

// startServer prepares and starts a server and waits until it is healthy.
func startServer(t testing.TB, setups ...setup) *server {
	t.Helper()
	s := newServer(t, setups...)
	s.start()
	return s
}

// spawn starts the process without waiting for it to serve.
func (s *server) spawn() {
	s.t.Helper()
	args := append([]string{"serve", "--addr", "127.0.0.1:0", "--data", s.data}, s.args...)
	s.cmd = exec.Command(s.bin, args...)
	// The working directory is empty and the environment is bare: no .env file and no OR3_ variable leaks in.
	s.cmd.Dir = s.env["HOME"]
	for _, name := range slices.Sorted(maps.Keys(s.env)) {
		s.cmd.Env = append(s.cmd.Env, name+"="+s.env[name])
	}
	s.logs.mark()
	s.cmd.Stdout, s.cmd.Stderr = s.logs, s.logs
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		s.exit = cmd.Wait()
		close(exited)
	}(s.cmd, s.exited)
}

var printedURL = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// start starts the process and returns when it is healthy.
func (s *server) start() {
	s.t.Helper()
	s.spawn()
	s.url = ""
	patience.Until(s.t, "a healthy server", func() bool {
		select {
		case <-s.exited:
			s.t.Fatalf("the server ended instead of starting: %v\n%s", s.exit, s.logs.tail(4000))
		default:
		}
		s.url = printedURL.FindString(s.logs.sinceMark())
		return s.url != "" && s.healthy()
	})
}

func (s *server) healthy() bool {
	res, err := http.Get(s.url + "/api/health")
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode == http.StatusOK
}

// waitOutput waits until the process has printed a text.
func (s *server) waitOutput(text string) {
	s.t.Helper()
	for {
		changed := s.logs.changed()
		if strings.Contains(s.logs.sinceMark(), text) {
			return
		}
		patience.Receive(s.t, fmt.Sprintf("%q in the output", text), changed)
	}
}

// stop asks the process to exit and waits until it has done so with status 0.
func (s *server) stop() {
	s.t.Helper()
	if s.cmd == nil {
		return
	}
	s.terminate()
	patience.Receive(s.t, "an end after SIGTERM", s.exited)
	if s.exit != nil {
		s.t.Errorf("the server stopped with %v\n%s", s.exit, s.logs.tail(4000))
	}
	s.cmd = nil
}

// terminate asks the process to exit.
func (s *server) terminate() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
}

// kill ends the process with SIGKILL, as a power cut would.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
	s.cmd = nil
}

// waitExit waits until the process has exited and returns its exit code.
func (s *server) waitExit() int {
	s.t.Helper()
	patience.Receive(s.t, "the end of the server", s.exited)
	s.cmd = nil
	var exit *exec.ExitError
	if errors.As(s.exit, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// files lists the regular files below the data directory, with their sizes.
func (s *server) files() map[string]int64 {
	s.t.Helper()
	found := map[string]int64{}
	err := filepath.WalkDir(s.data, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return unlessGone(err)
		}
		info, err := e.Info()
		if err != nil {
			return unlessGone(err)
		}
		name, err := filepath.Rel(s.data, path)
		found[filepath.ToSlash(name)] = info.Size()
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// unlessGone ignores the error if a running server has removed a file since it was listed.
func unlessGone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// logBuffer collects the output of all runs of a server.
type logBuffer struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	start int
	wake  chan struct{}
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wake != nil {
		close(l.wake)
		l.wake = nil
	}
	return l.buf.Write(p)
}

// changed returns a channel that is closed by the next write.
func (l *logBuffer) changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wake == nil {
		l.wake = make(chan struct{})
	}
	return l.wake
}

// mark remembers the current end; sinceMark returns what came after it.
func (l *logBuffer) mark() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.start = l.buf.Len()
}

func (l *logBuffer) sinceMark() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.buf.Bytes()[l.start:])
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// tail returns the last n bytes, for failure messages.
func (l *logBuffer) tail(n int) string {
	all := l.String()
	if len(all) <= n {
		return all
	}
	return fmt.Sprintf("…%s", strings.ToValidUTF8(all[len(all)-n:], ""))
}
