package sessions

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// BenchmarkSession measures what it costs a request to know who sent it, with a token that it has shown before and with
// a new one each time.
func BenchmarkSession(b *testing.B) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	p := &Sessions{Access: NewAccessTokens(clock, "secret"), Revoked: NewRevocations(store.NewClock(clock)), now: clock}
	token, err := p.Access.Sign(Identity{AccountID: "account", SessionID: "session", Email: "a@b.co"}, now.Add(time.Minute))
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/api/sync/pull", nil)
	r.AddCookie(&http.Cookie{Name: AccessCookie, Value: token})
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
			p.Access.verified = verified{}
			resolve(b)
		}
	})
}
