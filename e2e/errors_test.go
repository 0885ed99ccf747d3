package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// probeHeader gives every probe its own address, so that they do not share budgets.
func probeHeader(p probe, i int, srv *server) http.Header {
	h := http.Header{
		"X-Forwarded-For":  {fmt.Sprintf("198.51.%d.%d", i/250, i%250+1)},
		"X-Forwarded-Host": {strings.TrimPrefix(srv.url, "http://")},
	}
	mime := p.mime
	if mime == "" {
		mime = "application/json"
	}
	if p.body != "" {
		h.Set("Content-Type", mime)
	}
	return h
}

// checkErrorBody checks the form that all errors share (contract, security-middleware §7).
func checkErrorBody(t *testing.T, r *reply, status int, text string) {
	t.Helper()
	var b struct {
		Error         bool   `json:"error"`
		URL           string `json:"url"`
		StatusCode    int    `json:"statusCode"`
		StatusMessage string `json:"statusMessage"`
		Message       string `json:"message"`
	}
	r.decode(t, &b)
	if !b.Error || b.StatusCode != status || b.URL == "" || b.Message == "" || b.StatusMessage != statusMessage(b.Message) {
		t.Errorf("error body %s", r.body)
	}
	if text != "" && b.Message != text {
		t.Errorf("message %q, want %q", b.Message, text)
	}
	for name, want := range errorHeaders {
		if got := r.header.Get(name); got != want {
			t.Errorf("header %s: %q, want %q", name, got, want)
		}
	}
	if r.header.Get("Cache-Control") == "" {
		t.Error("an error without Cache-Control")
	}
}

// statusMessage returns the text that goes with a message: the same, except where a body is not JSON at all.
func statusMessage(message string) string {
	if message == "Invalid JSON body" {
		return "Bad Request"
	}
	return message
}

// TestRateLimits uses up every budget. The host's are lowered by configuration; those of basic auth are fixed.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	// An hour, because on a busy machine a minute may be over before the second request.
	one := strings.NewReplacer("1000000", "1", "60000", "3600000").Replace(generousLimits)
	srv := startServer(t, withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", one))
	d := newDevice(t, srv, "A")
	if r := d.post("/api/basic-auth/register", obj{"email": "limits@example.test", "password": password, "confirmPassword": password}); r.status != 200 {
		t.Fatal(r)
	}
	workspace := d.mustSession().Workspace.ID
	content := []byte("png")
	hash := hashOf(content)
	id := d.upload(workspace, content, png) // one presign and one commit
	sync := obj{"workspaceId": workspace}
	calls := []struct {
		path string
		body any
		// max is how many requests are allowed, in an hour for those of sync and storage and in a minute for the
		// others.
		max  int
		text string
		// headers says whether answers carry the budget.
		headers bool
	}{
		{"/api/sync/push", obj{"scope": sync, "ops": []op{}}, 1, "Rate limit exceeded. Retry after ", true},
		{"/api/sync/pull", obj{"scope": sync, "cursor": 0, "limit": 1}, 1, "Rate limit exceeded. Retry after ", true},
		{"/api/sync/update-cursor", obj{"scope": sync, "deviceId": "d", "version": 0}, 1, "Rate limit exceeded. Retry after ", true},
		{"/api/sync/snapshot", obj{"scope": sync, "pageSize": 1}, 1, "Rate limit exceeded. Retry after ", true},
		{"/api/sync/gc-tombstones", obj{"scope": sync, "retentionSeconds": 1}, 1, "Too many GC requests. Please wait before retrying.", false},
		{"/api/sync/gc-change-log", obj{"scope": sync, "retentionSeconds": 1}, 0, "Too many GC requests. Please wait before retrying.", false}, // shared with the former
		{"/api/storage/presign-upload", obj{"workspace_id": workspace, "hash": hash, "mime_type": png, "size_bytes": 3}, 0, "Rate limit exceeded. Retry after ", false},
		{"/api/storage/commit", commitBody(workspace, content, id, png), 0, "Rate limit exceeded. Retry after ", false},
		{"/api/storage/presign-download", obj{"workspace_id": workspace, "hash": hash}, 1, "Rate limit exceeded. Retry after ", false},
		{"/api/basic-auth/sign-in", obj{}, 20, "Too many requests", true},
		{"/api/basic-auth/register", obj{}, 9, "Too many requests", true}, // one was used above
		{"/api/basic-auth/change-password", obj{}, 20, "Too many requests", true},
		{"/api/basic-auth/refresh?silent=1", nil, 120, "Too many requests", true},
		{"/api/basic-auth/sign-out", nil, 60, "Too many requests", true},
	}
	for _, c := range calls {
		t.Run(c.path, func(t *testing.T) {
			caller := d
			if strings.HasPrefix(c.path, "/api/basic-auth/") {
				caller = newDevice(t, srv, visitor) // what these do to a session does not matter
			}
			for n := range c.max {
				r := caller.post(c.path, c.body)
				if r.status == 429 {
					t.Fatalf("request %d of %d: %s", n+1, c.max, r)
				}
				if limited := r.header.Get("X-RateLimit-Limit") != "" && r.header.Get("X-RateLimit-Remaining") != ""; limited != c.headers && r.status < 400 {
					t.Errorf("budget headers: %v, want %v", limited, c.headers)
				}
			}
			r := caller.post(c.path, c.body)
			if r.status != 429 {
				t.Fatalf("request %d: %s", c.max+1, r)
			}
			checkErrorBody(t, r, 429, "")
			if !strings.HasPrefix(r.message(), c.text) {
				t.Errorf("message %q, want %q", r.message(), c.text)
			}
			if !strings.Contains(c.path, "/gc-") && r.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			if strings.HasPrefix(c.path, "/api/basic-auth/") && len(r.header.Values("Set-Cookie")) > 0 {
				t.Error("a limit cleared cookies") // (contract, auth Pitfalls 10, 13)
			}
		})
	}
	t.Run("session", func(t *testing.T) {
		stranger := newDevice(t, srv, visitor)
		var last *reply
		for range 3 {
			last = stranger.call("GET", "/api/auth/session", nil)
		}
		if last.status != 429 || !strings.HasPrefix(last.message(), "Rate limit exceeded. Retry after ") || last.header.Get("Retry-After") == "" {
			t.Errorf("got %s", last)
		}
	})
}

// TestCrossOrigin sends requests as a page of another origin does: answers to GET can be read without cookies, nothing
// can be changed, and the accounts cannot be reached at all (contract, security-middleware §2, §5).
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	d := newDevice(t, srv, "A")
	workspace := d.register("origin@example.test").Workspace.ID
	evil := http.Header{"Origin": {"https://evil.example"}, "Content-Type": {"application/json"}}

	preflight := http.Header{"Origin": {"https://evil.example"}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"content-type"}}
	r := d.do("OPTIONS", "/api/sync/pull", nil, preflight)
	if r.status != 204 || len(r.body) != 0 || r.header.Get("Access-Control-Allow-Origin") != "*" ||
		r.header.Get("Access-Control-Allow-Methods") != "GET,POST,PUT,PATCH,DELETE,OPTIONS" ||
		r.header.Get("Access-Control-Allow-Headers") != "content-type" || r.header.Get("Access-Control-Max-Age") != "3600" {
		t.Errorf("preflight: %d %v", r.status, r.header)
	}
	r = d.do("POST", "/api/sync/pull", encode(t, obj{"scope": scope{workspace}, "cursor": 0, "limit": 1}), evil)
	if r.header.Get("Access-Control-Allow-Origin") != "*" || r.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("pull: %v", r.header)
	}
	if r.status != 403 || r.message() != "Forbidden" {
		t.Errorf("pull: %s", r)
	}
	r = d.do("GET", "/api/health", nil, evil)
	if r.status != 200 || r.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("health: %d %v", r.status, r.header)
	}
	for _, path := range []string{"sign-in", "register", "refresh", "sign-out", "change-password"} {
		for _, header := range []http.Header{evil, {"Origin": {"null"}}, {"Referer": {"https://evil.example/page"}}} {
			r := d.do("POST", "/api/basic-auth/"+path, []byte(`{}`), header)
			if r.status != 403 || r.message() != "Forbidden" || len(r.header.Values("Set-Cookie")) > 0 {
				t.Errorf("%s from %v: %s, cookies %q", path, header, r, r.header.Values("Set-Cookie"))
			}
		}
	}
	d.mustSession()
}
