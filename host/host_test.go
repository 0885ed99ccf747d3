package host

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/diskspace"
)

// config is a Config of strings; a name that is not there panics, as the real one does.
type config map[string]string

func (c config) String(name string) string {
	v, ok := c[name]
	if !ok {
		panic("undeclared " + name)
	}
	return v
}

func (c config) Int(name string) (n int64) {
	_, _ = fmt.Sscan(c.String(name), &n)
	return n
}

func (c config) Bool(name string) bool { return c.String(name) == "true" }

func (c config) List(name string) []string {
	return strings.FieldsFunc(c.String(name), func(r rune) bool { return r == ',' })
}

func defaults(changes ...string) config {
	c := config{
		"SSR_AUTH_ENABLED": "true", "AUTH_PROVIDER": "auth", "OR3_SYNC_ENABLED": "true", "OR3_SYNC_PROVIDER": "sync",
		"OR3_STORAGE_ENABLED": "true", "NUXT_PUBLIC_STORAGE_PROVIDER": "storage", "OR3_AUTH_REGISTRATION_MODE": "open",
		"OR3_AUTH_INVITE_TOKEN_SECRET": "", "OR3_AUTH_INVITE_TOKEN_TTL_SECONDS": "604800",
		"OR3_SESSION_PROVISIONING_FAILURE": "throw", "OR3_ALLOWED_ORIGINS": "", "OR3_FORCE_HTTPS": "false", "OR3_TRUST_PROXY": "false", "OR3_TRUSTED_PROXIES": "",
		"OR3_FORWARDED_FOR_HEADER": "x-forwarded-for", "OR3_PUBLIC_URL": "", "OR3_BASE_PATH": "", "OR3_SHUTDOWN_TIMEOUT_MS": "15000", "OR3_LIMITS_ENABLED": "true", "OR3_RATE_LIMIT_OVERRIDES_JSON": "",
		"DISABLE_RATE_LIMIT": "", "OR3_STORAGE_ALLOWED_MIME_TYPES": "Image/PNG; q=1", "OR3_STORAGE_ALLOW_ANY_FILE_TYPE": "false", "OR3_STORAGE_WORKSPACE_QUOTA_BYTES": "0", "OR3_STORAGE_WORKSPACE_QUOTA_FILES": "0", "OR3_STORAGE_USER_QUOTA_BYTES": "0",
		"OR3_STORAGE_GC_RETENTION_SECONDS": "2592000", "OR3_STORAGE_GC_COOLDOWN_MS": "60000", "OR3_MAX_CLOUD_FILE_SIZE_BYTES": "1000",
		"OR3_WEBHOOKS_ENABLED": "false", "OR3_ADMIN_USERNAME": "", "OR3_ADMIN_PASSWORD": "", "OR3_ADMIN_BASE_PATH": "/admin",
		"OR3_ADMIN_ALLOWED_HOSTS": "", "OR3_ADMIN_ALLOWED_NETWORKS": "", "OR3_ADMIN_JWT_EXPIRY": "24h",
		"OPENROUTER_API_KEY": "", "OR3_OPENROUTER_BASE_URL": "", "OR3_OPENROUTER_REQUIRE_USER_KEY": "false", "OR3_MODEL_UPSTREAMS": "", "OR3_MODEL_UPSTREAM_KEYS": "",
		"OR3_BACKGROUND_STREAMING_ENABLED": "false", "OR3_METRICS_TOKEN": "", "OR3_ADMIN_PROFILES": "false", "OR3_METRICS_ADDR": "",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_EXPORTER_OTLP_HEADERS": "", "OTEL_METRIC_EXPORT_INTERVAL": "60000",
	}
	for i := 0; i < len(changes); i += 2 {
		c[changes[i]] = changes[i+1]
	}
	return c
}

// authFunc is an AuthProvider.
type authFunc func(r *or3cloud.Request) (*or3cloud.ProviderSession, error)

func (f authFunc) GetSession(_ context.Context, r *or3cloud.Request) (*or3cloud.ProviderSession, error) {
	return f(r)
}

// byCookie signs in the user named in the cookie "who".
func byCookie(r *or3cloud.Request) (*or3cloud.ProviderSession, error) {
	c, err := r.Cookie("who")
	if err != nil {
		return nil, nil
	}
	return &or3cloud.ProviderSession{Provider: "auth", UserID: c.Value, ExpiresAt: time.Unix(1_771_000_000, 0)}, nil
}

// store is a workspace store in which every user is known and "ws-<user>" is theirs.
type store struct {
	or3cloud.AuthWorkspaceStore
	mu      sync.Mutex
	lookups int
	known   bool
	err     error
	roles   map[string]or3cloud.Role // by workspace
}

func (s *store) GetUser(_ context.Context, id or3cloud.ExternalIdentity) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookups++
	if !s.known {
		return "", s.err
	}
	return "user-" + id.ProviderUserID, s.err
}

func (s *store) GetOrCreateUser(_ context.Context, id or3cloud.ExternalIdentity) (string, error) {
	return "new-" + id.ProviderUserID, nil
}

func (s *store) GetOrCreateDefaultWorkspace(context.Context, string) (or3cloud.Workspace, error) {
	return or3cloud.Workspace{ID: "ws", Name: "My Workspace", Role: s.roles["ws"]}, nil
}

func (s *store) GetWorkspaceRole(_ context.Context, _, id string) (or3cloud.Role, error) {
	return s.roles[id], s.err
}

func (s *store) CheckDeploymentAdmin(_ context.Context, providerUserID, provider string) (bool, error) {
	return provider == "auth" && providerUserID == "admin", nil
}

// gateway is a sync adapter that answers pushes once it is allowed to.
type gateway struct {
	or3cloud.SyncGatewayAdapter
	entered, release chan struct{}
}

func (g *gateway) UpdateCursor(ctx context.Context, _ or3cloud.CursorUpdate) error {
	g.entered <- struct{}{}
	select {
	case <-g.release:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type blobs struct{ or3cloud.StorageGatewayAdapter }

// world is a host with three fake providers and a list of what happened to them.
type world struct {
	events    []string
	auth      authFunc
	store     *store
	gateway   *gateway
	sync      or3cloud.SyncGatewayAdapter // instead of gateway, if set
	fail      string                      // the provider whose Open fails
	routes    []or3cloud.Route
	log       bytes.Buffer
	reference or3cloud.ReferenceClaimer
}

func newWorld() *world {
	return &world{
		auth:    byCookie,
		store:   &store{known: true, roles: map[string]or3cloud.Role{"ws": or3cloud.RoleOwner, "other": or3cloud.RoleViewer}},
		gateway: &gateway{entered: make(chan struct{}), release: make(chan struct{})},
	}
}

type claimingGateway struct {
	*gateway
	or3cloud.ReferenceClaimer
}

func (w *world) registry(t testing.TB) *or3cloud.Registry {
	t.Helper()
	var r or3cloud.Registry
	for id, inst := range map[string]func() *or3cloud.Instance{
		"auth": func() *or3cloud.Instance {
			return &or3cloud.Instance{Auth: w.auth, Routes: w.routes, Setup: func(context.Context) (string, error) { return "setup=1", nil }}
		},
		"sync": func() *or3cloud.Instance {
			var adapter or3cloud.SyncGatewayAdapter = claimingGateway{gateway: w.gateway}
			if w.sync != nil {
				adapter = w.sync
			}
			return &or3cloud.Instance{Workspaces: w.store, Sync: adapter}
		},
		"storage": func() *or3cloud.Instance { return &or3cloud.Instance{Storage: blobs{}} },
	} {
		err := r.Register(or3cloud.Provider{ID: id, Package: "test", Open: func(_ context.Context, env or3cloud.Env) (*or3cloud.Instance, error) {
			if w.fail == id {
				return nil, errors.New("cannot open " + id)
			}
			w.events = append(w.events, "open "+id)
			if env.References != nil {
				w.reference = env.References
			}
			out := inst()
			out.Close = func() error { w.events = append(w.events, "close "+id); return nil }
			return out, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return &r
}

// options are those of an instance and of the host in front of it.
type options struct {
	instanceOptions
	Options
}

type instanceOptions = instance.Options

// over makes an instance and a host in front of it.
func over(o options) (*Host, error) {
	of, err := instance.New(o.instanceOptions)
	if err != nil {
		return nil, err
	}
	return New(of, o.Options)
}

func (w *world) host(t testing.TB, cfg config, changes ...func(*options)) *Host {
	t.Helper()
	var o options
	o.Registry, o.Config, o.Log, o.Now, o.Rand = w.registry(t), cfg, slog.New(slog.NewTextHandler(&w.log, nil)), time.Now, rand.Reader
	o.MachineNames = []string{"example.com"} // the name that httptest uses
	o.Web = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "page") })
	for _, change := range changes {
		change(&o)
	}
	h, err := over(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func open(t *testing.T, h *Host) *Host {
	t.Helper()
	if err := h.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func get(h *Host, target string, cookies ...string) *httptest.ResponseRecorder {
	return send(h, httptest.NewRequest("GET", target, nil), cookies...)
}

func send(h *Host, r *http.Request, cookies ...string) *httptest.ResponseRecorder {
	for _, who := range cookies {
		r.AddCookie(&http.Cookie{Name: "who", Value: who})
	}
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, r)
	return w
}

func post(h *Host, target, body string, cookies ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return send(h, r, cookies...)
}

// Client-behaviour Pitfall 1: a client keeps its edits on a 503 and loses them on most other answers.
func TestUntilItIsOpenEverythingButHealthIsA503WithRetryAfterPitfall1(t *testing.T) {
	h := newWorld().host(t, defaults())
	for _, target := range []string{"/", "/api/auth/session", "/api/sync/push", "/api/unknown"} {
		if w := get(h, target); w.Code != 503 || w.Header().Get("Retry-After") != "1" || w.Header().Get("Connection") != "" {
			t.Errorf("%s: %d %v", target, w.Code, w.Header())
		}
	}
	if w := get(h, "/api/health"); w.Code != 200 || !strings.Contains(w.Body.String(), `"status":"ok"`) {
		t.Errorf("health: %d %s", w.Code, w.Body)
	}
	if w := get(h, "/api/health/ready"); w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("ready: %d %v", w.Code, w.Header())
	}
	open(t, h)
	if w := get(h, "/api/health/ready"); w.Code != 200 {
		t.Errorf("ready: %d %s", w.Code, w.Body)
	}
	if w := get(h, "/"); w.Code != 200 || w.Body.String() != "page" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(h, "/api/auth/session"); w.Code != 200 || w.Body.String() != `{"session":null,"appAccessAllowed":false}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// The name of a page may resolve to our address, and then it has our origin as far as its browser knows (DNS
// rebinding).
func TestRequestsUnderAnUnknownNameGetNowhere(t *testing.T) {
	w := newWorld()
	reached := false
	w.routes = []or3cloud.Route{{Method: "POST", Path: "/api/x", Handle: func(http.ResponseWriter, *http.Request) error {
		reached = true
		return nil
	}}}
	h := open(t, w.host(t, defaults()))
	for _, target := range []string{"/", "/index.html", "/api/auth/session", "/api/x", "/api/unknown"} {
		for _, method := range []string{"GET", "POST"} {
			r := httptest.NewRequest(method, "http://evil.example:3000"+target, nil)
			r.Header.Set("Origin", "http://evil.example:3000")
			got := send(h, r, "ann")
			if got.Code != 503 || !strings.Contains(got.Body.String(), "OR3_PUBLIC_URL=http://evil.example:3000") || len(got.Header()["Set-Cookie"]) > 0 {
				t.Errorf("%s %s: %d %s", method, target, got.Code, got.Body)
			}
		}
	}
	if reached || strings.Count(w.log.String(), "refused a request under a name") != 1 {
		t.Errorf("reached a route: %v; log %s", reached, &w.log)
	}
	for _, host := range []string{"127.0.0.1:3000", "192.168.1.9:3000", "[::1]:3000", "localhost:3000", "nas:3000", "example.com"} {
		if got := get(h, "http://"+host+"/api/auth/session", "ann"); got.Code != 200 {
			t.Errorf("%s: %d %s", host, got.Code, got.Body)
		}
	}
	if got := get(h, "http://evil.example/api/health"); got.Code != 200 { // liveness under every name
		t.Errorf("health: %d", got.Code)
	}
	h = open(t, newWorld().host(t, defaults("OR3_PUBLIC_URL", "https://cloud.example")))
	for host, want := range map[string]int{"cloud.example": 200, "localhost": 200, "evil.example": 503} {
		if got := get(h, "http://"+host+"/api/auth/session", "ann"); got.Code != want {
			t.Errorf("%s beside a public URL: %d, want %d", host, got.Code, want)
		}
	}
}

func TestProvidersOpenSyncAuthStorageAndCloseInReverse(t *testing.T) {
	w := newWorld()
	h := w.host(t, defaults())
	if err := h.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.reference == nil {
		t.Error("the storage provider did not get the sync provider's reference claims")
	}
	if links, err := h.instance.SetupLinks(t.Context()); err != nil || !slices.Equal(links, []string{"setup=1"}) {
		t.Error(links, err)
	}
	if err := h.Open(t.Context()); err == nil {
		t.Error("opened twice")
	}
	for range 2 { // closing again is harmless
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(w.events, ", "); got != "open sync, open auth, open storage, close storage, close auth, close sync" {
		t.Error(got)
	}
	if w := get(h, "/api/auth/session"); w.Code != 503 || w.Header().Get("Connection") != "close" {
		t.Errorf("after Close: %d %v", w.Code, w.Header())
	}
	if w := get(h, "/api/health/ready"); w.Code != 503 {
		t.Errorf("ready after Close: %d", w.Code)
	}
	if w := get(h, "/api/health"); w.Code != 200 {
		t.Errorf("health after Close: %d", w.Code)
	}
	if err := h.Open(t.Context()); err == nil {
		t.Error("opened after Close")
	}
}

func TestFailedOpenUndoesItself(t *testing.T) {
	for _, c := range []struct{ fail, events string }{
		{"sync", ""}, {"auth", "open sync, close sync"}, {"storage", "open sync, open auth, close auth, close sync"},
	} {
		w := newWorld()
		w.fail = c.fail
		h := w.host(t, defaults())
		err := h.Open(t.Context())
		if err == nil || !strings.Contains(err.Error(), "cannot open "+c.fail) || strings.Join(w.events, ", ") != c.events {
			t.Errorf("%s: %v, %v", c.fail, err, w.events)
		}
		if w := get(h, "/"); w.Code != 503 {
			t.Errorf("%d", w.Code)
		}
	}
}

// Requirement 6.1.
func TestWithoutAuthOnlyTheStaticPagesAreServedAndNothingIsOpened(t *testing.T) {
	w := newWorld()
	h := open(t, w.host(t, defaults("SSR_AUTH_ENABLED", "false")))
	for _, target := range []string{"/api/auth/session", "/api/sync/push", "/api/storage/commit", "/api/workspaces", "/api/basic-auth/sign-in", "/api/x"} {
		if got := post(h, target, "{}"); got.Code != 404 || got.Header().Get("Content-Type") != "application/json" || !strings.Contains(got.Body.String(), `"Not Found"`) {
			t.Errorf("%s: %d %s", target, got.Code, got.Body)
		}
	}
	if got := get(h, "/index.html"); got.Body.String() != "page" {
		t.Error(got.Body)
	}
	if got := get(h, "/api/health?deep=true"); !strings.Contains(got.Body.String(), `"auth":{"available":false`) || got.Code != 200 {
		t.Error(got.Body)
	}
	if len(w.events) != 0 {
		t.Error(w.events)
	}
}

func TestSwitchesTurnEndpointsOff(t *testing.T) {
	w := newWorld()
	h := open(t, w.host(t, defaults("OR3_SYNC_ENABLED", "false", "OR3_STORAGE_ENABLED", "false")))
	for target, status := range map[string]int{"/api/sync/pull": 404, "/api/storage/commit": 404, "/api/storage/fs/upload": 404, "/api/workspaces/active": 401} {
		if got := post(h, target, "{}"); got.Code != status {
			t.Errorf("%s: %d", target, got.Code)
		}
	}
	if got := strings.Join(w.events, ", "); got != "open sync, open auth" {
		t.Error(got)
	}
}

func TestMissingProviderOutsideStrictModeTurnsItsFeatureOff(t *testing.T) {
	w := newWorld()
	h := open(t, w.host(t, defaults("NUXT_PUBLIC_STORAGE_PROVIDER", "s3")))
	if got := strings.Count(w.log.String(), `is not registered`); got != 1 {
		t.Errorf("%d lines: %s", got, &w.log)
	}
	if got := post(h, "/api/storage/commit", "{}"); got.Code != 404 {
		t.Error(got.Code)
	}
	if got := get(h, "/api/auth/session", "ann"); got.Code != 200 || !strings.Contains(got.Body.String(), `"id":"user-ann"`) {
		t.Error(got.Body)
	}
	if got := get(h, "/api/health"); !strings.Contains(got.Body.String(), `"degraded"`) {
		t.Error(got.Body)
	}
	w = newWorld()
	h = open(t, w.host(t, defaults("AUTH_PROVIDER", "clerk")))
	if got := get(h, "/api/auth/session"); got.Code != 404 || len(w.events) != 0 {
		t.Errorf("without an auth provider: %d %v", got.Code, w.events)
	}
}

// A build without any provider starts and serves static files.
func TestWithoutAnyProvider(t *testing.T) {
	w := newWorld()
	h := open(t, w.host(t, defaults(), func(o *options) { o.Registry = &or3cloud.Registry{} }))
	if got := get(h, "/"); got.Body.String() != "page" {
		t.Error(got.Body)
	}
	h = open(t, w.host(t, defaults(), func(o *options) { o.Registry, o.Web = nil, nil }))
	if got := get(h, "/"); got.Code != 404 {
		t.Error(got.Code)
	}
}

// What belongs to the client is served with its files, even where the cloud is switched off, and nothing else below
// /api/ is.
func TestEndpointsOfTheClient(t *testing.T) {
	for _, accounts := range []string{"true", "false"} {
		own := func(o *options) { o.WebEndpoints = []string{"/api/_client/"} }
		h := open(t, newWorld().host(t, defaults("SSR_AUTH_ENABLED", accounts), own))
		for path, want := range map[string]string{"/api/_client/x": "page", "/api/_client": "404", "/api/_clients/x": "404", "/api/x/_client/": "404"} {
			if got := get(h, path); !strings.Contains(got.Body.String(), want) {
				t.Errorf("accounts %s: %s: %d %s", accounts, path, got.Code, got.Body)
			}
		}
		without := open(t, newWorld().host(t, defaults("SSR_AUTH_ENABLED", accounts)))
		if got := get(without, "/api/_client/x"); got.Code != 404 {
			t.Errorf("accounts %s: without such endpoints: %d", accounts, got.Code)
		}
	}
}

func TestUnknownAPIPathsAreJSON404(t *testing.T) {
	h := open(t, newWorld().host(t, defaults()))
	for _, request := range []string{"GET /api/unknown", "PUT /api/sync/push", "GET /api/sync/push", "GET /api", "GET /api/", "OPTIONS /api/sync/push", "DELETE /api/health"} {
		method, target, _ := strings.Cut(request, " ")
		r := httptest.NewRequest(method, target, nil)
		r.Header.Set("Accept", "text/html")
		if got := send(h, r); got.Code != 404 || !strings.Contains(got.Body.String(), `"Page not found: `+target+`"`) {
			t.Errorf("%s: %d %s", request, got.Code, got.Body)
		}
	}
}

func TestProviderRoutes(t *testing.T) {
	w := newWorld()
	var h *Host
	w.routes = []or3cloud.Route{
		{Method: "POST", Path: "/api/basic-auth/x", MaxBody: 4, Handle: func(rw http.ResponseWriter, r *http.Request) error {
			host, ok := h.RequestHost(r)
			text, err := io.ReadAll(r.Body)
			if err != nil {
				return httpapi.BodyError(r, err, "bad")
			}
			_, err = fmt.Fprint(rw, host, ok, h.ClientIP(r), string(text))
			return err
		}},
	}
	h = open(t, w.host(t, defaults()))
	if got := post(h, "/api/basic-auth/x", "body"); got.Body.String() != "example.comtrue192.0.2.1body" {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if got := post(h, "/api/basic-auth/x", "large"); got.Code != 413 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	w = newWorld()
	w.routes = []or3cloud.Route{{Method: "POST", Path: "/api/sync/push", Handle: httpapi.NotFound}}
	if err := w.host(t, defaults()).Open(t.Context()); err == nil || !strings.Contains(err.Error(), "provider auth: route POST /api/sync/push") {
		t.Error(err)
	}
	if got := strings.Join(w.events, ", "); got != "open sync, open auth, open storage, close storage, close auth, close sync" {
		t.Error(got)
	}
}

func TestSession(t *testing.T) {
	w := newWorld()
	h := open(t, w.host(t, defaults()))
	got := get(h, "/api/auth/session", "admin")
	want := `{"session":{"authenticated":true,"provider":"auth","providerUserId":"admin","user":{"id":"user-admin"},` +
		`"workspace":{"id":"ws","name":"My Workspace"},"role":"owner","expiresAt":"2026-02-13T16:26:40.000Z","deploymentAdmin":true,"entitlements":[]},"appAccessAllowed":true}`
	if got.Code != 200 || got.Body.String() != want {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	w.store.known = false
	if got := get(h, "/api/auth/session", "eve"); !strings.Contains(got.Body.String(), `"id":"new-eve"`) {
		t.Error(got.Body)
	}
}

func TestSessionIsResolvedOncePerRequestAndAfreshForTheNext(t *testing.T) {
	w := newWorld()
	h := open(t, w.host(t, defaults()))
	body := `{"scope":{"workspaceId":"ws"},"ops":[]}`
	if got := post(h, "/api/sync/push", body, "ann"); got.Code != 200 || w.store.lookups != 1 {
		t.Fatalf("%d, %d lookups", got.Code, w.store.lookups)
	}
	w.store.roles["ws"] = or3cloud.RoleViewer // demoted: the very next request must know
	if got := post(h, "/api/sync/push", body, "ann"); got.Code != 403 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// Auth Pitfall 12: the active workspace belongs to the user, not to the device.
func TestMembershipOfTheAddressedWorkspaceDecidesPitfall12(t *testing.T) {
	w := newWorld()
	h := open(t, w.host(t, defaults()))
	for _, c := range []struct {
		workspace string
		perm      or3cloud.Permission
		code      or3cloud.Code
	}{
		{"ws", or3cloud.PermWorkspaceWrite, ""},
		{"other", or3cloud.PermWorkspaceRead, ""},
		{"other", or3cloud.PermWorkspaceWrite, or3cloud.CodeForbidden},
		{"foreign", or3cloud.PermWorkspaceRead, or3cloud.CodeForbidden},
		{"foreign", or3cloud.PermAdminAccess, or3cloud.CodeForbidden},
		{"other", or3cloud.PermAdminAccess, ""},
		{"", or3cloud.PermWorkspaceRead, or3cloud.CodeInvalid},
		{" \t", or3cloud.PermWorkspaceRead, or3cloud.CodeInvalid},
	} {
		r, _ := withMemo(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		r.AddCookie(&http.Cookie{Name: "who", Value: "admin"})
		s, err := h.Authorize(r, c.perm, c.workspace)
		if or3cloud.CodeOf(err) != c.code || err == nil && s.Workspace.ID != c.workspace {
			t.Errorf("%+v: %v %+v", c, err, s)
		}
	}
	if _, err := h.Authorize(httptest.NewRequest("GET", "/", nil), or3cloud.PermWorkspaceRead, "ws"); or3cloud.CodeOf(err) != or3cloud.CodeUnauthenticated {
		t.Error(err)
	}
}

func TestFiltersCanDeny(t *testing.T) {
	w := newWorld()
	h := open(t, w.host(t, defaults(), func(o *options) {
		o.Filters = []or3cloud.DecisionFilter{func(d or3cloud.Decision, s *or3cloud.SessionContext) or3cloud.Decision {
			d.Allowed = s.ProviderUserID != "banned"
			return d
		}}
	}))
	body := `{"scope":{"workspaceId":"ws"},"ops":[]}`
	if got := post(h, "/api/sync/push", body, "banned"); got.Code != 403 {
		t.Error(got.Code)
	}
	if got := post(h, "/api/sync/push", body, "ann"); got.Code != 200 {
		t.Error(got.Code)
	}
	if got := post(h, "/api/sync/push", `{"scope":{"workspaceId":"foreign"},"ops":[]}`, "ann"); got.Code != 403 {
		t.Error("a filter allowed what the gate denied")
	}
}

// Auth §2.3 and Pitfall 10: no mode may make a failure look like a sign-out.
func TestProvisioningFailureModesPitfall10(t *testing.T) {
	busy := or3cloud.Unavailable(errors.New("locked"), "Service Unavailable", 2*time.Second)
	broken := errors.New("corrupt")
	for _, c := range []struct {
		mode   string
		err    error
		status int
	}{
		{"throw", busy, 503}, {"throw", broken, 500}, {"throw", context.Canceled, 503},
		{"unauthenticated", busy, 503}, {"unauthenticated", broken, 503}, {"unauthenticated", context.DeadlineExceeded, 503},
		{"service-unavailable", busy, 503}, {"service-unavailable", broken, 503},
	} {
		w := newWorld()
		w.store.err = c.err
		h := open(t, w.host(t, defaults("OR3_SESSION_PROVISIONING_FAILURE", c.mode)))
		got := get(h, "/api/auth/session", "ann")
		if got.Code != c.status || (got.Code == 503) != (got.Header().Get("Retry-After") != "") || len(got.Result().Cookies()) != 0 {
			t.Errorf("%s, %v: %d %s", c.mode, c.err, got.Code, got.Body)
		}
	}
}

func TestUnknownUsersWithoutAutoProvisioning(t *testing.T) {
	const text = "Registration is currently disabled. Please contact an administrator."
	for mode, c := range map[string]struct {
		status int
		body   string
	}{
		"throw": {403, text}, "service-unavailable": {503, "Service Unavailable"}, "unauthenticated": {200, `{"session":null,`},
	} {
		w := newWorld()
		w.store.known = false
		h := open(t, w.host(t, defaults("OR3_AUTH_REGISTRATION_MODE", "disabled", "OR3_SESSION_PROVISIONING_FAILURE", mode)))
		if got := get(h, "/api/auth/session", "eve"); got.Code != c.status || !strings.Contains(got.Body.String(), c.body) {
			t.Errorf("%s: %d %s", mode, got.Code, got.Body)
		}
	}
}

func TestIdentityFaultsAre503AndRotatedCookiesSurviveErrors(t *testing.T) {
	for err, status := range map[error]int{
		errors.New("database gone"):                                      503,
		or3cloud.Unavailable(nil, "Busy", time.Second):                   503,
		or3cloud.Errorf(or3cloud.CodeForbidden, "Account suspended"):     403,
		or3cloud.Errorf(or3cloud.CodeInternal, "inner"):                  503,
		or3cloud.Errorf(or3cloud.CodeNotFound, "never a session answer"): 503,
	} {
		w := newWorld()
		w.auth = func(r *or3cloud.Request) (*or3cloud.ProviderSession, error) {
			r.SetCookie(&http.Cookie{Name: "or3_access", Value: "rotated"})
			return nil, err
		}
		h := open(t, w.host(t, defaults()))
		got := get(h, "/api/auth/session")
		if got.Code != status || len(got.Result().Cookies()) != 1 || strings.Contains(got.Body.String(), "gone") {
			t.Errorf("%v: %d %v %s", err, got.Code, got.Header(), got.Body)
		}
	}
}

func TestMembershipThatEndsDuringResolutionIsTransient(t *testing.T) {
	w := newWorld()
	w.store.roles = nil
	h := open(t, w.host(t, defaults()))
	if got := get(h, "/api/auth/session", "ann"); got.Code != 503 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestLimitsSwitches(t *testing.T) {
	for _, c := range []struct {
		changes    []string
		production bool
		limited    bool
	}{
		{nil, false, true},
		{[]string{"OR3_LIMITS_ENABLED", "false"}, true, false},
		{[]string{"DISABLE_RATE_LIMIT", "1"}, false, false},
		{[]string{"DISABLE_RATE_LIMIT", "1"}, true, true},
	} {
		h := open(t, newWorld().host(t, defaults(c.changes...), func(o *options) { o.Production = c.production }))
		if got := get(h, "/api/auth/session").Header().Get("X-RateLimit-Limit") != ""; got != c.limited {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestForceHTTPSAndRequestIDs(t *testing.T) {
	h := open(t, newWorld().host(t, defaults("OR3_FORCE_HTTPS", "true")))
	got := get(h, "/api/auth/session")
	if got.Code != 301 || got.Header().Get("Location") != "https://example.com/api/auth/session" || got.Header().Get("X-Request-Id") == "" {
		t.Errorf("%d %v", got.Code, got.Header())
	}
}

// Probes come over plain HTTP, to an address or a name of the cluster.
func TestHealthChecksAreAnsweredInTheClearUnderEveryName(t *testing.T) {
	h := open(t, newWorld().host(t, defaults("OR3_FORCE_HTTPS", "true", "OR3_TRUST_PROXY", "true", "OR3_PUBLIC_URL", "https://cloud.example")))
	for _, path := range []string{"/api/health", "/api/health?deep=true", "/api/health/ready", "/api/healthz"} {
		for _, host := range []string{"10.0.0.7:3000", "or3.default.svc.cluster.local", "127.0.0.1:3000"} {
			r := httptest.NewRequest("GET", path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.Handler().ServeHTTP(w, r)
			if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "" || w.Header().Get("X-Request-Id") == "" {
				t.Errorf("%s at %s: %d %v", path, host, w.Code, w.Header())
			}
		}
	}
}

// Deep health shows how much space the disks have.
func TestDiskSpaceReachesDeepHealth(t *testing.T) {
	h := open(t, newWorld().host(t, defaults(), func(o *options) {
		o.DataDir = t.TempDir()
		o.Disk = func(string) (diskspace.Usage, error) {
			return diskspace.Usage{Device: 1, Free: 1 << 20, Total: 100 << 30}, nil
		}
	}))
	if got := get(h, "/api/health?deep=true"); !strings.Contains(got.Body.String(), `"disk":{"state":"full","freeBytes":1048576}`) {
		t.Errorf("%s", got.Body)
	}
}
