package origin

import (
	"net/url"
	"testing"
)

func TestOwnPages(t *testing.T) {
	for _, c := range []struct {
		page, host, public string
		want               bool
	}{
		{"https://cloud.test", "cloud.test", "", true},
		{"http://cloud.test", "cloud.test", "", true}, // a proxy that terminates TLS need not announce it
		{"https://CLOUD.test", "Cloud.Test", "", true},
		{"https://cloud.test:443", "cloud.test", "", true},
		{"https://cloud.test", "cloud.test:443", "", true},
		{"http://cloud.test:80", "cloud.test", "", true},
		{"http://cloud.test", "cloud.test:80", "", true},
		{"https://cloud.test:", "cloud.test", "", true},
		{"https://cloud.test/chat?x=1", "cloud.test", "", true}, // a Referer
		{"http://[::1]:3000", "[::1]:3000", "", true},
		{"https://[2001:db8::80]", "[2001:db8::80]:443", "", true},
		{"https://cloud.test:80", "cloud.test", "", false},
		{"http://cloud.test", "cloud.test:443", "", false},
		{"http://cloud.test:3001", "cloud.test:3000", "", false},
		{"https://cloud.test.evil.test", "cloud.test", "", false},
		{"https://cloud.test@evil.test", "cloud.test", "", false},
		{"https://evil.test/#https://cloud.test", "cloud.test", "", false},
		{"capacitor://cloud.test", "cloud.test", "", false},
		{"//cloud.test", "cloud.test", "", false},
		{"cloud.test", "cloud.test", "", false},
		{"null", "null", "", false},
		{"https://%zz", "cloud.test", "", false},
		{"", "", "", false},
		{"https://cloud.test", "", "", false},

		{"https://cloud.test", "", "https://cloud.test", true},
		{"https://cloud.test:443", "10.0.0.1:3000", "https://Cloud.test", true},
		{"http://10.0.0.1:3000", "10.0.0.1:3000", "https://cloud.test", true},
		{"http://cloud.test", "", "https://cloud.test", false}, // a public URL has a scheme
		{"https://cloud.test:8443", "", "https://cloud.test", false},
		{"null", "", "", false},
	} {
		if got := NewPolicy(c.public, nil).Own(c.page, c.host); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestListedOrigins(t *testing.T) {
	p := NewPolicy("https://cloud.test", []string{"https://App.test:443", "http://tools.test:8080", "capacitor://localhost", "null", "*", "app.test"})
	for text, want := range map[string]bool{
		"https://app.test": true, "https://app.test:443": true, "HTTPS://APP.TEST": true, "http://tools.test:8080": true,
		"capacitor://localhost": true,
		"http://app.test":       false, "https://app.test:8443": false, "http://tools.test": false, "https://x.app.test": false,
		"null": false, "*": false, "app.test": false, "": false, "https://cloud.test": false,
	} {
		if got := p.Listed(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if !p.Allows("https://app.test", "cloud.test") || !p.Allows("https://cloud.test", "") || p.Allows("https://evil.test", "cloud.test") {
		t.Error("Allows is not the one or the other")
	}
}

// Parsing without net/url must agree with net/url.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"http://cloud.test", "https://cloud.test:443", "http://127.0.0.1:3000", "http://:80", "http://cloud.test:", "https://a:1:2", "http://..", "http://-",
		"https://cloud.test/x", "https://cloud.test?x", "HTTP://cloud.test", "http://", "http://a:65536",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, ok := parseUsual(text)
		if !ok {
			return
		}
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != o.scheme || NormalHost(u.Scheme, u.Host) != o.host {
			t.Errorf("%q is read as %+v, by net/url as %+v, %v", text, o, u, err)
		}
	})
}

// FuzzOwn checks the rule against its purpose: a page counts as our own only if it names our host.
func FuzzOwn(f *testing.F) {
	for _, page := range []string{"https://cloud.test", "null", "https://cloud.test@evil.test", "http://[::1%25eth0]:80", "https:/\\cloud.test"} {
		f.Add(page)
	}
	f.Fuzz(func(t *testing.T, page string) {
		o, ok := Parse(page)
		if NewPolicy("", nil).Own(page, "cloud.test") && (!ok || o.host != "cloud.test" || !o.web()) {
			t.Errorf("%q is taken for a page of cloud.test", page)
		}
	})
}
