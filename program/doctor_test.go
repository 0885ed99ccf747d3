package program

import (
	"bytes"
	"encoding/json"
	"errors"
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
	"time"

	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/program/doctor"
)

// TestDoctorInScripts runs the commands of the guide.
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

// TestDoctorReportsWhateverTheDataDirectoryIs, for programs too: what it cannot examine is a finding.
func TestDoctorReportsWhateverTheDataDirectoryIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		a, out, errs := testApp([]string{"OR3_DATA_DIR=" + path})
		var report doctor.Report
		if code := a.main([]string{"doctor", "--json", "--offline", "--addr", "127.0.0.1:0"}); code != 1 || json.Unmarshal(out.Bytes(), &report) != nil || errs.Len() > 0 {
			t.Fatalf("%s: %d %s%s", path, code, out, errs)
		}
		if f := report.Findings[0]; f.Severity != doctor.Error || f.Variable != "OR3_DATA_DIR" || !strings.Contains(f.Fault, "is a file") || f.Fix == "" || f.Why == "" {
			t.Errorf("%+v", report)
		}
	}
}

// TestDoctorOfRootChangesNothing in the data directory of another user, not even for a moment.
func TestDoctorOfRootChangesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can act as two users")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, data := filepath.Join(dir, "or3-cloud"), filepath.Join(dir, "data")
	long := time.Now().Add(-time.Hour)
	if err := errors.Join(os.Symlink(self, program), os.Mkdir(data, 0o700), os.Chown(data, 61234, 61235), os.Chtimes(data, long, long)); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(data)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "doctor", "--offline", "--addr", "127.0.0.1:0")
	cmd.Dir, cmd.Env = dir, []string{}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if after, err := os.Stat(data); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the directory was written to: %v", err)
	}
}

// TestDoctorAsksTheProviders makes each of them find something: a directory in which no file can be created, because it
// is below a file.
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
		"error: OR3_BASIC_AUTH_DB_PATH: the server's user cannot create files in " + file, "error: OR3_SQLITE_DB_PATH: the server's user",
		"error: OR3_STORAGE_FS_ROOT: the server's user", "warning: OR3_SQLITE_PRAGMA_SYNCHRONOUS is OFF. A power failure loses changes",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// TestDoctorBesideAServer examines a server that runs behind a proxy, and what that sends.
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
			if err := os.Symlink(self, program); err != nil { // TestMain decides by the name
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

// installPackage creates the files that identify an installed package.
func installPackage(t *testing.T, dir, name string) {
	t.Helper()
	at := filepath.Join(dir, "node_modules", name)
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, "package.json"), []byte(`{"name":"`+name+`"}`), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDoctorOfANuxtHost examines directories that set-up has written for OR3 Chat's own server, with things that go
// wrong in them. They need no provider of this program, which does not listen there.
func TestDoctorOfANuxtHost(t *testing.T) {
	const list = "or3.providers.generated.json"
	clerk := "SSR_AUTH_ENABLED=true\nAUTH_PROVIDER=clerk\nOR3_SYNC_PROVIDER=convex\nNUXT_PUBLIC_STORAGE_PROVIDER=convex\nOR3_STRICT_CONFIG=true\n" +
		"NUXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk_test_1\nNUXT_CLERK_SECRET_KEY=sk_test_1\nVITE_CONVEX_URL=https://a.convex.cloud\n"
	modules := `{"schemaVersion":1,"modules":["or3-provider-clerk/nuxt","or3-provider-convex/nuxt"]}`
	const key = "q7Hn0v5mXwC2yKfR8bTzUeJ4sPdL1aGiO6NtYxVhWk3="
	ours := "AUTH_PROVIDER=basic-auth\nOR3_SYNC_PROVIDER=sqlite\nNUXT_PUBLIC_STORAGE_PROVIDER=fs\nOR3_PUBLIC_URL=https://cloud.example.org\n"
	for _, c := range []struct {
		name, env string
		files     map[string]string
		installed []string
		args      []string
		code      int
		says      []string
		not       string
	}{
		{"good", clerk, map[string]string{list: modules}, []string{"or3-provider-clerk", "or3-provider-convex"}, nil, 0, []string{"0 errors, 0 warnings. Looked at as a Nuxt host: "}, ""},
		{"a key is missing", strings.Replace(clerk, "NUXT_CLERK_SECRET_KEY=sk_test_1\n", "", 1), nil, nil, nil, 1, []string{"error: NUXT_CLERK_SECRET_KEY is not set"}, ""},
		{"a key is another one", strings.Replace(clerk, "=sk_test_1", "=pk_test_1", 1), nil, nil, nil, 0, []string{"warning: NUXT_CLERK_SECRET_KEY does not begin with sk_"}, ""},
		{"a name is misspelt", clerk + "NUXT_CLERK_SECRET_KEYS=sk_test_1\nOR3_PUBLIC_ULR=x\n", nil, nil, nil, 1, []string{"Did you mean NUXT_CLERK_SECRET_KEY?", "Did you mean OR3_PUBLIC_URL?"}, ""},
		{"a key that someone thought up", ours + "OR3_BASIC_AUTH_JWT_SECRET=" + strings.Repeat("changeme", 5) + "\n", nil, nil, nil, 0, []string{"warning: OR3_BASIC_AUTH_JWT_SECRET is not a random key"}, "OR3_TRUSTED_PROXIES"},
		{"ours", ours + "OR3_BASIC_AUTH_JWT_SECRET=" + key + "\n", nil, []string{"or3-provider-basic-auth", "or3-provider-sqlite"}, nil, 1, []string{"error: or3-provider-fs is not installed", "docs/nuxt-host.md"}, ""},
		{"clerk is not installed", clerk, nil, []string{"or3-provider-convex"}, nil, 1, []string{"error: or3-provider-clerk is not installed", "npm install or3-provider-clerk"}, ""},
		{"nothing is installed yet", clerk, nil, nil, nil, 0, []string{"warning: or3-provider-clerk is not installed"}, ""},
		{"a list of other providers", clerk, map[string]string{list: strings.Replace(modules, "clerk", "basic-auth", 1)}, nil, nil, 0, []string{"warning: " + list + " has or3-provider-basic-auth/nuxt"}, ""},
		{"a list that is none", clerk, map[string]string{list: `{"modules":[]}`}, nil, nil, 1, []string{"error: " + list, "schemaVersion is 0"}, ""},
		{"a list with another key", clerk, map[string]string{list: `{"schemaVersion":1,"modules":[],"more":1}`}, nil, nil, 1, []string{"error: " + list, "unknown field"}, ""},
		{"both lists", clerk, map[string]string{list: modules, "or3.providers.generated.ts": ""}, nil, nil, 0, []string{"warning: or3.providers.generated.ts is not read"}, ""},
		{"the old list alone", clerk, map[string]string{"or3.providers.generated.ts": "", "shared/config/application-plan.ts": ""}, nil, nil, 1, []string{"error: or3.providers.generated.ts is not read by this host"}, ""},
		{"the old list of an old host", clerk, map[string]string{"or3.providers.generated.ts": ""}, nil, nil, 0, []string{"0 errors"}, list},
		{"no accounts", "SSR_AUTH_ENABLED=false\n", map[string]string{list: "{"}, nil, nil, 0, []string{"0 errors, 0 warnings. Looked at as a Nuxt host"}, ""},
		{"no server of this program", ours, nil, nil, []string{"--host", "program", "--addr", "127.0.0.1:0"}, 1, []string{"OR3_TRUSTED_PROXIES is not set", "address"}, "Nuxt"},
		{"flags of a server", clerk, nil, nil, []string{"--addr", "127.0.0.1:0"}, 1, []string{"address"}, "Nuxt"},
		{"another host", "", nil, nil, []string{"--host", "windows"}, 2, nil, "Looked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			if c.files == nil {
				c.files = map[string]string{}
			}
			c.files["nuxt.config.ts"], c.files[".env"] = "export default {}", c.env
			for name, text := range c.files {
				if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range c.installed {
				installPackage(t, dir, name)
			}
			a, out, errs := testApp(nil)
			code := a.main(append([]string{"doctor", "--offline"}, c.args...))
			var lines []string
			for line := range strings.Lines(out.String()) {
				if !strings.HasPrefix(line, "warning: clock ") { // which is the machine's
					lines = append(lines, line)
				}
			}
			text := strings.Replace(strings.Join(lines, ""), "0 errors, 1 warning.", "0 errors, 0 warnings.", min(1, strings.Count(out.String(), "warning: clock ")))
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("does not say %q", want)
				}
			}
			if c.not != "" && strings.Contains(text, c.not) {
				t.Errorf("speaks of %s", c.not)
			}
			if strings.Contains(text, "Nuxt host") && strings.Contains(text, "compiled") {
				t.Error("speaks of what is compiled in")
			}
			if t.Failed() {
				t.Logf("%s%s", text, errs)
			}
		})
	}
}
