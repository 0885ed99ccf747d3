package middleware

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/httpx"
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
		{"preflight of anybody", "OPTIONS", "null", nil, 204, "*", "", "Origin"},
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

// A zone may be any text: it would write lines of its own into the log, and give its sender as many budgets as it likes.
func TestZonesAreNoPartOfAnAddress(t *testing.T) {
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
		Chain(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = httpx.IdentityOf(r).ClientIP }),
			Proxy{Everyone: c.forwarded != ""}.Identify, Log(log, time.Now, strings.NewReader("0123456789abcdef"))).ServeHTTP(httptest.NewRecorder(), r)
		if got != c.want || strings.Contains(LimitKey(got), "%") {
			t.Errorf("%+v: %q, limited as %q", c, got, LimitKey(got))
		}
		if line := out.String(); strings.Count(line, "\n") != 1 || strings.Contains(line, "ERROR") || !strings.Contains(line, "client="+c.want+"\n") {
			t.Errorf("%+v: logged as %s", c, line)
		}
	}
}

func TestLimitKeyCountsIPv6ByNetwork(t *testing.T) {
	for ip, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2::9": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "unknown": "unknown",
	} {
		if got := LimitKey(ip); got != want {
			t.Errorf("%s: %s", ip, got)
		}
	}
}

// pipeline runs h behind Identify, Log and Recover and returns the answer and the log.
func pipeline(t *testing.T, r *http.Request, h http.Handler) (*httptest.ResponseRecorder, string) {
	t.Helper()
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				t.Errorf("a panic got through: %v", p)
			}
		}()
		Chain(h, Proxy{}.Identify, Log(log, time.Now, strings.NewReader("0123456789abcdef")), Recover(log), SecurityHeaders).ServeHTTP(w, r)
	}()
	return w, out.String()
}

func TestLogLineTellsTheRequestAndNoSecrets(t *testing.T) {
	r := httptest.NewRequest("PUT", "/api/storage/fs/upload?token=SECRET", strings.NewReader("SECRET"))
	r.Header.Set("Cookie", "or3_access=SECRET")
	r.Header.Set("Authorization", "Bearer SECRET")
	w, log := pipeline(t, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httpx.WriteError(w, r, or3cloud.Unavailable(errors.New("disk trouble"), "Service Unavailable", time.Second))
	}))
	var line map[string]any
	if err := json.Unmarshal([]byte(log), &line); err != nil {
		t.Fatalf("not one line: %s", log)
	}
	if line["method"] != "PUT" || line["path"] != "/api/storage/fs/upload" || line["status"] != 503. ||
		line["request_id"] != w.Header().Get("X-Request-Id") || len(w.Header().Get("X-Request-Id")) != 16 ||
		!strings.Contains(line["error"].(string), "disk trouble") {
		t.Errorf("%v", line)
	}
	if strings.Contains(log, "SECRET") {
		t.Error(log)
	}
}

// TestOrdinaryRequestsAreDebugLines reads the level of the line of each kind of answer: at the default level events must not drown.
func TestOrdinaryRequestsAreDebugLines(t *testing.T) {
	for name, tc := range map[string]struct {
		level string
		path  string
		err   error
	}{
		"success":              {"DEBUG", "/api/x", nil},
		"health check":         {"DEBUG", "/api/health", nil},
		"health not ready":     {"DEBUG", "/api/health/ready", or3cloud.Unavailable(nil, "The server is starting", time.Second)},
		"no session":           {"DEBUG", "/api/x", or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized")},
		"not found":            {"DEBUG", "/api/x", or3cloud.Errorf(or3cloud.CodeNotFound, "Not found")},
		"refusal with a cause": {"INFO", "/api/x", or3cloud.WrapError(errors.New("more than the client is told"), or3cloud.CodeForbidden, "Forbidden")},
		"busy":                 {"WARN", "/api/x", or3cloud.Unavailable(errors.New("disk trouble"), "Service Unavailable", time.Second)},
		"fault":                {"ERROR", "/api/x", errors.New("a mistake")},
	} {
		_, log := pipeline(t, httptest.NewRequest("GET", tc.path, nil), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if tc.err != nil {
				httpx.WriteError(w, r, tc.err)
			}
		}))
		var line struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(log), &line); err != nil || line.Level != tc.level || line.Msg != "request" {
			t.Errorf("%s: %s %v", name, log, err)
		}
	}
}

func TestLogLineHasNoTokenOfALink(t *testing.T) {
	for _, target := range []string{"/?invite=SECRET", "/?setup=SECRET", "/chat?next=%2F%3Finvite%3DSECRET", "/api/nowhere?reset=SECRET&confirm-email=SECRET"} {
		r := httptest.NewRequest("GET", target, nil)
		r.Header.Set("Referer", "http://example.com/?invite=SECRET")
		r.Header.Set("X-Or3-Invite-Token", "SECRET")
		w, log := pipeline(t, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			httpx.WriteError(w, r, httpx.NotFound(w, r))
		}))
		if !strings.Contains(log, "404") || strings.Contains(log, "SECRET") {
			t.Errorf("%s: %s", target, log)
		}
		if strings.Contains(w.Body.String(), "SECRET") && !strings.Contains(target, "next=") {
			t.Errorf("%s: %s", target, w.Body)
		}
	}
}

func TestPanicIsA500(t *testing.T) {
	w, log := pipeline(t, httptest.NewRequest("GET", "/api/x", nil), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic("boom")
	}))
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"Server Error"`) || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log, "boom") || !strings.Contains(log, "stack") {
		t.Error(log)
	}
}

func TestPanicAfterTheAnswerBeganBreaksTheConnection(t *testing.T) {
	srv := httptest.NewServer(Chain(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic("boom")
	}), Log(slog.New(slog.DiscardHandler), time.Now, strings.NewReader("01234567")), Recover(slog.New(slog.DiscardHandler))))
	defer srv.Close()
	res, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("the cut answer %q looks whole", text)
	}
}

func TestHandlerThatWritesNothingIsLoggedAs200(t *testing.T) {
	_, log := pipeline(t, httptest.NewRequest("GET", "/", nil), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if !strings.Contains(log, `"status":200`) {
		t.Error(log)
	}
}

func TestHealthChecksAreQuiet(t *testing.T) {
	_, log := pipeline(t, httptest.NewRequest("GET", "/api/health", nil), teapot)
	if !strings.Contains(log, "DEBUG") {
		t.Error(log)
	}
}

// The kernel's file copy and flushing must survive the wrapping.
func TestRecorderKeepsTheWriterAbilities(t *testing.T) {
	w, r := httpx.WithRecord(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), &httpx.Record{})
	if _, ok := w.(io.ReaderFrom); !ok {
		t.Error("no ReadFrom")
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		t.Error(err)
	}
	if n, err := io.Copy(w, strings.NewReader("abc")); n != 3 || err != nil {
		t.Error(n, err)
	}
	if rec := httpx.RecordOf(r); rec.Bytes != 3 || rec.Status != 200 {
		t.Errorf("%+v", rec)
	}
}
