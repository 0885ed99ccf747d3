package sessionapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/hosttest"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/host/sessionapi"
)

func api(h *hosttest.Host, overrides string) []or3cloud.Route {
	return sessionapi.New(sessionapi.Options{Host: h, Limits: middleware.NewLimits(time.Now, overrides, false)}).Routes()
}

func TestSignedIn(t *testing.T) {
	h := hosttest.Member(or3cloud.RoleOwner)
	h.Current.User.Email, h.Current.User.DisplayName = "a@example.org", "Ann <3"
	h.Current.ExpiresAt = time.Date(2026, 2, 14, 12, 15, 0, 0, time.UTC)
	w := hosttest.Do(t, api(h, ""), "GET", "/api/auth/session", "")
	want := `{"session":{"authenticated":true,"provider":"fake","providerUserId":"account","user":{"id":"user",` +
		`"email":"a@example.org","displayName":"Ann <3"},"workspace":{"id":"ws","name":"Mine"},"role":"owner",` +
		`"expiresAt":"2026-02-14T12:15:00.000Z","deploymentAdmin":false,"entitlements":[]},"appAccessAllowed":true}`
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if h := w.Header(); h.Get("Cache-Control") != "no-store" || h.Get("X-RateLimit-Limit") != "600" || h.Get("X-RateLimit-Remaining") != "600" {
		t.Error(h)
	}
}

func TestUnknownTextsAreAbsent(t *testing.T) {
	w := hosttest.Do(t, api(hosttest.Member(or3cloud.RoleViewer), ""), "GET", "/api/auth/session", "")
	if got := w.Body.String(); !strings.Contains(got, `"user":{"id":"user"},`) {
		t.Error(got)
	}
}

func TestSignedOut(t *testing.T) {
	w := hosttest.Do(t, api(&hosttest.Host{IP: "192.0.2.1"}, ""), "GET", "/api/auth/session", "")
	if w.Code != 200 || w.Body.String() != `{"session":null,"appAccessAllowed":false}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Contract, auth §4: the newest client reads both fields at the top level of the answer, and shows Files, Trash and
// project pages only when the first is true and the second is "v1". Inside the session they have no effect.
func TestFieldsOfTheNewestClient(t *testing.T) {
	for _, c := range []struct {
		role                or3cloud.Role
		supported           bool
		allowed, showsFiles bool
	}{
		{or3cloud.RoleOwner, true, true, true},
		{or3cloud.RoleEditor, true, true, true},
		{or3cloud.RoleViewer, true, true, true},
		{or3cloud.RoleViewer, false, true, false},
		{"", true, false, false},
	} {
		a := sessionapi.New(sessionapi.Options{Host: hosttest.Member(c.role), Limits: middleware.NewLimits(time.Now, "", false), WorkspaceItems: c.supported})
		w := hosttest.Do(t, a.Routes(), "GET", "/api/auth/session", "")
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
			t.Fatalf("%d %s: %v", w.Code, w.Body, err)
		}
		capability, sent := got["workspaceItemCapability"]
		if got["appAccessAllowed"] != c.allowed || (capability == "v1") != c.showsFiles || sent != c.showsFiles {
			t.Errorf("%+v: %s", c, w.Body)
		}
		session := got["session"].(map[string]any)
		if _, inside := session["workspaceItemCapability"]; inside {
			t.Errorf("%+v: the capability is inside the session: %s", c, w.Body)
		}
		if list, ok := session["entitlements"].([]any); !ok || len(list) != 0 {
			t.Errorf("%+v: entitlements %v", c, session["entitlements"])
		}
	}
}

// Auth Pitfall 10: the client deletes local data when it is told that no one is signed in.
func TestFaultsNeverLookLikeASignOutPitfall10(t *testing.T) {
	for err, status := range map[error]int{
		errors.New("store broken"):                                     500,
		or3cloud.Unavailable(nil, "Service Unavailable", time.Second):  503,
		or3cloud.Errorf(or3cloud.CodeForbidden, "Registration is off"): 403,
	} {
		w := hosttest.Do(t, api(&hosttest.Host{Err: err}, ""), "GET", "/api/auth/session", "")
		if w.Code != status || strings.Contains(w.Body.String(), "null") {
			t.Errorf("%v: %d %s", err, w.Code, w.Body)
		}
	}
}

// Auth Pitfall 11: people behind one address must not share a budget.
func TestBudgetIsPerIdentityAndElsePerAddressPitfall11(t *testing.T) {
	limits := middleware.NewLimits(time.Now, `{"auth:session":{"maxRequests":2}}`, false)
	get := func(h *hosttest.Host) (int, string) {
		w := hosttest.Do(t, sessionapi.New(sessionapi.Options{Host: h, Limits: limits}).Routes(), "GET", "/api/auth/session", "")
		return w.Code, w.Header().Get("Retry-After")
	}
	for i := range 4 {
		h := hosttest.Member(or3cloud.RoleOwner)
		h.Current.ProviderUserID = fmt.Sprint("account", i%2)
		if code, _ := get(h); code != 200 {
			t.Errorf("request %d: %d", i, code)
		}
	}
	if code, wait := get(func() *hosttest.Host {
		h := hosttest.Member(or3cloud.RoleOwner)
		h.Current.ProviderUserID = "account0"
		return h
	}()); code != 429 || wait == "" {
		t.Errorf("the third request of one identity: %d %q", code, wait)
	}
	for i, want := range []int{200, 200, 429} {
		if code, _ := get(&hosttest.Host{IP: fmt.Sprintf("2001:db8::%d", i+1)}); code != want {
			t.Errorf("signed out, request %d: %d", i, code)
		}
	}
}
