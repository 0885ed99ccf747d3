package middleware

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/ratelimit"
)

var teapot = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })

func unserved(*http.Request) bool { return false }

func TestCORS(t *testing.T) {
	listed := []string{"https://app.example", "https://other.example"}
	for _, c := range []struct {
		name, method, origin string
		allowed              []string
		status               int
		allow, credentials   string
		vary                 string
	}{
		{"no origin", "POST", "", nil, 418, "", "", ""},
		{"no list", "POST", "https://any.example", nil, 418, "*", "", "Origin"},
		{"listed", "POST", "https://app.example", listed, 418, "https://app.example", "true", "Origin"},
		{"not listed is processed all the same", "POST", "https://evil.example", listed, 418, "", "", ""},
		{"exact match only", "GET", "https://app.example.evil.example", listed, 418, "", "", ""},
		{"preflight", "OPTIONS", "https://app.example", listed, 204, "https://app.example", "true", "Origin"},
		{"preflight of anyone", "OPTIONS", "null", nil, 204, "*", "", "Origin"},
		{"preflight not listed falls through", "OPTIONS", "https://evil.example", listed, 418, "", "", ""},
		{"options without origin falls through", "OPTIONS", "", listed, 418, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "/api/x", nil)
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			w := httptest.NewRecorder()
			CORS(c.allowed, unserved)(teapot).ServeHTTP(w, r)
			h := w.Header()
			if w.Code != c.status || h.Get("Access-Control-Allow-Origin") != c.allow || h.Get("Vary") != c.vary ||
				h.Get("Access-Control-Allow-Credentials") != c.credentials {
				t.Errorf("%d %v", w.Code, h)
			}
			if c.status == 204 && (h.Get("Access-Control-Max-Age") != "3600" || w.Body.Len() != 0 ||
				h.Get("Access-Control-Allow-Headers") != "Content-Type,Authorization" ||
				h.Get("Access-Control-Allow-Methods") != "GET,POST,PUT,PATCH,DELETE,OPTIONS") {
				t.Errorf("preflight: %v", h)
			}
		})
	}
}

func TestCORSEchoesRequestedHeaders(t *testing.T) {
	r := httptest.NewRequest("OPTIONS", "/api/x", nil)
	r.Header.Set("Origin", "https://a.example")
	r.Header.Set("Access-Control-Request-Headers", "x-or3-cloud-intent,content-type")
	w := httptest.NewRecorder()
	w.Header().Set("Vary", "Accept-Encoding")
	CORS(nil, unserved)(teapot).ServeHTTP(w, r)
	if w.Header().Get("Access-Control-Allow-Headers") != "x-or3-cloud-intent,content-type" || len(w.Header()["Vary"]) != 2 {
		t.Error(w.Header())
	}
}

func TestForceHTTPS(t *testing.T) {
	for _, c := range []struct {
		name     string
		trust    bool
		proto    string
		tls      bool
		location string
	}{
		{"plain", false, "", false, "https://chat.example:8080/api/x?a=b"},
		{"tls", false, "", true, ""},
		{"a client's own claim is not believed", false, "https", false, "https://chat.example:8080/api/x?a=b"},
		{"the proxy's is", true, "https", false, ""},
		{"proxy says http", true, "http", false, "https://chat.example:8080/api/x?a=b"},
		{"the first proxy of a list decides", true, "https,http", false, ""},
		{"and no other", true, "http, https", false, "https://chat.example:8080/api/x?a=b"},
		{"capitals", true, " HTTPS ", false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/api/x?a=b", nil)
			r.Host = "Chat.Example:8080"
			if c.trust {
				r.Header.Set("X-Forwarded-Host", "chat.example:8080")
			}
			if c.proto != "" {
				r.Header.Set("X-Forwarded-Proto", c.proto)
			}
			if c.tls {
				r.TLS = &tls.ConnectionState{}
			}
			w := httptest.NewRecorder()
			Proxy{Everyone: c.trust}.Identify(ForceHTTPS(nil)(teapot)).ServeHTTP(w, r)
			if got := w.Header().Get("Location"); got != c.location || (w.Code == 301) != (c.location != "") {
				t.Errorf("%d %q", w.Code, got)
			}
		})
	}
}

// A zone may be any text: it would write its own lines into the log, and give its sender as many budgets as it likes.
func TestZonesAreNotPartOfAnAddress(t *testing.T) {
	for _, c := range []struct{ remote, forwarded, want string }{
		{"[fe80::1%eth0]:999", "", "fe80::1"},
		{"[fe80::1%25 level=ERROR msg=x]:999", "", "fe80::1"},
		{"[::ffff:192.0.2.9]:999", "", "192.0.2.9"},
		{"192.0.2.1:999", "fe80::1%eth0", "fe80::1"},
		{"192.0.2.1:999", "fe80::1%eth0\nlevel=ERROR", "fe80::1"},
		{"192.0.2.1:999", "2001:db8::1%" + strings.Repeat("x", 5000), "2001:db8::1"},
		{"192.0.2.1:999", "::ffff:203.0.113.9%a", "203.0.113.9"},
		{"@", "", "unknown"},
		{"not an address:999", "", "unknown"},
	} {
		r := httptest.NewRequest("GET", "/api/x", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		var got string
		httpapi.Chain(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = httpapi.IdentityOf(r).ClientIP }),
			Proxy{Everyone: c.forwarded != ""}.Identify, httpapi.Log(log, time.Now, strings.NewReader("0123456789abcdef"))).ServeHTTP(httptest.NewRecorder(), r)
		if got != c.want || strings.Contains(ratelimit.Network(got), "%") {
			t.Errorf("%+v: %q, limited as %q", c, got, ratelimit.Network(got))
		}
		if line := out.String(); strings.Count(line, "\n") != 1 || strings.Contains(line, "ERROR") || !strings.Contains(line, "client="+c.want+"\n") {
			t.Errorf("%+v: logged as %s", c, line)
		}
	}
}

// Only the server's own HTTPS is promised to browsers: plain HTTP may come from anyone.
func TestOnlyHTTPSIsPromisedForLater(t *testing.T) {
	for target, want := range map[string]string{"https://chat.example/": "max-age=31536000", "http://chat.example/": ""} {
		w := httptest.NewRecorder()
		SecurityHeaders(teapot).ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil)) // which sets TLS by the scheme
		if got := w.Header().Get("Strict-Transport-Security"); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}
