package basicauth

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/leaktest"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/setting"
)

// config is a configuration of strings over the defaults of the settings.
type config map[string]string

func (c config) String(name string) string {
	if v, ok := c[name]; ok {
		return v
	}
	for _, s := range settings() {
		if s.Name == name {
			return s.Default
		}
	}
	switch name {
	case setting.RegistrationMode, setting.PublicURL, setting.BasePath, setting.AllowedOrigins, setting.SMTPURL, setting.SMTPFrom:
		return ""
	case setting.EHLOName:
		return "cloud.test"
	case setting.AutoProvision:
		return "true"
	}
	panic("undeclared setting " + name)
}

func (c config) Int(name string) int64 {
	n, err := strconv.ParseInt(c.String(name), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}
func (c config) Bool(name string) bool     { return c.String(name) == "true" }
func (c config) List(name string) []string { return strings.Split(c.String(name), ",") }

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// fakeHost is as much of the host as a provider sees: no proxy, and a switch that makes the request's host unknown.
type fakeHost struct {
	or3cloud.HostServices
	hostUnknown bool
	// invites are the addresses that invites are for, by token; nil if invites cannot be read.
	invites map[string]string
	// refusals are those of invites that no longer admit anyone, by token; the others are good until expires.
	refusals map[string]or3cloud.InviteRefusal
	expires  time.Time
	// users is nil for a workspace store that cannot remove any.
	users or3cloud.UserRemover
	// admins are the ids of accounts of deployment administrators.
	admins map[string]bool
}

func (h *fakeHost) ClientIP(r *http.Request) string {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		panic(err)
	}
	return address
}
func (h *fakeHost) RequestHost(r *http.Request) (string, bool) {
	return strings.ToLower(r.Host), !h.hostUnknown
}

// instance is an open provider with its surroundings.
type instance struct {
	*or3cloud.Instance
	t     *testing.T
	p     *provider
	clock *clock
	host  *fakeHost
	env   or3cloud.Env
	log   *patience.Output
	// secrets are those of all requests; none may appear in the log.
	secrets leaktest.Watch
}

func openTest(t *testing.T, cfg config) *instance {
	t.Helper()
	in := &instance{t: t, clock: &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, host: &fakeHost{}, log: &patience.Output{}}
	in.env = or3cloud.Env{
		Config: cfg, DataDir: t.TempDir(), Now: in.clock.now, Rand: rand.Reader, Host: in.host,
		Log: slog.New(slog.NewTextHandler(in.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Secret: func(name string) (string, error) {
			return cmp.Or(cfg[name], "generated secret for "+name+", long enough"), nil
		},
	}
	in.open()
	t.Cleanup(func() {
		in.Close()
		in.secrets.Check(t, in.log.String())
	})
	return in
}

// reopen opens the provider with its surroundings as they are now.
func (in *instance) reopen() (*or3cloud.Instance, error) {
	in.t.Helper()
	var r or3cloud.Registry
	if err := Register(&r); err != nil {
		in.t.Fatal(err)
	}
	registered, _ := r.Lookup("basic-auth")
	return registered.Open(in.t.Context(), in.env)
}

func (in *instance) open() {
	in.t.Helper()
	opened, err := in.reopen()
	if err != nil {
		in.t.Fatal(err)
	}
	in.Instance, in.p = opened, opened.Auth.(*provider)
}

func (in *instance) restart() {
	in.t.Helper()
	if err := in.Close(); err != nil {
		in.t.Fatal(err)
	}
	in.open()
}

func (in *instance) dbPath() string { return filepath.Join(in.env.DataDir, "basic-auth.sqlite") }

// browser keeps cookies as browsers do: by name and path, the longest path first.
type browser struct {
	in      *instance
	address string
	// host is the host that the browser sends to, if it is not cloud.test.
	host string
	mu   sync.Mutex
	jar  []*http.Cookie
}

func (in *instance) browser() *browser { return &browser{in: in, address: "192.0.2.1"} }

func (b *browser) keep(answer http.Header) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range (&http.Response{Header: answer}).Cookies() {
		b.jar = slices.DeleteFunc(b.jar, func(o *http.Cookie) bool { return o.Name == c.Name && o.Path == c.Path })
		if c.MaxAge >= 0 {
			b.jar = append(b.jar, c)
		}
	}
	slices.SortStableFunc(b.jar, func(x, y *http.Cookie) int { return len(y.Path) - len(x.Path) })
}

func (b *browser) send(r *http.Request) *http.Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.RemoteAddr = net.JoinHostPort(b.address, "1234")
	for _, c := range b.jar {
		if strings.HasPrefix(r.URL.Path, c.Path) {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	return r
}

func (b *browser) drop(name string) {
	b.jar = slices.DeleteFunc(b.jar, func(o *http.Cookie) bool { return o.Name == name })
}

func (b *browser) value(name string) string {
	for _, c := range b.jar {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// copy is another tab at this moment: the same cookies, its own answers.
func (b *browser) copy() *browser {
	return &browser{in: b.in, address: b.address, jar: slices.Clone(b.jar)}
}

// answer is the answer of an endpoint, with the host's statuses.
type answer struct {
	status int
	// text is the body, or the message of an error.
	text   string
	header http.Header
	err    *or3cloud.Error
}

var statuses = map[or3cloud.Code]int{
	or3cloud.CodeInvalid: 400, or3cloud.CodeUnauthenticated: 401, or3cloud.CodeForbidden: 403, or3cloud.CodeTooLarge: 413,
	or3cloud.CodeNotFound: 404, or3cloud.CodeConflict: 409, or3cloud.CodeRateLimited: 429, or3cloud.CodeUnsupported: 501,
	or3cloud.CodeUnavailable: 503,
}

func (b *browser) post(path, body string, headers ...string) answer {
	return b.request(http.MethodPost, path, body, headers...)
}

func (b *browser) get(path string, headers ...string) answer {
	return b.request(http.MethodGet, path, "", headers...)
}

func (b *browser) request(method, path, body string, headers ...string) answer {
	r := httptest.NewRequest(method, "http://cloud.test/api/basic-auth/"+path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r.Host = cmp.Or(b.host, r.Host)
	b.send(r)
	w := httptest.NewRecorder()
	var router httpapi.Router // which limits bodies
	for _, route := range b.in.Routes {
		if err := router.Add("basic-auth", route); err != nil {
			b.in.t.Fatal(err)
		}
	}
	if _, ok := router.Find(r); !ok {
		b.in.t.Fatalf("no route %s", r.URL.Path)
	}
	err := router.Serve(w, r)
	b.keep(w.Header())
	a := answer{status: w.Code, text: w.Body.String(), header: w.Header()}
	if err != nil {
		a.status = 500
		if errors.As(err, &a.err) {
			a.status, a.text = statuses[a.err.Code], a.err.Message
		}
	}
	said := w.Body.Bytes()
	if a.err != nil {
		said, _ = json.Marshal(a.err.Data)
	}
	b.in.secrets.Exchange(r, []byte(body), w.Header(), said)
	return a
}

// session resolves the session of a plain API request of the browser.
func (b *browser) session() (*or3cloud.ProviderSession, error) {
	r := b.send(httptest.NewRequest(http.MethodPost, "http://cloud.test/api/sync/pull", nil))
	h := http.Header{}
	s, err := b.in.Auth.GetSession(r.Context(), &or3cloud.Request{Request: r, ClientIP: b.address, ResponseHeader: h})
	b.keep(h)
	return s, err
}

func (b *browser) wantSignedIn() *or3cloud.ProviderSession {
	b.in.t.Helper()
	s, err := b.session()
	if s == nil || err != nil {
		b.in.t.Fatalf("session %v, %v; want signed in", s, err)
	}
	return s
}

func (b *browser) wantSignedOut() {
	b.in.t.Helper()
	if s, err := b.session(); s != nil || err != nil {
		b.in.t.Fatalf("session %v, %v; want signed out", s, err)
	}
}

func (a answer) want(t *testing.T, status int, text string) answer {
	t.Helper()
	if a.status != status || a.text != text {
		t.Fatalf("answer %d %q, want %d %q", a.status, a.text, status, text)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	return a
}

func (a answer) wantCookiesKept(t *testing.T) {
	t.Helper()
	if c := a.header.Values("Set-Cookie"); len(c) > 0 {
		t.Errorf("the answer changes cookies: %q", c)
	}
}

func (a answer) wantCookiesCleared(t *testing.T) {
	t.Helper()
	want := []string{
		"or3_access=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
		"or3_refresh=; Path=/api/basic-auth; Max-Age=0; HttpOnly; SameSite=Lax",
		"or3_refresh=; Path=/api; Max-Age=0; HttpOnly; SameSite=Lax",
	}
	if got := a.header.Values("Set-Cookie"); !slices.Equal(got, want) {
		t.Errorf("cookies %q, want %q", got, want)
	}
}

const password = "correct horse battery"

func credentials(email, password string) string {
	return `{"email":"` + email + `","password":"` + password + `"}`
}

func registration(email string) string {
	return `{"email":"` + email + `","password":"` + password + `","confirmPassword":"` + password + `","displayName":"Ann"}`
}

// signedIn returns a browser with a new account.
func (in *instance) signedIn(email string) *browser {
	in.t.Helper()
	b := in.browser()
	b.post("register", registration(email)).want(in.t, 200, `{"ok":true}`)
	return b
}

func (h *fakeHost) CheckInvite(_ context.Context, token, email string) error {
	if h.invites == nil {
		return or3cloud.Unavailable(nil, "Invite-only registration is temporarily unavailable.", time.Second)
	}
	if h.invites[token] != email {
		return refuse.With(or3cloud.CodeForbidden, "invite_invalid", "Invite token is invalid or expired.", nil)
	}
	return nil
}

func (h *fakeHost) DescribeInvite(_ context.Context, token string) (or3cloud.InviteDetails, or3cloud.InviteRefusal, error) {
	if h.invites == nil {
		return or3cloud.InviteDetails{}, "", or3cloud.Unavailable(nil, "Invite-only registration is temporarily unavailable.", time.Second)
	}
	if refusal, ok := h.refusals[token]; ok {
		return or3cloud.InviteDetails{}, refusal, nil
	}
	if h.invites[token] == "" {
		return or3cloud.InviteDetails{}, or3cloud.InviteNotFound, nil
	}
	return or3cloud.InviteDetails{
		Email: h.invites[token], Role: or3cloud.RoleEditor, ExpiresAt: h.expires, WorkspaceName: "House", InvitedBy: "Olga",
	}, "", nil
}

func (h *fakeHost) Users() or3cloud.UserRemover { return h.users }

func (h *fakeHost) Administers(_ context.Context, id string) (bool, error) { return h.admins[id], nil }

// actor is who the browser is signed in as.
func (b *browser) actor() factors.Actor {
	b.in.t.Helper()
	r := b.send(httptest.NewRequest(http.MethodPost, "http://cloud.test/api/sync/pull", nil))
	who, err := b.in.p.stepUp.SignedIn(r.Context(), &or3cloud.Request{Request: r, ClientIP: b.address, ResponseHeader: http.Header{}})
	if err != nil {
		b.in.t.Fatal(err)
	}
	return who
}
