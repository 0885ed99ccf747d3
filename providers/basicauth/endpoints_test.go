package basicauth

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/setting"
)

func TestSignIn(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn("ann@example.test")
	b := in.browser()
	b.post("sign-in", credentials("ann@example.test", "wrong")).want(t, 401, "Invalid credentials").wantCookiesCleared(t)
	b.post("sign-in", credentials("nobody@example.test", password)).want(t, 401, "Invalid credentials").wantCookiesCleared(t)
	a := b.post("sign-in", credentials("Ann@Example.TEST", password)).want(t, 200, `{"ok":true}`)
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	s := b.wantSignedIn()
	if s.Email != "ann@example.test" || s.DisplayName != "Ann" || s.Provider != "basic-auth" {
		t.Errorf("%+v", s)
	}
}

// fail2ban and similar programs read this line: address and time, and no more of the e-mail address than needed.
func TestFailedSignInLeavesOneStableLine(t *testing.T) {
	in := openTest(t, nil)
	b := in.browser()
	b.post("sign-in", credentials("somebody@example.test", "hunter2 hunter2"))
	want := `level=WARN msg="sign-in failed" address=192.0.2.1 email=s…@example.test`
	if log := in.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, want) {
		t.Errorf("log %q", log)
	}
	for _, secret := range []string{"somebody", "hunter2"} {
		if strings.Contains(in.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	for email, want := range map[string]string{"ann@a.test": "a…@a.test", "nonsense": "…", "@a.test": "…"} {
		if got := guard.RedactEmail(email); got != want {
			t.Errorf("%q is shown as %q", email, got)
		}
	}
}

func TestCookieAttributes(t *testing.T) {
	for _, production := range []bool{false, true} {
		in := openTest(t, config{settingAccessTTL: "60", settingRefreshTTL: "600"})
		in.env.Production = production
		in.restart()
		b := in.browser()
		a := b.post("register", registration("ann@example.test")).want(t, 200, `{"ok":true}`)
		secure := map[bool]string{true: "; Secure"}[production]
		for i, want := range []string{
			"or3_access=" + b.value(sessions.AccessCookie) + "; Path=/; Max-Age=60; HttpOnly" + secure + "; SameSite=Lax",
			"or3_refresh=; Path=/api/basic-auth; Max-Age=0; HttpOnly" + secure + "; SameSite=Lax",
			"or3_refresh=" + b.value(sessions.RefreshCookie) + "; Path=/api; Max-Age=600; HttpOnly" + secure + "; SameSite=Lax",
		} {
			if got := a.header.Values("Set-Cookie")[i]; got != want {
				t.Errorf("cookie %q, want %q", got, want)
			}
		}
	}
}

func TestSignOutEndsTheSessionAtOnce(t *testing.T) {
	for name, keep := range map[string][]string{
		"both cookies": {}, "access cookie only": {sessions.RefreshCookie}, "refresh cookie only": {sessions.AccessCookie},
	} {
		t.Run(name, func(t *testing.T) {
			in := openTest(t, nil)
			b := in.signedIn("ann@example.test")
			other := in.browser()
			other.post("sign-in", credentials("ann@example.test", password)).want(t, 200, `{"ok":true}`)
			thief := b.copy()
			for _, cookie := range keep {
				b.drop(cookie)
			}
			b.post("sign-out", "").want(t, 200, `{"ok":true}`).wantCookiesCleared(t)
			thief.wantSignedOut()
			other.wantSignedIn()
			in.restart()
			thief.wantSignedOut()
			other.wantSignedIn()
		})
	}
	t.Run("without a session", func(t *testing.T) {
		in := openTest(t, nil)
		in.browser().post("sign-out", "").want(t, 200, `{"ok":true}`).wantCookiesCleared(t)
	})
}

// The grace window must not revive a session that was signed out with a cookie that had just been rotated.
func TestSignOutRevokesRotationSuccessors(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	old := b.copy()
	old.drop(sessions.AccessCookie)
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	old.copy().post("sign-out", "").want(t, 200, `{"ok":true}`)
	b.wantSignedOut()
	b.post("refresh?silent=1", "").want(t, 200, `{"ok":false}`)
	old.post("refresh", "").want(t, 401, "Session expired")
}

const change = `{"currentPassword":"` + password + `","newPassword":"a new password","confirmNewPassword":"a new password"}`

func TestChangePasswordEndsAllSessionsAtOnce(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	other := in.browser()
	other.post("sign-in", credentials("ann@example.test", password)).want(t, 200, `{"ok":true}`)
	before := b.copy()
	stranger := in.signedIn("bob@example.test")

	b.post("change-password", change).want(t, 200, `{"ok":true}`).wantCookiesCleared(t)
	for _, x := range []*browser{b, before, other} {
		x.copy().wantSignedOut()
	}
	stranger.wantSignedIn()
	in.restart()
	before.copy().wantSignedOut()
	other.copy().wantSignedOut()

	b.post("sign-in", credentials("ann@example.test", password)).want(t, 401, "Invalid credentials")
	b.post("sign-in", credentials("ann@example.test", "a new password")).want(t, 200, `{"ok":true}`)
	b.wantSignedIn()
	in.clock.advance(16 * time.Minute)
	b.wantSignedIn()
	before.wantSignedOut()
}

// The account's version alone ends access tokens, whichever session they name, also after a restart.
func TestChangePasswordEndsTokensOfTheOldVersion(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	claims := in.p.sessions.Access.Verify(b.value(sessions.AccessCookie))
	token, err := in.p.sessions.Access.Sign(sessions.Identity{AccountID: claims.Subject, SessionID: "another"}, in.clock.now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	other := in.browser()
	other.jar = []*http.Cookie{{Name: sessions.AccessCookie, Path: "/", Value: token}}
	other.wantSignedIn()
	b.post("change-password", change).want(t, 200, `{"ok":true}`)
	other.wantSignedOut()
	in.restart()
	other.wantSignedOut()
}

func TestChangePasswordRefusals(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	in.browser().post("change-password", change).want(t, 401, "Session expired").wantCookiesCleared(t)
	in.browser().post("change-password", "{}").want(t, 401, "Session expired") // the session comes before the body
	b.post("change-password", strings.Replace(change, password, "wrong", 1)).want(t, 401, "Invalid credentials").wantCookiesKept(t)
	b.post("change-password", strings.Replace(change, `"a new password"}`, `"another one"}`, 1)).want(t, 400, "Passwords must match.").wantCookiesKept(t)
	b.post("change-password", strings.ReplaceAll(change, "a new password", "1234567")).want(t, 400, "Password must be at least 8 characters.")
	b.wantSignedIn()
}

func TestChangePasswordAfterAccessExpiry(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	in.clock.advance(time.Hour)
	b.post("change-password", change).want(t, 200, `{"ok":true}`).wantCookiesCleared(t)
	b.wantSignedOut()
}

// A sign-in whose password was checked before a change must not open a session after it.
func TestSignInThatRacesWithAPasswordChangeFails(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	a, err := in.p.store.Read.AccountByEmail(t.Context(), "ann@example.test")
	if err != nil {
		t.Fatal(err)
	}
	b.post("change-password", change).want(t, 200, `{"ok":true}`)
	r := &or3cloud.Request{Request: &http.Request{Header: http.Header{}}, ClientIP: "192.0.2.1"}
	if g, err := in.p.entrance.beginVerified(t.Context(), r, a, a.PasswordHash); g != nil || err != nil {
		t.Errorf("%v, %v", g, err)
	}
	again := in.browser()
	again.post("sign-in", credentials("ann@example.test", "a new password")).want(t, 200, `{"ok":true}`)
	who := again.actor()
	who.PasswordHash = a.PasswordHash
	if _, err := in.p.accounts.ExchangePassword(r, who, "hash", false); or3cloud.CodeOf(err) != or3cloud.CodeUnauthenticated {
		t.Errorf("second change with the same old password: %v", err)
	}
}

func TestRegister(t *testing.T) {
	in := openTest(t, nil)
	b := in.browser()
	b.post("register", registration("Ann@example.test")).want(t, 200, `{"ok":true}`)
	if s := b.wantSignedIn(); s.Email != "ann@example.test" || s.DisplayName != "Ann" {
		t.Errorf("%+v", s)
	}
	again := in.browser()
	again.post("register", registration("ann@EXAMPLE.test")).want(t, 401, "Invalid credentials").wantCookiesCleared(t)
	again.post("register", "{").want(t, 400, "Invalid request").wantCookiesCleared(t)
	again.post("register", `{"email":"x@example.test","password":"a long secret","confirmPassword":"a long secret"}`).want(t, 200, `{"ok":true}`)
	if s := again.wantSignedIn(); s.DisplayName != "" {
		t.Errorf("%+v", s)
	}
}

func TestParallelRegistrationsOfOneAddressMakeOneAccount(t *testing.T) {
	in := openTest(t, nil)
	var created, refused atomic.Int32
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			switch a := in.browser().post("register", registration("ann@example.test")); a.status {
			case 200:
				created.Add(1)
			case 401:
				refused.Add(1)
			default:
				t.Errorf("%d %s", a.status, a.text)
			}
		})
	}
	wg.Wait()
	if created.Load() != 1 || refused.Load() != 5 {
		t.Errorf("%d created, %d refused", created.Load(), refused.Load())
	}
}

func TestParallelUsesOfTheSetupLinkMakeOneAccount(t *testing.T) {
	in := openTest(t, config{setting.RegistrationMode: "disabled"})
	f, err := in.Setup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var created atomic.Int32
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			email := strconv.Itoa(i) + "@example.test"
			if a := in.browser().post("register", withInvite(email, strings.TrimPrefix(f, "setup="))); a.status == 200 {
				created.Add(1)
			} else if a.status != 403 {
				t.Errorf("%d %s", a.status, a.text)
			}
		})
	}
	wg.Wait()
	if created.Load() != 1 {
		t.Errorf("%d accounts created", created.Load())
	}
}

func TestOtherCookiesOfTheAnswerAreKept(t *testing.T) {
	in := openTest(t, nil)
	h := http.Header{"Set-Cookie": {"theme=dark", "or3_access=old; Path=/", "or3_access_level=5"}}
	in.p.sessions.ClearCookies(&or3cloud.Request{ResponseHeader: h})
	if got := h.Values("Set-Cookie"); len(got) != 5 || got[0] != "theme=dark" || got[1] != "or3_access_level=5" {
		t.Errorf("%q", got)
	}
}

func TestRegistrationModes(t *testing.T) {
	const disabled = "Registration is currently disabled. Please contact an administrator."
	const invite = "A valid invite is required to register."
	for _, c := range []struct {
		cfg    config
		status int
		text   string
	}{
		{nil, 200, `{"ok":true}`},
		{config{setting.RegistrationMode: "open", setting.AutoProvision: "false"}, 200, `{"ok":true}`},
		{config{setting.AutoProvision: "false"}, 403, disabled},
		{config{setting.RegistrationMode: "disabled"}, 403, disabled},
		{config{setting.RegistrationMode: "invite_only"}, 403, invite},
	} {
		in := openTest(t, c.cfg)
		a := in.browser().post("register", registration("ann@example.test")).want(t, c.status, c.text)
		if c.status != 200 {
			a.wantCookiesCleared(t)
		}
		if c.text == disabled {
			in.browser().post("register", withInvite("ann@example.test", "made up")).want(t, c.status, c.text)
		}
	}
}

func withInvite(email, token string) string {
	return strings.TrimSuffix(registration(email), "}") + `,"inviteToken":"` + token + `"}`
}

func TestSetupLinkCreatesTheFirstAccountInEveryMode(t *testing.T) {
	for _, mode := range []string{"open", "invite_only", "disabled"} {
		t.Run(mode, func(t *testing.T) {
			in := openTest(t, config{setting.RegistrationMode: mode})
			in.host.invites = map[string]string{}
			fragment := func() string {
				f, err := in.Setup(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return strings.TrimPrefix(f, "setup=")
			}
			stale, token := fragment(), fragment()
			if len(token) < 40 || stale == token {
				t.Fatalf("tokens %q, %q", stale, token)
			}
			if mode != "open" {
				if a := in.browser().post("register", withInvite("a@example.test", stale)); a.status != 403 {
					t.Errorf("a link that was replaced: %d %s", a.status, a.text)
				}
			}
			b := in.browser()
			b.post("register", withInvite("ann@example.test", token)).want(t, 200, `{"ok":true}`)
			b.wantSignedIn()
			if in.p.accounts.Setup.Matches(token) {
				t.Error("the link is still good")
			}
			if mode != "open" {
				in.p.accounts.Setup.Remember(token) // as if a second request had passed the first check in the meantime
				in.browser().post("register", withInvite("bob@example.test", token)).want(t, 403, in.p.accounts.Refusal().(*or3cloud.Error).Message)
			}
			if f := fragment(); f != "" {
				t.Errorf("a setup link although there is an account: %q", f)
			}
		})
	}
}

func TestOriginRule(t *testing.T) {
	for _, c := range []struct {
		origin, referer, host string
		unknown, want         bool
	}{
		{want: true, host: "cloud.test"},
		{want: true, unknown: true},
		{origin: "https://cloud.test", host: "cloud.test", want: true},
		{origin: "http://cloud.test", host: "cloud.test", want: true}, // the scheme is not compared
		{origin: "https://CLOUD.test", host: "cloud.test", want: true},
		{origin: "https://cloud.test:443", host: "cloud.test", want: true},
		{origin: "http://cloud.test:80", host: "cloud.test", want: true},
		{origin: "https://cloud.test:80", host: "cloud.test", want: false},
		{origin: "https://cloud.test", host: "cloud.test:443", want: true}, // neither side writes the default port
		{origin: "http://127.0.0.1:3000", host: "127.0.0.1:3000", want: true},
		{origin: "http://127.0.0.1:3001", host: "127.0.0.1:3000", want: false},
		{origin: "http://[::1]:3000", host: "[::1]:3000", want: true},
		{origin: "https://evil.test", host: "cloud.test", want: false},
		{origin: "https://cloud.test.evil.test", host: "cloud.test", want: false},
		{origin: "https://cloud.test@evil.test", host: "cloud.test", want: false},
		{origin: "null", host: "cloud.test", want: false},
		{origin: "cloud.test", host: "cloud.test", want: false},
		{origin: "https://%zz", host: "cloud.test", want: false},
		{origin: "https://cloud.test", unknown: true, want: false},
		{referer: "https://cloud.test/chat?x=1", host: "cloud.test", want: true},
		{referer: "https://evil.test/", host: "cloud.test", want: false},
		{origin: "https://evil.test", referer: "https://cloud.test/", host: "cloud.test", want: false},
	} {
		h := http.Header{}
		if c.origin != "" {
			h.Set("Origin", c.origin)
		}
		if c.referer != "" {
			h.Set("Referer", c.referer)
		}
		if got := new(options).sameOrigin(h, c.host, !c.unknown); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// Contract, auth Pitfall 13: a form on a foreign page must neither do anything nor sign the visitor out.
func TestForeignOriginIsRefusedBeforeAnythingElse(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	for _, path := range []string{"sign-in", "refresh", "refresh?silent=1", "sign-out", "change-password", "register"} {
		a := b.post(path, registration("bob@example.test"), "Origin", "https://evil.test").want(t, 403, "Forbidden")
		a.wantCookiesKept(t)
		if a.header.Get("X-RateLimit-Limit") != "" {
			t.Errorf("%s: a refused origin was counted", path)
		}
	}
	in.host.hostUnknown = true
	b.post("sign-out", "", "Origin", "http://cloud.test").want(t, 403, "Forbidden")
	in.host.hostUnknown = false
	b.wantSignedIn()
	b.post("refresh", "", "Origin", "http://cloud.test").want(t, 200, `{"ok":true}`)
}

func TestRateLimits(t *testing.T) {
	for path, max := range map[string]int{"sign-in": 20, "refresh?silent=1": 120, "sign-out": 60, "change-password": 20, "register": 10} {
		t.Run(path, func(t *testing.T) {
			in := openTest(t, nil)
			b := in.browser()
			b.jar = []*http.Cookie{{Name: "or3_refresh", Path: "/api", Value: "unknown"}}
			for i := range max {
				a := b.post(path, "{}")
				if a.status == 429 || a.header.Get("X-RateLimit-Limit") != strconv.Itoa(max) ||
					a.header.Get("X-RateLimit-Remaining") != strconv.Itoa(max-1-i) {
					t.Fatalf("attempt %d: %d %v", i, a.status, a.header)
				}
			}
			b.jar = []*http.Cookie{{Name: "or3_refresh", Path: "/api", Value: "unknown"}}
			a := b.post(path, "{}").want(t, 429, "Too many requests")
			a.wantCookiesKept(t)
			if a.header.Get("X-RateLimit-Remaining") != "0" || a.err.RetryAfter != time.Minute {
				t.Errorf("%v, retry after %v", a.header, a.err.RetryAfter)
			}
			other := in.browser()
			other.address = "192.0.2.2"
			if a := other.post(path, "{}"); a.status == 429 {
				t.Error("another address is limited too")
			}
			in.clock.advance(time.Minute)
			if a := b.post(path, "{}"); a.status == 429 {
				t.Error("still limited a minute later")
			}
		})
	}
}

// Contract, auth Pitfall 10: clients take a limited refresh for a sign-out and delete local data.
func TestRefreshLimiterNeverHitsAValidCookie(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	old := b.copy()
	for range 130 {
		in.browser().post("refresh?silent=1", "")
	}
	in.browser().post("refresh?silent=1", "").want(t, 429, "Too many requests")
	for range 130 {
		b.post("refresh?silent=1", "").want(t, 200, `{"ok":true}`)
	}
	a := old.post("refresh?silent=1", "").want(t, 200, `{"ok":true}`)
	if a.header.Get("X-RateLimit-Limit") != "120" || a.header.Get("X-RateLimit-Remaining") != "0" {
		t.Errorf("%v", a.header)
	}
}

func TestFullHashQueueIsUnavailableAndKeepsCookies(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	in.p.guard.Passwords = blockedHasher(t)
	for path, body := range map[string]string{
		"sign-in": credentials("ann@example.test", password), "register": registration("bob@example.test"), "change-password": change,
	} {
		a := b.post(path, body)
		if a.status != 503 || a.err.RetryAfter <= 0 {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
		a.wantCookiesKept(t)
	}
	b.wantSignedIn()
}

func TestBodyIsBounded(t *testing.T) {
	in := openTest(t, nil)
	big := `{"email":"` + strings.Repeat("a", maxBody) + `"}`
	in.browser().post("sign-in", big).want(t, 413, "The request body is too large.")
}
