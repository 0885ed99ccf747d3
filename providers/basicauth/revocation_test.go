package basicauth

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// A session that has ended gets no access token, whatever the request has found out before.
func TestNoAccessTokenForAnEndedSession(t *testing.T) {
	for name, end := range map[string]func(*instance){
		"signed out": func(in *instance) {
			in.exec("UPDATE sessions SET revoked_at = 1")
		},
		"expired":          func(in *instance) { in.clock.advance(31 * 24 * time.Hour) },
		"account disabled": func(in *instance) { in.exec("UPDATE accounts SET disabled_at = 1") },
		"password changed": func(in *instance) { in.exec("UPDATE accounts SET token_version = token_version + 1") },
		"session removed":  func(in *instance) { in.exec("DELETE FROM sessions") },
		"another's": func(in *instance) {
			in.signedIn("bob@example.test")
			in.exec("UPDATE sessions SET account_id = (SELECT id FROM accounts WHERE email LIKE 'bob%')")
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := openTest(t, nil)
			b := in.signedIn(ann)
			c := in.p.sessions.Access.Verify(b.value(sessions.AccessCookie))
			r := b.send(httptest.NewRequest(http.MethodPost, "http://cloud.test/api/basic-auth/display-name", nil))
			request := &or3cloud.Request{Request: r, ClientIP: b.address, ResponseHeader: http.Header{}}
			renew := func() (cookie *http.Cookie, err error) {
				err = in.p.store.Tx(t.Context(), func(q store.Queries) error {
					cookie, err = in.p.sessions.RenewAccess(request, q, c.SessionID, c.Subject)
					return err
				})
				return cookie, err
			}
			if cookie, err := renew(); cookie == nil || err != nil {
				t.Fatalf("%v, %v for a live session", cookie, err)
			}
			end(in)
			if cookie, err := renew(); cookie != nil || or3cloud.CodeOf(err) != or3cloud.CodeUnauthenticated {
				t.Errorf("%v, %v", cookie, err)
			}
		})
	}
}

// exec changes the database.
func (in *instance) exec(query string, args ...any) {
	in.t.Helper()
	if _, err := in.p.store.File.Write.Exec(query, args...); err != nil {
		in.t.Fatalf("%s: %v", query, err)
	}
}

// A change of the name and the end of the session meet: no access token that results outlives the end.
func TestAChangeBesideASignOutLeavesNoToken(t *testing.T) {
	in := openTest(t, nil)
	owner := in.signedIn(ann)
	in.clock.advance(time.Minute)
	for range 8 {
		b := in.browser()
		b.guess(ann, password).want(t, 200, `{"ok":true}`)
		changing, leaving := b.copy(), b.copy()
		var together sync.WaitGroup
		together.Go(func() { changing.post("display-name", `{"displayName":"A"}`) })
		together.Go(func() { leaving.post("sign-out", "").want(t, 200, `{"ok":true}`) })
		together.Wait()
		if changing.duringAnswer() != nil || b.duringAnswer() != nil {
			t.Fatal("an access token outlives its session")
		}
		in.restart()
		if changing.duringAnswer() != nil {
			t.Fatal("an access token outlives its session and a restart")
		}
	}
	owner.wantSignedIn()
}

// Whatever raises the version of an account refuses its older access tokens for as long as one can live, including
// those of sessions that the store no longer knows.
func TestAnOlderVersionIsRefusedForAsLongAsItsTokensLive(t *testing.T) {
	for name, raise := range map[string]func(in *instance, b *browser){
		"changed password": func(in *instance, b *browser) { b.post("change-password", change).want(in.t, 200, `{"ok":true}`) },
		"reset password":   func(in *instance, _ *browser) { in.resetPassword(ann, "a brand new secret") },
		"set by the operator": func(in *instance, _ *browser) {
			if err := in.admin().SetPassword(in.t.Context(), ann, "a brand new secret"); err != nil {
				in.t.Fatal(err)
			}
		},
		"disabled": func(in *instance, _ *browser) {
			if err := in.admin().SetDisabled(in.t.Context(), ann, true); err != nil {
				in.t.Fatal(err)
			}
		},
		"deleted": func(in *instance, _ *browser) {
			in.host.users = &fakeUsers{}
			if err := in.admin().DeleteAccount(in.t.Context(), ann); err != nil {
				in.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := openTest(t, nil)
			b := in.signedIn(ann)
			c := in.p.sessions.Access.Verify(b.value(sessions.AccessCookie))
			who := *c.Identity()
			who.SessionID = "one that was removed"
			token, err := in.p.sessions.Access.Sign(who, in.clock.now().Add(in.p.opts.accessTTL))
			if err != nil {
				t.Fatal(err)
			}
			stray := in.browser()
			stray.jar = []*http.Cookie{{Name: sessions.AccessCookie, Path: "/", Value: token}}
			if stray.duringAnswer() == nil {
				t.Fatal("refused before")
			}
			raise(in, b)
			for step := time.Duration(0); step <= in.p.opts.accessTTL+sessions.ClockSkew; step += time.Minute {
				if stray.duringAnswer() != nil {
					t.Fatalf("believed %v later", step)
				}
				in.clock.advance(time.Minute)
				in.p.sessions.Revoked.RevokeSession("another", in.clock.now()) // sweeps
			}
		})
	}
}
