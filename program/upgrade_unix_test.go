//go:build unix

package program

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/program/handover"
)

// upgrading is a server in this process, under requests, whose program can be replaced.
type upgrading struct {
	t       *testing.T
	socket  string
	program string
	log     *patience.Output
	stop    context.CancelFunc
	ended   chan error
	// answers and unavailable count the requests that were answered, and those with 503.
	answers, unavailable atomic.Int64
}

// upgradeSecret is in the server's environment, which unknown programs must not get.
const upgradeSecret = "a-secret-of-the-server-0123456789abcdef"

// serveForUpgrade starts the server; its program is a link to the test binary.
func serveForUpgrade(t *testing.T, change func(*app)) *upgrading {
	t.Helper()
	dir := t.TempDir()
	u := &upgrading{t: t, socket: filepath.Join(dir, "s"), program: filepath.Join(dir, "bin", "or3-cloud"), log: &patience.Output{}, ended: make(chan error, 1)}
	a := newApp(registerProviders)
	a.stdout, a.stderr, a.logJSON = u.log, u.log, true
	// Candidates are the test binary, which must know its directory for coverage.
	a.environ = append(os.Environ(), "OR3_DATA_DIR="+filepath.Join(dir, "data"), "OR3_ADDR=unix:"+u.socket, "OR3_LIMITS_ENABLED=false",
		"OR3_BASIC_AUTH_JWT_SECRET="+upgradeSecret)
	a.process.Program, a.process.Argv = u.program, []string{"or3-cloud", "serve"}
	a.process.Limits = handover.Limits{Step: patience.Limit, Open: patience.Limit}
	a.process.Execute = func(string, []string, []string) error { return errors.New("executed in a test") }
	if change != nil {
		change(&a)
	}
	if err := os.Mkdir(filepath.Dir(u.program), 0o755); err != nil {
		t.Fatal(err)
	}
	u.become("or3-cloud")
	ctx, stop := context.WithCancel(t.Context())
	u.stop = stop
	go func() { u.ended <- serveCommand{app: a}.run(ctx) }()
	if status, body, err := patience.Request(u.socket, "GET", "/api/auth/session"); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s, %v\n%s", status, body, err, u.log)
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for ctx.Err() == nil {
			u.ask(ctx)
		}
	}()
	t.Cleanup(func() {
		stop()
		<-asked
		if t.Failed() {
			t.Logf("%s", u.log)
		}
	})
	return u
}

// ask sends a request on its own connection. It is lost if it gets no answer, or one after which clients do not try
// again.
func (u *upgrading) ask(ctx context.Context) {
	client := http.Client{Timeout: patience.Limit, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", u.socket)
		},
	}}
	res, err := client.Get("http://localhost/api/auth/session")
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		u.t.Errorf("a request was lost: %v", err)
		return
	}
	res.Body.Close()
	switch {
	case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
		u.unavailable.Add(1)
	case res.StatusCode != http.StatusOK:
		u.t.Errorf("status %d", res.StatusCode)
	}
	u.answers.Add(1)
}

// become replaces the program by the test binary, under a name that tells TestMain what it is.
func (u *upgrading) become(name string) {
	u.t.Helper()
	self, err := os.Executable()
	if err != nil {
		u.t.Fatal(err)
	}
	u.replace(func(path string) error { return os.Symlink(self, path) })
	dir, base := filepath.Split(u.program)
	if name != base { // the script executes the link by a name that says what it is
		link := filepath.Join(dir, name)
		if err := os.Symlink(self, link); err != nil && !errors.Is(err, os.ErrExist) {
			u.t.Fatal(err)
		}
		u.script("exec " + link + ` "$@"`)
	}
}

// script replaces the program by a shell script.
func (u *upgrading) script(text string) {
	u.replace(func(path string) error { return os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755) })
}

// replace does what installers do: the new file gets its name when it is complete.
func (u *upgrading) replace(put func(path string) error) {
	u.t.Helper()
	temp := u.program + ".new"
	if err := errors.Join(put(temp), os.Rename(temp, u.program)); err != nil {
		u.t.Fatal(err)
	}
}

// upgrade requests an upgrade and waits until a text appears in the log once more. It returns what the log says.
func (u *upgrading) upgrade(text string) string {
	u.t.Helper()
	before := len(u.log.String())
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR2); err != nil {
		u.t.Fatal(err)
	}
	u.waitLog(before, text)
	return u.log.String()[before:]
}

func (u *upgrading) waitLog(from int, text string) {
	u.t.Helper()
	patience.Until(u.t, text, func() bool {
		select {
		case err := <-u.ended:
			u.t.Fatalf("the server ended: %v", err)
		default:
		}
		return strings.Contains(u.log.String()[from:], text)
	})
}

// served waits until the server has answered some more requests with 200.
func (u *upgrading) served() {
	u.t.Helper()
	good := func() int64 { return u.answers.Load() - u.unavailable.Load() }
	before := good()
	patience.Until(u.t, "more answers", func() bool { return good() > before+3 })
}

// end stops the server, which must end normally.
func (u *upgrading) end() {
	u.t.Helper()
	u.stop()
	if err := patience.Receive(u.t, "the end of the server", u.ended); err != nil {
		u.t.Errorf("the server ended with %v", err)
	}
	if _, err := os.Lstat(u.socket); err == nil {
		u.t.Error("the socket is left behind")
	}
}

// TestAnUpgradeToWhatIsNotTheProgramChangesNothing replaces the program by all kinds of files. The server says what is
// wrong and what helps, and goes on without even a 503.
func TestAnUpgradeToWhatIsNotTheProgramChangesNothing(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	u := serveForUpgrade(t, nil)
	real := filepath.Join(t.TempDir(), "or3-cloud")
	if err := os.Symlink(self, real); err != nil {
		t.Fatal(err)
	}
	is := `if [ "$1" = version ]; then echo '{"name":"or3-cloud","version":"v9.9.9"}'; exit; fi; `
	link := func(target string) func() {
		return func() { u.replace(func(path string) error { return os.Symlink(target, path) }) }
	}
	file := func(content string, mode os.FileMode) func() {
		return func() {
			u.replace(func(path string) error {
				return errors.Join(os.WriteFile(path, []byte(content), mode), os.Chmod(path, mode))
			})
		}
	}
	script := func(text string) func() { return func() { u.script(text) } }
	var writing *os.File
	for _, tc := range []struct {
		name string
		put  func()
		want string
	}{
		{"a program that does nothing", link("/bin/true"), "is not or3-cloud"},
		{"one that fails", link("/bin/false"), "exit status 1"},
		{"one that prints its arguments", link("/bin/echo"), "is not or3-cloud"},
		{"a script that ends well", script("exit 0"), "is not or3-cloud"},
		{"a script that prints a version", script("echo or3-cloud v9.9.9 go1.26.8 linux/amd64"), "is not or3-cloud"},
		{"another program's JSON", script(`echo '{"name":"other","version":"v1"}'`), "is not or3-cloud"},
		{"JSON and something else", script(`echo '{"name":"or3-cloud","version":"v1"} and more'`), "is not or3-cloud"},
		{"a flood", script("head -c 3000000 /dev/zero"), "is not or3-cloud"},
		{"one that prints its environment", script("env >&2; exit 3"), "exit status 3"},
		{"a version that crashes", script("kill -SEGV $$"), "signal: segmentation fault"},
		{"the name alone, then nothing", script(is + "exit 0"), "does not start: instead of \\\"ready\\\": it ended"},
		{"the name alone, then an error", script(is + "echo broken >&2; exit 3"), "broken"},
		{"the name alone, then garbage", script(is + "echo garbage >&3; exec sleep 1000"), "garbage"},
		{"the name alone, then silence on a closed pipe", script(is + "exec 3>&-; exec sleep 1000"), "does not start"},
		{"the program behind a shell", script(real + ` "$@"; exit $?`), "a wrapper must execute it in its own place"},
		{"a file that is not executable", file("#!/bin/sh\n", 0o644), "chmod 755"},
		{"an empty file", file("", 0o755), "exec format error"},
		{"text", file("or3-cloud\n", 0o755), "exec format error"},
		{"a program for another machine", file("\x7fELF\x02\x01\x01"+strings.Repeat("\x00", 9)+"\x02\x00\xf7\x00\x01\x00\x00\x00"+strings.Repeat("\x00", 4096), 0o755), "compare its checksum"},
		{"a script without its interpreter", file("#!/nowhere/sh\n", 0o755), "interpreter"},
		{"a program that is being written", func() {
			file("#!/bin/sh\n", 0o755)()
			var err error
			if writing, err = os.OpenFile(u.program, os.O_WRONLY, 0); err != nil {
				t.Fatal(err)
			}
		}, "it is still being written"},
		{"a directory", func() {
			if err := errors.Join(os.Remove(u.program), os.Mkdir(u.program, 0o755)); err != nil {
				t.Fatal(err)
			}
		}, "is not a file"},
		{"a link to nowhere", func() { os.Remove(u.program); link("/nowhere")() }, "put the new program there"},
		{"nothing", func() { os.Remove(u.program) }, "put the new program there"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if runtime.GOOS != "linux" && tc.name == "a program that is being written" {
				t.Skip("depends on the system")
			}
			tc.put()
			log := u.upgrade("no upgrade")
			if writing != nil {
				writing.Close()
			}
			if !strings.Contains(log, tc.want) || !strings.Contains(log, `"level":"ERROR"`) || !strings.Contains(log, u.program) {
				t.Errorf("%q is not in the log:\n%s", tc.want, log)
			}
			if strings.Contains(log, upgradeSecret) {
				t.Errorf("a secret is in the log:\n%s", log)
			}
			u.served()
		})
	}
	if n := u.unavailable.Load(); n > 0 {
		t.Errorf("%d of %d requests were answered 503", n, u.answers.Load())
	}
	u.end()
}

// TestAnUpgradeThatCannotOpenTheDataIsUndone gives the data to programs that accept the configuration and then fail.
// The server opens the data again, and clients are asked to wait until then.
func TestAnUpgradeThatCannotOpenTheDataIsUndone(t *testing.T) {
	u := serveForUpgrade(t, nil)
	for name, want := range map[string]string{
		"or3-cloud-refuses-the-data": "the database is newer than this program",
		"or3-cloud-crashes":          "a fault of this version",
		"or3-cloud-exits":            "it ended",
		"or3-cloud-is-killed":        "signal: killed",
		"or3-cloud-does-not-close":   "the last write failed",
	} {
		t.Run(name, func(t *testing.T) {
			u.become(name)
			log := u.upgrade("no upgrade")
			if !strings.Contains(log, want) || strings.Contains(log, "executing the new program") {
				t.Errorf("%q is not in the log:\n%s", want, log)
			}
			u.served()
		})
	}
	if u.unavailable.Load() == 0 {
		t.Log("no request came while the data was away")
	}
	u.end()
}

// TestAnUpgradeThatIsNotExecutedIsUndone lets the last step of a good upgrade fail, again and again, and counts what
// the process holds.
func TestAnUpgradeThatIsNotExecutedIsUndone(t *testing.T) {
	var executed atomic.Int64
	u := serveForUpgrade(t, func(a *app) {
		a.process.Execute = func(program string, _, environ []string) error {
			executed.Add(1)
			if filepath.Base(program) != "or3-cloud" || strings.Contains(strings.Join(environ, "\n"), "_OR3_CLOUD_CANDIDATE") {
				t.Errorf("%s with %q", program, environ)
			}
			return syscall.ENOENT
		}
	})
	held := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("this system does not list descriptors")
		}
		return len(entries)
	}
	undone := func() {
		u.upgrade("no upgrade")
		u.served()
	}
	undone() // whatever is allocated once
	const times = 3
	// Connections of requests come and go, so the least of several counts is what matters.
	least := func() int {
		n := held()
		for range 8 {
			u.served()
			n = min(n, held())
		}
		return n
	}
	before, goroutines := least(), runtime.NumGoroutine()
	for range times {
		undone()
	}
	if n := executed.Load(); n != times+1 {
		t.Fatalf("executed %d times", n)
	}
	if after := least(); after >= before+times {
		t.Errorf("%d descriptors before, %d after %d upgrades", before, after, times)
	}
	patience.Until(t, "no more goroutines than before", func() bool { return runtime.NumGoroutine() < goroutines+times })
	u.become("or3-cloud-refuses-the-data")
	before = least()
	for range times {
		undone()
	}
	if after := least(); after >= before+times {
		t.Errorf("%d descriptors before, %d after %d candidates that failed", before, after, times)
	}
	u.end()
}

// TestStoppingDuringAnUpgradeEndsBoth stops the server in each step of an upgrade that hangs there.
func TestStoppingDuringAnUpgradeEndsBoth(t *testing.T) {
	for name, hang := range map[string]string{
		"version":       `wait`,
		"configuration": `[ "$1" = version ] && { echo '{"name":"or3-cloud","version":"v9"}'; exit; }; wait`,
		"data":          "",
	} {
		t.Run(name, func(t *testing.T) {
			u := serveForUpgrade(t, nil)
			pids := filepath.Join(t.TempDir(), "pids")
			mark := fmt.Sprintf("echo $$ >> %s; sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >> %s; ", pids, pids)
			if name == "data" {
				u.become("or3-cloud-hangs")
				script, err := os.ReadFile(u.program)
				if err != nil {
					t.Fatal(err)
				}
				_, exec, _ := strings.Cut(string(script), "\n")
				u.script(mark + exec)
				u.upgrade("then it must open the data")
			} else {
				u.script(mark + hang)
				u.upgrade("checking the program")
			}
			started := func() []string {
				text, _ := os.ReadFile(pids)
				return strings.Fields(string(text))
			}
			patience.Until(t, "the programs of the upgrade", func() bool { return len(started()) >= 2 })
			if name == "data" {
				patience.Until(t, "a candidate with the data", func() bool {
					holder, _ := os.ReadFile(filepath.Join(filepath.Dir(u.socket), "data", "lock"))
					return slices.Contains(started(), strings.TrimSpace(string(holder)))
				})
			}
			// Another request for an upgrade waits for its turn, which does not come.
			if err := syscall.Kill(os.Getpid(), syscall.SIGUSR2); err != nil {
				t.Fatal(err)
			}
			u.end()
			for _, text := range started() {
				pid, err := strconv.Atoi(text)
				if err != nil {
					t.Fatal(err)
				}
				patience.Until(t, "the end of process "+text, func() bool { return ended(pid) })
			}
		})
	}
}

// ended reports whether a process has ended; a zombie counts.
func ended(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

// TestAProgramThatHangsIsGivenUp lets each step of an upgrade take too long.
func TestAProgramThatHangsIsGivenUp(t *testing.T) {
	u := serveForUpgrade(t, func(a *app) { a.process.Limits = handover.Limits{Step: time.Second, Open: patience.Limit} })
	u.script("sleep 1000")
	u.upgrade("version --json does not end")
	u.script(`[ "$1" = version ] && { echo '{"name":"or3-cloud","version":"v9"}'; exit; }; sleep 1000`)
	for !strings.Contains(u.upgrade("no upgrade"), "was not") { // on a busy machine its version may take too long as well
	}
	u.served()
	if n := u.unavailable.Load(); n > 0 {
		t.Errorf("%d requests were answered 503", n)
	}
	u.end()

	u = serveForUpgrade(t, func(a *app) { a.process.Limits.Open = time.Millisecond })
	u.become("or3-cloud-hangs")
	u.upgrade("was not")
	u.served()
	u.end()
}

// TestRequestsForAnUpgradeWaitForTheirTurn requests a second upgrade while the first is under way.
func TestRequestsForAnUpgradeWaitForTheirTurn(t *testing.T) {
	u := serveForUpgrade(t, nil)
	gate := filepath.Join(t.TempDir(), "go")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	u.script("read line < " + gate + "; exit 3")
	u.upgrade("checking the program")
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		if err := os.WriteFile(gate, []byte("on\n"), 0); err != nil {
			t.Fatal(err)
		}
		patience.Until(t, "a refusal", func() bool { return strings.Count(u.log.String(), "no upgrade") == n+1 })
	}
	u.served()
	u.end()
}
