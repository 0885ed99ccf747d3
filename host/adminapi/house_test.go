package adminapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/hosttest"
	"or3.chat/cloud/host/load"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/host/webhookapi"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/logx"
	"or3.chat/cloud/internal/superadmin"
	"or3.chat/cloud/internal/webhook"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/providers/basicauth"
	"or3.chat/cloud/providers/fs"
	"or3.chat/cloud/providers/sqlite"
)

// What every house has.
const (
	ourHost       = "cloud.test"
	ourPage       = "https://cloud.test"
	adminName     = "admin"
	adminPassword = "Correct horse 1"
)

// house is an administration over the stores of the program, without HTTP in front of it and without accounts: a header
// says who sends a request.
type house struct {
	t        testing.TB
	cfg      or3cloud.Config
	instance *instance.Instance
	store    or3cloud.AuthWorkspaceStore
	front    *front
	opt      Options
	*API
	router *httpapi.Router
	users  map[string]string // ids by name
	shared string            // a workspace of "owner", in which all others but "stranger" are members
	cookie string            // of the super administrator
	stale  string            // the same, from before the last change of the password
	forged string            // signed with another key
}

// newHouse opens one. The environment has a super administrator unless it says otherwise.
func newHouse(t testing.TB, environ ...string) *house {
	t.Helper()
	var registry or3cloud.Registry
	if err := errors.Join(basicauth.Register(&registry), fs.Register(&registry), sqlite.Register(&registry)); err != nil {
		t.Fatal(err)
	}
	catalogue, err := config.NewCatalogue(&registry)
	if err != nil {
		t.Fatal(err)
	}
	environ = append([]string{"SSR_AUTH_ENABLED=true", "OR3_ADMIN_PROFILES=true", "OR3_ADMIN_USERNAME=" + adminName, "OR3_ADMIN_PASSWORD=" + adminPassword}, environ...)
	cfg, problems, _ := config.Load(catalogue, config.Sources{Environ: environ})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	h := &house{t: t, cfg: cfg, users: map[string]string{}}
	dir := t.TempDir()
	h.instance, err = instance.New(instance.Options{
		Registry: &registry, Config: cfg, DataDir: dir, Log: slog.New(slog.DiscardHandler), Rand: rand.Reader, Now: time.Now,
		Journal: logx.Open(io.Discard, slog.LevelInfo, true, time.Now()),
		Secret:  func(name string) (string, error) { return "a secret for " + name + ", long enough to be one", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	h.front = &front{Host: hosttest.Host{IP: "192.0.2.1"}, house: h}
	if err := h.instance.Open(t.Context(), h.front); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.instance.Close(); err != nil {
			t.Error(err)
		}
	})
	h.store = h.instance.Providers().Workspaces
	h.people()
	h.keepCredentials(dir)
	h.opt = Options{
		Host: h.front, Instance: h.instance, SuperAdmin: h.instance.SuperAdmin(), Config: cfg, Audit: h.instance.Providers().Audit, Now: time.Now,
		Desk:    operator.New(h.instance, operator.Links{PublicURL: ourPage}),
		Load:    func(context.Context) (load.Summary, error) { return load.Summary{}, nil },
		Foreign: httpapi.NewForeignPages(cfg.String("OR3_PUBLIC_URL"), cfg.List("OR3_ALLOWED_ORIGINS")),
	}
	hooks := instance.Ability[or3cloud.WebhookStore](h.instance.Providers(), or3cloud.ProviderSync)
	engine, err := webhook.New(webhook.Options{
		Queue: hooks.(or3cloud.WebhookQueue), Key: "a key for tests that is long enough", Allow: webhook.Public, Log: slog.New(slog.DiscardHandler),
		Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.opt.Webhooks = webhookapi.NewAdmin(webhookapi.Options{Host: h.front, Store: hooks, Engine: engine, Most: 10_000, Now: time.Now})
	h.open(nil)
	return h
}

// open makes the API of the house, with full budgets; plant, if set, changes its table.
func (h *house) open(plant func([]endpoint) []endpoint) {
	h.t.Helper()
	h.opt.Limits = middleware.NewLimits(time.Now, "", false)
	var err error
	if h.API, err = New(h.opt); err != nil {
		h.t.Fatal(err)
	}
	if plant != nil {
		h.API.serve(plant(h.API.endpoints))
	}
	h.mount(h.API.Routes())
}

// mount sets the routes of the house.
func (h *house) mount(routes []or3cloud.Route) {
	h.t.Helper()
	h.router = hosttest.Router(h.t, routes)
	h.router.Guard = h.API.Check
}

// people creates the users.
func (h *house) people() {
	h.t.Helper()
	ctx := h.t.Context()
	access, grants := h.store.(or3cloud.WorkspaceAccessStore), h.store.(or3cloud.DeploymentAdminStore)
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	for _, p := range []struct {
		name  string
		role  or3cloud.Role // in the shared workspace
		admin bool
	}{
		{"owner", or3cloud.RoleOwner, false}, {"editor", or3cloud.RoleEditor, false}, {"viewer", or3cloud.RoleViewer, false}, {"stranger", "", false},
		{"admin", or3cloud.RoleViewer, true}, {"admin-owner", or3cloud.RoleOwner, true}, {"admin-elsewhere", "", true}, {"revoked", or3cloud.RoleOwner, true},
		{"target", or3cloud.RoleViewer, false},
	} {
		id, err := h.store.GetOrCreateUser(ctx, or3cloud.ExternalIdentity{Provider: "basic-auth", ProviderUserID: "account-" + p.name, Email: p.name + "@example.test"})
		must(err)
		h.users[p.name] = id
		own, err := h.store.GetOrCreateDefaultWorkspace(ctx, id)
		must(err)
		if h.shared == "" {
			h.shared = own.ID
		} else if p.role != "" {
			must(access.SetMemberRole(ctx, h.shared, id, p.role))
			must(h.store.SetActiveWorkspace(ctx, id, h.shared))
		}
		if p.admin {
			must(grants.GrantDeploymentAdmin(ctx, id, ""))
		}
	}
	must(grants.RevokeDeploymentAdmin(ctx, h.users["revoked"]))
}

// keepCredentials writes those of the super administrator, with hashes that take no time.
func (h *house) keepCredentials(dir string) {
	h.t.Helper()
	admin := h.instance.SuperAdmin()
	if admin == nil {
		return
	}
	keep := func() (cookie string) {
		hash, err := bcrypt.GenerateFromPassword([]byte(adminPassword), bcrypt.MinCost)
		if err != nil {
			h.t.Fatal(err)
		}
		text, err := json.Marshal(map[string]string{"username": adminName, "password_hash_bcrypt": string(hash)})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, superadmin.File), text, 0o600)
		}
		if err != nil {
			h.t.Fatal(err)
		}
		s, err := admin.SignIn(h.t.Context(), adminName, adminPassword)
		if err != nil {
			h.t.Fatal(err)
		}
		return s.Token
	}
	h.stale = keep()
	h.cookie = keep()
	other := superadmin.New(superadmin.Options{
		Config: h.cfg, DataDir: dir, Secret: func(string) (string, error) { return strings.Repeat("another key", 4), nil },
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Rand: rand.Reader,
	})
	s, err := other.SignIn(h.t.Context(), adminName, adminPassword)
	if err != nil {
		h.t.Fatal(err)
	}
	h.forged = s.Token
}

// front is an or3cloud.Front whose session is that of the user whom a header names, as the store currently has it.
type front struct {
	hosttest.Host
	house *house
}

const userHeader = "X-Test-User"

func (f *front) Session(r *http.Request) (*or3cloud.SessionContext, error) {
	id := f.house.users[r.Header.Get(userHeader)]
	if id == "" {
		return &or3cloud.SessionContext{}, nil
	}
	return f.describe(r.Context(), id, r.Header.Get(userHeader), "")
}

func (f *front) describe(ctx context.Context, id, name, workspace string) (*or3cloud.SessionContext, error) {
	store := f.house.store
	if workspace == "" {
		own, err := store.GetOrCreateDefaultWorkspace(ctx, id)
		if err != nil {
			return nil, err
		}
		workspace = own.ID
	}
	role, err := store.GetWorkspaceRole(ctx, id, workspace)
	if err != nil {
		return nil, err
	}
	admin, err := store.(or3cloud.DeploymentAdminStore).IsDeploymentAdmin(ctx, id)
	return &or3cloud.SessionContext{
		Authenticated: true, Provider: "basic-auth", ProviderUserID: "account-" + name, User: or3cloud.SessionUser{ID: id, Email: name + "@example.test"},
		Workspace: or3cloud.SessionWorkspace{ID: workspace}, Role: role, DeploymentAdmin: admin,
	}, err
}

func (f *front) Authorize(r *http.Request, p or3cloud.Permission, workspaceID string) (*or3cloud.SessionContext, error) {
	s, err := f.Session(r)
	if err == nil && s.Authenticated {
		s, err = f.describe(r.Context(), s.User.ID, r.Header.Get(userHeader), workspaceID)
	}
	if err != nil {
		return nil, err
	}
	return s, or3cloud.Can(s, p, or3cloud.WorkspaceResource(workspaceID)).Err()
}

// sent is the answer to a request.
type sent struct {
	status int
	text   string // of an error
	body   []byte
	header http.Header
}

// request is one that our own page sends for a user.
func (h *house) request(who principal, method, path, body string) *http.Request {
	h.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(h.t.Context(), method, path, in)
	r.Host = ourHost
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if method != http.MethodGet {
		r.Header.Set("Origin", ourPage)
		r.Header.Set(intentHeader, intentValue)
	}
	if who.user != "" {
		r.Header.Set(userHeader, who.user)
	}
	if who.cookie != nil {
		r.AddCookie(&http.Cookie{Name: superadmin.Cookie, Value: who.cookie(h)})
	}
	return r
}

// send sends a request.
func (h *house) send(r *http.Request) sent {
	h.t.Helper()
	h.front.IP, _, _ = net.SplitHostPort(r.RemoteAddr)
	r = httpapi.WithIdentity(r, httpapi.Identity{ClientIP: h.front.IP, Host: r.Host})
	w := hosttest.Serve(h.router, r)
	out := sent{status: w.Code, body: w.Body.Bytes(), header: w.Header()}
	var said struct{ StatusMessage string }
	if json.Unmarshal(out.body, &said) == nil {
		out.text = said.StatusMessage
	}
	return out
}
