package middleware

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A redirect to HTTPS leads to the same address, path and all.
func TestRedirectsKeepTheBasePath(t *testing.T) {
	h := BasePath("/chat")(ForceHTTPS(slog.New(slog.DiscardHandler))(http.NotFoundHandler()))
	for _, target := range []string{"/chat/a%2Fb?c=d", "/chat/", "/api/auth/session"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		if got := w.Header().Get("Location"); w.Code != http.StatusMovedPermanently || got != "https://example.com"+target {
			t.Errorf("%s: %d to %s", target, w.Code, got)
		}
	}
}

func TestBasePath(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.URL.RequestURI())
	})
	for _, c := range []struct{ base, method, target, want, location string }{
		{"", "GET", "/chat/x", "GET /chat/x", ""},
		{"/chat", "GET", "/chat/", "GET /", ""},
		{"/chat", "GET", "/chat/a/b?c=d", "GET /a/b?c=d", ""},
		{"/chat", "POST", "/chat/api/sync/push", "POST /api/sync/push", ""},
		{"/chat", "POST", "/api/sync/push", "POST /api/sync/push", ""},
		{"/chat", "GET", "/chats", "GET /chats", ""},
		{"/chat", "GET", "/chat/%2e%2e/x%20y", "GET /../x%20y", ""},
		{"/chat", "GET", "/chat//evil.example", "GET //evil.example", ""},
		{"/chat", "GET", "/chat?invite=x", "", "/chat/?invite=x"},
		{"/a/b", "HEAD", "/a/b", "", "/a/b/"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(c.method, c.target, nil)
		BasePath(c.base)(echo).ServeHTTP(w, r)
		if c.location != "" {
			if got := w.Header().Get("Location"); w.Code != http.StatusPermanentRedirect || got != c.location {
				t.Errorf("%s %s below %q: %d to %s", c.method, c.target, c.base, w.Code, got)
			}
			continue
		}
		if got := w.Body.String(); got != c.want {
			t.Errorf("%s %s below %q: %q, want %q", c.method, c.target, c.base, got, c.want)
		}
		if r.URL.Path == "" || r.URL.RequestURI() != c.target {
			t.Errorf("the request itself has changed: %s", r.URL)
		}
	}
}
