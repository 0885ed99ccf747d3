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

// example is the module whose source is printed in docs/providers.md.
const example = "../examples/provider"

// TestAProgramWithAProviderOfAnotherModule builds examples/provider, which can import only exported packages, with the
// versions that its go.mod requires, runs its tests, starts it and signs in.
//
//walk:follows providers.md go test ./...
//walk:follows providers.md go build -o mycloud .
//walk:follows providers.md AUTH_PROVIDER=household HOUSEHOLD_KEY=a-key-that-the-whole-household-knows ./mycloud serve
func TestAProgramWithAProviderOfAnotherModule(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a binary")
	}
	dir := t.TempDir()
	for _, args := range [][]string{{"test", "./..."}, {"build", "-o", filepath.Join(dir, "mycloud"), "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = example
		cmd.Env = append(os.Environ(), "GOPROXY=off", "GOSUMDB=off", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	const key = "a-key-that-the-whole-household-knows"
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
