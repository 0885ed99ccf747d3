//go:build unix

package program_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// guideModule is the module that docs/providers.md writes.
const guideModule = "example.org/mycloud"

// writeGuide makes a module of the files that the guide for providers prints, outside this one. It demands what this one
// demands, so that everything is at hand.
func writeGuide(t *testing.T, dir string) {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	write := func(name, text string) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files := regexp.MustCompile("(?ms)^`([a-z/_.]+)`:\n\n```go\n(.*?)^```$").FindAllStringSubmatch(read("docs/providers.md"), -1)
	if len(files) != 3 {
		t.Fatalf("the guide has %d files", len(files))
	}
	for _, f := range files {
		write(f[1], f[2])
	}
	const module = "module or3.chat/cloud\n"
	demands := read("go.mod")
	if !strings.HasPrefix(demands, module) {
		t.Fatalf("go.mod begins otherwise: %.50s", demands)
	}
	write("go.mod", "module "+guideModule+"\n"+strings.TrimPrefix(demands, module)+
		"\nrequire or3.chat/cloud v0.0.0\n\nreplace or3.chat/cloud => "+root+"\n")
	write("go.sum", read("go.sum"))
}

// TestAProgramWithAProviderOfAnotherModule builds what the guide for providers prints, as a module of its own that can import
// nothing but exported packages, runs its tests, starts it and signs in.
func TestAProgramWithAProviderOfAnotherModule(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a binary")
	}
	dir := t.TempDir()
	writeGuide(t, dir)
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}, {"build", "-o", "mycloud", "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	const key = "a key that the whole household knows"
	run := func(args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(dir, "mycloud"), args...)
		cmd.Dir = t.TempDir()
		cmd.Env = []string{"AUTH_PROVIDER=household", "HOUSEHOLD_KEY=" + key, "OR3_LOG_FORMAT=text"}
		return cmd
	}
	version, err := run("version").Output()
	if err != nil || !strings.HasPrefix(string(version), "or3-cloud ") {
		t.Errorf("%q, %v", version, err)
	}
	settings, err := run("config").Output()
	if err != nil || !regexp.MustCompile(`(?m)^AUTH_PROVIDER +environment +household$`).Match(settings) ||
		!strings.Contains(string(settings), "HOUSEHOLD_KEY") || strings.Contains(string(settings), key) {
		t.Errorf("%v\n%s", err, settings)
	}
	if strings.Contains(string(settings), "OR3_BASIC_AUTH") {
		t.Error("a provider is linked that main does not name")
	}

	socket := filepath.Join(dir, "s")
	server := run("serve", "--addr", "unix:"+socket)
	var log bytes.Buffer
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() {
		_ = server.Process.Kill()
		if t.Failed() {
			<-ended
			t.Logf("%s", &log)
		}
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Jar: jar, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	var session struct {
		Session struct {
			Authenticated bool
			Provider      string
			User          struct{ Email string }
			Workspace     struct{ ID string }
		}
	}
	ask := func() (status int) {
		res, err := client.Get("http://localhost/api/auth/session")
		if err != nil {
			return 0
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err == nil && res.StatusCode == http.StatusOK {
			err = json.Unmarshal(text, &session)
		}
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return res.StatusCode
	}
	patience.Until(t, "the server", func() bool {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the server ended: %v", err)
		default:
		}
		return ask() == http.StatusOK
	})
	if session.Session.Authenticated {
		t.Errorf("before the sign-in: %+v", session)
	}
	signIn := func(key string) int {
		body, err := json.Marshal(map[string]string{"email": "Ann@example.org", "key": key})
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Post("http://localhost/api/household/sign-in", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	if status := signIn("another key"); status != http.StatusUnauthorized {
		t.Errorf("with another key: %d", status)
	}
	if status := signIn(key); status != http.StatusOK {
		t.Errorf("with the key: %d", status)
	}
	if status := ask(); status != http.StatusOK || !session.Session.Authenticated || session.Session.Provider != "household" ||
		session.Session.User.Email != "ann@example.org" || session.Session.Workspace.ID == "" {
		t.Errorf("%d %+v", status, session)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := patience.Receive(t, "the end of the server", ended); err != nil {
		t.Error(err)
	}
	ended <- nil
}
