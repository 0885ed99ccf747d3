package config

import (
	"slices"
	"strings"
	"testing"

	"or3.chat/cloud/setting"
)

// TestADomainSaysWhereTheServerIs checks the settings derived from a domain.
func TestADomainSaysWhereTheServerIs(t *testing.T) {
	cfg := mustLoad(t, "OR3_DOMAIN=CHAT.example.org,b.example.org,a.example.org,b.example.org")
	if got := cfg.List(setting.Domain); !slices.Equal(got, []string{"chat.example.org", "b.example.org", "a.example.org"}) {
		t.Error(got)
	}
	for name, want := range map[string]string{setting.Addr: ":443", setting.HTTPAddr: ":80", setting.PublicURL: "https://chat.example.org"} {
		if got := cfg.String(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	cfg = mustLoad(t, "OR3_DOMAIN=chat.example.org", "PORT=8443", "OR3_HTTP_ADDR=off", "OR3_PUBLIC_URL=https://chat.example.org:8443")
	for name, want := range map[string]string{setting.Addr: ":8443", setting.HTTPAddr: "off", setting.PublicURL: "https://chat.example.org:8443"} {
		if got := cfg.String(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestWhatGoesWithADomainIsChecked checks names for which no certificate can be issued, and contradictory settings.
func TestWhatGoesWithADomainIsChecked(t *testing.T) {
	const domain = "OR3_DOMAIN=chat.example.org"
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{[]string{"OR3_DOMAIN=192.0.2.7"}, "is an address"},
		{[]string{"OR3_DOMAIN=https://chat.example.org"}, "is not a domain name"},
		{[]string{"OR3_DOMAIN=chat.example.org:443"}, "is not a domain name"},
		{[]string{"OR3_DOMAIN=chat..example.org"}, "is not a domain name"},
		{[]string{"OR3_DOMAIN=*.example.org"}, "stands for many names"},
		{[]string{"OR3_DOMAIN=bücher.example"}, "xn--"},
		{[]string{"OR3_DOMAIN=localhost"}, "in no public DNS"},
		{[]string{"OR3_DOMAIN=nas.local"}, "in no public DNS"},
		{[]string{"OR3_DOMAIN=nas.local", "OR3_ACME_CA=https://ca.local/dir"}, ""},
		{[]string{domain, "OR3_ADDR=unix:/run/or3.sock"}, "is a Unix socket"},
		{[]string{domain, "OR3_HTTP_ADDR=80"}, "is not an address to listen on"},
		{[]string{domain, "OR3_HTTP_ADDR=:http"}, "is not an address to listen on"},
		{[]string{domain, "OR3_HTTP_ADDR=:443"}, "is the address for HTTPS as well"},
		{[]string{domain, "OR3_PUBLIC_URL=https://other.example.org"}, "is not https:// with a name of OR3_DOMAIN"},
		{[]string{domain, "OR3_PUBLIC_URL=http://chat.example.org"}, "is not https:// with a name of OR3_DOMAIN"},
		{[]string{domain, "OR3_TRUST_PROXY=true"}, "trusts what clients say"},
		{[]string{domain, "OR3_TRUSTED_PROXIES=loopback"}, "trusts what clients say"},
		{[]string{domain, "OR3_ACME_EMAIL=Admin <admin@example.org>"}, "is not an e-mail address"},
		{[]string{domain, "OR3_ACME_CA=http://ca.example.org"}, "is not the directory of an authority"},
		{[]string{domain, "OR3_ACME_CA=https://ca.example.org/dir", "OR3_ACME_STAGING=true"}, "contradicts OR3_ACME_CA"},
		{[]string{domain, "OR3_ACME_ROOTS=/etc/ca.pem"}, "has no effect without OR3_ACME_CA"},
		{[]string{"OR3_HTTP_ADDR=:8080"}, ""},
		{[]string{domain, "OR3_ACME_EMAIL=admin@example.org", "OR3_ACME_STAGING=true"}, ""},
	} {
		_, problems, warnings := load(t, c.environ...)
		got := strings.Join(texts(append(problems, warnings...)), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%q: %s", c.environ, got)
		}
	}
}
