package config

import (
	"strings"
	"testing"

	"or3.chat/cloud/setting"
)

func TestTheEHLONameIsQualifiedByDefault(t *testing.T) {
	const public, from, machine = "https://cloud.example.org:8443", "Our Cloud <cloud@mail.example.net>", "vm1.example.com"
	for _, c := range []struct{ publicURL, from, machine, want string }{
		{public, from, machine, "cloud.example.org"},
		{"https://Cloud.Example.ORG.", from, machine, "cloud.example.org"},
		{"", from, machine, "mail.example.net"},
		{"https://203.0.113.5", from, machine, "mail.example.net"},
		{"https://[2001:db8::1]", from, machine, "mail.example.net"},
		{"http://localhost:3000", from, machine, "mail.example.net"},
		{"http://cloud", from, machine, "mail.example.net"},
		{"http://or3.localhost", from, machine, "mail.example.net"},
		{"https://wölke.example", from, machine, "mail.example.net"},
		{"https://under_score.example", from, machine, "mail.example.net"},
		{"http://cloud", "cloud@localhost", machine, "vm1.example.com"},
		{"", "cloud@[203.0.113.5]", machine, "vm1.example.com"},
		{"", "cloud@localhost", "localhost.localdomain", "[127.0.0.1]"},
		{"", "cloud@localhost", "25aea30808b2", "[127.0.0.1]"},
		{"http://cloud", "", "", "[127.0.0.1]"},
	} {
		if got := defaultEHLOName(c.publicURL, c.from, c.machine); got != c.want || !isEHLOName(got) {
			t.Errorf("%q, %q, %q: %q, want %q", c.publicURL, c.from, c.machine, got, c.want)
		}
	}
}

func TestTheEHLONameIsASettingThatIsChecked(t *testing.T) {
	mail := []string{"OR3_SMTP_URL=smtp://mail.example.org", "OR3_SMTP_FROM=cloud@example.net", "OR3_PUBLIC_URL=https://cloud.example.org"}
	if v := mustLoad(t, mail...).get(setting.EHLOName); v.Text != "cloud.example.org" || v.Origin != OriginDefault {
		t.Errorf("by default %q from %s", v.Text, v.Origin)
	}
	if got := mustLoad(t, "OR3_PUBLIC_URL=https://cloud.example.org").String(setting.EHLOName); got != "" {
		t.Errorf("without mail %q", got)
	}
	for _, name := range []string{"relay.example.com", "Relay.Example.com", "a-1.b", "xn--wlke-5qa.example", "[192.0.2.7]", "[IPv6:2001:db8::1]"} {
		if got := mustLoad(t, append(mail, "OR3_SMTP_EHLO_NAME="+name)...).String(setting.EHLOName); got != name {
			t.Errorf("%q became %q", name, got)
		}
	}
	for _, name := range []string{
		"relay", "192.0.2.7", "[192.0.2.7", "[2001:db8::1]", "[IPv6:192.0.2.7]", "[IPv6:fe80::1%eth0]", "[]", "relay.example.com.", "-a.example", "a-.example",
		"a..example", "under_score.example", "wölke.example", "a b.example", "relay.example.com\nMAIL FROM:<x@y>", "relay.example.com:25",
		"https://relay.example.com", strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 130) + "example",
	} {
		cfg, problems, _ := load(t, append(mail, "OR3_SMTP_EHLO_NAME="+name)...)
		if len(problems) != 1 || problems[0].Variable != setting.EHLOName || cfg.String(setting.EHLOName) != "cloud.example.org" {
			t.Errorf("%q: %+v, %q", name, problems, cfg.String(setting.EHLOName))
		}
	}
}
