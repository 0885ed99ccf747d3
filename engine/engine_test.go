package engine

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/engine/place"
	"or3.chat/cloud/internal/patience"
)

// faultFrom sends a request and reads the Fault in the answer.
func (r *rig) faultFrom(t testing.TB, caller *Caller, verb, path, body string) (place.Fault, *http.Response) {
	t.Helper()
	res, err := r.send(t.Context(), caller, verb, path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var f place.Fault
	if err := json.NewDecoder(res.Body).Decode(&f); err != nil || f.Status != res.StatusCode {
		t.Fatalf("%s %s: %s: no fault: %v %+v", verb, path, res.Status, err, f)
	}
	return f, res
}

func TestHelloIsAnsweredInEveryState(t *testing.T) {
	r := made(t, false)
	hello := func() place.Hello {
		t.Helper()
		res, err := r.send(t.Context(), nil, "POST", place.HelloPath, strings.NewReader(`{"client":"test/1","protocol":{"oldest":1,"current":7}}`))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var h place.Hello
		if err := json.NewDecoder(res.Body).Decode(&h); err != nil || res.StatusCode != 200 || h.Protocol != place.Spoken || h.Version != "test" || h.PID != os.Getpid() {
			t.Fatalf("%s %v %+v", res.Status, err, h)
		}
		return h
	}
	if h := hello(); h.State != place.StateStarting || len(h.Methods) != 0 {
		t.Errorf("%+v", h)
	}
	f, res := r.faultFrom(t, nil, "POST", place.Prefix+"auth/session", "{}")
	if f.Code != or3cloud.CodeUnavailable || f.RetryAfter < 1 || res.Header.Get("Retry-After") == "" || f.Message != "The server is starting" {
		t.Errorf("while it starts: %+v %v", f, res.Header)
	}
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := hello()
	if h.State != place.StateReady || h.Providers != (place.Roles{Auth: "basic-auth", Sync: "sqlite", Storage: "fs"}) || h.Sync.SnapshotBootstrap != "snapshot-v1" || h.Sync.WorkspaceItems != "v1" {
		t.Errorf("%+v", h)
	}
	for _, m := range []string{"auth/session", "auth/revocations", "sync/snapshot", "sync/events", "storage/delete-object", "workspaces/accept-invite", "admin/status"} {
		if !slices.Contains(h.Methods, m) {
			t.Errorf("%s is not offered", m)
		}
	}
	if !slices.Contains(h.Routes, place.Endpoint{Method: "PUT", Path: "/api/storage/fs/upload", Provider: "fs"}) || !slices.Contains(h.Routes, place.Endpoint{Method: "POST", Path: "/api/basic-auth/sign-in", Provider: "basic-auth"}) {
		t.Errorf("%+v", h.Routes)
	}
	r.Drain()
	if h := hello(); h.State != place.StateStopping {
		t.Errorf("%+v", h)
	}
	if f, _ := r.faultFrom(t, nil, "POST", place.Prefix+"auth/session", "{}"); f.Code != or3cloud.CodeUnavailable || f.RetryAfter < 1 {
		t.Errorf("while it stops: %+v", f)
	}
}

func TestVersionsThatDoNotMeetAreNamed(t *testing.T) {
	r := opened(t)
	f, _ := r.faultFrom(t, nil, "POST", place.HelloPath, `{"client":"or3-provider-sqlite/9.0.0","protocol":{"oldest":8,"current":9}}`)
	if f.Code != or3cloud.CodeConflict || f.Data == nil {
		t.Errorf("%+v", f)
	}
	for _, part := range []string{"or3-cloud test speaks version 1", "or3-provider-sqlite/9.0.0 speaks versions 8 to 9"} {
		if !strings.Contains(f.Message, part) {
			t.Errorf("%q is not in %q", part, f.Message)
		}
	}
	if f, _ := r.faultFrom(t, nil, "POST", "/engine/v9/auth/session", "{}"); f.Code != or3cloud.CodeConflict || !strings.Contains(f.Message, `"9"`) || !strings.Contains(f.Message, "version 1") {
		t.Errorf("%+v", f)
	}
}

func TestFaultsOfRequests(t *testing.T) {
	r := opened(t)
	user, ws := r.member(t)
	as := forUser(user)
	for _, c := range []struct {
		name, verb, path, body string
		caller                 *Caller
		code                   or3cloud.Code
	}{
		{"no such path", "POST", place.Prefix + "no/such", "{}", nil, or3cloud.CodeNotFound},
		{"another path", "POST", "/x", "{}", nil, or3cloud.CodeNotFound},
		{"wrong method", "GET", place.Prefix + "auth/session", "", nil, or3cloud.CodeNotFound},
		{"no body", "POST", place.Prefix + "workspaces/get-user", "", nil, or3cloud.CodeInvalid},
		{"no object", "POST", place.Prefix + "workspaces/get-user", "[]", nil, or3cloud.CodeInvalid},
		{"no JSON", "POST", place.Prefix + "workspaces/get-user", "{", nil, or3cloud.CodeInvalid},
		{"wrong kind", "POST", place.Prefix + "workspaces/get-user", `{"provider":1,"providerUserId":"x"}`, nil, or3cloud.CodeInvalid},
		{"blank text", "POST", place.Prefix + "workspaces/get-user", `{"provider":" ","providerUserId":"x"}`, nil, or3cloud.CodeInvalid},
		{"blank part", "POST", place.Prefix + "sync/gc-tombstones", `{"scope":{"workspaceId":""},"retentionSeconds":5}`, nil, or3cloud.CodeInvalid},
		{"too large", "POST", place.Prefix + "workspaces/get-user", `{"provider":"` + strings.Repeat("x", bodyLimit) + `"}`, nil, or3cloud.CodeTooLarge},
		{"no user", "POST", place.Prefix + "storage/presign-upload", `{"workspaceId":"w","hash":"` + strings.Repeat("a", 64) + `","mimeType":"image/png","sizeBytes":1}`, nil, or3cloud.CodeInvalid},
		{"bad hash", "POST", place.Prefix + "storage/presign-upload", `{"workspaceId":"w","hash":"x","mimeType":"image/png","sizeBytes":1}`, &as, or3cloud.CodeInvalid},
		{"negative size", "POST", place.Prefix + "storage/presign-upload", `{"workspaceId":"w","hash":"` + strings.Repeat("a", 64) + `","mimeType":"image/png","sizeBytes":-1}`, &as, or3cloud.CodeInvalid},
		{"signed out", "POST", place.Prefix + "sync/pull", `{"scope":{"workspaceId":"` + ws + `"},"cursor":0,"limit":1}`, nil, or3cloud.CodeUnauthenticated},
		{"no member", "POST", place.Prefix + "sync/pull", `{"scope":{"workspaceId":"other"},"cursor":0,"limit":1}`, &as, or3cloud.CodeForbidden},
		{"no such action", "POST", place.Prefix + "admin/run-action", `{"kind":"sync","actionId":"x","workspaceId":"` + ws + `"}`, nil, or3cloud.CodeInvalid},
		{"no such kind", "POST", place.Prefix + "admin/status", `{"kind":"x"}`, nil, or3cloud.CodeUnsupported},
		{"no such role", "POST", place.Prefix + "access/set-member-role", `{"userId":"` + user + `","workspaceId":"` + ws + `","role":"king"}`, nil, or3cloud.CodeInvalid},
		{"long name", "POST", place.Prefix + "workspaces/create-workspace", `{"userId":"` + user + `","name":"` + strings.Repeat("x", 101) + `"}`, nil, or3cloud.CodeInvalid},
		{"no url", "POST", place.Prefix + "auth/session", `{"request":{"url":"x","headers":{}}}`, nil, or3cloud.CodeInvalid},
		{"bad limit", "POST", place.Prefix + "limits/get-stats", `{"key":"k","windowMs":0,"maxRequests":1}`, nil, or3cloud.CodeInvalid},
		{"no stream", "GET", place.Prefix + "sync/events", "", &as, or3cloud.CodeInvalid},
	} {
		f, _ := r.faultFrom(t, c.caller, c.verb, c.path, c.body)
		if f.Code != c.code || f.Message == "" {
			t.Errorf("%s: %+v, want %s", c.name, f, c.code)
		}
	}
	if ws, err := r.store().ListUserWorkspaces(t.Context(), user); err != nil || len(ws) != 1 {
		t.Error("what was refused has left something behind", ws, err)
	}
}

// A caller that cannot be read is refused, whatever the method.
func TestCallersThatCannotBeRead(t *testing.T) {
	r := opened(t)
	for _, value := range []string{"x", "%", "[]", "%7B", `{"user":{"id":" "}}`, `{"clientIp":"x"}`, `{"user":"ann"}`} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://engine"+place.Prefix+"auth/setup", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(callerHeader, value)
		res, err := r.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 400 {
			t.Errorf("%q: %s", value, res.Status)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://engine/api/basic-auth/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != 400 || !strings.Contains(string(text), callerHeader) {
		t.Errorf("a browser's request without a caller: %s %s", res.Status, text)
	}
	// Two values are one too many: one of them may be a browser's.
	req.Header[callerHeader] = []string{Caller{}.encode(), forUser("someone").encode()}
	if res, err = r.http.Do(req); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 400 {
		t.Errorf("two callers: %s", res.Status)
	}
}

func TestLoopbackNeedsTheSecret(t *testing.T) {
	r := made(t, true)
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(place.File(r.data))
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	var found place.Place
	text, err := os.ReadFile(place.File(r.data))
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil || !strings.HasPrefix(found.Address, "127.0.0.1:") || len(found.Secret) < 40 || found.Socket != "" {
		t.Fatalf("%+v, %v", found, err)
	}
	for secret, allowed := range map[string]bool{
		found.Secret: true, "": false, found.Secret[1:]: false, found.Secret + "x": false, strings.ToLower(found.Secret): false,
	} {
		for _, path := range []string{place.HelloPath, documentPath, place.StayPath, place.Prefix + "auth/setup", "/api/basic-auth/me", "/"} {
			with := found
			with.Secret = secret
			c := newClient(with)
			verb := "POST"
			if path == documentPath {
				verb = "GET"
			}
			res, err := c.send(t.Context(), nil, verb, path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			c.http.CloseIdleConnections()
			if (res.StatusCode != 401) != allowed {
				t.Errorf("%q at %s: %s", secret, path, res.Status)
			}
		}
	}
}

func TestTheSocketIsPrivate(t *testing.T) {
	r := opened(t)
	for _, name := range []string{"engine.sock", "engine.json"} {
		info, err := os.Stat(filepath.Join(r.data, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
}

func TestBrowsersAreRelayed(t *testing.T) {
	r := opened(t)
	cookies := r.register(t, "ann@example.test")
	// Address, host and protocol are the browser's, and cookies come back.
	res := r.relayed(t, Caller{ClientIP: "2001:db8::7", Host: "chat.example.test", HTTPS: true}, "POST", "/api/basic-auth/sign-in",
		`{"email":"ann@example.test","password":"correct horse"}`, nil)
	if res.StatusCode != 200 || len(res.Cookies()) < 2 {
		t.Fatal(res.Status, res.Cookies())
	}
	sessions := r.relayed(t, Caller{ClientIP: "192.0.2.9"}, "GET", "/api/basic-auth/sessions", "", cookies)
	text, _ := io.ReadAll(sessions.Body)
	if sessions.StatusCode != 200 || !strings.Contains(string(text), "2001:db8::7") {
		t.Errorf("%s %s", sessions.Status, text)
	}
	// A page of another origin changes nothing.
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://engine/api/basic-auth/sign-out", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(callerHeader, Caller{Host: "chat.example.test"}.encode())
	req.Header.Set("Origin", "https://evil.example")
	refused, err := r.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Body.Close()
	var body struct {
		Error      bool
		StatusCode int
		URL        string
	}
	if err := json.NewDecoder(refused.Body).Decode(&body); err != nil || refused.StatusCode != 403 || !body.Error || body.StatusCode != 403 || !strings.Contains(body.URL, "chat.example.test") {
		t.Errorf("%s %+v %v", refused.Status, body, err)
	}
	if res := r.relayed(t, Caller{}, "GET", "/api/no/such", "", nil); res.StatusCode != 404 {
		t.Error(res.Status)
	}
}

// eventsOf reads a stream until the test ends it.
func (r *rig) eventsOf(t testing.TB, caller Caller, path string) (next func() (name, data string), stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	res, err := r.send(ctx, &caller, "GET", path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(res.Status, res.Header)
	}
	lines := bufio.NewScanner(res.Body)
	return func() (name, data string) {
			for lines.Scan() {
				if v, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
					name = v
				}
				if v, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
					return name, v
				}
			}
			return "", ""
		}, func() {
			cancel()
			res.Body.Close()
		}
}

func TestLiveEvents(t *testing.T) {
	r := opened(t)
	user, ws := r.member(t)
	next, stop := r.eventsOf(t, forUser(user), place.Prefix+"sync/events?workspaceId="+ws)
	defer stop()
	version := func(n int) {
		t.Helper()
		if name, data := next(); name != "version" || data != fmt.Sprintf(`{"workspaceId":%q,"serverVersion":%d}`, ws, n) {
			t.Fatalf("%q %s, want version %d", name, data, n)
		}
	}
	version(0)
	for n := 1; n <= 3; n++ {
		body := fmt.Sprintf(`{"scope":{"workspaceId":%q},"ops":[{"tableName":"kv","operation":"put","pk":"k%[2]d","payload":{"id":"k%[2]d","name":"n%[2]d","value":"v","created_at":1,"updated_at":1,"clock":1},`+
			`"stamp":{"deviceId":"1a2b3c4d","opId":"0f0e3c52-6a50-4b5e-8f3e-%012[2]d","hlc":"0mll3o9og:000:1a2b3c4d","clock":1}}]}`, ws, n)
		out, err := ask[pushAnswer](t.Context(), r.client, forUser(user), "sync/push", []byte(body))
		if err != nil || len(out.Results) != 1 || !out.Results[0].Success {
			t.Fatal(out, err)
		}
		version(n)
	}
	// The stream ends with the membership.
	another, err := r.store().GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "bob"})
	if err == nil {
		err = r.store().SetMemberRole(t.Context(), ws, another, or3cloud.RoleOwner)
	}
	if err == nil {
		err = r.store().RemoveMember(t.Context(), ws, user)
	}
	if err != nil {
		t.Fatal(err)
	}
	if name, data := next(); name != "" {
		t.Errorf("%q %s after the membership", name, data)
	}
}

func TestWhatIsProvenIsReusableUntilItIsRevoked(t *testing.T) {
	r := opened(t)
	next, stop := r.eventsOf(t, Caller{}, place.Prefix+"auth/revocations")
	defer stop()
	if name, _ := next(); name != "watching" {
		t.Fatal(name)
	}
	cookies := r.register(t, "ann@example.test")
	question := sessionRequest{cookieRequest(cookies)}
	proven, err := ask[sessionAnswer](t.Context(), r.client, Caller{ClientIP: "192.0.2.1"}, "auth/session", question)
	if err != nil || proven.Session == nil || proven.ReusableUntil != proven.Session.ExpiresAt || len(proven.SetCookies) != 0 {
		t.Fatalf("%+v %v", proven, err)
	}
	live, err := ask[checkSessionAnswer](t.Context(), r.client, Caller{}, "auth/check-session", checkSessionRequest{*proven.Session})
	if err != nil || !live.Live {
		t.Error(live, err)
	}
	r.relayed(t, Caller{ClientIP: "192.0.2.1"}, "POST", "/api/basic-auth/sign-out", "", cookies)
	name, data := next()
	var told revocation
	if err := json.Unmarshal([]byte(data), &told); err != nil || name != "revoked" || told.SessionID != proven.Session.SessionID {
		t.Errorf("%q %s %v", name, data, err)
	}
	again, err := ask[sessionAnswer](t.Context(), r.client, Caller{}, "auth/session", question)
	if err != nil || again.Session != nil || again.ReusableUntil != 0 {
		t.Errorf("%+v %v", again, err)
	}
	if live, err = ask[checkSessionAnswer](t.Context(), r.client, Caller{}, "auth/check-session", checkSessionRequest{*proven.Session}); err != nil || live.Live {
		t.Error(live, err)
	}
	// Near its end a proof is renewed, and cookies come back, unless the answer has begun.
	cookies = r.register(t, "bob@example.test")
	r.advance(16 * time.Minute)
	late := sessionRequest{cookieRequest(cookies)}
	late.Request.AnswerBegun = true
	if out, err := ask[sessionAnswer](t.Context(), r.client, Caller{}, "auth/session", late); err != nil || out.Session != nil || len(out.SetCookies) != 0 {
		t.Errorf("%+v %v", out, err)
	}
	late.Request.AnswerBegun = false
	if out, err := ask[sessionAnswer](t.Context(), r.client, Caller{}, "auth/session", late); err != nil || out.Session == nil || len(out.SetCookies) < 2 || out.ReusableUntil != 0 {
		t.Errorf("%+v %v", out, err)
	}
	r.Drain()
	for name, _ := next(); name != ""; name, _ = next() { // the stream does not hold up a shutdown
	}
}

func TestTokensSetupAndAdministration(t *testing.T) {
	r := opened(t)
	setup, err := ask[setupAnswer](t.Context(), r.client, Caller{}, "auth/setup", nothing{})
	if err != nil || len(setup.Fragments) != 1 {
		t.Errorf("%+v %v", setup, err)
	}
	token, err := ask[tokenAnswer](t.Context(), r.client, Caller{}, "auth/token", tokenRequest{Request: BrowserRequest{URL: "/", Headers: map[string]string{}}, ProviderID: "convex"})
	if err != nil || token.Token != nil {
		t.Errorf("%+v %v", token, err)
	}
	_, ws := r.member(t)
	for kind, action := range map[or3cloud.ProviderKind]string{"auth": "", "sync": "sync.gc-change-log", "storage": "storage.gc"} {
		status, err := ask[or3cloud.AdminStatus](t.Context(), r.client, Caller{}, "admin/status", adminStatusRequest{kind})
		if err != nil || (len(status.Actions) > 0) != (action != "") {
			t.Errorf("%s: %+v %v", kind, status, err)
		}
		if action == "" {
			continue
		}
		done, err := ask[adminActionAnswer](t.Context(), r.client, Caller{}, "admin/run-action", adminActionRequest{Kind: kind, ActionID: action, WorkspaceID: ws})
		if err != nil || done.Result == nil {
			t.Errorf("%s: %+v %v", kind, done, err)
		}
	}
	state, err := ask[or3cloud.MaintenanceState](t.Context(), r.client, Caller{}, "sync/maintenance-state", nothing{})
	if err != nil || !state.Enabled {
		t.Errorf("%+v %v", state, err)
	}
	reservations, err := ask[canonicalAnswer](t.Context(), r.client, Caller{}, "sync/query-canonical-storage", object{"scope": scope{WorkspaceID: ws}, "kind": activeReservations})
	if err != nil || len(reservations.Items) != 0 || reservations.HasMore {
		t.Errorf("%+v %v", reservations, err)
	}
}

func TestNotifications(t *testing.T) {
	r := opened(t, "AUTH_PROVIDER=nobody")
	user, ws := r.member(t)
	told := notification{ID: "0f0e3c52-6a50-4b5e-8f3e-000000000001", WorkspaceID: ws, UserID: user, Type: "ai.message.received", Title: "Done"}
	for range 2 { // once, however often it is signalled
		if _, err := ask[nothing](t.Context(), r.client, Caller{}, "notifications/notify", told); err != nil {
			t.Fatal(err)
		}
	}
	out, err := ask[pullAnswer](t.Context(), r.client, forUser(user), "sync/pull", pullRequest{Scope: scope{WorkspaceID: ws}, Limit: 9})
	if err != nil || len(out.Changes) != 1 || out.Changes[0].TableName != or3cloud.TableNotifications || !strings.Contains(string(out.Changes[0].Payload), `"Done"`) {
		t.Errorf("%+v %v", out, err)
	}
	strange, stranger := told, told
	strange.ID, stranger.UserID = "1", "someone else"
	stranger.ID = "0f0e3c52-6a50-4b5e-8f3e-000000000002"
	for in, code := range map[notification]or3cloud.Code{strange: or3cloud.CodeInvalid, stranger: or3cloud.CodeForbidden} {
		if _, err := ask[nothing](t.Context(), r.client, Caller{}, "notifications/notify", in); or3cloud.CodeOf(err) != code {
			t.Errorf("%+v: %v", in, err)
		}
	}
}

func TestLimitsAreShared(t *testing.T) {
	r := opened(t)
	limit := object{"key": "user:sync:push", "windowMs": 60_000, "maxRequests": 2}
	for i, want := range []limitVerdict{{Allowed: true, Remaining: 1}, {Allowed: true}, {}} {
		got, err := ask[limitVerdict](t.Context(), newClient(place.Place{Socket: filepath.Join(r.data, "engine.sock")}), Caller{}, "limits/check-and-record", limit)
		if err != nil || got.Allowed != want.Allowed || got.Remaining != want.Remaining || (got.RetryAfterMS > 0) == got.Allowed {
			t.Errorf("%d: %+v %v", i, got, err)
		}
	}
	stats, err := ask[limitStats](t.Context(), r.client, Caller{}, "limits/get-stats", limit)
	if err != nil || stats.Limit != 2 || stats.Remaining != 0 || stats.ResetMS < 1 {
		t.Errorf("%+v %v", stats, err)
	}
	r.advance(2 * time.Minute)
	if got, err := ask[limitVerdict](t.Context(), r.client, Caller{}, "limits/check-and-record", limit); err != nil || !got.Allowed {
		t.Errorf("%+v %v", got, err)
	}
}

// zeros is a content that is never in memory as a whole.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

// presignedFor requests a URL.
func (r *rig) presignedFor(t testing.TB, user User, name string, in object) presigned {
	t.Helper()
	out, err := ask[presigned](t.Context(), r.client, Caller{User: &user}, name, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTransfersAreStreams(t *testing.T) {
	const size = 96 << 20
	r := opened(t)
	user, ws := r.member(t)
	hash := sha256.New()
	if _, err := io.Copy(hash, &zeros{size}); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("sha256:%x", hash.Sum(nil))
	up := r.presignedFor(t, User{ID: user}, "storage/presign-upload", object{"workspaceId": ws, "hash": name, "mimeType": "image/png", "sizeBytes": size})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	caller := Caller{User: &User{ID: user}}
	req, err := http.NewRequestWithContext(t.Context(), up.Method, "http://engine"+up.URL, &zeros{size})
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(callerHeader, caller.encode())
	req.Header.Set("Content-Type", "image/png")
	res, err := r.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Fatalf("%s %s", res.Status, text)
	}
	if out, err := ask[commitAnswer](t.Context(), r.client, caller, "storage/commit", object{"workspace_id": ws, "hash": name, "size_bytes": size}); err != nil || out.SizeBytes != size {
		t.Fatalf("%+v %v", out, err)
	}
	down := r.presignedFor(t, User{ID: user}, "storage/presign-download", object{"workspaceId": ws, "hash": name})
	if res, err = r.send(t.Context(), &caller, "GET", down.URL, nil); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got := sha256.New()
	if n, err := io.Copy(got, res.Body); err != nil || n != size || fmt.Sprintf("sha256:%x", got.Sum(nil)) != name {
		t.Errorf("%d bytes, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > size/2 {
		t.Errorf("%d bytes were allocated for a transfer of %d each way", used, size)
	}
	// No one else may use the URL, nor someone who is signed out.
	for _, other := range []Caller{{}, forUser("someone else")} {
		if res := r.relayed(t, other, "GET", down.URL, "", nil); res.StatusCode != 401 && res.StatusCode != 403 {
			t.Errorf("%+v: %s", other, res.Status)
		}
	}
}

// An upload ends when the session under which it began ends, or the membership.
func TestUploadsEndWithTheSession(t *testing.T) {
	r := opened(t)
	for name, end := range map[string]func(cookies []*http.Cookie, user, ws string){
		"the session": func(cookies []*http.Cookie, _, _ string) {
			r.relayed(t, Caller{ClientIP: "192.0.2.1"}, "POST", "/api/basic-auth/sign-out", "", cookies)
		},
		"the membership": func(_ []*http.Cookie, user, ws string) {
			another, err := r.store().GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "bob"})
			err = errors.Join(err, r.store().SetMemberRole(t.Context(), ws, another, or3cloud.RoleOwner), r.store().RemoveMember(t.Context(), ws, user))
			if err != nil {
				t.Error(err)
			}
		},
	} {
		cookies := r.register(t, strings.ReplaceAll(name, " ", "-")+"@example.test")
		proven, err := ask[sessionAnswer](t.Context(), r.client, Caller{}, "auth/session", sessionRequest{cookieRequest(cookies)})
		if err != nil || proven.Session == nil {
			t.Fatal(proven, err)
		}
		id, err := r.store().GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: proven.Session.Provider, ProviderUserID: proven.Session.UserID})
		if err != nil {
			t.Fatal(err)
		}
		ws, err := r.store().GetOrCreateDefaultWorkspace(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		user := User{ID: id, Provider: proven.Session.Provider, ProviderUserID: proven.Session.UserID, SessionID: proven.Session.SessionID}
		const size = 1 << 20
		up := r.presignedFor(t, user, "storage/presign-upload", object{
			"workspaceId": ws.ID, "hash": fmt.Sprintf("sha256:%064d", 1), "mimeType": "image/png", "sizeBytes": size,
		})
		body, feed := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), up.Method, "http://engine"+up.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = size
		req.Header.Set(callerHeader, Caller{User: &user}.encode())
		req.Header.Set("Content-Type", "image/png")
		answers := make(chan int, 1)
		go func() {
			res, err := r.http.Do(req)
			if err != nil {
				answers <- 0
				return
			}
			res.Body.Close()
			answers <- res.StatusCode
		}()
		if _, err := feed.Write(make([]byte, size/2)); err != nil {
			t.Fatal(err)
		}
		end(cookies, id, ws.ID)
		if status := patience.Receive(t, "the end of an upload", answers); status != 401 && status != 403 {
			t.Errorf("%s ended, and the upload with %d", name, status)
		}
		feed.Close()
	}
}

func TestOpenedOnceAndReadAsWritten(t *testing.T) {
	for _, m := range protocol() {
		if !strings.Contains(m.name, "/") || m.help == "" || m.out == nil {
			t.Errorf("%+v", m)
		}
	}
	// The engine says so if its providers cannot do something, and does not offer it.
	r := opened(t, "AUTH_PROVIDER=nobody", "OR3_STORAGE_ENABLED=false", "OR3_SYNC_ENABLED=false")
	for _, name := range []string{"auth/check-session", "storage/commit", "sync/push", "sync/snapshot", "sync/events", "auth/revocations"} {
		verb := "POST"
		if name == "sync/events" || name == "auth/revocations" {
			verb = "GET"
		}
		if f, _ := r.faultFrom(t, nil, verb, place.Prefix+name, ""); f.Code != or3cloud.CodeUnsupported || !strings.Contains(f.Message, name) {
			t.Errorf("%s: %+v", name, f)
		}
		if slices.Contains(r.present().Methods, name) {
			t.Errorf("%s is offered", name)
		}
	}
}

// The packages can be installed one by one: whatever else a host needs, it has from others.
func TestEachProviderAlone(t *testing.T) {
	t.Run("accounts of another provider", func(t *testing.T) {
		r := opened(t, "AUTH_PROVIDER=clerk")
		if h := r.present(); h.Providers != (place.Roles{Auth: "", Sync: "sqlite", Storage: "fs"}) || slices.Contains(h.Methods, "auth/session") {
			t.Errorf("%+v", h)
		}
		user, ws := r.member(t)
		if out, err := ask[pullAnswer](t.Context(), r.client, forUser(user), "sync/pull", pullRequest{Scope: scope{WorkspaceID: ws}, Limit: 1}); err != nil || out.NextCursor != 0 {
			t.Errorf("%+v %v", out, err)
		}
		if f, _ := r.faultFrom(t, nil, "POST", place.Prefix+"auth/session", "{}"); f.Code != or3cloud.CodeUnsupported {
			t.Errorf("%+v", f)
		}
	})
	t.Run("accounts alone", func(t *testing.T) {
		r := opened(t, "OR3_SYNC_PROVIDER=convex", "NUXT_PUBLIC_STORAGE_PROVIDER=convex")
		if h := r.present(); h.Providers != (place.Roles{Auth: "basic-auth", Sync: "", Storage: ""}) || slices.Contains(h.Methods, "sync/push") {
			t.Errorf("%+v", h)
		}
		cookies := r.register(t, "ann@example.test")
		if out, err := ask[sessionAnswer](t.Context(), r.client, Caller{}, "auth/session", sessionRequest{cookieRequest(cookies)}); err != nil || out.Session == nil {
			t.Errorf("%+v %v", out, err)
		}
	})
	t.Run("files alone", func(t *testing.T) {
		r := opened(t, "AUTH_PROVIDER=clerk", "OR3_SYNC_PROVIDER=convex")
		if h := r.present(); h.Providers != (place.Roles{Auth: "", Sync: "", Storage: "fs"}) {
			t.Errorf("%+v", h)
		}
		const text = "content"
		hash := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text)))
		owner := User{ID: "ann", WorkspaceID: "ws", Role: or3cloud.RoleOwner}
		up := r.presignedFor(t, owner, "storage/presign-upload", object{"workspaceId": "ws", "hash": hash, "mimeType": "application/json", "sizeBytes": len(text)})
		reader, elsewhere, strange := owner, owner, owner
		reader.Role, elsewhere.WorkspaceID, strange.Role = or3cloud.RoleViewer, "other", "king"
		for _, u := range []User{reader, elsewhere, strange, {ID: "ann"}, {ID: "ann", Role: or3cloud.RoleOwner}} {
			if res := r.relayed(t, Caller{User: &u}, up.Method, up.URL, text, nil); res.StatusCode != 403 {
				t.Errorf("%+v: %s", u, res.Status)
			}
		}
		if res := r.relayed(t, Caller{User: &owner}, up.Method, up.URL, text, nil); res.StatusCode != 200 {
			t.Error(res.Status)
		}
	})
}
