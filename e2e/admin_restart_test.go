//go:build unix

package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// admin posts as a page of the administration does.
func (d *device) admin(path string, body string) *reply {
	d.t.Helper()
	return d.do("POST", "/api/admin/"+path, []byte(body), http.Header{
		"Content-Type": {"application/json"}, "Origin": {d.srv.url}, "X-Or3-Admin-Intent": {"admin"},
	})
}

// TestTheConfigurationIsWrittenAndTheServerStartsAgain changes the registration on the admin pages, and restarts the
// server there, without a closed port; then it requests a start with data that is not this server's, and the server
// goes on.
func TestTheConfigurationIsWrittenAndTheServerStartsAgain(t *testing.T) {
	t.Parallel()
	srv := newServer(t, append(withAdmin(), withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", generousLimits))...)
	file := filepath.Join(srv.env["HOME"], ".env")
	if err := os.WriteFile(file, []byte("# ours\nOR3_ADMIN_ALLOW_RESTART=true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	srv.fault = "no upgrade: this program goes on serving"
	srv.start()
	d := newDevice(t, srv, "browser")
	d.administer()
	done, watched := make(chan struct{}), sync.WaitGroup{}
	watched.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			res, err := http.Get(srv.url + "/api/health")
			if errors.Is(err, syscall.ECONNREFUSED) {
				t.Error("the port is closed")
				return
			}
			if err == nil {
				res.Body.Close()
			}
		}
	})
	defer watched.Wait()
	defer close(done)

	if r := d.admin("system/config/write", `{"entries":[{"key":"OR3_AUTH_REGISTRATION_MODE","value":"disabled"}]}`); r.status != 200 || !strings.Contains(string(r.body), `"restartRequired":true`) {
		t.Fatal(r)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "# ours\nOR3_ADMIN_ALLOW_RESTART=true\n\n# ") || !strings.Contains(string(text), "OR3_AUTH_REGISTRATION_MODE=disabled") {
		t.Fatalf("%s %v", text, err)
	}
	srv.logs.mark()
	if r := d.admin("system/restart", ""); r.status != 200 || !strings.Contains(string(r.body), `"ok":true`) {
		t.Fatal(r)
	}
	srv.waitOutput(" serves ")
	patience.Until(t, "the new configuration", func() bool {
		r := newDevice(t, srv, "guest").post("/api/basic-auth/register", obj{"email": "guest@example.test", "password": password, "confirmPassword": password})
		return r.status == 403 && strings.Contains(string(r.body), "Registration is currently disabled")
	})

	// With the file of another instance, the configuration is valid, but the data cannot be opened.
	other := filepath.Join(srv.env["HOME"], "other")
	if err := errors.Join(os.Mkdir(other, 0o700), os.WriteFile(filepath.Join(other, "a file"), []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if r := d.admin("system/config/write", `{"entries":[{"key":"OR3_STORAGE_FS_ROOT","value":"/nowhere"}]}`); r.status != 400 || !strings.Contains(string(r.body), "would be left behind") {
		t.Fatal(r)
	}
	if r := d.admin("system/config/write", `{"entries":[{"key":"OR3_STORAGE_FS_ROOT","value":"`+other+`"}]}`); r.status != 200 {
		t.Fatal(r)
	}
	if r := d.admin("system/restart", ""); r.status != 200 {
		t.Fatal(r)
	}
	patience.Until(t, "the refusal of a start", func() bool {
		r := d.do("GET", "/api/admin/system/status", nil, nil)
		return r.status == 200 && strings.Contains(string(r.body), `"restartRefused":{"at":`)
	})
	select {
	case <-srv.exited:
		t.Error("the server has ended")
	default:
	}
}
