package middleware

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"or3.chat/cloud/httpapi"
)

func TestKnownNames(t *testing.T) {
	bare := NamesOptions{Machine: []string{"nas", "nas.local", "Box.Example.org"}, AllowedOrigins: []string{"https://app.example:8443", "nonsense"}}
	public := bare
	public.PublicURL = "https://cloud.example"
	for _, c := range []struct {
		host                         string
		bare, public, proxied, proxy bool
	}{
		{"", true, true, true, true},
		{"localhost:3000", true, true, true, true},
		{"LOCALHOST", true, true, true, true},
		{"localhost.", true, true, true, true},
		{"or3.localhost:3000", true, true, true, true},
		{"127.0.0.1:3000", true, true, true, true},
		{"192.168.1.9:3000", true, true, true, true},
		{"[::1]:3000", true, true, true, true},
		{"[fe80::1%25eth0]:3000", true, true, true, true},
		{"[2001:db8::1]", true, true, true, true},
		{"or3-cloud:3000", true, true, true, true}, // a container's
		{"nas.local:3000", true, true, true, true},
		{"box.example.ORG.", true, true, true, true},
		{"app.example:3000", true, true, true, true},
		{"cloud.example", false, true, true, true},
		{"cloud.example:443", false, true, true, true},
		{"evil.example", false, false, true, false},
		{"evil.example:3000", false, false, true, false},
		{"other.local:3000", false, false, true, false},
		{"nas.evil.example", false, false, true, false},
		{"localhost.evil.example", false, false, true, false},
		{"127.0.0.1.evil.example", false, false, true, false},
		{"evil.example:127.0.0.1", false, false, true, false},
		{"[evil.example]", false, false, true, false},
	} {
		for name, o := range map[string]struct {
			NamesOptions
			forwarded, want bool
		}{
			"bare": {bare, false, c.bare}, "public URL": {public, false, c.public},
			"trusted proxy": {bare, true, c.proxied}, "both": {public, true, c.proxy},
		} {
			if got := NewNames(o.NamesOptions).Known(httpapi.Identity{Host: c.host, Forwarded: o.forwarded}); got != o.want {
				t.Errorf("%s: %q is known: %v", name, c.host, got)
			}
		}
	}
}

// The operator of a server in a local network finds out what to set, in the browser and in the log.
func TestUnknownNamesAreToldWhatToSet(t *testing.T) {
	for _, c := range []struct{ public, path, host, want, kind string }{
		{"", "/", "nas.local:3000", "OR3_PUBLIC_URL=http://nas.local:3000", "text/html; charset=utf-8"},
		{"", "/api/auth/session", "nas.local:3000", "OR3_PUBLIC_URL=http://nas.local:3000", "application/json"},
		{"https://cloud.example", "/chat", "nas.local", "http://nas.local to OR3_ALLOWED_ORIGINS", "text/html; charset=utf-8"},
		{"", "/", "<script>.example", "OR3_PUBLIC_URL=https://cloud.example.org", "text/html; charset=utf-8"},
		{"", "/", strings.Repeat("x", 300) + ".example", "OR3_PUBLIC_URL=https://cloud.example.org", "text/html; charset=utf-8"},
	} {
		var out bytes.Buffer
		n := NewNames(NamesOptions{PublicURL: c.public, Log: slog.New(slog.NewTextHandler(&out, nil))})
		for range 2 {
			r := httpapi.WithIdentity(httptest.NewRequest("GET", c.path, nil), httpapi.Identity{Host: c.host})
			w := httptest.NewRecorder()
			if !n.Answer(w, r) || w.Code != 503 || w.Header().Get("Content-Type") != c.kind || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %v", c.host, w.Code, w.Header())
			}
			if body := w.Body.String(); !strings.Contains(body, c.want) || strings.Contains(body, "<script>") {
				t.Errorf("%s: %s", c.host, body)
			}
			if retry := w.Header().Get("Retry-After"); (retry != "") != (c.kind == "application/json") {
				t.Errorf("%s: Retry-After %q", c.host, retry)
			}
		}
		if log := out.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "WARN") || !strings.Contains(log, "OR3_") {
			t.Errorf("%s: log %s", c.host, log)
		}
	}
	var out bytes.Buffer
	n := NewNames(NamesOptions{Log: slog.New(slog.NewTextHandler(&out, nil))})
	for i := range 100 {
		r := httpapi.WithIdentity(httptest.NewRequest("GET", "/", nil), httpapi.Identity{Host: fmt.Sprintf("n%d.example", i)})
		n.Answer(httptest.NewRecorder(), r)
	}
	if lines := strings.Count(out.String(), "\n"); lines != maxTold {
		t.Errorf("%d lines for 100 names", lines)
	}
}
