package host

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/internal/patience"
)

// told is what a receiver for administrators gets.
type told struct {
	Event, Scope string
	WorkspaceID  *string `json:"workspace_id"`
	UserID       *string `json:"user_id"`
	Data         json.RawMessage
}

// admins sends a request as the super administrator, with the proof that it comes from our page, and returns the
// answer.
func (p *person) admins(method, path, body string, want int) map[string]any {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header = http.Header{"Origin": {p.url}, "X-Or3-Admin-Intent": {"admin"}, "Content-Type": {"application/json"}}
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode != want {
		p.t.Fatalf("%s %s %s: %d %v, %v; want %d", method, path, body, res.StatusCode, out, err, want)
	}
	return out
}

// adminHook makes a webhook of administrators and returns its path.
func (p *person) adminHook(url, rest string) string {
	p.t.Helper()
	made := p.admins("POST", "/api/admin/webhooks", fmt.Sprintf(`{"url":%q,%s}`, url, rest), 200)
	if secret, _ := made["signing_secret"].(string); !strings.HasPrefix(secret, "whs_") {
		p.t.Errorf("%v", made)
	}
	return "/api/admin/webhooks/" + made["webhook"].(map[string]any)["id"].(string)
}

// told waits for the next event for administrators.
func (r *receiver) told(t *testing.T) (out told) {
	t.Helper()
	d := patience.Receive(t, "a delivery", r.got)
	if err := json.Unmarshal(d.body, &out); err != nil || out.Scope != "admin" || strings.Contains(string(d.body), "user_id") {
		t.Errorf("%s, %v", d.body, err)
	}
	return out
}

func startAdmins(t *testing.T, environ ...string) (*real, *person) {
	r := startReal(t, eventsapi.Bounds{}, nil, append([]string{"OR3_WEBHOOKS_BLOCK_PRIVATE_IPS=false", superAdmin[0], superAdmin[1]}, environ...)...)
	r.keepAdminPassword(t)
	return r, r.visitor(t).administer()
}

func TestAdministratorsAreTold(t *testing.T) {
	r, super := startAdmins(t, "OR3_WEBHOOKS_ADMIN_MAX=2")
	to := newReceiver(t)
	path := super.adminHook(to.URL, `"events":["admin.user.created","admin.workspace.created"],"custom_hooks":["admin.user:action:role_changed"],"label":"Ops"`)
	ann := r.register(t, "ann@example.test")
	created, ws := to.told(t), to.told(t) // deliveries run in parallel
	if created.Event == adminevent.WorkspaceCreated {
		created, ws = ws, created
	}
	if created.Event != adminevent.UserCreated || created.WorkspaceID != nil || !strings.Contains(string(created.Data), `"email":"ann@example.test"`) {
		t.Errorf("%+v %s", created, created.Data)
	}
	if ws.Event != adminevent.WorkspaceCreated || ws.WorkspaceID == nil || *ws.WorkspaceID != ann.workspace {
		t.Errorf("%+v", ws)
	}
	r.grant(t, ann, true)
	if role := to.told(t); role.Event != "admin.user:action:role_changed" || !strings.Contains(string(role.Data), `"role":"deployment_admin"`) {
		t.Errorf("%+v %s", role, role.Data)
	}
	patience.Until(t, "a log of three deliveries", func() bool {
		return len(super.admins("GET", path+"/logs", "", 200)["logs"].([]any)) == 3
	})
	if got := super.admins("POST", path+"/test", "", 200); got["success"] != true {
		t.Errorf("%v", got)
	}
	if got := to.told(t); got.Event != "webhook.test" {
		t.Errorf("%+v", got)
	}

	// What is not allowed.
	const url = `{"url":"https://example.org/",`
	for _, body := range []string{
		url + `"events":[]}`, url + `"events":["thread.created"]}`, url + `"events":["webhook.test"]}`, url + `"events":[],"custom_hooks":["admin.user.created"]}`,
		`{"events":["admin.user.created"]}`, url + `"custom_hooks":["` + strings.Repeat("x", 300) + `:action:y"]}`, `{"url":"ftp://example.org/","events":["admin.user.created"]}`,
	} {
		super.admins("POST", "/api/admin/webhooks", body, 400)
	}
	super.admins("POST", "/api/admin/webhooks", url+`"events":["admin.user.created"],"workspace_id":"unknown"}`, 404)
	super.admins("PATCH", path, `{"events":[],"custom_hooks":[]}`, 400)
	if got := super.admins("PATCH", path, `{"events":[]}`, 200)["webhook"].(map[string]any); fmt.Sprintf("%v %v %v %v %v", got["events"], got["custom_hooks"], got["scope"], got["user_id"], got["workspace_id"]) !=
		"[] [admin.user:action:role_changed] admin <nil> <nil>" {
		t.Errorf("%v", got)
	}
	of := super.adminHook("https://example.org/", fmt.Sprintf(`"events":["admin.workspace.deleted"],"workspace_id":%q`, ann.workspace))
	status, text, _ := super.asks("POST", "/api/admin/webhooks", url+`"events":["admin.user.created"]}`, "Origin", r.url, "X-Or3-Admin-Intent", "admin")
	if status != 400 || text != "Admin webhook limit exceeded" {
		t.Errorf("one more: %d %q", status, text)
	}

	// Users have their own endpoints, and neither sees the other's.
	ann.do("POST", "/api/webhooks", `{"url":"http://127.0.0.1:1/","events":["thread.created"]}`, nil)
	var own struct{ Webhooks []struct{ ID, Scope string } }
	ann.do("GET", "/api/webhooks", "", &own)
	if len(own.Webhooks) != 1 || own.Webhooks[0].Scope != "user" {
		t.Errorf("%+v", own)
	}
	super.admins("DELETE", "/api/admin/webhooks/"+own.Webhooks[0].ID, "", 403)
	if status, _, _ := ann.asks("DELETE", "/api/webhooks/"+strings.TrimPrefix(of, "/api/admin/webhooks/"), ""); status != 403 {
		t.Errorf("a user removes a webhook of administrators: %d", status)
	}
	if list := super.admins("GET", "/api/admin/webhooks", "", 200)["webhooks"].([]any); len(list) != 2 {
		t.Errorf("%v", list)
	}
	super.admins("DELETE", of, "", 200)
	page, err := r.instance.Providers().Audit.List(t.Context(), audit.Query{Action: "webhook", Outcome: audit.Done})
	last := len(page.Entries) - 1
	if err != nil || last < 1 || page.Entries[0].Action != audit.WebhookDelete || !strings.HasSuffix(of, "/"+page.Entries[0].Target.Object) ||
		page.Entries[last].Action != audit.WebhookCreate || !strings.HasSuffix(path, "/"+page.Entries[last].Target.Object) {
		t.Errorf("%+v, %v", page.Entries, err)
	}
}

// Each change of what a workspace has enabled is reported once.
func TestAdministratorsAreToldOfPlugins(t *testing.T) {
	r, super := startAdmins(t)
	to := newReceiver(t)
	super.adminHook(to.URL, `"events":["admin.plugin.enabled"],"custom_hooks":["admin.plugin:action:disabled"]`)
	ann := r.register(t, "ann@example.test")
	for _, enabled := range []bool{true, true, false, false, true} {
		super.acts(200, `{"ok":true`, "POST", "/api/admin/plugins/workspace-enable", fmt.Sprintf(`{"workspaceId":%q,"pluginId":"core:tasks","enabled":%t}`, ann.workspace, enabled))
	}
	var events []string
	for range 3 {
		got := to.told(t)
		if events = append(events, got.Event); got.WorkspaceID == nil || *got.WorkspaceID != ann.workspace || !strings.Contains(string(got.Data), `"id":"core:tasks"`) {
			t.Errorf("%+v %s", got, got.Data)
		}
	}
	slices.Sort(events)
	if want := []string{adminevent.PluginEnabled, adminevent.PluginEnabled, "admin.plugin:action:disabled"}; !slices.Equal(events, want) {
		t.Errorf("%q, want %q", events, want)
	}
}

func TestWebhooksOfAdministratorsThatAreOff(t *testing.T) {
	for _, off := range []string{"OR3_WEBHOOKS_ENABLED=false", "OR3_SYNC_ENABLED=false"} {
		_, super := startAdmins(t, off)
		super.admins("GET", "/api/admin/webhooks", "", 404)
	}
	_, super := startAdmins(t, "OR3_WEBHOOKS_BLOCK_PRIVATE_IPS=true")
	super.admins("POST", "/api/admin/webhooks", `{"url":"http://127.0.0.1:1/","events":["admin.user.created"]}`, 400)
}

// What was committed before the server was killed is reported after the next start.
func TestAdministratorsAreToldAfterAStop(t *testing.T) {
	r, super := startAdmins(t)
	to := newReceiver(t)
	super.adminHook(to.URL, `"events":["admin.user.created"]`)
	r.running.Load().webhooks.Close() // as if it were killed: nothing more is looked at
	r.register(t, "ann@example.test")
	if len(to.got) > 0 {
		t.Error("told by a closed engine")
	}
	again := running{sessions: r.running.Load().sessions}
	if _, _, err := r.webhooks(&again, r.instance.Providers()); err != nil {
		t.Fatal(err)
	}
	again.webhooks.Start()
	defer again.webhooks.Close()
	if got := to.told(t); got.Event != adminevent.UserCreated {
		t.Errorf("%+v", got)
	}
}

// A damaged stored file is reported, whatever finds it: here a download.
func TestADamagedFileIsToldOf(t *testing.T) {
	r, super := startAdmins(t, "OR3_STORAGE_ALLOWED_MIME_TYPES=text/plain")
	to := newReceiver(t)
	super.adminHook(to.URL, `"events":["admin.storage.error","admin.sync.error"]`)
	ann := r.register(t, "ann@example.test")
	ann.upload("a content that the disk will change")
	damaged := 0
	err := filepath.WalkDir(r.instance.Options().DataDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, hashOf("a content that the disk will change")[7:20]) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "the disk will change") {
			return err
		}
		damaged++
		return os.WriteFile(path, []byte(strings.Replace(string(text), "will", "WILL", 1)), 0o600)
	})
	if err != nil || damaged == 0 {
		t.Fatalf("%d files, %v", damaged, err)
	}
	var signed struct{ URL string }
	ann.do("POST", "/api/storage/presign-download", fmt.Sprintf(`{"workspace_id":%q,"hash":%q}`, ann.workspace, hashOf("a content that the disk will change")), &signed)
	if res, text, err := ann.send(t.Context(), "GET", strings.TrimPrefix(signed.URL, r.url), ""); err == nil && res.StatusCode == 200 {
		t.Errorf("the damaged file is handed out: %s", text)
	}
	got := to.told(t)
	var fault adminevent.Fault
	if err := json.Unmarshal(got.Data, &fault); err != nil || got.Event != adminevent.StorageError || fault.ID != "storage" || fault.State != "damaged" || fault.Faults != 1 {
		t.Errorf("%+v %s, %v", got, got.Data, err)
	}
}
