package middleware

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"or3.chat/cloud/httpapi"
)

func TestArrivalsAreRememberedByTheirMark(t *testing.T) {
	var a Arrivals
	h := Proxy{Everyone: true}.Identify(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { a.Note(r) }))
	send := func(query, client string) {
		r := httptest.NewRequest("GET", "/api/health"+query, nil)
		r.Header.Set("X-Forwarded-For", client)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	send("", "192.0.2.1")
	send("?deep=true", "192.0.2.1")
	send("?arrival="+strings.Repeat("x", maxMark+1), "192.0.2.1")
	if len(a.last) > 0 {
		t.Fatalf("%+v", a.last)
	}
	send("?arrival=first", "192.0.2.1")
	send("?arrival=second", "192.0.2.2")
	send("?arrival=first", "192.0.2.3")
	if id, ok := a.Of("first"); !ok || id.ClientIP != "192.0.2.3" || !id.Forwarded {
		t.Errorf("%+v %v", id, ok)
	}
	if _, ok := a.Of("third"); ok {
		t.Error("a mark that never came")
	}
	for i := range maxArrivals {
		send(fmt.Sprintf("?arrival=%d", i), "192.0.2.9")
	}
	if _, ok := a.Of("first"); ok || len(a.last) != maxArrivals {
		t.Errorf("%d are kept, the first among them: %v", len(a.last), ok)
	}
	r := httptest.NewRequest("GET", "/api/health?arrival=long", nil)
	if a.Note(httpapi.WithIdentity(r, httpapi.Identity{Host: strings.Repeat("h", maxHost+1)})); len(a.last) != maxArrivals || a.last[maxArrivals-1].mark == "long" {
		t.Error("a host without end is kept")
	}
}
