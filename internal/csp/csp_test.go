package csp

import "testing"

func TestWith(t *testing.T) {
	base := Policy{
		{"default-src", []string{"'self'"}}, {"script-src", []string{"'self'", "'sha256-x='"}}, {"object-src", []string{"'none'"}},
	}
	for further, want := range map[string]string{
		"":                                     "default-src 'self'; script-src 'self' 'sha256-x='; object-src 'none'",
		"script-src https://a.example 'self';": "default-src 'self'; script-src 'self' 'sha256-x=' https://a.example; object-src 'none'",
		"Object-SRC blob:":                     "default-src 'self'; script-src 'self' 'sha256-x='; object-src blob:",
		"connect-src wss://a.example:8443/x *.b.com": "default-src 'self'; script-src 'self' 'sha256-x='; object-src 'none'; connect-src 'self' wss://a.example:8443/x *.b.com",
		"worker-src blob:":                           "default-src 'self'; script-src 'self' 'sha256-x='; object-src 'none'; worker-src 'self' 'sha256-x=' blob:",
		"form-action https://a.example":              "default-src 'self'; script-src 'self' 'sha256-x='; object-src 'none'; form-action https://a.example",
	} {
		p, err := Parse(further)
		if err != nil {
			t.Errorf("%s: %v", further, err)
		}
		if got := base.With(p).String(); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", further, got, want)
		}
	}
	for _, bad := range []string{"sandbox", "report-uri /x", "connect https://a.example", "img-src", "img-src a,b.example", "img-src 'self", "img-src self", "img-src \u00fc.example"} {
		if p, err := Parse(bad); err == nil {
			t.Errorf("%s: %v", bad, p)
		}
	}
}
