package host

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/invite"
	"or3.chat/cloud/providers/sqlite"
)

// guestHouse is a host with a real workspace store, to which people are invited.
type guestHouse struct {
	*Host
	t     *testing.T
	store *sqlite.Store
	mu    sync.Mutex
	now   time.Time
	// offered are the services that the host offers to the auth provider.
	offered or3cloud.HostServices
	owner   string // a user
	ws      string // the owner's workspace
	// admitted says that the auth provider admits everyone.
	admitted bool
}

func newGuestHouse(t *testing.T, change func(*options), settings ...string) *guestHouse {
	t.Helper()
	g := &guestHouse{t: t, now: time.Unix(1_800_000_000, 0)}
	var err error
	g.store, err = sqlite.Open(t.Context(), sqlite.Options{Path: ":memory:", Log: slog.New(slog.DiscardHandler), Now: g.clock, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	g.owner, err = g.store.GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: "auth", ProviderUserID: "owner"})
	if err != nil {
		t.Fatal(err)
	}
	if g.ws, err = g.store.CreateWorkspace(t.Context(), g.owner, "House", ""); err != nil {
		t.Fatal(err)
	}
	var registry or3cloud.Registry
	for id, inst := range map[string]*or3cloud.Instance{
		"auth": {Auth: authFunc(g.identify)}, "sync": {Workspaces: g.store, Sync: g.store, Close: g.store.Close},
	} {
		err := registry.Register(or3cloud.Provider{ID: id, Open: func(_ context.Context, env or3cloud.Env) (*or3cloud.Instance, error) {
			g.offered = env.Host
			return inst, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	settings = append([]string{"OR3_AUTH_REGISTRATION_MODE", "invite_only", "OR3_STORAGE_ENABLED", "false"}, settings...)
	g.Host = open(t, newWorld().host(t, defaults(settings...), func(o *options) {
		o.Registry, o.Now, o.Strict = &registry, g.clock, false
		o.Secret = func(name string) (string, error) { return "generated for " + name, nil }
		if change != nil {
			change(o)
		}
	}))
	return g
}

func (g *guestHouse) clock() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

func (g *guestHouse) advance(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now = g.now.Add(d)
}

// identify signs in the user named in the cookie "who", with the address who@example.test.
func (g *guestHouse) identify(r *or3cloud.Request) (*or3cloud.ProviderSession, error) {
	s, err := byCookie(r)
	if s != nil {
		s.Email, s.Admitted = s.UserID+"@Example.test", g.admitted
	}
	return s, err
}

func (g *guestHouse) invites() *instance.Invites { return g.running.Load().sessions.invites }

func (g *guestHouse) invite(name string) string {
	g.t.Helper()
	_, token, err := g.invites().Create(g.t.Context(), or3cloud.Invite{WorkspaceID: g.ws, Email: name + "@example.test", Role: or3cloud.RoleEditor}, 0)
	if err != nil {
		g.t.Fatal(err)
	}
	return token
}

// inviteInAnyMode makes an invite as Create does, which refuses where invites are ignored.
func (g *guestHouse) inviteInAnyMode(name string) string {
	g.t.Helper()
	in := invite.Token{WorkspaceID: g.ws, Email: name + "@example.test", Expires: g.clock().Add(7 * 24 * time.Hour)}
	token, err := invite.Sign("generated for OR3_AUTH_INVITE_TOKEN_SECRET", in)
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := g.store.CreateInvite(g.t.Context(), or3cloud.Invite{
		WorkspaceID: in.WorkspaceID, Email: in.Email, Role: or3cloud.RoleEditor, TokenHash: invite.Hash(token), ExpiresAt: in.Expires,
	}); err != nil {
		g.t.Fatal(err)
	}
	return token
}

// session resolves the session of a user.
func (g *guestHouse) session(who string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/api/auth/session", nil)
	if change != nil {
		change(r)
	}
	return send(g.Host, r, who)
}

func (g *guestHouse) known(who string) bool {
	g.t.Helper()
	user, err := g.store.GetUser(g.t.Context(), or3cloud.ExternalIdentity{Provider: "auth", ProviderUserID: who})
	if err != nil {
		g.t.Fatal(err)
	}
	return user != ""
}

func withHeader(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("X-Or3-Invite-Token", token) }
}

func withCookie(token string) func(*http.Request) {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "or3_invite_token", Value: token}) }
}

func TestAGuestBeginsInTheWorkspaceOfTheInvite(t *testing.T) {
	for name, bring := range map[string]func(string) func(*http.Request){
		"header": withHeader, "cookie": withCookie,
		"query": func(token string) func(*http.Request) {
			return func(r *http.Request) { r.URL.RawQuery = url.Values{"invite": {token}}.Encode() }
		},
		"referer": func(token string) func(*http.Request) {
			return func(r *http.Request) { r.Header.Set("Referer", "http://example.com/?invite="+url.QueryEscape(token)) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuestHouse(t, nil)
			got := g.session("ann", bring(g.invite("ann")))
			if got.Code != 200 || !strings.Contains(got.Body.String(), `"workspace":{"id":"`+g.ws+`","name":"House"},"role":"editor"`) {
				t.Fatalf("%d %s", got.Code, got.Body)
			}
			cookies := got.Result().Cookies()
			i := slices.IndexFunc(cookies, func(c *http.Cookie) bool { return c.Name == "or3_invite_token" && c.MaxAge < 0 })
			if i < 0 || cookies[len(cookies)-1].Name != "or3_invite_token" || cookies[len(cookies)-1].MaxAge >= 0 {
				t.Errorf("the cookie of the accepted invite stays: %v", cookies)
			}
			if got := g.session("ann", nil); got.Code != 200 {
				t.Errorf("without the invite, later: %d %s", got.Code, got.Body)
			}
		})
	}
}

func TestTheFirstInviteOfARequestCounts(t *testing.T) {
	g := newGuestHouse(t, nil)
	good := g.invite("ann")
	got := g.session("ann", func(r *http.Request) {
		withHeader("bad")(r)
		withCookie(good)(r)
	})
	if got.Code != 403 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestWithoutAGoodInviteNoOneIsAdmitted(t *testing.T) {
	const required, invalid = "A valid invite is required to register.", "Invite token is invalid or expired."
	g := newGuestHouse(t, nil)
	others, spent, late, revoked := g.invite("bob"), g.invite("carl"), g.invite("ann"), g.invite("eve")
	if got := g.session("carl", withHeader(spent)); got.Code != 200 {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	list, err := g.store.ListInvites(t.Context(), g.ws, or3cloud.InvitePending, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range list {
		if in.Email == "eve@example.test" {
			if err := g.store.RevokeInvite(t.Context(), g.ws, in.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	forged, err := invite.Sign("another secret", invite.Token{WorkspaceID: g.ws, Email: "ann@example.test", Expires: g.clock().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	unstored, err := invite.Sign("generated for OR3_AUTH_INVITE_TOKEN_SECRET", invite.Token{WorkspaceID: g.ws, Email: "ann@example.test", Expires: g.clock().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	check := func(name, who, token, text string) {
		t.Helper()
		got := g.session(who, withHeader(token))
		if got.Code != 403 || !strings.Contains(got.Body.String(), text) || g.known(who) {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
		if err := g.offered.CheckInvite(t.Context(), token, who+"@example.test"); or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
			t.Errorf("%s: registration would be let pass: %v", name, err)
		}
	}
	check("none", "ann", "", required)
	check("garbage", "ann", "x.y", invalid)
	check("someone else's", "ann", others, invalid)
	check("forged", "ann", forged, invalid)
	check("signed and not stored", "ann", unstored, invalid)
	check("revoked", "eve", revoked, invalid)
	g.advance(8 * 24 * time.Hour)
	check("expired", "ann", late, invalid)
}

// A person who has registered and comes back after using up the invite is a known user; a second identity with the same
// address is not.
func TestAnInviteIsForOnePersonOnly(t *testing.T) {
	g := newGuestHouse(t, nil)
	token := g.invite("ann")
	parallel := make(chan int, 8)
	for range cap(parallel) {
		go func() { parallel <- g.session("ann", withHeader(token)).Code }()
	}
	for range cap(parallel) {
		if code := <-parallel; code != 200 {
			t.Errorf("a page that asks several times at once: %d", code)
		}
	}
	if err := g.offered.CheckInvite(t.Context(), token, "ann@example.test"); or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
		t.Errorf("the spent invite lets register again: %v", err)
	}
}

func TestRegistrationModes(t *testing.T) {
	for _, tc := range []struct {
		mode     string
		admitted bool
		token    bool
		status   int
		where    string // the workspace that the session is in
	}{
		{"open", false, false, 200, "My Workspace"},
		{"open", false, true, 200, "My Workspace"}, // tokens are ignored
		{"invite_only", false, false, 403, ""},
		{"invite_only", false, true, 200, "House"},
		{"invite_only", true, false, 200, "My Workspace"},
		{"invite_only", true, true, 200, "House"},
		{"disabled", false, true, 403, ""},
		{"disabled", true, false, 200, "My Workspace"},
		{"disabled", true, true, 200, "My Workspace"},
	} {
		g := newGuestHouse(t, nil, "OR3_AUTH_REGISTRATION_MODE", tc.mode)
		token := g.inviteInAnyMode("ann")
		g.admitted = tc.admitted
		var bring func(*http.Request)
		if tc.token {
			bring = withHeader(token)
		}
		got := g.session("ann", bring)
		if got.Code != tc.status || !strings.Contains(got.Body.String(), `"name":"`+tc.where) && tc.where != "" {
			t.Errorf("%+v: %d %s", tc, got.Code, got.Body)
		}
	}
	// A bad invite does not keep out someone whom the operator has admitted.
	g := newGuestHouse(t, nil)
	g.admitted = true
	if got := g.session("ann", withHeader("bad")); got.Code != 200 || !strings.Contains(got.Body.String(), "My Workspace") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// A server that cannot read invites is itself at fault, and says so in a way that makes clients come back.
func TestWithoutASecretInviteOnlyIsUnavailable(t *testing.T) {
	g := newGuestHouse(t, func(o *options) { o.Strict = true })
	if got := g.session("ann", withHeader("some.token")); got.Code != 503 || got.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if got := g.session("ann", nil); got.Code != 403 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if err := g.offered.CheckInvite(t.Context(), "some.token", "ann@example.test"); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Error(err)
	}
	_, _, err := g.invites().Create(t.Context(), or3cloud.Invite{WorkspaceID: g.ws, Email: "ann@example.test", Role: or3cloud.RoleViewer}, 0)
	if or3cloud.CodeOf(err) != or3cloud.CodeConflict || !strings.Contains(err.Error(), "OR3_AUTH_INVITE_TOKEN_SECRET") {
		t.Error(err)
	}
}

func TestTheLifetimeOfAnInvite(t *testing.T) {
	for _, tc := range []struct {
		setting string
		asked   time.Duration
		want    time.Duration
	}{{"604800", 0, 7 * 24 * time.Hour}, {"5", 0, time.Minute}, {"604800", time.Hour, time.Hour}} {
		g := newGuestHouse(t, nil, "OR3_AUTH_INVITE_TOKEN_TTL_SECONDS", tc.setting)
		made, _, err := g.invites().Create(t.Context(), or3cloud.Invite{WorkspaceID: g.ws, Email: "ann@example.test", Role: or3cloud.RoleViewer}, tc.asked)
		if err != nil || made.ExpiresAt.Sub(g.clock()) != tc.want {
			t.Errorf("%+v: %v, %v", tc, made.ExpiresAt.Sub(g.clock()), err)
		}
	}
	g := newGuestHouse(t, nil, "OR3_AUTH_REGISTRATION_MODE", "open")
	if _, _, err := g.invites().Create(t.Context(), or3cloud.Invite{WorkspaceID: g.ws, Email: "ann@example.test", Role: or3cloud.RoleViewer}, 0); or3cloud.CodeOf(err) != or3cloud.CodeConflict {
		t.Errorf("an invite that would be ignored: %v", err)
	}
}

func TestAnInviteIsDescribedToItsHolder(t *testing.T) {
	g := newGuestHouse(t, nil)
	token := g.invite("ann")
	describe := func(token string) (or3cloud.InviteDetails, or3cloud.InviteRefusal) {
		t.Helper()
		d, refusal, err := g.offered.DescribeInvite(t.Context(), token)
		if err != nil || refusal != "" && d != (or3cloud.InviteDetails{}) {
			t.Errorf("%+v, %q, %v", d, refusal, err)
		}
		return d, refusal
	}
	want := or3cloud.InviteDetails{
		Email: "ann@example.test", Role: or3cloud.RoleEditor, WorkspaceName: "House", ExpiresAt: g.clock().Add(7 * 24 * time.Hour).Local(),
	}
	if d, refusal := describe(token); d != want || refusal != "" {
		t.Errorf("%+v, %q; want %+v", d, refusal, want)
	}
	for _, wrong := range []string{"", "x", "some.token", token + "x", token[1:], strings.Repeat("x", 10_000)} {
		if _, refusal := describe(wrong); refusal != or3cloud.InviteNotFound {
			t.Errorf("%q: %q", wrong, refusal)
		}
	}
	g.session("ann", func(r *http.Request) { r.Header.Set("X-Or3-Invite-Token", token) })
	if _, refusal := describe(token); refusal != or3cloud.InviteAlreadyUsed {
		t.Errorf("an accepted invite: %q", refusal)
	}
	bob := g.invite("bob")
	list, err := g.store.ListInvites(t.Context(), g.ws, or3cloud.InvitePending, 0)
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := g.store.RevokeInvite(t.Context(), g.ws, list[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, refusal := describe(bob); refusal != or3cloud.InviteWasRevoked {
		t.Errorf("a revoked invite: %q", refusal)
	}
	carl := g.invite("carl")
	g.advance(8 * 24 * time.Hour)
	if _, refusal := describe(carl); refusal != or3cloud.InviteHasExpired {
		t.Errorf("an expired invite: %q", refusal)
	}

	g = newGuestHouse(t, nil, "OR3_AUTH_REGISTRATION_MODE", "open")
	if _, refusal := describe(token); refusal != or3cloud.InviteNotFound {
		t.Errorf("in the mode open: %q", refusal)
	}
}

func TestAnInviteInAnAddressIsKept(t *testing.T) {
	g := newGuestHouse(t, nil)
	token := g.invite("ann")
	expired, err := invite.Sign("generated for OR3_AUTH_INVITE_TOKEN_SECRET", invite.Token{WorkspaceID: g.ws, Email: "a@b.test", Expires: g.clock()})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, target string) *httptest.ResponseRecorder {
		return send(g.Host, httptest.NewRequest(method, target, nil))
	}
	kept := func(w *httptest.ResponseRecorder) *http.Cookie {
		for _, c := range w.Result().Cookies() {
			if c.Name == "or3_invite_token" {
				return c
			}
		}
		return nil
	}
	for _, method := range []string{"GET", "HEAD"} {
		for _, target := range []string{"/?invite=" + token, "/chat/17?x=1&invite=" + token, "/api/auth/session?invite=" + token} {
			w := ask(method, target)
			c := kept(w)
			if c == nil || c.Value != token || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Secure || c.MaxAge != 7*24*3600 {
				t.Errorf("%s %s: %+v", method, target, c)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("%s %s: Cache-Control %q", method, target, got)
			}
		}
	}
	for _, tc := range [][2]string{{"POST", "/?invite=" + token}, {"GET", "/?invite=" + expired}, {"GET", "/?invite=x"}, {"GET", "/?invite="}, {"GET", "/"}} {
		if c := kept(ask(tc[0], tc[1])); c != nil {
			t.Errorf("%s %s: %+v", tc[0], tc[1], c)
		}
	}
	g = newGuestHouse(t, nil, "OR3_AUTH_REGISTRATION_MODE", "open")
	if c := kept(ask("GET", "/?invite="+token)); c != nil {
		t.Errorf("in the mode open: %+v", c)
	}
}

func TestAFaultOfTheStoreIsNotARefusal(t *testing.T) {
	g := newGuestHouse(t, nil)
	token := g.invite("ann")
	if err := g.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := g.offered.CheckInvite(t.Context(), token, "ann@example.test"); err == nil || or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
		t.Errorf("%v", err)
	}
	var own *or3cloud.Error
	if _, _, err := g.invites().Admit(t.Context(), or3cloud.ExternalIdentity{Provider: "auth", ProviderUserID: "ann", Email: "ann@example.test"}, token, false); !errors.As(err, &own) || own.Code != or3cloud.CodeUnavailable {
		t.Errorf("%v", err)
	}
}

func TestOperateWaitsWithTheRequests(t *testing.T) {
	g := newGuestHouse(t, nil)
	err := g.instance.Operate(func(op instance.Operator) error {
		if op.AuthProvider != "auth" || op.Store != or3cloud.AuthWorkspaceStore(g.store) || op.Invites == nil || op.Accounts != nil {
			t.Errorf("%+v", op)
		}
		select {
		case <-g.instance.Drain():
			t.Error("the shutdown does not wait for the operator")
		default:
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := g.instance.Operate(func(instance.Operator) error { return nil }); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Errorf("during a shutdown: %v", err)
	}
	h := open(t, newWorld().host(t, defaults("SSR_AUTH_ENABLED", "false")))
	if err := h.instance.Operate(func(instance.Operator) error { return nil }); or3cloud.CodeOf(err) != or3cloud.CodeUnsupported {
		t.Errorf("without accounts: %v", err)
	}
}
