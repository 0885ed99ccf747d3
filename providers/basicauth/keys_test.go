package basicauth

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// duringAnswer asks for the session of a browser as an event stream does: nothing can be renewed.
func (b *browser) duringAnswer() *or3cloud.ProviderSession {
	b.in.t.Helper()
	r := b.send(httptest.NewRequest(http.MethodGet, "http://cloud.test/api/sync/events", nil))
	s, err := b.in.Auth.GetSession(r.Context(), &or3cloud.Request{Request: r, ClientIP: b.address})
	if err != nil {
		b.in.t.Fatal(err)
	}
	return s
}

func TestChangedSecretsSignNoOneOut(t *testing.T) {
	cfg := config{settingJWTSecret: "jwt secret one", settingRefreshSecret: "refresh secret one"}
	in := openTest(t, cfg)
	b := in.signedIn("ann@example.test")
	old := b.copy()
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	signedBefore := b.copy()

	cfg[settingJWTSecret], cfg[settingJWTPrevious] = "jwt secret two", "jwt secret one"
	cfg[settingRefreshSecret], cfg[settingRefreshPrevious] = "refresh secret two", "refresh secret one"
	in.restart()
	if signedBefore.duringAnswer() == nil {
		t.Error("an access token of the previous secret is refused")
	}
	old.post("refresh", "").want(t, 200, `{"ok":true}`) // what was sealed before still opens
	if old.value(sessions.RefreshCookie) != b.value(sessions.RefreshCookie) {
		t.Error("the old cookie did not lead to the live one")
	}
	fresh := in.browser()
	fresh.post("sign-in", credentials("ann@example.test", password)).want(t, 200, `{"ok":true}`)

	// A second change: the first secret is gone. Its tokens are renewed in place.
	cfg[settingJWTSecret], cfg[settingJWTPrevious] = "jwt secret three", "jwt secret two"
	cfg[settingRefreshSecret], cfg[settingRefreshPrevious] = "refresh secret three", "refresh secret two"
	in.restart()
	if signedBefore.duringAnswer() != nil {
		t.Error("a secret that is named nowhere still signs")
	}
	if fresh.duringAnswer() == nil {
		t.Error("an access token of the previous secret is refused")
	}
	b.wantSignedIn()
}

// When the refresh secret is set for the first time, the JWT secret has stood in for it until then.
func TestTheFirstRefreshSecretOpensWhatTheJWTSecretHasSealed(t *testing.T) {
	before := secrets{access: "jwt", refresh: "jwt"}
	after := secrets{access: "jwt two", refresh: "refresh", earlierAccess: "jwt"}
	old, err := before.sealer(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := old.Seal([]byte("text"), "row")
	if err != nil {
		t.Fatal(err)
	}
	now, err := after.sealer(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := now.Open(sealed, "row"); string(text) != "text" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if fresh, err := now.Seal([]byte("text"), "row"); err != nil {
		t.Fatal(err)
	} else if _, err := old.Open(fresh, "row"); err == nil {
		t.Error("the old secret still seals")
	}
}

// A valid access token costs no I/O: there is no database to use, not even a closed one.
func TestASessionIsResolvedWithoutAnyStore(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	in.p.behind.Close() // it uses the store in the background
	st := *in.p.store
	*in.p.store = store.Store{}
	defer func() { *in.p.store = st }()
	for range 3 {
		if s := b.wantSignedIn(); s.Email != "ann@example.test" || s.DisplayName != "Ann" {
			t.Errorf("%+v", s)
		}
	}
}

// A revocation must be remembered for as long as a token is believed, including the tolerance for clocks.
func TestRevocationOutlivesEveryToken(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	old := b.copy()
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	in.clock.advance(in.p.opts.grace - time.Second)
	old.post("refresh", "").want(t, 200, `{"ok":true}`) // the last token that can be issued without a trace
	b.post("sign-out", "").want(t, 200, `{"ok":true}`)
	for step := time.Duration(0); step < in.p.opts.accessTTL+2*sessions.ClockSkew; step += time.Second {
		if s := old.duringAnswer(); s != nil {
			t.Fatalf("believed %v after the sign-out", step)
		}
		in.clock.advance(time.Second)
		if step%(5*time.Minute) == 0 {
			in.p.sessions.Revoked.RevokeSession("another", in.clock.now()) // sweeps
			in.restart()
		}
	}
}
