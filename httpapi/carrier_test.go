package httpapi

import (
	"net/http/httptest"
	"testing"
)

// A request's values are found in whatever order they were set. A later value replaces an earlier one for the handlers
// behind it, and for no others.
func TestWhatARequestCarries(t *testing.T) {
	plain := httptest.NewRequest("GET", "/", nil)
	w := httptest.NewRecorder()
	if id := IdentityOf(plain); id.ClientIP != "unknown" || FrontOf(plain) != nil || RecordOf(plain).Started() {
		t.Fatalf("a request that carries nothing: %+v", id)
	}

	identified := WithIdentity(plain, Identity{ClientIP: "192.0.2.1"})
	logged := identified
	_, logged, rec := withOwnRecord(w, logged)
	front := WithFront(logged, "front")
	if front != identified || RecordOf(front) != rec || IdentityOf(front).ClientIP != "192.0.2.1" || FrontOf(front) != "front" {
		t.Error("what one pipeline knows is not carried by one request")
	}
	if IdentityOf(plain).ClientIP != "unknown" || FrontOf(plain) != nil {
		t.Error("the request before it was changed")
	}

	other := &Record{ID: "other"}
	_, inner := WithRecord(w, front, other)
	inner = WithIdentity(inner, Identity{ClientIP: "192.0.2.2"})
	inner = WithFront(WithFront(inner, "inner"), "innermost")
	if RecordOf(inner) != other || IdentityOf(inner).ClientIP != "192.0.2.2" || FrontOf(inner) != "innermost" {
		t.Error("what came later is not found")
	}
	if RecordOf(front) != rec || IdentityOf(front).ClientIP != "192.0.2.1" || FrontOf(front) != "front" {
		t.Error("what came later has replaced what was there")
	}
	_, again, second := withOwnRecord(w, front)
	if second == rec || RecordOf(again) != second || RecordOf(front) != rec || FrontOf(again) != "front" {
		t.Error("two records of one request are one")
	}
}

// Adding to one answer's headers must not change the header values that all answers share.
func TestSharedHeadersStayAsTheyAre(t *testing.T) {
	for range 2 {
		w := httptest.NewRecorder()
		NoCache(w)
		WriteRaw(w, []byte("{}"))
		h := w.Header()
		for _, name := range []string{"Cache-Control", "Pragma", "Content-Type"} {
			h.Add(name, "more")
		}
		if got := []string{h.Get("Cache-Control"), h.Get("Pragma"), h.Get("Content-Type"), h.Get("Content-Length")}; got[0] != "no-store, no-cache, must-revalidate" ||
			got[1] != "no-cache" || got[2] != "application/json" || got[3] != "2" {
			t.Errorf("%q", got)
		}
	}
	if len(jsonType) != 1 || len(noCache) != 1 || len(uncachedAnswer) != 1 || cap(jsonType) != 1 {
		t.Error("a shared header has grown")
	}
}
