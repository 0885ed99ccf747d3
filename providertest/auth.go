package providertest

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// Auth is an auth provider under test, with what the suite needs to know about it.
type Auth struct {
	// ID is the id under which the provider is registered.
	ID string
	// Provider is the provider itself, newly opened.
	Provider or3cloud.AuthProvider
	// Now is the provider's clock.
	Now func() time.Time
	// SignIn signs a person in and returns the browser's cookies and the identity that they stand for. ExpiresAt of the
	// identity is not compared. Each call is another person.
	SignIn func(t *testing.T) ([]*http.Cookie, or3cloud.ProviderSession)
	// SignOut ends the session of cookies for good; nil if the provider cannot do that.
	SignOut func(t *testing.T, cookies []*http.Cookie)
	// Expire lets so much time pass that earlier cookies no longer prove anything; nil if that cannot be simulated.
	Expire func(t *testing.T)
	// BreakStore makes the provider's store fail from now on; nil if it has none.
	BreakStore func(t *testing.T)
}

// TestAuth checks that a provider keeps the promises of or3cloud.AuthProvider. open is called for each case and
// cleans up through t.
func TestAuth(t *testing.T, open func(t *testing.T) Auth) {
	t.Run("signed out is nil without error", func(t *testing.T) {
		wantSignedOut(t, open(t), nil)
	})
	t.Run("session fields", func(t *testing.T) {
		a := open(t)
		cookies, want := a.SignIn(t)
		s, _ := getSession(t, a, cookies)
		if s.Provider != a.ID || s.UserID == "" || s.UserID != want.UserID || s.Email != want.Email || s.DisplayName != want.DisplayName {
			t.Errorf("session %+v, want %+v of provider %q", *s, want, a.ID)
		}
		if !s.ExpiresAt.After(a.Now()) {
			t.Errorf("session expired at %v, it is %v", s.ExpiresAt, a.Now())
		}
	})
	t.Run("the user id is stable and its own", func(t *testing.T) {
		a := open(t)
		first, _ := a.SignIn(t)
		second, _ := a.SignIn(t)
		x, _ := getSession(t, a, first)
		y, _ := getSession(t, a, second)
		again, _ := getSession(t, a, first)
		if x.UserID == y.UserID || x.UserID != again.UserID {
			t.Errorf("user ids %q, %q and again %q", x.UserID, y.UserID, again.UserID)
		}
	})
	t.Run("damaged cookies are no one", func(t *testing.T) {
		a := open(t)
		cookies, _ := a.SignIn(t)
		for _, value := range []string{"", "x", "a.b.c", "null"} {
			var damaged []*http.Cookie
			for _, c := range cookies {
				damaged = append(damaged, &http.Cookie{Name: c.Name, Value: value})
			}
			wantSignedOut(t, a, damaged)
		}
		for i := range cookies {
			for _, cut := range []int{1, len(cookies[i].Value) / 2} {
				c := *cookies[i]
				c.Value = c.Value[:len(c.Value)-cut]
				wantSignedOut(t, a, []*http.Cookie{&c})
			}
		}
	})
	t.Run("sign-out ends the session at once", func(t *testing.T) {
		a := open(t)
		if a.SignOut == nil {
			t.Skip("the provider cannot end sessions")
		}
		cookies, _ := a.SignIn(t)
		other, _ := a.SignIn(t)
		a.SignOut(t, cookies)
		wantSignedOut(t, a, cookies)
		getSession(t, a, other)
	})
	t.Run("expiry", func(t *testing.T) {
		a := open(t)
		if a.Expire == nil {
			t.Skip("expiry cannot be simulated")
		}
		cookies, _ := a.SignIn(t)
		a.Expire(t)
		wantSignedOut(t, a, cookies)
	})
	t.Run("a broken store is unavailable, never signed out", func(t *testing.T) {
		a := open(t)
		if a.BreakStore == nil {
			t.Skip("the provider has no store")
		}
		cookies, _ := a.SignIn(t)
		a.BreakStore(t)
		// Each cookie alone: one may be good without the store, but none may become a "signed out".
		for _, c := range cookies {
			s, answer, err := ask(t, a, []*http.Cookie{c})
			if s == nil && or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
				t.Errorf("cookie %s: no session and error %v, want CodeUnavailable", c.Name, err)
			}
			if len(answer.Values("Set-Cookie")) > 0 {
				t.Errorf("cookie %s: the answer changes cookies: %v", c.Name, answer)
			}
		}
	})
}

func ask(t *testing.T, a Auth, cookies []*http.Cookie) (*or3cloud.ProviderSession, http.Header, error) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/api/auth/session", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	answer := http.Header{}
	s, err := a.Provider.GetSession(t.Context(), &or3cloud.Request{Request: r, ClientIP: "192.0.2.1", ResponseHeader: answer})
	return s, answer, err
}

func getSession(t *testing.T, a Auth, cookies []*http.Cookie) (*or3cloud.ProviderSession, http.Header) {
	t.Helper()
	s, answer, err := ask(t, a, cookies)
	if err != nil || s == nil {
		t.Fatalf("GetSession = %v, %v; want a session", s, err)
	}
	return s, answer
}

func wantSignedOut(t *testing.T, a Auth, cookies []*http.Cookie) {
	t.Helper()
	if s, _, err := ask(t, a, cookies); s != nil || err != nil {
		t.Errorf("GetSession = %v, %v; want nil, nil", s, err)
	}
}
