package instance

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// config is a configuration in memory.
type config map[string]string

func (c config) String(name string) string { return c[name] }
func (c config) Bool(name string) bool     { return c[name] == "true" }
func (c config) List(name string) []string { return strings.Fields(c[name]) }
func (c config) Int(name string) int64     { n, _ := strconv.ParseInt(c[name], 10, 64); return n }

func defaults(changes ...string) config {
	c := config{
		"SSR_AUTH_ENABLED": "true", "OR3_SYNC_ENABLED": "true", "OR3_STORAGE_ENABLED": "true", "AUTH_PROVIDER": "auth",
		"OR3_SYNC_PROVIDER": "sync", "NUXT_PUBLIC_STORAGE_PROVIDER": "storage", "OR3_AUTH_REGISTRATION_MODE": "open",
	}
	for i := 0; i < len(changes); i += 2 {
		c[changes[i]] = changes[i+1]
	}
	return c
}

// The fakes have the methods that these tests call. All others panic on a nil interface.
type (
	accounts struct {
		or3cloud.AuthProvider
		or3cloud.AccountAdmin
	}
	workspaces struct {
		or3cloud.AuthWorkspaceStore
		or3cloud.UserRemover
	}
	gateway struct {
		or3cloud.SyncGatewayAdapter
		or3cloud.ReferenceClaimer
		or3cloud.CanonicalStorage
	}
	upkeep struct{ gateway }
	blobs  struct{ or3cloud.StorageGatewayAdapter }
	broker struct{ or3cloud.ProviderTokenBroker }
	admin  struct{ or3cloud.ProviderAdminAdapter }
)

func (upkeep) MaintenanceState() or3cloud.MaintenanceState { return or3cloud.MaintenanceState{} }

// house holds the parts of an instance.
type house struct {
	envs   map[string]or3cloud.Env // with which the providers were opened
	events []string
	fail   string // the provider that fails to open
	parts  map[string]*or3cloud.Instance
}

func newHouse() *house {
	return &house{envs: map[string]or3cloud.Env{}, parts: map[string]*or3cloud.Instance{
		"auth": {
			Auth: accounts{}, Broker: broker{}, Admin: map[or3cloud.ProviderKind]or3cloud.ProviderAdminAdapter{or3cloud.ProviderAuth: admin{}},
			Routes: []or3cloud.Route{{Method: "GET", Path: "/api/auth/x"}},
			Setup:  func(context.Context) (string, error) { return "setup=1", nil },
		},
		"sync":    {Workspaces: workspaces{}, Sync: upkeep{}},
		"storage": {Storage: blobs{}},
	}}
}

func (h *house) options(t testing.TB, cfg config) Options {
	t.Helper()
	var r or3cloud.Registry
	for id, part := range h.parts {
		err := r.Register(or3cloud.Provider{ID: id, Package: "test", Open: func(_ context.Context, env or3cloud.Env) (*or3cloud.Instance, error) {
			if h.fail == id {
				return nil, errors.New("cannot open " + id)
			}
			h.events = append(h.events, "open "+id)
			h.envs[id] = env
			opened := *part
			opened.Close = func() error { h.events = append(h.events, "close "+id); return nil }
			return &opened, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return Options{Registry: &r, Config: cfg, Log: slog.New(slog.DiscardHandler), Now: time.Now, Rand: rand.Reader}
}

func made(t testing.TB, o Options) *Instance {
	t.Helper()
	i, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

func open(t testing.TB, o Options) *Instance {
	t.Helper()
	i := made(t, o)
	if err := i.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return i
}

// Requirements 1.1, 6.2.
func TestMissingProviders(t *testing.T) {
	o := newHouse().options(t, defaults("AUTH_PROVIDER", "clerk", "OR3_SYNC_PROVIDER", "convex", "NUXT_PUBLIC_STORAGE_PROVIDER", "s3"))
	o.Strict = true
	_, err := New(o)
	if err == nil {
		t.Fatal("strict mode took missing providers")
	}
	for _, want := range []string{`auth.provider "clerk" is not registered. Install`, `sync.provider "convex"`, `storage.provider "s3"`, "OR3_SYNC_PROVIDER", "(auth, storage, sync)"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if lines := strings.Count(err.Error(), "\n"); lines != 2 {
		t.Errorf("%d line breaks", lines)
	}
}

func TestPlanFollowsTheSwitches(t *testing.T) {
	for _, c := range []struct {
		changes                     []string
		auth, sync, storage, served bool
	}{
		{nil, true, true, true, true},
		{[]string{"SSR_AUTH_ENABLED", "false"}, false, false, false, false},
		{[]string{"OR3_SYNC_ENABLED", "false"}, true, true, true, false},
		{[]string{"OR3_STORAGE_ENABLED", "false"}, true, true, false, true},
		{[]string{"AUTH_PROVIDER", "clerk"}, false, false, false, false},
		{[]string{"OR3_SYNC_PROVIDER", "convex"}, false, false, false, false},
		{[]string{"NUXT_PUBLIC_STORAGE_PROVIDER", "s3"}, true, true, false, true},
	} {
		o := newHouse().options(t, defaults(c.changes...))
		p := NewPlan(o.Config, o.Registry)
		if p.Auth.On != c.auth || p.Sync.On != c.sync || p.Storage.On != c.storage || p.SyncServed != c.served || p.Cloud() != c.auth {
			t.Errorf("%v: %+v", c.changes, p)
		}
	}
}

// A front whose host has providers of its own gets the providers that are compiled in, each independently, and misses
// none.
func TestPartialPlans(t *testing.T) {
	for _, c := range []struct {
		changes []string
		events  string
	}{
		{nil, "open sync, open auth, open storage"},
		{[]string{"AUTH_PROVIDER", "clerk"}, "open sync, open storage"},
		{[]string{"OR3_SYNC_PROVIDER", "convex", "NUXT_PUBLIC_STORAGE_PROVIDER", "s3"}, "open auth"},
		{[]string{"AUTH_PROVIDER", "clerk", "OR3_SYNC_PROVIDER", "convex"}, "open storage"},
		{[]string{"AUTH_PROVIDER", "clerk", "OR3_SYNC_ENABLED", "false", "OR3_STORAGE_ENABLED", "false"}, "open sync"},
		{[]string{"SSR_AUTH_ENABLED", "false"}, ""},
	} {
		h := newHouse()
		o := h.options(t, defaults(c.changes...))
		o.Partial, o.Strict = true, true
		i := open(t, o)
		if got := strings.Join(h.events, ", "); got != c.events || i.Plan().Cloud() != (c.events != "") || len(i.Plan().Problems) > 0 {
			t.Errorf("%v: %s, %+v", c.changes, got, i.Plan())
		}
		p := i.Providers()
		if (p.Auth != nil) != strings.Contains(c.events, "auth") || (p.Workspaces != nil) != strings.Contains(c.events, "sync") || (p.Storage != nil) != strings.Contains(c.events, "storage") {
			t.Errorf("%v: %+v", c.changes, p)
		}
		err := i.Operate(func(Operator) error { return nil })
		if whole := strings.Contains(c.events, "open sync, open auth"); (err == nil) != whole {
			t.Errorf("%v: the operator's use cases: %v", c.changes, err)
		}
	}
}

func TestOpenedOnceInOrderAndClosedInReverse(t *testing.T) {
	h := newHouse()
	i := made(t, h.options(t, defaults()))
	if i.Ready() || i.Providers() != nil || or3cloud.CodeOf(i.Unavailable()) != or3cloud.CodeUnavailable {
		t.Error("ready before it is open")
	}
	if err := i.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if !i.Ready() || h.envs["storage"].References == nil || h.envs["auth"].References != nil {
		t.Error("not ready, or the reference claims went to the wrong provider")
	}
	if links, err := i.SetupLinks(t.Context()); err != nil || len(links) != 1 || links[0] != "setup=1" {
		t.Error(links, err)
	}
	if err := i.Open(t.Context(), nil); err == nil {
		t.Error("opened twice")
	}
	for range 2 {
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.Open(t.Context(), nil); err == nil {
		t.Error("opened after Close")
	}
	if got := strings.Join(h.events, ", "); got != "open sync, open auth, open storage, close storage, close auth, close sync" {
		t.Error(got)
	}
	if i.Ready() || i.Providers() != nil || i.Enter() {
		t.Error("still there after Close")
	}
}

func TestFailedOpenUndoesItself(t *testing.T) {
	for _, c := range []struct{ fail, events string }{
		{"sync", ""}, {"auth", "open sync, close sync"}, {"storage", "open sync, open auth, close auth, close sync"},
	} {
		h := newHouse()
		h.fail = c.fail
		i := made(t, h.options(t, defaults()))
		err := i.Open(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), "cannot open "+c.fail) || strings.Join(h.events, ", ") != c.events || i.Ready() {
			t.Errorf("%s: %v, %v", c.fail, err, h.events)
		}
	}
}

func TestRolesNeedTheirAbilities(t *testing.T) {
	for id, lacking := range map[string]*or3cloud.Instance{"auth": {}, "sync": {Workspaces: workspaces{}}, "storage": {}} {
		h := newHouse()
		h.parts[id] = lacking
		if err := made(t, h.options(t, defaults())).Open(t.Context(), nil); err == nil {
			t.Errorf("%s was opened without what its role needs", id)
		}
	}
}

// Abilities are found by type, in whichever adapter of the provider has them, but never in another provider.
func TestAbilities(t *testing.T) {
	p := open(t, newHouse().options(t, defaults())).Providers()
	for name, found := range map[string]bool{
		"maintenance of sync":          Ability[or3cloud.MaintenanceReporter](p, or3cloud.ProviderSync) != nil,
		"users of the workspaces":      Ability[or3cloud.UserRemover](p, or3cloud.ProviderSync) != nil,
		"accounts of auth":             Ability[or3cloud.AccountAdmin](p, or3cloud.ProviderAuth) != nil,
		"tokens of auth":               Ability[or3cloud.ProviderTokenBroker](p, or3cloud.ProviderAuth) != nil,
		"administration of auth":       Ability[or3cloud.ProviderAdminAdapter](p, or3cloud.ProviderAuth) != nil,
		"no administration of sync":    Ability[or3cloud.ProviderAdminAdapter](p, or3cloud.ProviderSync) == nil,
		"no maintenance of storage":    Ability[or3cloud.MaintenanceReporter](p, or3cloud.ProviderStorage) == nil,
		"no accounts of sync":          Ability[or3cloud.AccountAdmin](p, or3cloud.ProviderSync) == nil,
		"nothing where nothing's open": Ability[or3cloud.AccountAdmin](nil, or3cloud.ProviderAuth) == nil,
	} {
		if !found {
			t.Error(name)
		}
	}
	if len(p.Routes) != 1 || p.Routes[0].Owner != "auth" || p.Routes[0].Path != "/api/auth/x" {
		t.Errorf("%+v", p.Routes)
	}
	p = open(t, newHouse().options(t, defaults("OR3_STORAGE_ENABLED", "false", "OR3_SYNC_ENABLED", "false"))).Providers()
	if p.Storage != nil || p.Sync != nil || p.Workspaces == nil {
		t.Errorf("what is switched off is served: %+v", p)
	}
}

// A front may be anything that answers the providers' questions.
type knocker struct{ or3cloud.Front }

func (knocker) ClientIP(*http.Request) string { return "192.0.2.7" }

func TestProvidersAskTheFront(t *testing.T) {
	h := newHouse()
	i := made(t, h.options(t, defaults()))
	if err := i.Open(t.Context(), knocker{}); err != nil {
		t.Fatal(err)
	}
	host := h.envs["auth"].Host
	if got := host.ClientIP(nil); got != "192.0.2.7" {
		t.Error(got)
	}
	if host.Users() == nil {
		t.Error("the workspaces remove users, but the auth provider is not told so")
	}
	if err := host.CheckInvite(t.Context(), "", "ann@example.test"); err != nil { // registration is open
		t.Error(err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	if err := host.CheckInvite(t.Context(), "", ""); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable || host.Users() != nil {
		t.Error("a closed instance still answers")
	}
}

// The operator's commands open an instance without a front.
func TestWithoutAFrontNoOneIsSignedIn(t *testing.T) {
	h := newHouse()
	open(t, h.options(t, defaults()))
	host := h.envs["auth"].Host
	if _, err := host.Session(nil); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Error(err)
	}
	if _, err := host.Authorize(nil, or3cloud.PermWorkspaceRead, "ws"); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Error(err)
	}
	if _, known := host.RequestHost(nil); known || host.ClientIP(nil) != "unknown" {
		t.Error("a request came from somewhere")
	}
}

func TestOperate(t *testing.T) {
	i := made(t, newHouse().options(t, defaults()))
	nothing := func(Operator) error { t.Error("called while the instance is not open"); return nil }
	if err := i.Operate(nothing); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Error(err)
	}
	if err := i.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var idle <-chan struct{}
	if err := i.Operate(func(op Operator) error {
		if op.AuthProvider != "auth" || op.Accounts == nil || op.Store == nil || op.Invites == nil || op.Files == nil || op.Rows == nil || op.References == nil {
			t.Errorf("%+v", op)
		}
		idle = i.Drain()
		select {
		case <-idle:
			t.Error("a shutdown does not wait for a use case")
		case <-op.Closing:
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	<-idle
	if err := i.Operate(nothing); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Error(err)
	}
	if err := open(t, newHouse().options(t, defaults("SSR_AUTH_ENABLED", "false"))).Operate(nothing); or3cloud.CodeOf(err) != or3cloud.CodeUnsupported {
		t.Error(err)
	}
	if err := open(t, newHouse().options(t, defaults("OR3_STORAGE_ENABLED", "false"))).Operate(func(op Operator) error {
		if op.Files != nil || op.Rows != nil || op.References != nil {
			t.Errorf("without storage: %+v", op)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// If the workspace store does not keep invites, the fault is the server's, and the answer makes clients come back.
func TestWithoutAnInviteStoreInviteOnlyIsUnavailable(t *testing.T) {
	for _, strict := range []bool{false, true} {
		h := newHouse()
		o := h.options(t, defaults("OR3_AUTH_REGISTRATION_MODE", "invite_only"))
		o.Strict, o.Secret = strict, func(string) (string, error) { return "a secret", nil }
		i := open(t, o)
		if err := h.envs["auth"].Host.CheckInvite(t.Context(), "", "ann@example.test"); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
			t.Error(err)
		}
		if _, _, err := i.Providers().Invites.Admit(t.Context(), or3cloud.ExternalIdentity{Email: "ann@example.test"}, "x", false); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
			t.Error(err)
		}
	}
}
