package host

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"or3.chat/cloud/host/eventsapi"
)

// openToTheRestricted are the endpoints with which a user sets up the second factor that is demanded, looks at their
// account and signs out. All others are closed to them, new ones included.
var openToTheRestricted = []string{
	"reauthenticate", "refresh", "totp/confirm", "recovery-codes", "totp/enrol", "totp/remove", "passkeys/register-options", "passkeys/register",
	"passkeys/rename", "passkeys/remove", "sessions/revoke", "sessions/revoke-others",
}

// TestNothingOutlivesADemandedFactor lets the grace of an administrator end while bodies are on their way. Nothing of
// them remains, and each is refused in a way that makes clients keep their edits.
func TestNothingOutlivesADemandedFactor(t *testing.T) {
	s := newScene(t, "OR3_BASIC_AUTH_REQUIRE_SECOND_FACTOR=admins", "OR3_BASIC_AUTH_SECOND_FACTOR_GRACE_DAYS=1")
	var begun []*stalled
	for _, c := range stalls {
		name, own := strings.CutPrefix(c.route, "POST /api/basic-auth/")
		if c.needs != anyone && c.needs != super && !c.unread && !(own && slices.Contains(openToTheRestricted, name)) {
			begun = append(begun, s.begin(c))
		}
	}
	s.ahead.Store(int64(24*time.Hour + time.Minute))
	// What has arrived of an upload stays, so that it can be resumed; the trail has what was refused, and sessions are
	// renewed.
	state := func() string {
		return strings.Join(slices.DeleteFunc(strings.Split(s.state(), "\n"), func(line string) bool {
			return strings.Contains(line, "/blobs/partial/") || strings.HasPrefix(line, "audit") ||
				strings.HasPrefix(line, "refresh_tokens") || strings.HasPrefix(line, "sessions")
		}), "\n")
	}
	before := state()
	for _, q := range begun {
		if q.early != nil {
			t.Errorf("%s: %d before its body has come", q.route, q.early.StatusCode)
			continue
		}
		a := q.finish()
		if a.err != nil {
			t.Errorf("%s: %v", q.route, a.err)
			continue
		}
		want := http.StatusServiceUnavailable
		if strings.Contains(q.route, "/api/basic-auth/") {
			want = http.StatusForbidden
		}
		if q.route == "PUT /api/storage/fs/upload" && a.StatusCode == want {
			continue // says that it was interrupted
		}
		if a.StatusCode != want || !strings.Contains(string(a.text), "second_factor_demanded") || (want == 503) != (a.Header.Get("Retry-After") != "") {
			t.Errorf("%s: %d %s", q.route, a.StatusCode, a.text)
		}
	}
	if after := state(); after != before {
		t.Errorf("something has changed: %s", difference(before, after))
	}
}

// TestADemandedFactorCostsNoEdit follows a user from the grace to its end and to a factor.
func TestADemandedFactorCostsNoEdit(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, "OR3_BASIC_AUTH_REQUIRE_SECOND_FACTOR=all", "OR3_BASIC_AUTH_SECOND_FACTOR_GRACE_DAYS=3",
		"OR3_STORAGE_ALLOWED_MIME_TYPES=text/plain")
	p := r.register(t, "ann@example.test")
	p.push(1)
	p.upload("a file")
	events := p.listen()
	events.next()
	r.ahead.Store(int64(3*24*time.Hour + time.Minute))
	events.end()
	pull := fmt.Sprintf(`{"scope":{"workspaceId":%q},"cursor":0,"limit":10}`, p.workspace)
	push := fmt.Sprintf(`{"scope":{"workspaceId":%q},"ops":[%s]}`, p.workspace, kvOp(2, 2))
	requests := []struct{ method, path, body string }{
		{"POST", "/api/sync/push", push}, {"POST", "/api/sync/pull", pull}, {"GET", "/api/workspaces", ""}, {"GET", "/api/webhooks", ""},
		{"POST", "/api/storage/presign-download", fmt.Sprintf(`{"workspace_id":%q,"hash":%q}`, p.workspace, hashOf("a file"))},
		{"POST", "/api/workspaces", `{"name":"another"}`},
	}
	for _, q := range requests {
		res, text, err := p.send(t.Context(), q.method, q.path, q.body)
		if err != nil || res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(string(text), "Set one up in your account") {
			t.Errorf("%s: %v %v %s", q.path, res, err, text)
		}
	}
	// The client still believes that its user is signed in, and the account exists.
	p.resolve()
	var account struct {
		SecondFactorDemand struct {
			Met, Restricted bool
			Due             time.Time
		}
	}
	p.do("GET", "/api/basic-auth/account", "", &account)
	if d := account.SecondFactorDemand; d.Met || !d.Restricted || d.Due.After(r.now()) {
		t.Errorf("%+v", d)
	}
	p.do("POST", "/api/basic-auth/reauthenticate", `{"password":"correct horse"}`, nil)
	var enrolled struct{ Secret string }
	p.do("POST", "/api/basic-auth/totp/enrol", "", &enrolled)
	code, err := totp.GenerateCode(enrolled.Secret, r.now())
	if err != nil {
		t.Fatal(err)
	}
	p.do("POST", "/api/basic-auth/totp/confirm", fmt.Sprintf(`{"code":%q}`, code), nil)
	for _, q := range requests {
		if res, text, err := p.send(t.Context(), q.method, q.path, q.body); err != nil || res.StatusCode != 200 {
			t.Errorf("%s with a factor: %v %v %s", q.path, res, err, text)
		}
	}
	var page struct{ Changes []struct{ PK string } }
	p.do("POST", "/api/sync/pull", pull, &page)
	if len(page.Changes) != 2 {
		t.Errorf("changes %+v; want the one from before, and the one that was sent again", page.Changes)
	}
}
