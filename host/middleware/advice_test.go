package middleware

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
)

// The operator of a server behind a proxy that says too little finds out what to set: in the answer, and once in the
// log.
func TestAnOwnPageThatWasRefusedIsExplained(t *testing.T) {
	const page = "https://cloud.example"
	list := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		name    string
		proxy   Proxy
		public  string
		peer    string
		host    string
		headers []string
		want    string // in the reason
		message bool   // the reason is also the message
		silent  bool   // only the log says the reason: the answer is that of recorded traffic
	}{
		{name: "no X-Forwarded-Host", proxy: Proxy{Everyone: true}, peer: "127.0.0.1:1", host: "backend", headers: []string{"X-Forwarded-For", "192.0.2.1"},
			want: "X-Forwarded-Host, or set OR3_PUBLIC_URL=https://cloud.example", message: true},
		{name: "no forwarding header at all", proxy: Proxy{Everyone: true}, peer: "127.0.0.1:1", host: "backend", want: "X-Forwarded-Host", message: true},
		{name: "the upstream's name in X-Forwarded-Host", proxy: Proxy{Proxies: list}, peer: "10.0.0.1:1", host: "backend", headers: []string{"X-Forwarded-Host", "backend:3000", "Sec-Fetch-Site", "same-origin"},
			want: "calls it backend:3000", message: true},
		{name: "not trusted", peer: "172.18.0.2:1", host: "backend:3000", headers: []string{"X-Forwarded-Host", "cloud.example", "Sec-Fetch-Site", "same-origin"},
			want: "OR3_TRUSTED_PROXIES=172.18.0.2", message: true},
		{name: "not in the list", proxy: Proxy{Proxies: list}, peer: "172.18.0.2:1", host: "backend:3000", headers: []string{"Forwarded", "for=192.0.2.1", "Sec-Fetch-Site", "same-origin"},
			want: "OR3_TRUSTED_PROXIES=172.18.0.2", message: true},
		{name: "not trusted, and a browser that does not say where the page is from", peer: "172.18.0.2:1", host: "backend:3000", headers: []string{"X-Forwarded-Host", "cloud.example"},
			want: "OR3_TRUSTED_PROXIES=172.18.0.2"},
		{name: "another Host", peer: "127.0.0.1:1", host: "127.0.0.1:3000", headers: []string{"Sec-Fetch-Site", "same-origin"}, want: "pass the header Host on", message: true},
		{name: "another Host, an older browser", peer: "127.0.0.1:1", host: "127.0.0.1:3000", want: "pass the header Host on", silent: true},
		{name: "another public URL", public: "https://other.example", peer: "127.0.0.1:1", host: "127.0.0.1:3000", headers: []string{"Sec-Fetch-Site", "same-origin"},
			want: "OR3_PUBLIC_URL, which is https://other.example", message: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			log := slog.New(slog.NewTextHandler(&out, nil))
			pages := httpapi.NewForeignPages(c.public, nil)
			advice := NewAdvice(c.public, pages, log)
			for range 3 {
				r := httptest.NewRequest("POST", "/api/basic-auth/refresh", nil)
				r.RemoteAddr, r.Host = c.peer, c.host
				r.Header.Set("Origin", page)
				for i := 0; i < len(c.headers); i += 2 {
					r.Header.Set(c.headers[i], c.headers[i+1])
				}
				r = httpapi.WithIdentity(r, c.proxy.identity(r))
				err := pages.Check(r, or3cloud.Route{})
				if err == nil {
					t.Fatal("not refused")
				}
				w := httptest.NewRecorder()
				httpapi.WriteError(w, r, advice.Explain(r, err))
				var b struct {
					Message, StatusMessage string
					Data                   struct{ Code, Reason string }
				}
				if c.silent {
					if w.Code != 403 || strings.Contains(w.Body.String(), "data") || !strings.Contains(out.String(), c.want) {
						t.Fatalf("%d %s\nlog: %s", w.Code, w.Body, &out)
					}
					continue
				}
				if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || w.Code != 403 || b.Data.Code != CodeProxy || !strings.Contains(b.Data.Reason, c.want) {
					t.Fatalf("%v: %d %s", err, w.Code, w.Body)
				}
				if b.Message != b.StatusMessage || (b.Message == b.Data.Reason) != c.message || !c.message && b.Message != "Forbidden" {
					t.Errorf("message %q", b.Message)
				}
			}
			if text := out.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "WARN") || !strings.Contains(text, page) {
				t.Errorf("log: %s", text)
			}
		})
	}
}

// A justified refusal is not explained, neither to the foreign page nor in the log.
func TestWhatIsForeignIsNotExplained(t *testing.T) {
	var out bytes.Buffer
	pages := httpapi.NewForeignPages("https://cloud.example", []string{"https://app.example"})
	advice := NewAdvice("https://cloud.example", pages, slog.New(slog.NewTextHandler(&out, nil)))
	forbidden := or3cloud.Errorf(or3cloud.CodeForbidden, "Forbidden")
	for name, c := range map[string]struct {
		headers []string
		err     error
	}{
		"another site":                 {[]string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, forbidden},
		"another port":                 {[]string{"Origin", "http://nas:3001", "Sec-Fetch-Site", "same-site"}, forbidden},
		"a relation that no one knows": {[]string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cousin"}, forbidden},
		"no origin":                    {nil, forbidden},
		"no hint of a proxy":           {[]string{"Origin", "https://evil.example"}, forbidden},
		"a sandboxed frame":            {[]string{"Origin", "null"}, forbidden},
		"an own page without a right":  {[]string{"Origin", "https://cloud.example", "Sec-Fetch-Site", "same-origin"}, forbidden},
		"a listed page":                {[]string{"Origin", "https://app.example"}, forbidden},
		"a name to make lines with":    {[]string{"Origin", "https://a%0ab.example\x00"}, forbidden},
		"another error":                {[]string{"Origin", "https://x.example"}, or3cloud.Errorf(or3cloud.CodeNotFound, "Forbidden")},
		"another text":                 {[]string{"Origin", "https://x.example"}, or3cloud.Errorf(or3cloud.CodeForbidden, "No")},
		"data of its own":              {[]string{"Origin", "https://x.example"}, &or3cloud.Error{Code: or3cloud.CodeForbidden, Message: "Forbidden", Data: 1}},
	} {
		r := httpapi.WithIdentity(httptest.NewRequest("POST", "/api/x", nil), httpapi.Identity{Host: "nas:3000"})
		for i := 0; i < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		if got := advice.Explain(r, c.err); got != c.err {
			t.Errorf("%s: %#v", name, got)
		}
	}
	if out.Len() > 0 {
		t.Errorf("log: %s", &out)
	}
}

// Each proxy that is not trusted is reported once, if it is in a nearby network: a stranger's address is never
// suggested.
func TestUntrustedProxiesAreToldOnce(t *testing.T) {
	for peer, want := range map[string]string{
		"127.0.0.1:5": "OR3_TRUSTED_PROXIES=127.0.0.1", "10.1.2.3:5": "OR3_TRUSTED_PROXIES=10.1.2.3", "[fd00::1]:5": "OR3_TRUSTED_PROXIES=fd00::1",
		"@": "OR3_TRUSTED_PROXIES=loopback", "203.0.113.5:5": "", "[2001:db8::1]:5": "",
	} {
		var out bytes.Buffer
		h := Proxy{Log: slog.New(slog.NewTextHandler(&out, nil))}.Identify(teapot)
		for range 3 {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = peer
			r.Header.Set("X-Forwarded-For", "192.0.2.1")
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		if text := out.String(); want == "" && text != "" || want != "" && (strings.Count(text, "\n") != 1 || !strings.Contains(text, want)) {
			t.Errorf("%s: %s", peer, text)
		}
		out.Reset()
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = peer
		h = Proxy{Log: slog.New(slog.NewTextHandler(&out, nil))}.Identify(teapot)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if out.Len() > 0 {
			t.Errorf("%s, which forwards nothing: %s", peer, &out)
		}
	}
}

// An endless redirect explains nothing, so there is a text instead.
func TestAProxyThatHidesHTTPSIsExplained(t *testing.T) {
	for _, c := range []struct {
		name     string
		proxy    Proxy
		path     string
		headers  []string
		status   int
		text     string
		warnings int
	}{
		{"no protocol, a page", Proxy{Everyone: true}, "/", []string{"X-Forwarded-Host", "cloud.example"}, 503, "X-Forwarded-Proto", 1},
		{"no protocol, a call", Proxy{Everyone: true}, "/api/auth/session", []string{"X-Forwarded-For", "192.0.2.1"}, 503, CodeProxy, 1},
		{"no protocol in Forwarded", Proxy{Everyone: true, ClientHeader: "forwarded"}, "/", []string{"Forwarded", "for=192.0.2.1;host=cloud.example"}, 503, "X-Forwarded-Proto", 1},
		{"a protocol that is none", Proxy{Everyone: true}, "/", []string{"X-Forwarded-Proto", "on"}, 503, "X-Forwarded-Proto", 1},
		{"no proxy before us", Proxy{Everyone: true}, "/", nil, 301, "", 0},
		{"plain", Proxy{Everyone: true}, "/", []string{"X-Forwarded-Proto", "http"}, 301, "", 0},
		{"not trusted, and the browser speaks HTTPS", Proxy{}, "/", []string{"X-Forwarded-Proto", "https", "Sec-Fetch-Site", "none"}, 503, "OR3_TRUSTED_PROXIES=10.0.0.9", 2},
		{"not trusted, and it may not", Proxy{}, "/", []string{"X-Forwarded-Proto", "https"}, 301, "", 2},
		{"not trusted, plain", Proxy{}, "/", []string{"X-Forwarded-Proto", "http", "Sec-Fetch-Site", "none"}, 301, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			log := slog.New(slog.NewTextHandler(&out, nil))
			c.proxy.Log = log
			h := c.proxy.Identify(ForceHTTPS(log)(teapot))
			for range 3 {
				r := httptest.NewRequest("GET", c.path, nil)
				r.RemoteAddr = "10.0.0.9:1"
				for i := 0; i < len(c.headers); i += 2 {
					r.Header.Set(c.headers[i], c.headers[i+1])
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != c.status || !strings.Contains(w.Body.String(), c.text) || (w.Header().Get("Location") != "") != (c.status == 301) {
					t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
				}
			}
			if n := strings.Count(out.String(), "\n"); n != c.warnings {
				t.Errorf("%d lines: %s", n, &out)
			}
		})
	}
}
