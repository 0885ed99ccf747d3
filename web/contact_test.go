//go:build !noweb

package web

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// contactTime is late on a day, in another zone than the file's.
var contactTime = time.Date(2026, 11, 30, 1, 30, 0, 0, time.FixedZone("", 2*3600))

//walk:follows operations.md OR3_SECURITY_CONTACT=mailto:security@example.org,https://example.org/report
func TestContact(t *testing.T) {
	const (
		to        = "OR3_SECURITY_CONTACT=mailto:security@example.org,https://example.org/report"
		own       = "Contact: mailto:own@example.org\n"
		addresses = "Contact: mailto:security@example.org\nContact: https://example.org/report\n"
		want      = addresses + "Preferred-Languages: en\n"
		ends      = "Expires: 2027-03-29T00:00:00Z\n"
	)
	plain := client(t, map[string]string{"index.html": "start"})
	knows := client(t, map[string]string{"index.html": "start", ".well-known/security.txt": own})
	for name, c := range map[string]struct {
		options Options
		want    string // empty for 404
	}{
		"built-in page without a contact":  {inCloud(t, ""), ""},
		"client without a contact":         {inCloud(t, plain), ""},
		"client that knows one":            {inCloud(t, knows), own},
		"client that knows one itself":     {inCloud(t, knows, to), own},
		"built-in page":                    {inCloud(t, "", to), want + ends},
		"client":                           {inCloud(t, plain, to), want + ends},
		"client of a server without cloud": {Options{Dir: plain, Config: configuration(t, to, "SSR_AUTH_ENABLED=false")}, want + ends},
		"below a path": {
			inCloud(t, plain, to, "OR3_PUBLIC_URL=https://cloud.example.org", "OR3_BASE_PATH=/chat"),
			want + "Canonical: https://cloud.example.org/.well-known/security.txt\n" + ends,
		},
		"without HTTPS": {inCloud(t, "", to, "OR3_PUBLIC_URL=http://cloud.example.org"), want + ends},
		"with languages": {
			inCloud(t, "", to, "OR3_SECURITY_LANGUAGES=en, de-AT"), addresses + "Preferred-Languages: en, de-AT\n" + ends,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Now = func() time.Time { return contactTime }
			h, err := New(c.options)
			if err != nil {
				t.Fatal(err)
			}
			for _, navigation := range []bool{true, false} {
				res := get(h, ContactPath, navigation)
				text := body(t, res)
				if c.want == "" {
					if res.StatusCode != http.StatusNotFound {
						t.Errorf("%d %q, want 404", res.StatusCode, text)
					}
					continue
				}
				if res.StatusCode != http.StatusOK || text != c.want || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
					t.Errorf("%d %v\n%s\nwant\n%s", res.StatusCode, res.Header, text, c.want)
				}
			}
			if res := get(h, "/", true); res.StatusCode != http.StatusOK {
				t.Errorf("the start page: %d", res.StatusCode)
			}
			for method, want := range map[string]int{http.MethodHead: http.StatusOK, http.MethodPost: http.StatusMethodNotAllowed} {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest(method, ContactPath, nil))
				if c.want == "" && method == http.MethodHead {
					want = http.StatusNotFound
				}
				if w.Code != want || method == http.MethodHead && want == http.StatusOK && w.Body.Len() > 0 {
					t.Errorf("%s: %d %q", method, w.Code, w.Body)
				}
			}
		})
	}
}

// TestContactFollowsTheClient puts a file of its own into a client that is served already.
func TestContactFollowsTheClient(t *testing.T) {
	ours := client(t, map[string]string{"index.html": "start"})
	h, err := New(inCloud(t, ours, "OR3_SECURITY_CONTACT=mailto:security@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	if text := body(t, get(h, ContactPath, false)); !strings.HasPrefix(text, "Contact: mailto:security@example.org\n") {
		t.Errorf("at first: %q", text)
	}
	if err := os.Mkdir(filepath.Join(ours, ".well-known"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(ours, ContactPath), []byte("own"), 0o644); err != nil {
		t.Fatal(err)
	}
	if text := body(t, get(h, ContactPath, false)); text != "own" {
		t.Errorf("with a file of its own: %q", text)
	}
}

// TestContactExpiresWithinAYear looks at the dates around a change of the day: what is read is never old, and never for
// a year.
func TestContactExpiresWithinAYear(t *testing.T) {
	options := inCloud(t, "", "OR3_SECURITY_CONTACT=mailto:security@example.org")
	midnight := time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC)
	for _, now := range []time.Time{midnight.Add(-time.Nanosecond), midnight, midnight.Add(23 * time.Hour)} {
		options.Now = func() time.Time { return now }
		h, err := New(options)
		if err != nil {
			t.Fatal(err)
		}
		_, ends, _ := strings.Cut(body(t, get(h, ContactPath, false)), "Expires: ")
		at, err := time.Parse(time.RFC3339, strings.TrimSpace(ends))
		if err != nil || at.Sub(now) < 90*24*time.Hour || at.Sub(now) > 364*24*time.Hour {
			t.Errorf("%v: %v, %v", now, at, err)
		}
	}
}
