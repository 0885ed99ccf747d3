package basicauth

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/form"
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

func TestChangedSecretsSignNobodyOut(t *testing.T) {
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
	if old.value(refreshCookie) != b.value(refreshCookie) {
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

// The refresh secret may be set for the first time: until then the JWT secret had stood in for it.
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

// A valid access token costs no I/O: there is no database to ask, not even a closed one.
func TestASessionIsResolvedWithoutAnyStore(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	in.p.behind.close() // it looks at the store by itself
	st := in.p.store
	in.p.store = nil
	defer func() { in.p.store = st }()
	for range 3 {
		if s := b.wantSignedIn(); s.Email != "ann@example.test" || s.DisplayName != "Ann" {
			t.Errorf("%+v", s)
		}
	}
}

// Revocation must be remembered for as long as a token is believed, the difference of clocks included.
func TestRevocationOutlivesEveryToken(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	old := b.copy()
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	in.clock.advance(in.p.opts.grace - time.Second)
	old.post("refresh", "").want(t, 200, `{"ok":true}`) // the last token that can be given out without a trace
	b.post("sign-out", "").want(t, 200, `{"ok":true}`)
	for step := time.Duration(0); step < in.p.opts.accessTTL+2*clockSkew; step += time.Second {
		if s := old.duringAnswer(); s != nil {
			t.Fatalf("believed %v after the sign-out", step)
		}
		in.clock.advance(time.Second)
		if step%(5*time.Minute) == 0 {
			in.p.revoked.revokeSession("another", in.clock.now()) // sweeps
			in.restart()
		}
	}
}

func FuzzVerifyAccessToken(f *testing.F) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tokens := newAccessTokens(func() time.Time { return now }, "secret", "previous")
	good, err := tokens.sign(identity{accountID: "account", sessionID: "session", email: "a@b.co"}, now.Add(time.Minute))
	if err != nil {
		f.Fatal(err)
	}
	parts := strings.Split(good, ".")
	f.Add(good)
	f.Add("")
	f.Add("..")
	f.Add(parts[0] + "." + parts[1] + ".")
	f.Add(parts[0] + ".e30." + parts[2])
	f.Add("eyJhbGciOiJub25lIn0." + parts[1] + ".")
	f.Add(strings.Repeat("A", form.MaxToken+1))
	f.Fuzz(func(t *testing.T, token string) {
		if c := tokens.verify(token); c != nil && token != good {
			t.Errorf("%q is accepted as %+v", token, c)
		}
	})
}

// BenchmarkSession is what a request costs to know who sent it, with the token that it has shown before and with one that
// is new each time.
func BenchmarkSession(b *testing.B) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	p := &provider{access: newAccessTokens(clock, "secret"), revoked: newRevocations(store.NewClock(clock)), now: clock}
	token, err := p.access.sign(identity{accountID: "account", sessionID: "session", email: "a@b.co"}, now.Add(time.Minute))
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/api/sync/pull", nil)
	r.AddCookie(&http.Cookie{Name: accessCookie, Value: token})
	request := &or3cloud.Request{Request: r, ClientIP: "192.0.2.1", ResponseHeader: http.Header{}}
	resolve := func(b *testing.B) {
		if s, err := p.GetSession(b.Context(), request); s == nil || err != nil {
			b.Fatal(s, err)
		}
	}
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			resolve(b)
		}
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.access.verified = verified{}
			resolve(b)
		}
	})
}
