//go:build unix

package program

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"or3.chat/cloud/engine/place"
	"or3.chat/cloud/internal/datadir"
	"or3.chat/cloud/internal/patience"
)

// starter is a host that has started the engine command, and reads its output.
type starter struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	lines chan announcement
	log   *patience.Output
	ended chan error
}

func startEngine(t *testing.T, data string, args ...string) *starter {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "or3-cloud")
	if err := os.Symlink(self, program); err != nil { // TestMain decides by the name
		t.Fatal(err)
	}
	s := &starter{t: t, cmd: exec.Command(program, append([]string{"engine", "--data", data}, args...)...), log: &patience.Output{}, lines: make(chan announcement, 8), ended: make(chan error, 1)}
	s.cmd.Dir, s.cmd.Stderr = dir, s.log
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	go func() {
		defer close(s.lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			var a announcement
			if err := json.Unmarshal(in.Bytes(), &a); err != nil {
				t.Errorf("%q: %v", in.Text(), err)
			}
			s.lines <- a
		}
		s.ended <- s.cmd.Wait()
	}()
	return s
}

// said waits for the next line.
func (s *starter) said() announcement {
	s.t.Helper()
	a := patience.Receive(s.t, "a line of the engine command", s.lines)
	if a.PID == 0 {
		s.t.Fatalf("the command has ended: %s", s.log)
	}
	return a
}

// gone waits for the end of the command.
func (s *starter) gone() error {
	s.t.Helper()
	return patience.Receive(s.t, "the end of the engine command", s.ended)
}

// request sends a request to the engine for a user, who may be empty.
func (a announcement) request(t *testing.T, secret, user, path, body string) (status int, text string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if a.Socket != "" {
			return new(net.Dialer).DialContext(ctx, "unix", a.Socket)
		}
		return new(net.Dialer).DialContext(ctx, "tcp", a.Address)
	}}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://engine"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.Header.Set("Or3-Engine-Caller", url.PathEscape(`{"user":{"id":"`+user+`"}}`))
	}
	if secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(data)
}

// ready reports whether the engine is ready.
func (a announcement) ready(t *testing.T, secret string) bool {
	t.Helper()
	status, text := a.request(t, secret, "", "/engine/hello", "{}")
	return status == http.StatusOK && strings.Contains(text, `"state":"ready"`)
}

// member makes a user.
func (a announcement) member(t *testing.T) (user, workspace string) {
	t.Helper()
	var out struct{ UserID, WorkspaceID string }
	status, text := a.request(t, "", "", "/engine/v1/workspaces/get-or-create-user", `{"provider":"test","providerUserId":"ann"}`)
	if err := json.Unmarshal([]byte(text), &out); err != nil || status != http.StatusOK {
		t.Fatal(status, text, err)
	}
	status, text = a.request(t, "", "", "/engine/v1/workspaces/get-or-create-default-workspace", `{"userId":"`+out.UserID+`"}`)
	if err := json.Unmarshal([]byte(text), &out); err != nil || status != http.StatusOK {
		t.Fatal(status, text, err)
	}
	return out.UserID, out.WorkspaceID
}

func (a announcement) push(t *testing.T, user, workspace string, n int) (acknowledged bool) {
	t.Helper()
	status, text := a.request(t, "", user, "/engine/v1/sync/push", fmt.Sprintf(`{"scope":{"workspaceId":%q},"ops":[{"tableName":"kv","operation":"put","pk":"k%[2]d",`+
		`"payload":{"id":"k%[2]d","name":"n%[2]d","value":"v","created_at":1,"updated_at":1,"clock":1},"stamp":{"deviceId":"1a2b3c4d","opId":"0f0e3c52-6a50-4b5e-8f3e-%012[2]d","hlc":"h","clock":1}}]}`,
		workspace, n))
	return status == http.StatusOK && strings.Contains(text, `"success":true`)
}

func TestOneEngineForAllStarters(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first := startEngine(t, data, "--attached")
	a := first.said()
	if a.Joined || a.PID != first.cmd.Process.Pid || a.Socket != filepath.Join(data, "engine.sock") || a.Place != filepath.Join(data, "engine.json") || a.Protocol.Current != place.Version {
		t.Fatalf("%+v", a)
	}
	second := startEngine(t, data, "--attached")
	b := second.said()
	if !b.Joined || b.PID != a.PID || b.Socket != a.Socket || b.Version != a.Version {
		t.Fatalf("%+v", b)
	}
	// The engine outlives its starter while the other is there.
	first.stdin.Close()
	for range 3 {
		if !b.ready(t, "") {
			t.Fatal("the engine has left its second starter")
		}
	}
	second.stdin.Close()
	for _, s := range []*starter{second, first} {
		if err := s.gone(); err != nil {
			t.Errorf("%v: %s", err, s.log)
		}
	}
	for _, name := range []string{"engine.sock", "engine.json", "control.sock"} {
		if _, err := os.Lstat(filepath.Join(data, name)); err == nil {
			t.Errorf("%s is left", name)
		}
	}
	dir, err := datadir.Open(data, datadir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.Close(); err != nil {
		t.Error(err)
	}
}

// A guest whose engine is killed becomes the engine. Nothing that was acknowledged is lost.
func TestAGuestTakesThePlaceOfAKilledEngine(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	starters := []*starter{startEngine(t, data, "--attached")}
	at := starters[0].said()
	user, workspace := at.member(t)
	for range 2 {
		s := startEngine(t, data, "--attached")
		if !s.said().Joined {
			t.Fatal("a second engine")
		}
		starters = append(starters, s)
	}
	pushed := 0
	for len(starters) > 1 {
		for range 3 {
			if pushed++; !at.push(t, user, workspace, pushed) {
				t.Fatal("not acknowledged")
			}
		}
		for i, s := range starters { // whichever is the engine
			if s.cmd.Process.Pid == at.PID {
				if err := s.cmd.Process.Signal(syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				_ = s.gone()
				starters = append(starters[:i:i], starters[i+1:]...)
				break
			}
		}
		next := 0
		for _, s := range starters {
			b := s.said()
			if !b.Joined {
				next = s.cmd.Process.Pid
			}
			at = b
		}
		if next == 0 || at.PID != next {
			t.Fatalf("%d is the engine, and told is %+v", next, at)
		}
	}
	status, text := at.request(t, "", user, "/engine/v1/sync/pull", fmt.Sprintf(`{"scope":{"workspaceId":%q},"cursor":0,"limit":100}`, workspace))
	if n := strings.Count(text, `"tableName":"kv"`); status != http.StatusOK || n != pushed {
		t.Errorf("%d %s: %d rows of %d", status, text, n, pushed)
	}
	starters[0].stdin.Close()
	if err := starters[0].gone(); err != nil {
		t.Errorf("%v: %s", err, starters[0].log)
	}
}

func TestASignalEndsTheEngineAndItsGuestGoesOn(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first := startEngine(t, data)
	a := first.said()
	guest := startEngine(t, data)
	if !guest.said().Joined {
		t.Fatal("a second engine")
	}
	first.stdin.Close() // does not matter
	if !a.ready(t, "") {
		t.Fatal("ended with standard input")
	}
	if err := first.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := first.gone(); err != nil {
		t.Errorf("%v: %s", err, first.log)
	}
	if b := guest.said(); b.Joined || b.PID != guest.cmd.Process.Pid || !b.ready(t, "") {
		t.Errorf("%+v", b)
	}
	if err := guest.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := guest.gone(); err != nil {
		t.Errorf("%v: %s", err, guest.log)
	}
}

func TestAnEngineWithALongPath(t *testing.T) {
	data := filepath.Join(t.TempDir(), strings.Repeat("long", 30), "data")
	if err := os.MkdirAll(filepath.Dir(data), 0o755); err != nil {
		t.Fatal(err)
	}
	first, second := startEngine(t, data, "--attached"), startEngine(t, data, "--attached")
	a, b := first.said(), second.said()
	if a.Joined == b.Joined {
		t.Fatalf("%+v %+v", a, b)
	}
	for _, at := range []announcement{a, b} {
		if len(at.Socket) > 100 || !at.ready(t, "") {
			t.Errorf("%+v", at)
		}
	}
	first.stdin.Close()
	second.stdin.Close()
	for _, s := range []*starter{first, second} {
		if err := s.gone(); err != nil {
			t.Errorf("%v: %s", err, s.log)
		}
	}
	for _, at := range []announcement{a, b} {
		if _, err := os.Lstat(at.Socket); err == nil {
			t.Errorf("%s is left", at.Socket)
		}
	}
}

func TestAnEngineOnALoopbackAddress(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first := startEngine(t, data, "--attached", "--loopback")
	a := first.said()
	text, err := os.ReadFile(a.Place)
	var place place.Place
	if err == nil {
		err = json.Unmarshal(text, &place)
	}
	if err != nil || a.Socket != "" || a.Address != place.Address || !a.ready(t, place.Secret) || a.ready(t, "") {
		t.Fatalf("%+v %+v %v", a, place, err)
	}
	second := startEngine(t, data, "--attached") // takes the engine as it is
	if b := second.said(); !b.Joined || b.Address != a.Address {
		t.Errorf("%+v", b)
	}
	if strings.Contains(first.log.String()+second.log.String(), place.Secret) {
		t.Error("the secret is in a log")
	}
	first.stdin.Close()
	second.stdin.Close()
	for _, s := range []*starter{first, second} {
		if err := s.gone(); err != nil {
			t.Errorf("%v: %s", err, s.log)
		}
	}
}

// A host of its own has no /metrics for what the engine knows, so the engine answers itself.
func TestAnEngineIsMeasured(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	t.Setenv("OR3_METRICS_ADDR", free.Addr().String())
	t.Setenv("OR3_METRICS_TOKEN", "a token for metrics that is long enough")
	s := startEngine(t, filepath.Join(t.TempDir(), "data"), "--attached")
	s.said()
	for token, want := range map[string]int{"": http.StatusUnauthorized, "a token for metrics that is long enough": http.StatusOK} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+free.Addr().String()+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%v: %s", err, s.log)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != want {
			t.Fatalf("%q: %d %s %v", token, res.StatusCode, text, err)
		}
		for _, figure := range []string{"\nor3_cloud_ready 1\n", "\nor3_cloud_users 0\n", "\nor3_cloud_sync_log_bytes 0\n", "\ngo_goroutines "} {
			if want == http.StatusOK && !strings.Contains(string(text), figure) {
				t.Errorf("%q is missing: %s", figure, text)
			}
		}
	}
	s.stdin.Close()
	if err := s.gone(); err != nil {
		t.Errorf("%v: %s", err, s.log)
	}
}

// Strict mode does not require providers that are the host's own, and reports when there is nothing to serve.
func TestAnEngineServesWhatItHas(t *testing.T) {
	t.Setenv("NODE_ENV", "production")
	t.Setenv("AUTH_PROVIDER", "clerk")
	t.Setenv("OR3_STORAGE_FS_TOKEN_SECRET", "a-secret-of-files-0123456789abcdef")
	data := t.TempDir()
	s := startEngine(t, data, "--attached")
	if a := s.said(); !a.ready(t, "") {
		t.Errorf("%+v", a)
	}
	s.stdin.Close()
	if err := s.gone(); err != nil {
		t.Errorf("%v: %s", err, s.log)
	}
	t.Setenv("OR3_SYNC_PROVIDER", "convex")
	t.Setenv("NUXT_PUBLIC_STORAGE_PROVIDER", "s3")
	s = startEngine(t, data)
	if err := s.gone(); err == nil || !strings.Contains(s.log.String(), "there is nothing to serve") {
		t.Errorf("%v: %s", err, s.log)
	}
}

// looking is an engine command in this process that looks only a few times.
func looking(t *testing.T, data string) error {
	t.Helper()
	a := newApp(registerProviders)
	a.stdout, a.stderr, a.environ = &patience.Output{}, &patience.Output{}, os.Environ()
	c := engineCommand{app: a, settingFlags: settingFlags{data: data, partial: true}}
	s, err := c.loadServer(c.settingFlags)
	if err != nil {
		t.Fatal(err)
	}
	log, err := c.logger(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	return engineRun{engineCommand: c, settings: s, log: log.Logger, path: data, looks: 2}.attend(t.Context())
}

func TestADirectoryThatIsHeldByNoEngine(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	dir, err := datadir.Open(data, datadir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	want := fmt.Sprintf("in use by the process with pid %d", os.Getpid())
	if err := looking(t, data); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "or3-cloud serve") {
		t.Errorf("%v", err)
	}
	// What a killed engine has left behind is not an engine either.
	if err := os.WriteFile(place.File(data), []byte(`{"socket":"/gone","pid":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := looking(t, data); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(place.File(data), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := looking(t, data); err == nil || !strings.Contains(err.Error(), "engine.json is damaged") {
		t.Errorf("%v", err)
	}
}

func TestAnEngineOfAnotherVersionIsNotJoined(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	dir, err := datadir.Open(data, datadir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	ln, err := place.Listen(data, false)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	other := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"code":"conflict","status":409,"message":"or3-cloud 9.0.0 speaks version 9 of the engine protocol, and or3-cloud devel speaks version 1"}`)
	})}
	go func() { defer close(served); _ = other.Serve(ln) }()
	defer func() { other.Close(); <-served }()
	if err := looking(t, data); err == nil || !strings.Contains(err.Error(), "9.0.0 speaks version 9") {
		t.Errorf("%v", err)
	}
	if err := ln.Withdraw(); err != nil {
		t.Error(err)
	}
}

// An engine that cannot start says why, exits with 1 and leaves nothing that looks like an engine.
func TestAnEngineThatCannotStart(t *testing.T) {
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "letter.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "data")
	whole := startEngine(t, broken, "--attached")
	whole.said()
	whole.stdin.Close()
	if err := whole.gone(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken, "or3-sync.sqlite"), []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string]string{foreign: "is not a data directory", broken: "or3-sync.sqlite"} {
		s := startEngine(t, data)
		if a, open := <-s.lines; open {
			t.Fatalf("%+v", a)
		}
		if err := s.gone(); err == nil || !strings.Contains(s.log.String(), want) {
			t.Errorf("%v: %s", err, s.log)
		}
		for _, name := range []string{"engine.sock", "engine.json"} {
			if _, err := os.Lstat(filepath.Join(data, name)); err == nil {
				t.Errorf("%s is left in %s", name, data)
			}
		}
	}
}

// TestAnEngineEndsInOrderWhenNoOneReadsItsLog is about a host that was killed: its ends of our pipes are closed, and
// the engine still writes to them, serves others or shuts down.
func TestAnEngineEndsInOrderWhenNoOneReadsItsLog(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, data := filepath.Join(dir, "or3-cloud"), filepath.Join(dir, "data")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "engine", "--attached", "--data", data)
	cmd.Dir = dir
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	for _, pipe := range []io.Closer{stderr, stdout, stdin} {
		if err := pipe.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the engine has not ended by itself: %v", err)
	}
	if _, err := os.Stat(place.File(data)); !os.IsNotExist(err) {
		t.Errorf("the place of the engine is left: %v", err)
	}
}
