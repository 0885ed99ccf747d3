package e2e

import (
	"net/http"
	"strings"
	"testing"
)

const (
	adminName     = "admin"
	adminPassword = "Correct horse 1"
)

// withAdmin sets a super administrator.
func withAdmin() []setup {
	return []setup{withEnv("OR3_ADMIN_USERNAME", adminName), withEnv("OR3_ADMIN_PASSWORD", adminPassword)}
}

// administer signs a browser in as the super administrator.
func (d *device) administer() {
	d.t.Helper()
	if r := d.post("/api/admin/auth/login", obj{"username": adminName, "password": adminPassword}); r.status != 200 {
		d.t.Fatalf("sign-in of the super administrator: %s", r)
	}
}

// The pages of a client for administrators are shown to them, even by a client that has no sign-in of its own.
func TestPagesForAdministrators(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		base   string // of the pages
		setups []setup
	}{
		"at their place": {"/admin", nil},
		"elsewhere":      {"/boss", []setup{withEnv("OR3_ADMIN_BASE_PATH", "/boss")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := startServer(t, append(append(withAdmin(), withArgs("--web", nuxtClient(t, "/", false))), c.setups...)...)
			d := newDevice(t, srv, "browser")
			visit := func(path string, status int, what string) {
				t.Helper()
				r := d.do("GET", path, nil, navigate)
				if got := r.header.Get("Location") + string(r.body); r.status != status || !strings.Contains(got, what) {
					t.Errorf("%s: %d %s, want %d and %q", path, r.status, got, status, what)
				}
			}
			visit(c.base+"?x=1", http.StatusTemporaryRedirect, c.base+"/login")
			visit(c.base+"/login", 200, "window.__NUXT__")
			visit("/", http.StatusFound, "/account/")
			if c.base != "/admin" {
				visit("/admin", 404, "")
			}
			d.administer()
			visit(c.base+"/login", http.StatusTemporaryRedirect, c.base+"/workspaces")
			visit(c.base+"/workspaces", 200, "window.__NUXT__")
		})
	}
	t.Run("without a super administrator", func(t *testing.T) {
		t.Parallel()
		srv := startServer(t, withArgs("--web", nuxtClient(t, "/", true)))
		d := newDevice(t, srv, "browser")
		for _, path := range []string{"/admin", "/admin/login?x=1", "/admin/workspaces"} {
			if r := d.do("GET", path, nil, navigate); r.status != 404 {
				t.Errorf("%s: %s", path, r)
			}
		}
	})
}
