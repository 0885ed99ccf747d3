package basicauth

import (
	"net/http/httptest"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

func TestAnAccountHasABoundedNumberOfSessions(t *testing.T) {
	in := openTest(t, nil)
	first := in.signedIn(ann)
	in.clock.advance(time.Minute)
	second := in.browser()
	second.post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
	in.clock.advance(time.Minute)
	stranger := in.signedIn("bob@example.test")
	first.post("refresh", "").want(t, 200, `{"ok":true}`) // used last of the two
	a, err := in.p.store.Read.AccountByEmail(t.Context(), ann)
	if err != nil {
		t.Fatal(err)
	}
	r := &or3cloud.Request{Request: httptest.NewRequest("POST", "/", nil), ClientIP: "192.0.2.1"}
	begin := func() {
		in.clock.advance(time.Second)
		err := in.p.store.Tx(t.Context(), func(q store.Queries) error {
			_, err := in.p.sessions.Begin(t.Context(), q, a, r, in.clock.now())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range sessions.MaxSessions - 2 {
		begin()
	}
	second.copy().post("refresh", "").want(t, 200, `{"ok":true}`)
	in.clock.advance(in.p.opts.grace)
	begin() // one too many: the first one is now the least recently used
	first.post("refresh", "").wantStatus(t, 401)
	stranger.post("refresh", "").want(t, 200, `{"ok":true}`)
	list := read[sessionList](t, func() *browser {
		b := in.browser()
		b.post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
		return b
	}().get("sessions")).Sessions
	if len(list) != sessions.MaxSessions {
		t.Errorf("%d sessions", len(list))
	}
}

// A session that is displaced ends like any other: its access token is refused at once.
func TestADisplacedSessionIsRefusedAtOnce(t *testing.T) {
	in := openTest(t, nil)
	first := in.signedIn(ann)
	in.clock.advance(time.Second)
	r := &or3cloud.Request{Request: httptest.NewRequest("POST", "/", nil), ClientIP: "192.0.2.1"}
	err := in.p.store.Tx(t.Context(), func(q store.Queries) error {
		a, err := q.AccountByEmail(t.Context(), ann)
		for range sessions.MaxSessions - 1 {
			if err == nil {
				_, err = in.p.sessions.Begin(t.Context(), q, a, r, in.clock.now())
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	first.wantSignedIn()
	in.browser().post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
	first.wantSignedOut()
}
