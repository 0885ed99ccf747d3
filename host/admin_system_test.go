package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/host/adminapi"
	"or3.chat/cloud/host/eventsapi"
	settings "or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/internal/settable"
)

// restarter counts the requests to restart.
type restarter struct {
	asked   int
	err     error
	refused string
}

func (r *restarter) Ask() error {
	r.asked++
	return r.err
}

func (r *restarter) Refused() (time.Time, string) {
	return time.Unix(1_800_000_000, 0).UTC(), r.refused
}

// managed is a host with a .env file and a super administrator.
type managed struct {
	*real
	*restarter
	file  string
	admin *person
}

const envText = "# ours\nOR3_SITE_NAME=Ours\nOR3_SQLITE_PRAGMA_SYNCHRONOUS=FULL\nOR3_BASIC_AUTH_JWT_SECRET=0123456789abcdef0123456789abcdef\n"

func manage(t *testing.T, environ ...string) *managed {
	t.Helper()
	m := &managed{restarter: &restarter{}, file: filepath.Join(t.TempDir(), ".env")}
	if err := os.WriteFile(m.file, []byte(envText), 0o600); err != nil {
		t.Fatal(err)
	}
	environ = append(environ, superAdmin...)
	m.real = startProgram(t, eventsapi.Bounds{}, nil, func(registry *or3cloud.Registry) adminapi.Program {
		file, err := settable.New(settable.Options{
			Registry: registry, Rand: strings.NewReader(strings.Repeat("k", 100)), Sources: settings.Sources{EnvFile: m.file, Environ: environ},
		})
		if err != nil {
			t.Fatal(err)
		}
		return adminapi.Program{Configuration: file, Restarter: m.restarter}
	}, environ...)
	m.admin = m.visitor(t).administer()
	return m
}

// act sends a request as a page of the administration does.
func (m *managed) act(p *person, path, body string) (status int, message string, answer map[string]any) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), "POST", p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", p.url)
	req.Header.Set("X-Or3-Admin-Intent", "admin")
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		p.t.Fatal(err)
	}
	message, _ = answer["statusMessage"].(string)
	return res.StatusCode, message, answer
}

// Administrators see whether answers are made in the background.
func TestTheStatusOfAnswersInTheBackground(t *testing.T) {
	m := manage(t, "OPENROUTER_API_KEY=sk-or-v1-for-all", "OR3_BACKGROUND_STREAMING_ENABLED=true")
	var got struct {
		Status struct{ BackgroundStreaming struct{ Enabled bool } }
	}
	if m.admin.do("GET", "/api/admin/system/status", "", &got); !got.Status.BackgroundStreaming.Enabled {
		t.Error("they are told that none are")
	}
}

func TestTheSystemsStatus(t *testing.T) {
	m := manage(t)
	type provider struct {
		Enabled      bool
		Provider     string
		Details      map[string]any
		Warnings     []or3cloud.AdminWarning
		Actions      []or3cloud.AdminAction
		Capabilities map[string]bool
	}
	var got struct {
		Status struct {
			Auth, Sync, Storage provider
			BackgroundStreaming struct {
				Enabled         bool
				StorageProvider string
			}
			Admin map[string]any
		}
		Warnings []or3cloud.AdminWarning
		Session  map[string]any
		Runs     []any
	}
	m.admin.do("GET", "/api/admin/system/status", "", &got)
	s := got.Status
	for name, c := range map[string]struct {
		provider
		id      string
		details []string
		actions []string
	}{
		"auth": {s.Auth, "basic-auth", []string{"accessTtlSeconds", "bootstrapConfigured", "dbPath", "jwtSecretConfigured", "refreshSecretConfigured", "refreshTtlSeconds"},
			[]string{"auth.check-database", "auth.revoke-sessions"}},
		"sync": {s.Sync, "sqlite", []string{"dbPath", "journalMode", "synchronous"}, []string{"sync.gc-change-log", "sync.gc-tombstones", "sync.check-database"}},
		"storage": {s.Storage, "fs", []string{"retentionSeconds", "root", "tokenSecretConfigured", "urlTtlSeconds"},
			[]string{"storage.gc", "storage.check-files"}},
	} {
		var details, actions []string
		for name := range c.Details {
			details = append(details, name)
		}
		for _, a := range c.Actions {
			if actions = append(actions, a.ID); a.Danger && a.Confirmation == "" || a.Label == "" || a.Description == "" {
				t.Errorf("%s: %+v", name, a)
			}
		}
		slices.Sort(details)
		if !c.Enabled || c.Provider != c.id || !slices.Equal(details, c.details) || !slices.Equal(actions, c.actions) || c.Warnings == nil {
			t.Errorf("%s: %+v", name, c.provider)
		}
	}
	if s.BackgroundStreaming.Enabled || s.BackgroundStreaming.StorageProvider != "sqlite" || s.Admin["allowRestart"] != false || s.Admin["allowRebuild"] != false {
		t.Errorf("%+v", s)
	}
	if got.Warnings == nil || got.Runs == nil || len(got.Session) != 1 || got.Session["role"] != "owner" || !s.Sync.Capabilities["supportsDeploymentAdminGrants"] {
		t.Errorf("%+v", got)
	}
	ann := m.register(t, "ann@example.test").administer()
	if ann.do("GET", "/api/admin/system/status", "", &got); got.Session["workspaceId"] != ann.workspace || got.Session["role"] != "owner" {
		t.Errorf("with a session of a user: %v", got.Session)
	}
	m.refused = "it does not start"
	if m.admin.do("GET", "/api/admin/system/status", "", &got); !strings.Contains(fmt.Sprint(got.Status.Admin["restartRefused"]), "it does not start") {
		t.Errorf("%v", got.Status.Admin)
	}
}

func TestTheConfigurationIsShownAndWritten(t *testing.T) {
	m := manage(t)
	type entry struct {
		Key, Label, Description, Group, ValueType, Origin string
		Value                                             *string
		Masked                                            bool
		Order                                             int
	}
	read := func(path string) (revision string, byKey map[string]entry) {
		var got struct {
			Entries  []entry
			Revision string
		}
		m.admin.do("GET", path, "", &got)
		byKey = map[string]entry{}
		for _, e := range got.Entries {
			byKey[e.Key] = e
		}
		return got.Revision, byKey
	}
	_, plain := read("/api/admin/system/config")
	revision, rich := read("/api/admin/system/config/enriched")
	if len(plain) < 86 || len(plain) != len(rich) || plain["OR3_SITE_NAME"].Label != "" {
		t.Errorf("%d and %d entries, %+v", len(plain), len(rich), plain["OR3_SITE_NAME"])
	}
	if e := rich["OR3_SITE_NAME"]; e.Value == nil || *e.Value != "Ours" || e.Masked || e.Group != "UI & Branding" || e.ValueType != "string" || e.Order == 0 || e.Label == "" || e.Description == "" || e.Origin != ".env" {
		t.Errorf("%+v", e)
	}
	if e := rich["OR3_BASIC_AUTH_JWT_SECRET"]; e.Value == nil || *e.Value != "******" || !e.Masked || e.Group != "Auth" {
		t.Errorf("%+v", e)
	}
	for _, key := range []string{"OR3_SQLITE_DB_PATH", "OR3_STORAGE_FS_ROOT", "OR3_BASIC_AUTH_DB_PATH", "OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD"} {
		if e, ok := rich[key]; !ok || e.Value != nil || e.Masked {
			t.Errorf("%s: %+v", key, e)
		}
	}
	const write = "/api/admin/system/config/write"
	for body, want := range map[string]string{
		``: "Invalid request", `null`: "Invalid request", `[]`: "Invalid request", `{}`: "Invalid request", `{"entries":{}}`: "Invalid request",
		`{"entries":null}`: "Invalid request", `{"entries":[{}]}`: "Invalid request", `{"entries":[{"key":"OR3_SITE_NAME"}]}`: "Invalid request",
		`{"entries":[{"value":"x"}]}`: "Invalid request", `{"entries":[{"key":1,"value":"x"}]}`: "Invalid request",
		`{"entries":[{"key":"OR3_SITE_NAME","value":{}}]}`: "Invalid request", `{"entries":[{"key":"OR3_SITE_NAME","value":["x"]}]}`: "Invalid request",
		`{"entries":[{"key":"OR3_SITE_NAME","value":"x"},{"key":"PATH","value":"x"}]}`: "Key not allowed: PATH",
		`{"entries":[{"key":"OR3_ADMIN_PASSWORD","value":"Another horse 1"}]}`:         "Key not allowed: OR3_ADMIN_PASSWORD",
	} {
		if status, text, _ := m.act(m.admin, write, body); status != 400 || text != want {
			t.Errorf("%s: %d %q, want %q", body, status, text, want)
		}
	}
	if text, err := os.ReadFile(m.file); err != nil || string(text) != envText {
		t.Errorf("refused writes have changed the file: %s %v", text, err)
	}
	status, text, answer := m.act(m.admin, write, `{"entries":[{"key":"OR3_SITE_NAME","value":"Theirs"},{"key":"OR3_SQLITE_PRAGMA_SYNCHRONOUS","value":null},{"key":"OR3_BASIC_AUTH_JWT_SECRET","value":"******"}],"revision":"`+revision+`"}`)
	if status != 200 || answer["ok"] != true || answer["restartRequired"] != true || fmt.Sprint(answer["changed"]) != "[OR3_SITE_NAME OR3_SQLITE_PRAGMA_SYNCHRONOUS]" {
		t.Errorf("%d %s %v", status, text, answer)
	}
	if text, err := os.ReadFile(m.file); err != nil || string(text) != "# ours\nOR3_SITE_NAME=Theirs\nOR3_BASIC_AUTH_JWT_SECRET=0123456789abcdef0123456789abcdef\n" {
		t.Errorf("%s %v", text, err)
	}
	if status, text, _ := m.act(m.admin, write, `{"entries":[{"key":"OR3_SITE_NAME","value":"Stale"}],"revision":"`+revision+`"}`); status != 409 || text != "The configuration has changed in the meantime; load it again" {
		t.Errorf("a stale page: %d %s", status, text)
	}
	// OR3 Chat's page sends the content of a field for numbers as a number.
	if status, text, _ := m.act(m.admin, write, `{"entries":[{"key":"OR3_REQUESTS_PER_MINUTE","value":33},{"key":"OR3_LIMITS_ENABLED","value":true}]}`); status != 200 {
		t.Errorf("a number and a boolean: %d %s", status, text)
	}
	if text, err := os.ReadFile(m.file); err != nil || !strings.Contains(string(text), "\nOR3_REQUESTS_PER_MINUTE=33\n") || !strings.Contains(string(text), "\nOR3_LIMITS_ENABLED=true\n") {
		t.Errorf("%s %v", text, err)
	}
	m.trail(t, audit.ConfigWrite, func(e audit.Entry) bool {
		return e.Refusal == "" && slices.Equal(e.Target.Settings, []string{"OR3_SITE_NAME", "OR3_SQLITE_PRAGMA_SYNCHRONOUS"})
	})
}

// trail waits for an entry.
func (m *managed) trail(t *testing.T, action audit.Action, wanted func(audit.Entry) bool) {
	t.Helper()
	patience.Until(t, "an entry in the trail", func() bool {
		page, err := m.instance.Providers().Audit.List(t.Context(), audit.Query{Action: string(action)})
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(page.Entries, wanted)
	})
}

func TestActionsOfProviders(t *testing.T) {
	m := manage(t)
	ann := m.register(t, "ann@example.test")
	const path = "/api/admin/system/provider-action"
	for body, want := range map[string]string{
		``: "400 Invalid request", `{}`: "400 Invalid request", `{"kind":"sync"}`: "400 Invalid request", `{"kind":"host","actionId":"x"}`: "400 Invalid request",
		`{"kind":"sync","actionId":" "}`: "400 Invalid request", `{"kind":"sync","actionId":"x","payload":[]}`: "400 Invalid request",
		`{"kind":"sync","actionId":"storage.gc"}`: "400 Unknown action", `{"kind":"auth","actionId":"no.such"}`: "400 Unknown action",
		`{"kind":"sync","actionId":"sync.gc-tombstones","workspaceId":"nothing"}`:     "404 Workspace not found",
		`{"kind":"storage","actionId":"storage.gc","workspaceId":"nothing"}`:          "404 Workspace not found",
		`{"kind":"storage","actionId":"storage.check-files","workspaceId":"nothing"}`: "404 Workspace not found",
		`{"kind":"sync","actionId":"sync.gc-tombstones"}`:                             "400 Workspace not resolved", `{"kind":"storage","actionId":"storage.gc"}`: "400 Workspace not resolved",
	} {
		if status, text, _ := m.act(m.admin, path, body); fmt.Sprintf("%d %s", status, text) != want {
			t.Errorf("%s: %d %s, want %s", body, status, text, want)
		}
	}
	for body, want := range map[string]string{
		fmt.Sprintf(`{"kind":"sync","actionId":"sync.gc-tombstones","workspaceId":%q}`, ann.workspace):                                `map[action:sync.gc-tombstones ok:true retentionSeconds:2.592e+06]`,
		fmt.Sprintf(`{"kind":"sync","actionId":"sync.gc-change-log","workspaceId":%q,"payload":{"retentionDays":60}}`, ann.workspace): `map[action:sync.gc-change-log ok:true retentionSeconds:5.184e+06]`,
		fmt.Sprintf(`{"kind":"storage","actionId":"storage.gc","workspaceId":%q}`, ann.workspace):                                     `map[deleted_count:0 scanned_count:0 status:completed]`,
	} {
		status, text, answer := m.act(m.admin, path, body)
		if status != 200 || answer["ok"] != true || fmt.Sprint(answer["result"]) != want {
			t.Errorf("%s: %d %s %v", body, status, text, answer)
		}
	}
	for _, body := range []string{`{"kind":"auth","actionId":"auth.check-database"}`, `{"kind":"sync","actionId":"sync.check-database"}`, `{"kind":"storage","actionId":"storage.check-files"}`} {
		status, text, answer := m.act(m.admin, path, body)
		result, _ := answer["result"].(map[string]any)
		if status != 200 || result["ok"] != true && result["running"] != true {
			t.Errorf("%s: %d %s %v", body, status, text, answer)
		}
	}
	both := ann.administer() // the workspace of the user in the same browser
	if status, text, _ := m.act(both, path, `{"kind":"sync","actionId":"sync.gc-tombstones"}`); status != 200 {
		t.Errorf("%d %s", status, text)
	}
	m.trail(t, audit.ProviderAction, func(e audit.Entry) bool {
		return e.Refusal == "" && e.Target.WorkspaceID == ann.workspace && e.Target.Object == "storage.gc"
	})
}

func TestRestart(t *testing.T) {
	const path = "/api/admin/system/restart"
	m := manage(t)
	if status, text, _ := m.act(m.admin, path, ""); status != 501 || text != "Restart disabled" || m.asked > 0 {
		t.Errorf("%d %s", status, text)
	}
	m = manage(t, "OR3_ADMIN_ALLOW_RESTART=true")
	var got struct {
		Status struct{ Admin map[string]any }
	}
	if m.admin.do("GET", "/api/admin/system/status", "", &got); got.Status.Admin["allowRestart"] != true {
		t.Errorf("%v", got)
	}
	if status, text, answer := m.act(m.admin, path, ""); status != 200 || answer["ok"] != true || m.asked != 1 {
		t.Errorf("%d %s %v, asked %d times", status, text, answer, m.asked)
	}
	m.restarter.err = errors.New("this operating system cannot do it")
	if status, text, _ := m.act(m.admin, path, ""); status != 409 || text != "Restart not supported: this operating system cannot do it" {
		t.Errorf("%d %s", status, text)
	}
	m.restarter.err = nil
	if err := os.WriteFile(m.file, []byte("OR3_REQUESTS_PER_MINUTE=many\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, text, _ := m.act(m.admin, path, ""); status != 409 || m.asked != 2 ||
		!strings.HasPrefix(text, "The configuration does not start, so the server goes on with what it has: OR3_REQUESTS_PER_MINUTE") {
		t.Errorf("%d %s, asked %d times", status, text, m.asked)
	}
	// It would start, and without accounts: the person who restarted it could not fix that here.
	if err := os.WriteFile(m.file, []byte("OR3_SYNC_PROVIDER=sqlit\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, text, _ := m.act(m.admin, path, ""); status != 409 || m.asked != 2 || !strings.Contains(text, `sync.provider "sqlit" is not registered`) {
		t.Errorf("%d %s, asked %d times", status, text, m.asked)
	}
	unmanaged := startReal(t, eventsapi.Bounds{}, nil, append([]string{"OR3_ADMIN_ALLOW_RESTART=true"}, superAdmin...)...)
	m.real, m.admin = unmanaged, unmanaged.visitor(t).administer()
	if status, text, _ := m.act(m.admin, path, ""); status != 409 || text != "Restart not supported: this server was not started by or3-cloud serve" {
		t.Errorf("%d %s", status, text)
	}
	for _, path := range []string{"/api/admin/system/config", "/api/admin/system/config/enriched"} {
		if status, text, _ := m.admin.asks("GET", path, ""); status != 501 || text != "This server is not configured by a file" {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}

func TestThisServerDoesNotUpdateItself(t *testing.T) {
	m := manage(t)
	const why = "This server does not update itself. Replace its program and start the upgrade at the command line, as docs/operations.md says."
	var got map[string]any
	if m.admin.do("GET", "/api/admin/update/status", "", &got); len(got) != 3 || got["kind"] != "unsupported" || got["enabled"] != false || got["reason"] != why {
		t.Errorf("%v", got)
	}
	for _, c := range []struct {
		path, body, want string
		status           int
	}{
		{"update/check", "", "", 200},
		{"update/preview", "", why, 501},
		{"update/start", "", "A valid update request is required.", 400},
		{"update/start", `{"requestId":"x","targetVersion":"1.2.3"}`, "A valid update request is required.", 400},
		{"update/start", `{"requestId":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","targetVersion":"latest"}`, "A valid update request is required.", 400},
		{"update/start", `{"requestId":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","targetVersion":"1.2.3"}`, why, 501},
		{"system/rebuild-restart", "", "Rebuild disabled", 501},
	} {
		if status, text, _ := m.act(m.admin, "/api/admin/"+c.path, c.body); status != c.status || text != c.want {
			t.Errorf("%s %s: %d %q", c.path, c.body, status, text)
		}
	}
}

// TestOnlySuperAdministratorsManageTheSystem: a deployment administrator is refused below the contract's prefix, and
// admitted on our own pages.
func TestOnlySuperAdministratorsManageTheSystem(t *testing.T) {
	m := manage(t)
	granted, ordinary := m.register(t, "ann@example.test"), m.register(t, "bob@example.test")
	m.grant(t, granted, true)
	for _, path := range []string{"system/config/write", "system/provider-action", "system/restart", "system/rebuild-restart", "update/check", "update/preview", "update/start"} {
		for _, c := range []struct {
			who  *person
			want string
		}{{m.visitor(t), "401 Unauthorized"}, {ordinary, "401 Unauthorized"}, {granted, "403 Forbidden: Super admin access required"}} {
			if status, text, _ := m.act(c.who, "/api/admin/"+path, "{}"); fmt.Sprintf("%d %s", status, text) != c.want {
				t.Errorf("%s: %d %s, want %s", path, status, text, c.want)
			}
		}
		if status, text, _ := m.act(granted, "/api/or3/admin/"+path, "{}"); status == 401 || status == 403 {
			t.Errorf("%s on our own pages: %d %s", path, status, text)
		}
		if status, text, _ := m.admin.asks("POST", "/api/admin/"+path, "{}", "Origin", "https://evil.test", "X-Or3-Admin-Intent", "admin"); status != 403 || text != "Forbidden: Origin mismatch" {
			t.Errorf("%s from another origin: %d %s", path, status, text)
		}
	}
	for _, path := range []string{"system/status", "system/config", "system/config/enriched", "update/status"} {
		for who, want := range map[*person]int{m.visitor(t): 401, ordinary: 401, granted: 403, m.admin: 200} {
			if status, text, _ := who.asks("GET", "/api/admin/"+path, ""); status != want {
				t.Errorf("%s: %d %s, want %d", path, status, text, want)
			}
		}
	}
}
