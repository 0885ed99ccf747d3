package e2e

import (
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/internal/patience"
)

// TestStartUp does what the README says: with nothing set, a built binary answers, on a data directory that only its
// owner can read, and shows how to create the first account. It reports how long start and stop took; a quiet machine
// starts in well under two seconds.
func TestStartUp(t *testing.T) {
	srv := newServer(t, withBinary(binary(t, buildPlain)))
	began := time.Now()
	srv.start()
	t.Logf("healthy after %v", time.Since(began))
	srv.waitOutput(srv.url + "/account/#setup=")
	if runtime.GOOS != "windows" {
		err := filepath.WalkDir(srv.data, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			// SQLite's side files take the umask's mode; the directory keeps others out.
			side := strings.HasSuffix(path, "-wal") || strings.HasSuffix(path, "-shm")
			if err == nil && info.Mode().Perm()&0o077 != 0 && !side {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	d := newDevice(t, srv, "A")
	if r := d.call("GET", "/", nil); r.status != 200 || !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
		t.Errorf("the first page: %d %s", r.status, r.header.Get("Content-Type"))
	}
	s := d.register("first@example.test")
	for _, c := range d.jar.cookies {
		// A local instance is reached over plain HTTP, where browsers refuse Secure cookies.
		if c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("cookie %s: Secure %v, HttpOnly %v, SameSite %v", c.Name, c.Secure, c.HttpOnly, c.SameSite)
		}
	}
	d.push(s.Workspace.ID, newOp("theme", "dark"))

	began = time.Now()
	srv.stop()
	t.Logf("stopped after %v", time.Since(began))
	if strings.Contains(srv.logs.String(), "grace period") {
		t.Error("an idle server has waited for requests to end")
	}
	srv.start()
	if got := d.mustSession(); got.User.ID != s.User.ID {
		t.Errorf("after a restart the device is signed in as %s", got.User.ID)
	}
	if page := d.pull(s.Workspace.ID, 0, 300); len(page.Changes) != 1 {
		t.Errorf("after a restart there are %d changes", len(page.Changes))
	}
}

// TestPortWhileOpening sends requests from the first moment on. Once the port is open every answer is 503 with
// Retry-After until the store is ready, and then 200: a client gives edits up on anything else.
func TestPortWhileOpening(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	srv := newServer(t, withBinary(binary(t, buildPlain)), withArgs("--addr", addr))
	srv.url = "http://" + addr
	d := newDevice(t, srv, visitor)
	srv.spawn()
	open := false
	patience.Until(t, "the session is answered", func() bool {
		r, err := d.send(t.Context(), "GET", "/api/auth/session", nil, nil)
		if err != nil {
			if open {
				t.Fatalf("the port was open and is closed: %v", err)
			}
			return false
		}
		open = true
		if r.status != 200 && (r.status != 503 || r.header.Get("Retry-After") == "") {
			t.Fatalf("while the store opens: %s", r)
		}
		return r.status == 200
	})
}

// TestTakenDataDirectory starts a second process on a directory in use: it must say so and exit, and the first
// continues.
func TestTakenDataDirectory(t *testing.T) {
	t.Parallel()
	first := startServer(t)
	second := newServer(t, withData(first.data))
	second.spawn()
	if code := second.waitExit(); code == 0 {
		t.Error("the second process ended with success")
	}
	if out := second.logs.String(); !strings.Contains(out, first.data) {
		t.Errorf("the error does not name the directory:\n%s", out)
	}
	newDevice(t, first, "A").register("still@example.test")
}

// TestStrictModeReportsEverything starts a production server with nothing set: it must refuse, and name every variable
// that is missing at once.
func TestStrictModeReportsEverything(t *testing.T) {
	t.Parallel()
	srv := newServer(t, withEnv("NODE_ENV", "production"))
	srv.spawn()
	if code := srv.waitExit(); code == 0 {
		t.Error("the process ended with success")
	}
	out := srv.logs.String()
	for _, name := range []string{"OR3_BASIC_AUTH_JWT_SECRET", "OR3_STORAGE_FS_TOKEN_SECRET"} {
		if !strings.Contains(out, name) {
			t.Errorf("%s is not mentioned:\n%s", name, out)
		}
	}
	if len(srv.files()) > 0 {
		t.Errorf("a refused start left %v", srv.files())
	}
}

// TestAccountsOff switches the cloud off: only static files are served, every cloud endpoint is 404, and nothing is
// created on disk (requirement 6.1).
func TestAccountsOff(t *testing.T) {
	t.Parallel()
	web := webDir(t)
	srv := startServer(t, withEnv("SSR_AUTH_ENABLED", "false"), withArgs("--web", web))
	d := newDevice(t, srv, visitor)
	checkStatic(t, d)
	for _, p := range matrix {
		if strings.HasPrefix(p.path, "/api/health") {
			continue
		}
		r := d.do(p.method, p.path, []byte(p.body), jsonHeader)
		if r.status != 404 {
			t.Errorf("%s %s: %s", p.method, p.path, r)
			continue
		}
		checkErrorBody(t, r, 404, "")
	}
	srv.stop()
	if _, err := os.Stat(srv.data); !os.IsNotExist(err) {
		t.Errorf("the data directory exists: %v with %v", err, srv.files())
	}
}

// TestNoProviders builds the program without any provider: it starts and serves static files (requirement 1.1).
func TestNoProviders(t *testing.T) {
	t.Parallel()
	srv := startServer(t, withBinary(binary(t, buildProviders)), withArgs("--web", webDir(t)))
	checkStatic(t, newDevice(t, srv, visitor))
	srv.stop()
	if len(srv.files()) > 0 {
		t.Errorf("files were made: %v", srv.files())
	}
	strict := newServer(t, withBinary(binary(t, buildProviders)), withEnv("OR3_STRICT_CONFIG", "true"))
	strict.spawn()
	if code := strict.waitExit(); code == 0 {
		t.Error("strict mode starts without the configured providers")
	}
	if out := strict.logs.String(); !strings.Contains(out, "sqlite") || !strings.Contains(out, "basic-auth") {
		t.Errorf("the missing providers are not named:\n%s", out)
	}
}

func webDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"index.html": "<!doctype html><title>client</title>", "app.js": "export {}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func checkStatic(t *testing.T, d *device) {
	t.Helper()
	for path, want := range map[string]string{
		"/": "<title>client</title>", "/app.js": "export {}", "/api/_nuxt_icon/lucide.json?icons=search": `"prefix":"lucide"`,
	} {
		if r := d.call("GET", path, nil); r.status != 200 || !strings.Contains(string(r.body), want) {
			t.Errorf("GET %s: %s", path, r)
		}
	}
}

// TestNothingForeignIsLinked checks the modules of the default binary: no service that an operator did not choose.
func TestNothingForeignIsLinked(t *testing.T) {
	t.Parallel()
	for _, build := range []func() (string, error){buildPlain, buildProviders} {
		out, err := exec.Command("go", "version", "-m", binary(t, build)).CombinedOutput()
		if err != nil {
			t.Fatalf("go version -m: %v\n%s", err, out)
		}
		for line := range strings.Lines(string(out)) {
			fields := strings.Fields(line)
			if len(fields) < 2 || fields[0] != "dep" {
				continue
			}
			for _, name := range []string{"clerk", "convex", "pgx", "minio", "aws-sdk"} {
				if strings.Contains(strings.ToLower(fields[1]), name) {
					t.Errorf("%q is linked", fields[1])
				}
			}
		}
	}
	out, _ := exec.Command("go", "version", "-m", binary(t, buildProviders)).CombinedOutput()
	if strings.Contains(string(out), "go-sqlite3") {
		t.Errorf("without providers the database driver is linked:\n%s", out)
	}
}
