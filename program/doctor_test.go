package program

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/program/doctor"
)

// TestDoctorInScripts follows what the guide tells to type.
//
//walk:follows operations.md or3-cloud doctor
//walk:follows operations.md or3-cloud doctor --offline --env-file /etc/or3-cloud.env
//walk:follows operations.md or3-cloud doctor --json
//walk:follows operations.md or3-cloud providers
//walk:follows operations.md or3-cloud providers --json
func TestDoctorInScripts(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	file := filepath.Join(dir, "or3-cloud.env")
	if err := os.WriteFile(file, []byte("OR3_LOG_LEVEL=loud\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"doctor", "--addr", "127.0.0.1:0"}, 0, "0 errors, "},
		{[]string{"doctor", "--addr", "127.0.0.1:0", "--offline", "--env-file", file}, 1, `error: OR3_LOG_LEVEL: "loud" is not one of the accepted values`},
		{[]string{"providers"}, 0, "sqlite      sync     sync      or3.chat/cloud/providers/sqlite"},
	} {
		a, out, errs := testApp(nil)
		if code := a.main(c.args); code != c.code || !strings.Contains(out.String(), c.says) || errs.Len() > 0 {
			t.Errorf("%v: %d\n%s%s", c.args, code, out, errs)
		}
	}
	a, out, _ := testApp(nil)
	var report doctor.Report
	if code := a.main([]string{"doctor", "--json", "--addr", "127.0.0.1:0"}); code != 0 || json.Unmarshal(out.Bytes(), &report) != nil || !report.OK || len(report.Examined) < 7 {
		t.Errorf("%d %s", code, out)
	}
	a, out, _ = testApp(nil)
	var list []struct{ ID string }
	if code := a.main([]string{"providers", "--json"}); code != 0 || json.Unmarshal(out.Bytes(), &list) != nil || len(list) != 3 || list[1].ID != "fs" {
		t.Errorf("%d %s", code, out)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("something was made: %v, %v", entries, err)
	}
}

// TestDoctorAsksTheProviders has each of them find something: a directory in which no file can be made, because it lies below a file.
func TestDoctorAsksTheProviders(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a, out, _ := testApp([]string{
		"OR3_DATA_DIR=" + filepath.Join(dir, "data"), "OR3_BASIC_AUTH_DB_PATH=" + filepath.Join(file, "a", "accounts.sqlite"),
		"OR3_SQLITE_DB_PATH=" + filepath.Join(file, "sync.sqlite"), "OR3_STORAGE_FS_ROOT=" + filepath.Join(file, "blobs"), "OR3_SQLITE_PRAGMA_SYNCHRONOUS=OFF",
	})
	if code := a.main([]string{"doctor", "--offline", "--addr", "127.0.0.1:0"}); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"error: OR3_BASIC_AUTH_DB_PATH: the server's user cannot make files in " + file, "error: OR3_SQLITE_DB_PATH: the server's user",
		"error: OR3_STORAGE_FS_ROOT: the server's user", "warning: OR3_SQLITE_PRAGMA_SYNCHRONOUS is OFF. A power failure loses changes",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// TestDoctorBesideAServer looks at a server that runs behind a proxy, and at what that sends.
func TestDoctorBesideAServer(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	target := &url.URL{Scheme: "http", Host: addr}
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() }})
	defer front.Close()
	for _, c := range []struct {
		trusted string
		code    int
		says    string
	}{
		{"loopback", 0, "0 errors, "},
		{"192.0.2.1", 1, "error: OR3_TRUSTED_PROXIES does not name the proxy at 127.0.0.1"},
	} {
		t.Run(c.trusted, func(t *testing.T) {
			dir := t.TempDir()
			program := filepath.Join(dir, "or3-cloud")
			if err := os.Symlink(self, program); err != nil { // TestMain goes by the name
				t.Fatal(err)
			}
			run := func(args ...string) *exec.Cmd {
				cmd := exec.Command(program, args...)
				cmd.Dir, cmd.Env = dir, []string{"OR3_ADDR=" + addr, "OR3_PUBLIC_URL=" + front.URL, "OR3_TRUSTED_PROXIES=" + c.trusted}
				return cmd
			}
			server := run("serve")
			var log bytes.Buffer
			server.Stderr = &log
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- server.Wait() }()
			defer func() {
				_ = server.Process.Kill()
				<-ended
			}()
			if !patience.Try(func() bool {
				res, err := http.Get("http://" + addr + "/api/health/ready")
				if err != nil {
					return false
				}
				res.Body.Close()
				_, err = os.Stat(filepath.Join(dir, "data", "control.sock"))
				return res.StatusCode == http.StatusOK && err == nil
			}) {
				t.Fatalf("the server does not become ready: %s", &log)
			}
			out, _ := run("doctor").CombinedOutput()
			if text := string(out); !strings.Contains(text, c.says) || !strings.Contains(text, "address, public-url.") {
				t.Errorf("%s", text)
			}
			offline, err := run("doctor", "--offline").CombinedOutput()
			if err != nil || strings.Contains(string(offline), "public-url") {
				t.Errorf("%v\n%s", err, offline)
			}
		})
	}
}
