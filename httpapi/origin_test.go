package httpapi

import (
	"net/http/httptest"
	"testing"

	or3cloud "or3.chat/cloud"
)

func TestForeignPages(t *testing.T) {
	const public, listed = "https://cloud.example", "https://app.example"
	for _, c := range []struct {
		name, method, origin, site, host string
		effects, want                    bool
	}{
		{name: "no browser", method: "POST", host: "nas:3000", want: true},
		{name: "an own page", method: "POST", origin: "http://nas:3000", site: "same-origin", host: "nas:3000", want: true},
		{name: "an own page of a browser without Sec-Fetch-Site", method: "POST", origin: "http://nas:3000", host: "nas:3000", want: true},
		{name: "the public URL, behind a proxy that names another host", method: "PUT", origin: public, site: "same-origin", host: "backend", want: true},
		{name: "the public URL, the host unknown", method: "PUT", origin: public + ":443", host: "", want: true},
		{name: "typed by hand", method: "POST", site: "none", host: "nas:3000", want: true},
		{name: "listed", method: "DELETE", origin: listed, site: "cross-site", host: "nas:3000", want: true},
		{name: "listed, written otherwise", method: "PATCH", origin: "https://APP.example:443", site: "same-site", host: "nas:3000", want: true},

		{name: "another origin", method: "POST", origin: "https://evil.example", host: "nas:3000"},
		{name: "another port", method: "POST", origin: "http://nas:3001", site: "same-site", host: "nas:3000"},
		{name: "another origin that claims to be the same", method: "POST", origin: "https://evil.example", site: "same-origin", host: "nas:3000"},
		{name: "a sandboxed frame", method: "POST", origin: "null", site: "cross-site", host: "nas:3000"},
		{name: "null alone", method: "POST", origin: "null", host: "nas:3000"},
		{name: "no origin, same site", method: "PUT", site: "same-site", host: "nas:3000"},
		{name: "no origin, cross site", method: "PATCH", site: "cross-site", host: "nas:3000"},
		{name: "the own origin after a way over another site", method: "DELETE", origin: "http://nas:3000", site: "cross-site", host: "nas:3000"},
		{name: "a relation that no one knows", method: "POST", site: "cousin", host: "nas:3000"},
		{name: "no origin at all", method: "POST", origin: "nas:3000", host: "nas:3000"},
		{name: "an unknown method", method: "BREW", origin: "https://evil.example", host: "nas:3000"},
		{name: "an unknown host", method: "POST", origin: "http://nas:3000", host: ""},

		{name: "reading", method: "GET", origin: "https://evil.example", site: "cross-site", host: "nas:3000", want: true},
		{name: "asking for the head", method: "HEAD", origin: "null", host: "nas:3000", want: true},
		{name: "a preflight", method: "OPTIONS", origin: "https://evil.example", site: "cross-site", host: "nas:3000", want: true},
		{name: "reading with an effect", method: "GET", origin: "https://evil.example", host: "nas:3000", effects: true},
		{name: "a link to what has an effect", method: "GET", site: "cross-site", host: "nas:3000", effects: true},
		{name: "an effect of an own page", method: "HEAD", site: "same-origin", host: "nas:3000", effects: true, want: true},
		{name: "an effect of a listed page", method: "GET", origin: listed, site: "cross-site", host: "nas:3000", effects: true, want: true},
	} {
		r := WithIdentity(httptest.NewRequest(c.method, "/api/x", nil), Identity{Host: c.host})
		for name, value := range map[string]string{"Origin": c.origin, "Sec-Fetch-Site": c.site} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		err := NewForeignPages(public, []string{listed}).Check(r, or3cloud.Route{Effects: c.effects})
		if (err == nil) != c.want || err != nil && or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// A browser sends each header once. If a header comes twice, both values must be acceptable.
	r := WithIdentity(httptest.NewRequest("POST", "/api/x", nil), Identity{Host: "nas:3000"})
	for _, h := range []map[string][]string{
		{"Origin": {"http://nas:3000", "https://evil.example"}}, {"Origin": {listed, "https://evil.example"}},
		{"Sec-Fetch-Site": {"same-origin", "cross-site"}},
	} {
		r.Header = h
		if NewForeignPages(public, []string{listed}).Check(r, or3cloud.Route{}) == nil {
			t.Errorf("%v is admitted", h)
		}
	}
}
