package webhookapi_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/hosttest"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/host/webhookapi"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/internal/webhook"
)

// store keeps webhooks in memory; the real one has its own tests.
type store struct {
	or3cloud.WebhookQueue
	hooks      []or3cloud.Webhook
	deliveries []or3cloud.WebhookDelivery
	since      time.Time
}

func (s *store) CreateWebhook(_ context.Context, w or3cloud.Webhook, most int) (or3cloud.Webhook, error) {
	if len(s.hooks) >= most {
		return w, or3cloud.Errorf(or3cloud.CodeInvalid, "Webhook limit exceeded")
	}
	w.Health, w.CreatedAt, w.UpdatedAt = or3cloud.WebhookHealthUnknown, time.UnixMilli(1000), time.UnixMilli(2000)
	s.hooks = append(s.hooks, w)
	return w, nil
}

func (s *store) find(id string) (*or3cloud.Webhook, error) {
	i := slices.IndexFunc(s.hooks, func(w or3cloud.Webhook) bool { return w.ID == id })
	if i < 0 {
		return nil, or3cloud.Errorf(or3cloud.CodeNotFound, "Webhook not found")
	}
	return &s.hooks[i], nil
}

func (s *store) GetWebhook(_ context.Context, id string) (or3cloud.Webhook, error) {
	w, err := s.find(id)
	if err != nil {
		return or3cloud.Webhook{}, err
	}
	return *w, nil
}

func (s *store) ListWebhooks(_ context.Context, user, ws string) (out []or3cloud.Webhook, _ error) {
	for _, w := range s.hooks {
		if w.UserID == user && w.WorkspaceID == ws {
			out = append(out, w)
		}
	}
	return out, nil
}

func (s *store) UpdateWebhook(_ context.Context, _, id string, change or3cloud.WebhookChange) (or3cloud.Webhook, error) {
	w, err := s.find(id)
	if err != nil {
		return or3cloud.Webhook{}, err
	}
	w.URL, w.Label, w.Enabled = *cmp.Or(change.URL, &w.URL), *cmp.Or(change.Label, &w.Label), *cmp.Or(change.Enabled, &w.Enabled)
	if change.Events != nil {
		w.Events = change.Events
	}
	if change.CustomHooks != nil {
		w.CustomHooks = change.CustomHooks
	}
	return *w, nil
}

func (s *store) DeleteWebhook(_ context.Context, _, id string) error {
	s.hooks = slices.DeleteFunc(s.hooks, func(w or3cloud.Webhook) bool { return w.ID == id })
	return nil
}

func (s *store) DisableAllWebhooks(_ context.Context, user, ws string) (n int, _ error) {
	for i := range s.hooks {
		if w := &s.hooks[i]; w.UserID == user && w.WorkspaceID == ws && w.Enabled {
			w.Enabled = false
			n++
		}
	}
	return n, nil
}

func (s *store) GetDeliveryLogs(_ context.Context, _ string, since time.Time) ([]or3cloud.WebhookDelivery, error) {
	s.since = since
	return s.deliveries, nil
}

func (s *store) RecordDelivery(_ context.Context, d or3cloud.WebhookDelivery) error {
	s.deliveries = append(s.deliveries, d)
	return nil
}

// bench has the endpoints for a viewer of "ws".
type bench struct {
	t       *testing.T
	host    *hosttest.Host
	store   *store
	options webhookapi.Options
	routes  []or3cloud.Route
}

const now = 1_771_000_000_000

func newBench(t *testing.T, allow func(netip.Addr) bool) *bench {
	t.Helper()
	b := &bench{t: t, host: hosttest.Member(or3cloud.RoleViewer), store: &store{}}
	clock := func() time.Time { return time.UnixMilli(now) }
	engine, err := webhook.New(webhook.Options{
		Queue: b.store, Key: "a key for tests that is long enough", Allow: allow, PerMinute: 120, Timeout: patience.Limit,
		Log: slog.New(slog.DiscardHandler), Now: clock, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.options = webhookapi.Options{
		Host: b.host, Store: b.store, Engine: engine, Most: 3, Retention: 72 * time.Hour, Limits: middleware.NewLimits(clock, "", false), Now: clock,
	}
	b.routes = webhookapi.New(b.options).Routes()
	return b
}

// do sends a request and compares the status; the answer is decoded if it is JSON.
func (b *bench) do(request, body string, want int) (out map[string]any) {
	b.t.Helper()
	method, target, _ := strings.Cut(request, " ")
	w := hosttest.Do(b.t, b.routes, method, target, body)
	if w.Code != want {
		b.t.Fatalf("%s %s: %d %s, want %d", request, body, w.Code, w.Body, want)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		b.t.Fatal(err)
	}
	return out
}

func TestCreateAndList(t *testing.T) {
	b := newBench(t, webhook.Public)
	if list := b.do("GET /api/webhooks", "", 200)["webhooks"].([]any); len(list) != 0 {
		t.Errorf("%v", list)
	}
	w := hosttest.Do(t, b.routes, "POST", "/api/webhooks", `{"url":" https://example.org/hook ","label":" Mine ","events":["thread.deleted","message.created","thread.deleted"]}`)
	if w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s %v", w.Code, w.Body, w.Header())
	}
	var made struct {
		Webhook json.RawMessage
		Secret  string `json:"signing_secret"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || !strings.HasPrefix(made.Secret, "whs_") || len(made.Secret) != 68 {
		t.Fatalf("%s, %v", w.Body, err)
	}
	want := fmt.Sprintf(`{"id":%q,"scope":"user","user_id":"user","workspace_id":"ws","url":"https://example.org/hook","label":"Mine",`+
		`"events":["message.created","thread.deleted"],"custom_hooks":[],"enabled":true,"health":"unknown","created_at":1000,"updated_at":2000}`, b.store.hooks[0].ID)
	if string(made.Webhook) != want {
		t.Errorf("\n got %s\nwant %s", made.Webhook, want)
	}
	if w := hosttest.Do(t, b.routes, "GET", "/api/webhooks", ""); w.Body.String() != `{"webhooks":[`+want+`]}` || strings.Contains(w.Body.String(), made.Secret) {
		t.Errorf("%s", w.Body)
	}
	if strings.Contains(string(b.store.hooks[0].SealedSecret), made.Secret) {
		t.Error("the secret is stored as it is")
	}
}

func TestWhatAWebhookMayBe(t *testing.T) {
	b := newBench(t, webhook.Public)
	const events = `"events":["thread.created"]`
	for _, body := range []string{
		"", "null", "[]", "{}", `{"url":"https://example.org/"}`, `{` + events + `}`, `{"url":"https://example.org/","events":[]}`,
		`{"url":"https://example.org/","events":["webhook.test"]}`, `{"url":"https://example.org/","events":["admin.user.created"]}`,
		`{"url":"https://example.org/","events":"thread.created"}`, `{"url":"https://example.org/","label":"` + strings.Repeat("x", 101) + `",` + events + `}`,
		`{"url":"not a url",` + events + `}`, `{"url":"ftp://example.org/",` + events + `}`, `{"url":"http://127.0.0.1/",` + events + `}`,
		`{"url":"http://localhost/",` + events + `}`, `{"url":"http://2130706433/",` + events + `}`, `{"url":7,` + events + `}`,
	} {
		b.do("POST /api/webhooks", body, 400)
	}
	all, _ := json.Marshal(or3cloud.UserEvents)
	for range 3 {
		b.do("POST /api/webhooks", `{"url":"https://example.org/","label":"`+strings.Repeat("x", 100)+`","events":`+string(all)+`}`, 200)
	}
	if e := b.do("POST /api/webhooks", `{"url":"https://example.org/",`+events+`}`, 400); e["statusMessage"] != "Webhook limit exceeded" {
		t.Errorf("%v", e)
	}
	if len(b.store.hooks) != 3 {
		t.Errorf("%d webhooks", len(b.store.hooks))
	}
}

// hook adds a webhook to the store.
func (b *bench) hook(change func(*or3cloud.Webhook)) string {
	w := or3cloud.Webhook{
		ID: fmt.Sprint("hook", len(b.store.hooks)), Scope: or3cloud.WebhookUser, UserID: "user", WorkspaceID: "ws", URL: "https://example.org/",
		Label: "L", Events: []string{or3cloud.EventThreadCreated}, Enabled: true,
	}
	if change != nil {
		change(&w)
	}
	b.store.hooks = append(b.store.hooks, w)
	return w.ID
}

func TestUpdateToggleAndDelete(t *testing.T) {
	b := newBench(t, webhook.Public)
	path := " /api/webhooks/" + b.hook(nil)
	got := b.do("PATCH"+path, `{"url":"https://example.net/","events":["document.created"]}`, 200)["webhook"].(map[string]any)
	if got["url"] != "https://example.net/" || got["label"] != "L" || fmt.Sprint(got["events"]) != "[document.created]" {
		t.Errorf("%v", got)
	}
	if got := b.do("PATCH"+path, `{"label":""}`, 200)["webhook"].(map[string]any); got["label"] != "" || got["url"] != "https://example.net/" {
		t.Errorf("%v", got)
	}
	for _, body := range []string{"", "{}", `{"url":""}`, `{"events":[]}`, `{"url":"http://10.0.0.1/"}`, `{"label":1}`} {
		b.do("PATCH"+path, body, 400)
	}
	for _, c := range []struct {
		body string
		want bool
	}{{"", false}, {"{}", true}, {`{"enabled":true}`, true}, {`{"enabled":false}`, false}, {`{"enabled":false}`, false}} {
		if got := b.do("POST"+path+"/toggle", c.body, 200)["webhook"].(map[string]any); got["enabled"] != c.want {
			t.Errorf("%q: %v", c.body, got)
		}
	}
	b.do("POST"+path+"/toggle", `{"enabled":"yes"}`, 400)
	if got := b.do("DELETE"+path, "", 200); got["ok"] != true || len(b.store.hooks) != 0 {
		t.Errorf("%v", got)
	}
	b.do("DELETE"+path, "", 404)
}

func TestDisableAll(t *testing.T) {
	b := newBench(t, webhook.Public)
	b.hook(nil)
	b.hook(func(w *or3cloud.Webhook) { w.Enabled = false })
	b.hook(func(w *or3cloud.Webhook) { w.UserID = "other" })
	b.hook(func(w *or3cloud.Webhook) { w.WorkspaceID = "elsewhere" })
	b.hook(nil)
	if got := b.do("POST /api/webhooks/disable-all", "", 200); got["disabled"] != 2.0 || !b.store.hooks[2].Enabled || !b.store.hooks[3].Enabled {
		t.Errorf("%v", got)
	}
}

// Administrators have what members have, in their own scope, and may say more.
func TestWebhooksOfAdministrators(t *testing.T) {
	b := newBench(t, webhook.Public)
	b.routes = webhookapi.NewAdmin(b.options).RoutesBelow("/api/admin/webhooks")
	const path = "/api/admin/webhooks"
	got := b.do("POST "+path, `{"url":"https://example.org/","events":["admin.sync.error","admin.sync.error"],"custom_hooks":["b:filter:c","a:action:b"],"workspace_id":" w "}`, 200)
	made := got["webhook"].(map[string]any)
	if fmt.Sprintf("%v %v %v %v %v", made["scope"], made["user_id"], made["workspace_id"], made["events"], made["custom_hooks"]) !=
		"admin <nil> w [admin.sync.error] [a:action:b b:filter:c]" {
		t.Errorf("%v", made)
	}
	if w := b.store.hooks[0]; w.Scope != or3cloud.WebhookAdmin || w.UserID != or3cloud.Administrators {
		t.Errorf("%+v", w)
	}
	for _, body := range []string{
		`{"url":"https://example.org/"}`, `{"url":"https://example.org/","events":[],"custom_hooks":[]}`, `{"url":"https://example.org/","events":["thread.created"]}`,
		`{"url":"https://example.org/","custom_hooks":["created"]}`, `{"url":"https://example.org/","custom_hooks":[` + strings.Repeat(`"a:action:b",`, 50) + `"a:action:c"]}`,
		`{"url":"http://127.0.0.1/","events":["admin.sync.error"]}`, `{"url":"http://169.254.169.254/","events":["admin.sync.error"]}`,
	} {
		b.do("POST "+path, body, 400)
	}
	id := path + "/" + made["id"].(string)
	b.do("PATCH "+id, `{"events":[]}`, 200)
	b.do("PATCH "+id, `{"custom_hooks":[]}`, 400)
	b.do("PATCH "+id, `{"url":"http://10.0.0.1/"}`, 400)
	b.do("POST "+id+"/toggle", "", 200)
	b.do("GET "+id+"/logs", "", 200)
	foreign := path + "/" + b.hook(nil)
	for _, request := range []string{"PATCH " + foreign, "DELETE " + foreign, "GET " + foreign + "/logs", "POST " + foreign + "/test", "POST " + foreign + "/toggle"} {
		b.do(request, `{"label":"x"}`, 403)
	}
	b.do("DELETE "+id, "", 200)
}

// Members cannot set what only administrators may.
func TestMembersNameNoHooks(t *testing.T) {
	b := newBench(t, webhook.Public)
	got := b.do("POST /api/webhooks", `{"url":"https://example.org/","events":["thread.created"],"custom_hooks":["a:action:b"],"workspace_id":"elsewhere"}`, 200)
	made := got["webhook"].(map[string]any)
	if fmt.Sprintf("%v %v", made["workspace_id"], made["custom_hooks"]) != "ws []" {
		t.Errorf("%v", made)
	}
	b.do("POST /api/webhooks", `{"url":"https://example.org/","events":[],"custom_hooks":["a:action:b"]}`, 400)
	b.do("PATCH /api/webhooks/"+made["id"].(string), `{"custom_hooks":["a:action:b"]}`, 400)
}

// Every route checks the sender, and whose the webhook is.
func TestWhoMay(t *testing.T) {
	b := newBench(t, webhook.Public)
	mine := b.hook(nil)
	foreign := b.hook(func(w *or3cloud.Webhook) { w.UserID = "other" })
	admins := b.hook(func(w *or3cloud.Webhook) { w.Scope, w.UserID = or3cloud.WebhookAdmin, "" })
	left := b.hook(func(w *or3cloud.Webhook) { w.WorkspaceID = "left" })
	elsewhere := b.hook(func(w *or3cloud.Webhook) { w.WorkspaceID = "elsewhere" })
	b.host.Roles = map[string]or3cloud.Role{"elsewhere": or3cloud.RoleViewer}
	for _, route := range b.routes {
		for id, want := range map[string]int{mine: 401, foreign: 403, admins: 403, left: 403, "unknown": 404} {
			current := b.host.Current
			if id == mine {
				b.host.Current = or3cloud.SessionContext{}
			} else if !strings.Contains(route.Path, ":id") {
				continue
			}
			b.do(route.Method+" "+strings.Replace(route.Path, ":id", id, 1), `{"url":"https://example.org/","events":["thread.created"]}`, want)
			b.host.Current = current
		}
		b.host.Current.Role = ""
		b.do(route.Method+" "+strings.Replace(route.Path, ":id", mine, 1), `{"url":"https://example.org/","events":["thread.created"]}`, 403)
		b.host.Current.Role = or3cloud.RoleViewer
	}
	if !slices.ContainsFunc(b.store.hooks, func(w or3cloud.Webhook) bool { return w.ID == foreign && w.Enabled && w.Label == "L" }) {
		t.Error("a refused request has changed something")
	}
	b.do("POST /api/webhooks/"+elsewhere+"/toggle", "", 200) // its own workspace counts, not the active one
}

func TestLogs(t *testing.T) {
	b := newBench(t, webhook.Public)
	path := "GET /api/webhooks/" + b.hook(nil) + "/logs"
	b.store.deliveries = []or3cloud.WebhookDelivery{
		{
			ID: "d1", WebhookID: "hook0", EventID: "e1", Event: "thread.created", Body: []byte(`{"a":1}`), Attempt: 2, Status: or3cloud.DeliveryPending,
			ClaimedBy: "worker", ClaimedAt: time.UnixMilli(5), NextAt: time.UnixMilli(9), CreatedAt: time.UnixMilli(4),
			Last: or3cloud.DeliveryAttempt{HTTPStatus: 500, Error: "answered with HTTP 500", Answer: "oops", Duration: 12 * time.Millisecond},
		},
		{ID: "d2", WebhookID: "hook0", EventID: "e2", Event: "thread.created", Attempt: 1, Status: or3cloud.DeliveryPending, NextAt: time.UnixMilli(3), CreatedAt: time.UnixMilli(3)},
	}
	w := hosttest.Do(t, b.routes, "GET", strings.TrimPrefix(path, "GET "), "")
	const want = `{"logs":[{"id":"d1","webhook_id":"hook0","event_id":"e1","event_type":"thread.created","attempt":2,"status":"pending","claimed_by":"worker","claimed_at":5,` +
		`"http_status":500,"error_message":"answered with HTTP 500","request_payload":"{\"a\":1}","response_body":"oops","duration_ms":12,"next_retry_at":9,"created_at":4},` +
		`{"id":"d2","webhook_id":"hook0","event_id":"e2","event_type":"thread.created","attempt":1,"status":"pending","claimed_by":null,"claimed_at":null,` +
		`"http_status":null,"error_message":null,"request_payload":"","response_body":null,"duration_ms":null,"next_retry_at":3,"created_at":3}]}`
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d\n got %s\nwant %s", w.Code, w.Body, want)
	}
	if got := b.store.since.UnixMilli(); got != now-72*3600*1000 {
		t.Errorf("since %d", got)
	}
	b.do(path+"?since=1770000000000.5", "", 200)
	if got := b.store.since.UnixMilli(); got != 1_770_000_000_000 {
		t.Errorf("since %d", got)
	}
	for _, bad := range []string{"x", "-1", "NaN", "1e300", "Inf"} {
		b.do(path+"?since="+bad, "", 400)
	}
}

func TestTest(t *testing.T) {
	var got string
	code := 204
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got = string(text)
		w.WriteHeader(code)
	}))
	defer receiver.Close()
	b := newBench(t, webhook.Anywhere)
	made := b.do("POST /api/webhooks", `{"url":"`+receiver.URL+`","events":["thread.created"]}`, 200)["webhook"].(map[string]any)
	path := "POST /api/webhooks/" + made["id"].(string) + "/test"
	res := b.do(path, "", 200)
	if res["success"] != true || res["statusCode"] != 204.0 || res["error"] != nil || res["responseBody"] != nil || res["durationMs"] == nil {
		t.Errorf("%v", res)
	}
	if !strings.Contains(got, `"event":"webhook.test"`) || !strings.Contains(got, `"data":{"ok":true,"test":true}`) {
		t.Errorf("%s", got)
	}
	if d := b.store.deliveries; len(d) != 1 || d[0].Event != "webhook.test" || d[0].Status != or3cloud.DeliverySuccess || string(d[0].Body) != got {
		t.Errorf("%+v", d)
	}
	code = 500
	if res := b.do(path, "", 200); res["success"] != false || res["statusCode"] != 500.0 || res["error"] == nil {
		t.Errorf("%v", res)
	}
	if d := b.store.deliveries; len(d) != 2 || d[1].Status != or3cloud.DeliveryFailed {
		t.Errorf("%+v", d)
	}
	for range 18 {
		b.do(path, "", 200)
	}
	b.do(path, "", 429)
}

func TestChangesAreLimited(t *testing.T) {
	b := newBench(t, webhook.Public)
	for range 60 {
		b.do("POST /api/webhooks/disable-all", "", 200)
	}
	id := b.hook(nil)
	for _, request := range []string{"POST /api/webhooks", "PATCH /api/webhooks/" + id, "POST /api/webhooks/" + id + "/toggle", "DELETE /api/webhooks/" + id} {
		b.do(request, `{"url":"https://example.org/","events":["thread.created"]}`, 429)
	}
}
