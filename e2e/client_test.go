package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nuxtClient writes a minimal Nuxt client, built for a path and with or without an account UI.
func nuxtClient(t *testing.T, base string, accountUI bool) string {
	t.Helper()
	dir := t.TempDir()
	script := "start()"
	if accountUI {
		script = `fetch("/api/basic-auth/sign-in")`
	}
	for name, text := range map[string]string{
		"200.html": `<!DOCTYPE html><html><head><script type="module" src="` + base + `_nuxt/entry.js"></script></head><body><script>window.__NUXT__={};` +
			`window.__NUXT__.config={public:{ssrAuthEnabled:false,theme:"kept"},app:{baseURL:"` + base + `",buildAssetsDir:"/_nuxt/"}}</script></body></html>`,
		"_nuxt/entry.js": script,
		"sw.js":          `precacheAndRoute([{url:"200.html",revision:"1"}])`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// navigate are the headers of a browser that opens a page.
var navigate = http.Header{"Accept": {"text/html"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"}}

// A client that was built for a path is served there, and its calls with or without the path are answered, for as long
// as a session lives.
func TestTheClientBelowAPath(t *testing.T) {
	t.Parallel()
	srv := startServer(t, withEnv("OR3_BASE_PATH", "/chat/"), withEnv("OR3_BASIC_AUTH_ACCESS_TTL_SECONDS", "1"), withArgs("--web", nuxtClient(t, "/chat/", true)))
	if out := srv.logs.String(); !strings.Contains(out, "/chat/account/#setup=") {
		t.Errorf("the first link does not lead below the path:\n%s", out)
	}
	d := newDevice(t, srv, "browser")
	page := d.do("GET", "/chat/any/where", nil, navigate)
	if page.status != 200 || !strings.Contains(string(page.body), `public:{ssrAuthEnabled:true,theme:"kept"`) {
		t.Errorf("page: %s", page)
	}
	if r := d.do("GET", "/chat", nil, navigate); r.status != http.StatusPermanentRedirect || r.header.Get("Location") != "/chat/" {
		t.Errorf("without a slash: %s %v", r, r.header)
	}
	if r := d.call("GET", "/chat/_nuxt/entry.js", nil); r.status != 200 || !strings.Contains(r.header.Get("Cache-Control"), "immutable") {
		t.Errorf("script: %s %v", r, r.header)
	}
	if r := d.call("GET", "/chat/api/nothing", nil); r.status != 404 || !strings.Contains(r.header.Get("Content-Type"), "json") {
		t.Errorf("unknown endpoint: %s", r)
	}
	r := d.post("/chat/api/basic-auth/register", obj{"email": "ann@example.org", "password": password, "confirmPassword": password})
	if r.status != 200 {
		t.Fatalf("register: %s", r)
	}
	for _, cookie := range r.header.Values("Set-Cookie") {
		live := !strings.Contains(cookie, "Max-Age=0")
		if live != strings.Contains(cookie, "Path=/;") {
			t.Errorf("a cookie that does not reach both: %s", strings.SplitN(cookie, ";", 2)[1])
		}
	}
	for _, path := range []string{"/chat/api/auth/session", "/api/auth/session"} {
		if r := d.call("GET", path, nil); !strings.Contains(string(r.body), `"authenticated":true`) {
			t.Errorf("%s: %s", path, r)
		}
	}
	if r := d.do("GET", "/chat/account/", nil, navigate); r.status != 200 || !strings.Contains(string(r.body), `data-client="/chat/"`) {
		t.Errorf("account page: %s", r)
	}
	srv.stop()

	wrong := newServer(t, withArgs("--web", nuxtClient(t, "/chat/", true)))
	wrong.spawn()
	if code := wrong.waitExit(); code == 0 || !strings.Contains(wrong.logs.String(), "OR3_BASE_PATH=/chat") {
		t.Errorf("a client for another path: exit %d\n%s", code, wrong.logs)
	}
}

// Beside a client without an account UI, browsers without a session are led to our own page, and to the client once
// they have one.
func TestAClientWithoutAnAccountUI(t *testing.T) {
	t.Parallel()
	srv := startServer(t, withArgs("--web", nuxtClient(t, "/", false)))
	d := newDevice(t, srv, "browser")
	if r := d.do("GET", "/?invite=x", nil, navigate); r.status != http.StatusFound || r.header.Get("Location") != "/account/#invite=x" {
		t.Errorf("signed out: %s %v", r, r.header)
	}
	d.register("ann@example.org")
	if r := d.do("GET", "/", nil, navigate); r.status != 200 || !strings.Contains(string(r.body), "__NUXT__") {
		t.Errorf("signed in: %s", r)
	}
	if out := srv.logs.String(); !strings.Contains(out, "/account/") {
		t.Errorf("the log does not say where people sign in:\n%s", out)
	}
}
