package program

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/providers/basicauth"
	"or3.chat/cloud/providers/fs"
	"or3.chat/cloud/providers/sqlite"
)

var update = flag.Bool("update", false, "write the generated files again")

// TestMain makes the test binary act as the program, and as the program without any provider, when a script runs it.
func TestMain(m *testing.M) {
	programs := map[string]func(){
		"or3-cloud":      func() { Main(registerProviders) },
		"or3-cloud-bare": func() { Main() },
	}
	maps.Copy(programs, unfitPrograms)
	testscript.Main(withBuildDir{m}, programs)
}

// buildDir is where tests keep what they compile for each other.
var buildDir string

// withBuildDir runs the tests with a buildDir.
type withBuildDir struct{ testscript.TestingM }

func (m withBuildDir) Run() int {
	var err error
	if buildDir, err = os.MkdirTemp("", "or3-build"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(buildDir)
	return m.TestingM.Run()
}

// registerProviders registers those of the default binary.
func registerProviders(r *or3cloud.Registry) error {
	return errors.Join(basicauth.Register(r), fs.Register(r), sqlite.Register(r))
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"http": httpCommand, "mode": modeCommand, "signin": signInCommand, "adminsignin": adminSignInCommand, "appears": appearsCommand,
		},
		UpdateScripts: *update,
	})
}

// TestEveryCommandTeaches reads the help of each command: what it does, and how to call it.
func TestEveryCommandTeaches(t *testing.T) {
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Short == "" || len(cmd.Commands()) == 0 && !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s: the help has no example", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(newApp(registerProviders).root())
}

// httpCommand is "http SOCKET METHOD PATH STATUS [TEXT]": it sends a request to a server, as soon as that is ready, and
// compares the status and a part of the body.
func httpCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: http SOCKET METHOD PATH STATUS [TEXT]")
	}
	method, path, want := args[1], args[2], args[3]
	status, body, err := patience.Request(ts.MkAbs(args[0]), method, path)
	ts.Check(err)
	if strconv.Itoa(status) != want {
		ts.Fatalf("%s %s: status %d, want %s: %s", method, path, status, want, body)
	}
	if len(args) > 4 && !strings.Contains(body, args[4]) {
		ts.Fatalf("%s %s: %q is not in %s", method, path, args[4], body)
	}
}

// appearsCommand is "appears PATH": it waits for a file.
func appearsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: appears PATH")
	}
	path := ts.MkAbs(args[0])
	if !patience.Try(func() bool { _, err := os.Stat(path); return err == nil }) {
		ts.Fatalf("%s does not appear", path)
	}
}

// modeCommand is "mode 0700 PATH...": it compares permissions.
func modeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: mode MODE PATH...")
	}
	want, err := strconv.ParseUint(args[0], 8, 32)
	ts.Check(err)
	for _, path := range args[1:] {
		info, err := os.Stat(ts.MkAbs(path))
		ts.Check(err)
		if got := info.Mode().Perm(); got != os.FileMode(want) {
			ts.Fatalf("%s has mode %04o, want %04o", path, got, want)
		}
	}
}

// TestTheSecondSignalAborts leaves a request unfinished, so that the first signal has something to wait for.
func TestTheSecondSignalAborts(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, socket := filepath.Join(dir, "or3-cloud"), filepath.Join(dir, "s")
	if err := os.Symlink(self, program); err != nil { // TestMain decides by the name
		t.Fatal(err)
	}
	server := exec.Command(program, "serve", "--addr", "unix:"+socket)
	server.Dir, server.Env = dir, append(os.Environ(), "OR3_LOG_FORMAT=text")
	log, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill() })
	if _, _, err := patience.Request(socket, http.MethodGet, "/"); err != nil {
		t.Fatal(err)
	}
	hanging, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	// The server answers "100 Continue" when it has begun to read the body, so that the request is under way.
	fmt.Fprint(hanging, "POST /api/basic-auth/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
	if line, err := bufio.NewReader(hanging).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("%q, %v", line, err)
	}
	if err := server.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(log); lines.Scan() && !strings.Contains(lines.Text(), "shutting down"); {
	}
	if err := server.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, log)
	err = server.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
		t.Errorf("the process ended with %v, want the signal", err)
	}
}
