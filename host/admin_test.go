package host

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/bcrypt"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/internal/superadmin"
)

const adminPassword = "Correct horse 1"

// superAdmin is the environment of a host with a super administrator.
var superAdmin = []string{"OR3_ADMIN_USERNAME=admin", "OR3_ADMIN_PASSWORD=" + adminPassword}

// asks sends a request with headers, given as name and value in turn, and returns status, message and the answer.
func (p *person) asks(method, path, body string, headers ...string) (status int, message string, res *http.Response) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if req.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	client := *p.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err = client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	var said struct{ StatusMessage string }
	_ = json.NewDecoder(res.Body).Decode(&said)
	return res.StatusCode, said.StatusMessage, res
}

// keepAdminPassword keeps the super administrator's password as a hash that takes no time.
func (r *real) keepAdminPassword(t testing.TB) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(adminPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"username": "admin", "password_hash_bcrypt": string(hash)})
	if err == nil {
		err = os.WriteFile(filepath.Join(r.instance.Options().DataDir, superadmin.File), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// administer signs a browser in as the super administrator.
func (p *person) administer() *person {
	p.t.Helper()
	p.do("POST", "/api/admin/auth/login", fmt.Sprintf(`{"username":"admin","password":%q}`, adminPassword), nil)
	return p
}

// grant makes a person a deployment administrator, or revokes the grant.
func (r *real) grant(t testing.TB, p *person, is bool) {
	t.Helper()
	store := r.instance.Providers().Workspaces.(or3cloud.DeploymentAdminStore)
	err := store.RevokeDeploymentAdmin(t.Context(), p.user)
	if is {
		err = store.GrantDeploymentAdmin(t.Context(), p.user, "")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheSessionOfTheSuperAdministrator(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, superAdmin...)
	p := r.visitor(t)
	expect := func(p *person, wantStatus int, wantText, method, path, body string, headers ...string) *http.Response {
		t.Helper()
		status, text, res := p.asks(method, path, body, headers...)
		if status != wantStatus || text != wantText {
			t.Errorf("%s %s %s %v: %d %q, want %d %q", method, path, body, headers, status, text, wantStatus, wantText)
		}
		return res
	}
	const session, login, logout, change = "/api/admin/auth/session", "/api/admin/auth/login", "/api/admin/auth/logout", "/api/admin/auth/change-password"
	right := fmt.Sprintf(`{"username":"admin","password":%q}`, adminPassword)
	expect(p, 401, "Unauthorized", "GET", session, "")
	for _, body := range []string{``, `{}`, `null`, `{"username":"admin"}`, `{"password":"x"}`, `{"username":"","password":""}`, `{"username":1,"password":2}`} {
		expect(p, 400, "Username and password are required", "POST", login, body)
	}
	expect(p, 401, "Invalid credentials", "POST", login, `{"username":"admin","password":"wrong"}`)
	expect(p, 401, "Invalid credentials", "POST", login, `{"username":"other","password":"wrong"}`)
	expect(p, 403, "Forbidden: Origin mismatch", "POST", login, right, "Origin", "https://evil.test")
	expect(p, 403, "Forbidden: Origin mismatch", "POST", login, right, "Sec-Fetch-Site", "cross-site")
	expect(p, 403, "Forbidden: Origin validation failed", "POST", login, right, "Origin", "null")
	res := expect(p, 200, "", "POST", login, right, "Origin", r.url)
	if cookie := res.Header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "or3_admin=") || !strings.HasSuffix(cookie, "; Path=/; Max-Age=86400; HttpOnly; SameSite=Strict") {
		t.Errorf("the cookie is %s", cookie)
	}
	var said struct {
		Authenticated bool
		Kind          string
	}
	if p.do("GET", session, "", &said); !said.Authenticated || said.Kind != "super_admin" {
		t.Errorf("%+v", said)
	}

	second := r.visitor(t).administer()
	expect(r.visitor(t), 401, "Unauthorized", "POST", change, `{"currentPassword":"x","newPassword":"y"}`)
	expect(p, 400, "Current password and new password are required", "POST", change, `{}`)
	expect(p, 401, "Current password is incorrect", "POST", change, `{"currentPassword":"x","newPassword":"Correct horse 2"}`)
	expect(p, 400, "Password does not meet requirements: it must have at least 12 characters", "POST", change,
		fmt.Sprintf(`{"currentPassword":%q,"newPassword":"Short 1"}`, adminPassword))
	expect(p, 200, "", "POST", change, fmt.Sprintf(`{"currentPassword":%q,"newPassword":"Correct horse 2"}`, adminPassword))
	expect(p, 200, "", "GET", session, "")
	expect(second, 401, "Unauthorized", "GET", session, "")

	res = expect(p, 200, "", "POST", logout, "")
	if cookies := res.Header.Values("Set-Cookie"); len(cookies) != 2 || cookies[0] != "or3_admin=; Path=/; Max-Age=0" || cookies[1] != "or3_admin=; Path=/admin; Max-Age=0" {
		t.Errorf("the cookies are %q", cookies)
	}
	expect(p, 401, "Unauthorized", "GET", session, "")
	expect(p, 200, "", "POST", logout, "")

	page, err := r.instance.Providers().Audit.List(t.Context(), audit.Query{Action: "auth"})
	if err != nil {
		t.Fatal(err)
	}
	var trail []string
	for _, e := range page.Entries {
		if e.Address != "127.0.0.1" || e.RequestID == "" {
			t.Errorf("%+v", e)
		}
		trail = append(trail, fmt.Sprintf("%s %s%s %s%s", e.Action, e.Actor.Kind, e.Actor.Name, e.Refusal, e.Target.UserID))
	}
	slices.Sort(trail)
	for _, want := range []string{
		"auth.login super_adminadmin ", "auth.logout super_adminadmin ", "auth.change_password super_adminadmin ", "auth.login anonymous unauthenticatedadmin",
		"auth.login anonymous unauthenticated", "auth.login anonymous forbidden", "auth.change_password anonymous unauthenticated",
		"auth.change_password super_adminadmin unauthenticated", "auth.change_password super_adminadmin invalid", "auth.login anonymous invalid",
	} {
		if !slices.Contains(trail, want) {
			t.Errorf("the trail has no %q: %q", want, trail)
		}
	}
	if n := strings.Count(strings.Join(trail, "\n"), "auth.logout"); n != 1 {
		t.Errorf("%d sign-outs", n)
	}
}

// Contract, workspaces-and-admin §4 and Pitfall 7: by the address that the proxy rule accepts, before the password, for
// each name.
func TestGuessesAtTheSuperAdministrator(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, append([]string{"OR3_LIMITS_ENABLED=false", "OR3_TRUSTED_PROXIES=127.0.0.1"}, superAdmin...)...)
	r.keepAdminPassword(t)
	p := r.visitor(t)
	try := func(address, username, password string) int {
		t.Helper()
		status, text, res := p.asks("POST", "/api/admin/auth/login", fmt.Sprintf(`{"username":%q,"password":%q}`, username, password),
			"X-Forwarded-For", "203.0.113.9, "+address, "X-Forwarded-Host", "cloud.test", "X-Forwarded-Proto", "https")
		if status == 429 && (text != "Too many login attempts. Please try again later." || res.Header.Get("Retry-After") != "") {
			t.Errorf("%s %v", text, res.Header)
		}
		return status
	}
	for range 4 {
		if got := try("192.0.2.1", "admin", "wrong"); got != 401 {
			t.Fatal(got)
		}
	}
	if got := try("192.0.2.1", "admin", adminPassword); got != 200 { // resets the count
		t.Fatal(got)
	}
	for range 5 {
		if got := try("192.0.2.1", "admin", "wrong"); got != 401 {
			t.Fatal(got)
		}
	}
	for _, c := range []struct {
		address, username, password string
		want                        int
	}{
		{"192.0.2.1", "admin", adminPassword, 429}, {"192.0.2.1", "admin", "wrong", 429}, {"192.0.2.1", "other", "wrong", 401}, {"192.0.2.2", "admin", adminPassword, 200},
	} {
		if got := try(c.address, c.username, c.password); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// A sender that is not one of our proxies cannot choose its own address.
func TestGuessesBehindInventedAddresses(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, superAdmin...)
	r.keepAdminPassword(t)
	p := r.visitor(t)
	for i := range 6 {
		status, _, _ := p.asks("POST", "/api/admin/auth/login", `{"username":"admin","password":"wrong"}`,
			"X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i), "X-Real-Ip", fmt.Sprintf("203.0.113.%d", i), "Forwarded", fmt.Sprintf("for=203.0.113.%d", i))
		if want := map[bool]int{true: 401, false: 429}[i < 5]; status != want {
			t.Errorf("guess %d: %d, want %d", i, status, want)
		}
	}
}

// Guesses at once get no more tries than one after the other.
func TestGuessesAtOnce(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, superAdmin...)
	r.keepAdminPassword(t)
	p := r.visitor(t)
	var all sync.WaitGroup
	var looked atomic.Int32
	for range 15 {
		all.Go(func() {
			if status, _, _ := p.asks("POST", "/api/admin/auth/login", `{"username":"admin","password":"wrong"}`); status == 401 {
				looked.Add(1)
			}
		})
	}
	all.Wait()
	if n := looked.Load(); n == 0 || n > 5 {
		t.Errorf("%d of 15 passwords were looked at", n)
	}
}

// A name that only the administration has is accepted, and the public one shows no administration.
func TestTheAdministrationUnderAName(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, append([]string{"OR3_PUBLIC_URL=https://cloud.test", "OR3_ADMIN_ALLOWED_HOSTS=admin.cloud.test"}, superAdmin...)...)
	r.keepAdminPassword(t)
	p := r.visitor(t)
	body := fmt.Sprintf(`{"username":"admin","password":%q}`, adminPassword)
	for host, want := range map[string]int{"admin.cloud.test": 200, "admin.cloud.test:8443": 200, "cloud.test": 404, "127.0.0.1": 404, "other.test": 503} {
		for _, c := range []struct{ method, path, body string }{{"POST", "/api/admin/auth/login", body}, {"GET", "/api/admin/auth/session", ""}} {
			if status, text, _ := p.asks(c.method, c.path, c.body, "Host", host, "Origin", "https://"+host); status != want && (status != 401 || want != 200 || c.body != "") {
				t.Errorf("%s %s at %s: %d %s, want %d", c.method, c.path, host, status, text, want)
			}
		}
	}
}
