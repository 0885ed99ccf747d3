package engine

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/engine/place"
)

// The worst that happens to a request, whatever it says, is a refusal: it never causes an internal error, and the
// engine can still answer.
func FuzzRequests(f *testing.F) {
	r := opened(f, "AUTH_PROVIDER=nobody")
	user, ws := r.member(f)
	as := forUser(user).encode()
	for _, m := range protocol() {
		f.Add(m.name, as, `{}`)
		f.Add(m.name, as, `{"scope":{"workspaceId":"`+ws+`"},"userId":"`+user+`","workspaceId":"`+ws+`","workspace_id":"`+ws+`","limit":1,"cursor":0,"pageSize":1,"kind":"sync","id":"0f0e3c52-6a50-4b5e-8f3e-000000000001","type":"t","title":"x",`+
			`"hash":"`+strings.Repeat("a", 64)+`","ops":[{}],"retentionSeconds":1,"retention_seconds":1,"mimeType":"image/png","sizeBytes":1,"name":"x"}`)
	}
	f.Add("auth/session", "", `{"request":{"method":"GET","url":"/\u0000","headers":{"cookie":"a=b","\u0000":"\r\n"}}}`)
	f.Add("auth/session", `{"host":"\u0000","clientIp":"::1%25x"}`, `{"request":{"method":"A B","url":"//[::1","headers":{"cookie":"a=b"}}}`)
	f.Add("sync/push", as, `{"scope":{"workspaceId":"`+ws+`"},"ops":[{"tableName":"kv","operation":"put","pk":"a","payload":{"id":"\ud800"},"stamp":{}}]}`)
	f.Add("../api/storage/fs/upload?token=x", as, "bytes")
	f.Add("limits/get-stats", as, `{"key":"k","windowMs":1e15,"maxRequests":1}`)
	f.Fuzz(func(t *testing.T, name, caller, body string) {
		verb := http.MethodPost
		for _, m := range protocol() {
			if m.name == name && m.stream {
				return // ends with its reader
			}
		}
		if name == "stay" {
			return
		}
		req, err := http.NewRequest(verb, "http://engine"+place.Prefix+strings.TrimLeft(name, "/"), strings.NewReader(body))
		if err != nil {
			return
		}
		if caller != "" {
			req.Header.Set(callerHeader, caller)
		}
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, req)
		if w.Code == http.StatusOK || w.Code == http.StatusNoContent {
			return
		}
		var fault place.Fault
		if err := json.Unmarshal(w.Body.Bytes(), &fault); err != nil {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		if fault.Code == "" || fault.Status != w.Code || fault.Code == or3cloud.CodeInternal || fault.Code == or3cloud.CodeUnavailable {
			t.Fatalf("%s %q: %+v", name, body, fault)
		}
	})
}
