package basicauth

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Contract, auth Pitfall 3: the parallel refreshes of a page must not be taken for theft.
func TestParallelRefreshesOfOneCookieAllSucceed(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	in.clock.advance(16 * time.Minute)
	const tabs = 64
	var all [tabs]*browser
	var wg sync.WaitGroup
	var answered atomic.Int64 // a tab that fails early must not hang the test
	// The writer is held until every tab has found its cookie to be live and waits to exchange it.
	release := make(chan struct{})
	held := make(chan struct{})
	go in.p.store.Tx(t.Context(), func(store.Queries) error { close(held); <-release; return nil })
	<-held
	for i := range all {
		tab := b.copy()
		all[i] = tab
		wg.Go(func() {
			defer answered.Add(1)
			if i%2 == 0 {
				if a := tab.post("refresh?silent=1", ""); a.text != `{"ok":true}` {
					t.Errorf("refresh: %d %s", a.status, a.text)
				}
			} else if s, err := tab.session(); s == nil || err != nil {
				t.Errorf("in place: %v, %v", s, err)
			}
		})
	}
	for in.p.store.File.Write.Stats().WaitCount+answered.Load() < tabs {
		runtime.Gosched()
	}
	close(release)
	wg.Wait()
	for _, tab := range all {
		if tab.value(sessions.RefreshCookie) != all[0].value(sessions.RefreshCookie) || tab.value(sessions.RefreshCookie) == b.value(sessions.RefreshCookie) {
			t.Fatal("the tabs got different successors")
		}
		if len(tab.jar) != 2 {
			t.Fatalf("cookies %v", tab.jar)
		}
	}
	var sessions, liveTokens int
	err := in.p.store.File.Read.QueryRow(`SELECT (SELECT count(*) FROM sessions WHERE revoked_at IS NULL),
		(SELECT count(*) FROM refresh_tokens WHERE rotated_at IS NULL)`).Scan(&sessions, &liveTokens)
	if err != nil || sessions != 1 || liveTokens != 1 {
		t.Errorf("%d live sessions, %d live tokens, %v", sessions, liveTokens, err)
	}
}

// 64 refreshes of one cookie at the same moment: 64 successes, one live session. Nothing is held back here, so that
// every order of the look-ups and the exchange is possible.
func TestSixtyFourParallelRefreshesOfOneCookie(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	for range 5 {
		const tabs = 64
		var all [tabs]*browser
		var wg sync.WaitGroup
		for i := range all {
			all[i] = b.copy()
			wg.Go(func() {
				if a := all[i].post("refresh?silent=1", ""); a.status != 200 || a.text != `{"ok":true}` {
					t.Errorf("refresh %d: %d %s", i, a.status, a.text)
				}
			})
		}
		wg.Wait()
		for _, tab := range all {
			if tab.value(sessions.RefreshCookie) != all[0].value(sessions.RefreshCookie) || tab.value(sessions.RefreshCookie) == b.value(sessions.RefreshCookie) {
				t.Fatal("the tabs got different successors")
			}
			if tab.value(sessions.AccessCookie) == "" {
				t.Fatal("a tab has no access token")
			}
		}
		var sessions, liveTokens int
		err := in.p.store.File.Read.QueryRow(`SELECT (SELECT count(*) FROM sessions WHERE revoked_at IS NULL),
			(SELECT count(*) FROM refresh_tokens WHERE rotated_at IS NULL)`).Scan(&sessions, &liveTokens)
		if err != nil || sessions != 1 || liveTokens != 1 {
			t.Fatalf("%d live sessions, %d live tokens, %v", sessions, liveTokens, err)
		}
		b = all[0]
		b.wantSignedIn()
		in.clock.advance(16 * time.Minute)
	}
}

// However often a session is used, it ends.
func TestAbsoluteLifetime(t *testing.T) {
	in := openTest(t, config{settingSessionTTL: "864000"}) // ten days
	b := in.signedIn("ann@example.test")
	for range 9 {
		in.clock.advance(24 * time.Hour)
		b.wantSignedIn()
	}
	in.clock.advance(24*time.Hour - time.Minute)
	if s := b.wantSignedIn(); !s.ExpiresAt.Equal(in.clock.now().Add(time.Minute)) {
		t.Errorf("expires %v, the session does at %v", s.ExpiresAt, in.clock.now().Add(time.Minute))
	}
	in.clock.advance(time.Minute + sessions.ClockSkew)
	b.wantSignedOut()
	b.post("refresh", "").want(t, 401, "Session expired").wantCookiesCleared(t)
}

// A client that refreshes without end costs no more writes than its budget, and stays signed in.
func TestRotationsOfASessionAreBounded(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	for range sessions.MaxRotations + 20 {
		b.post("refresh?silent=1", "").want(t, 200, `{"ok":true}`)
	}
	var tokens int
	if err := in.p.store.File.Read.QueryRow("SELECT count(*) FROM refresh_tokens").Scan(&tokens); err != nil || tokens != sessions.MaxRotations+1 {
		t.Errorf("%d tokens, %v", tokens, err)
	}
	before := b.value(sessions.RefreshCookie)
	b.drop(sessions.AccessCookie)
	b.wantSignedIn()
	if b.value(sessions.RefreshCookie) != before || b.value(sessions.AccessCookie) == "" {
		t.Error("beyond the budget a request gets an access token and keeps its refresh token")
	}
	other := in.signedIn("bob@example.test")
	old := other.value(sessions.RefreshCookie)
	other.post("refresh", "").want(t, 200, `{"ok":true}`)
	if other.value(sessions.RefreshCookie) == old {
		t.Error("another session has no budget of its own")
	}
	in.clock.advance(31 * time.Second)
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	if b.value(sessions.RefreshCookie) == before {
		t.Error("no rotation after the window")
	}
	b.post("sign-out", "").want(t, 200, `{"ok":true}`)
	b.wantSignedOut()
}

func TestReplaysStandInTheTrail(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	stolen := b.copy()
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	b.wantSignedIn() // the answer has arrived
	in.clock.advance(time.Minute)
	stolen.post("refresh", "").want(t, 401, "Session expired")
	stolen.post("refresh", "").want(t, 401, "Session expired") // the sessions have ended: it is not a replay any more
	in.wantEvents("registered", "refresh_token_replayed")
}

// Old → 1 → 2 inside the window: the first cookie still leads to the live token.
func TestGraceFollowsTheChain(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	old := b.copy()
	for range 3 {
		in.clock.advance(5 * time.Second)
		b.post("refresh", "").want(t, 200, `{"ok":true}`)
	}
	old.post("refresh", "").want(t, 200, `{"ok":true}`)
	if old.value(sessions.RefreshCookie) != b.value(sessions.RefreshCookie) {
		t.Error("the old cookie did not lead to the live one")
	}
	old.wantSignedIn()
}

func TestReplayOutsideTheWindowRevokesTheFamily(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	stolen := b.copy()
	elsewhere := in.browser()
	elsewhere.post("sign-in", credentials("ann@example.test", password)).want(t, 200, `{"ok":true}`)
	stranger := in.signedIn("bob@example.test")

	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	b.wantSignedIn() // the answer has arrived
	in.clock.advance(30 * time.Second)
	stolen.drop(sessions.AccessCookie)
	stolen.wantSignedOut()
	b.wantSignedOut() // although its access token has minutes left
	elsewhere.wantSignedOut()
	stranger.wantSignedIn()
	in.restart()
	b.wantSignedOut()
	elsewhere.wantSignedOut()
	if !strings.Contains(in.log.String(), "refresh token replayed") {
		t.Error("a replay leaves no trace in the log")
	}
}

func TestGraceIsConfigurable(t *testing.T) {
	in := openTest(t, config{settingGrace: "1000"})
	b := in.signedIn("ann@example.test")
	old := b.copy()
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	b.wantSignedIn() // the answer has arrived
	in.clock.advance(time.Second)
	old.post("refresh", "").want(t, 401, "Session expired").wantCookiesCleared(t)
}

// Contract, auth Pitfall 2: a client that never refreshes its session stays signed in, because cookies are renewed on
// /api.
func TestAccessExpiryIsRotatedInPlace(t *testing.T) {
	for name, spoil := range map[string]func(*browser, *instance){
		"expired":  func(_ *browser, in *instance) { in.clock.advance(901 * time.Second) },
		"dropped":  func(b *browser, _ *instance) { b.drop(sessions.AccessCookie) },
		"tampered": func(b *browser, _ *instance) { b.jar[0].Value, b.jar[1].Value = swapAccess(b) },
	} {
		t.Run(name, func(t *testing.T) {
			in := openTest(t, nil)
			b := in.signedIn("ann@example.test")
			before := b.value(sessions.RefreshCookie)
			spoil(b, in)
			s := b.wantSignedIn()
			if b.value(sessions.RefreshCookie) == before || b.value(sessions.AccessCookie) == "" {
				t.Error("the cookies were not renewed")
			}
			if want := in.clock.now().Add(15 * time.Minute); !s.ExpiresAt.Equal(want) {
				t.Errorf("expires %v, want %v", s.ExpiresAt, want)
			}
		})
	}
}

func swapAccess(b *browser) (string, string) {
	v := [2]string{b.jar[0].Value, b.jar[1].Value}
	for i := range v {
		if b.jar[i].Name == sessions.AccessCookie {
			v[i] = v[i][:len(v[i])-4] + "AAAA"
		}
	}
	return v[0], v[1]
}

// A client that is used every day is never signed out; one that is unused for longer than the refresh lifetime is.
func TestIdleLifetimeSlides(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	for range 4 {
		in.clock.advance(20 * 24 * time.Hour)
		b.wantSignedIn()
	}
	in.clock.advance(30 * 24 * time.Hour)
	b.wantSignedOut()
}

func TestShortAccessLifetimeWithinTheGraceWindow(t *testing.T) {
	in := openTest(t, config{settingAccessTTL: "2"})
	b := in.signedIn("ann@example.test")
	old := b.copy()
	for range 5 {
		in.clock.advance(3 * time.Second)
		if s := b.wantSignedIn(); !s.ExpiresAt.After(in.clock.now()) {
			t.Errorf("expired at %v, now %v", s.ExpiresAt, in.clock.now())
		}
	}
	if s := old.wantSignedIn(); !s.ExpiresAt.After(in.clock.now()) {
		t.Errorf("expired at %v, now %v", s.ExpiresAt, in.clock.now())
	}
}

func TestFailedRotationInPlaceClearsNothing(t *testing.T) {
	in := openTest(t, nil)
	b := in.browser()
	b.jar = []*http.Cookie{{Name: sessions.RefreshCookie, Path: "/api", Value: "unknown"}, {Name: sessions.AccessCookie, Path: "/", Value: "x"}}
	b.wantSignedOut()
	if len(b.jar) != 2 {
		t.Errorf("cookies %v", b.jar)
	}
}

// A browser of an earlier version still sends its cookie for the longer path first; another program's comes last.
func TestStaleCookieOfAnotherPathDoesNotSpoilTheGoodOne(t *testing.T) {
	for _, path := range []string{"/api/basic-auth", "/"} {
		in := openTest(t, nil)
		b := in.signedIn("ann@example.test")
		stale := b.value(sessions.RefreshCookie)
		b.post("refresh", "").want(t, 200, `{"ok":true}`)
		in.clock.advance(time.Hour)
		b.keep(http.Header{"Set-Cookie": {"or3_refresh=" + stale + "; Path=" + path}})
		b.post("refresh", "").want(t, 200, `{"ok":true}`)
		for _, c := range b.jar {
			if c.Path == sessions.LegacyPath {
				t.Error("the legacy cookie is still there")
			}
		}
		b.wantSignedIn()
	}
}

func TestAccessTokenDoesNotOutliveItsSession(t *testing.T) {
	in := openTest(t, config{settingAccessTTL: "900", settingRefreshTTL: "60"})
	b := in.signedIn("ann@example.test")
	if s := b.wantSignedIn(); !s.ExpiresAt.Equal(in.clock.now().Add(time.Minute)) {
		t.Errorf("expires %v, now %v", s.ExpiresAt, in.clock.now())
	}
	in.clock.advance(time.Minute + sessions.ClockSkew)
	b.wantSignedOut()
}

// Contract, auth Pitfalls 10 and 13: an error of the store is 503 and touches no cookie.
func TestStoreFaultIsUnavailableAndKeepsCookies(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	in.p.store.File.Close()
	b.wantSignedIn() // the access token needs no store
	for _, c := range []struct{ path, body string }{
		{"refresh?silent=1", ""}, {"refresh", ""}, {"sign-out", ""},
		{"sign-in", credentials("ann@example.test", password)}, {"register", registration("bob@example.test")},
		{"change-password", change},
	} {
		a := b.post(c.path, c.body).want(t, 503, "Identity provider temporarily unavailable")
		a.wantCookiesKept(t)
		if a.err.RetryAfter <= 0 {
			t.Errorf("%s: no Retry-After", c.path)
		}
	}
	b.drop(sessions.AccessCookie)
	if s, err := b.session(); s != nil || or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Errorf("%v, %v", s, err)
	}
}

// A successor that was sealed with another key cannot be issued again. That is our mistake, not a theft.
func TestUnreadableSealIsUnavailable(t *testing.T) {
	in := openTest(t, config{})
	b := in.signedIn("ann@example.test")
	old := b.copy()
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	in.env.Config.(config)[settingRefreshSecret] = "another secret"
	in.restart()
	old.post("refresh", "").want(t, 503, "Identity provider temporarily unavailable").wantCookiesKept(t)
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
}

func TestNoRefreshTokenIsStored(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	first := b.value(sessions.RefreshCookie)
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	var all string
	err := in.p.store.File.Read.QueryRow(`SELECT group_concat(fingerprint || coalesce(hex(sealed), '')) FROM refresh_tokens`).Scan(&all)
	if err != nil || strings.Contains(all, first) || strings.Contains(all, b.value(sessions.RefreshCookie)) {
		t.Errorf("%q, %v", all, err)
	}
	other := in.signedIn("bob@example.test")
	other.post("refresh", "").want(t, 200, `{"ok":true}`)
	var seals int
	in.clock.advance(time.Hour)
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	if err := in.p.store.File.Read.QueryRow(`SELECT count(*) FROM refresh_tokens WHERE sealed IS NOT NULL`).Scan(&seals); err != nil || seals != 1 {
		t.Errorf("%d sealed tokens, %v; only the newest may be", seals, err)
	}
}

// A rotation whose cookies cannot reach the browser would sign it out: it would show the old token once more, long
// after.
func TestNothingIsRotatedAfterTheAnswerHasBegun(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	during := func() *or3cloud.ProviderSession {
		t.Helper()
		r := b.send(httptest.NewRequest(http.MethodGet, "http://cloud.test/api/sync/events", nil))
		s, err := in.Auth.GetSession(r.Context(), &or3cloud.Request{Request: r, ClientIP: b.address})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if during() == nil {
		t.Error("a valid access token is not enough")
	}
	in.clock.advance(16 * time.Minute)
	if s := during(); s != nil {
		t.Errorf("a session beyond its access token: %+v", s)
	}
	in.clock.advance(16 * time.Minute) // a rotation there would now be taken for a replay
	b.wantSignedIn()
	in.clock.advance(time.Minute)
	if during() == nil {
		t.Error("the token that was renewed in place is not believed")
	}
	b.copy().post("sign-out", "")
	if s := during(); s != nil {
		t.Errorf("a session that was ended: %+v", s)
	}
}
