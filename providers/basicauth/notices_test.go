package basicauth

import (
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/internal/mail/smtptest"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

const (
	firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"
	newer   = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0"
	chrome  = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
	edge    = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)

func TestDevicesAreNamedAsPeopleDo(t *testing.T) {
	for agent, want := range map[string]string{
		firefox: "Firefox on Windows", newer: "Firefox on Windows", chrome: "Chrome on Linux", edge: "Edge on Windows",
		iphone: "Safari on iPhone", "curl/8": "unknown device", "": "unknown device", "Firefox": "Firefox", "Linux": "Linux",
		strings.Replace(chrome, "X11; Linux x86_64", "Macintosh; Intel Mac OS X 10_15_7", 1) + " OPR/120.0":                                                       "Opera on macOS",
		strings.Replace(chrome, "X11; Linux x86_64", "X11; CrOS x86_64 14541.0.0", 1):                                                                             "Chrome on ChromeOS",
		strings.Replace(chrome, "X11; Linux x86_64", "Linux; Android 16; K", 1) + " Vivaldi/7.6":                                                                  "Vivaldi on Android",
		"Mozilla/5.0 (iPad; CPU OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1":                           "Chrome on iPad",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15":                                   "Safari on macOS",
		"Mozilla/5.0 (Linux; Android 16; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0 Chrome/140.0.0.0 Mobile Safari/537.36":              "Samsung Internet on Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 EdgiOS/140.0 Mobile/15E148 Safari/605.1.15": "Edge on iPhone",
	} {
		if got := letters.DeviceOf(agent).String(); got != want {
			t.Errorf("%s: %q", agent, got)
		}
	}
	for agent, want := range map[string]string{
		firefox: "computer", iphone: "phone", "curl/8": "", "Firefox": "", "Mozilla/5.0 (iPad; CPU OS 19_0 like Mac OS X) Mobile/15E148": "tablet",
		"Mozilla/5.0 (Linux; Android 16; K) Chrome/140.0.0.0 Mobile Safari/537.36": "phone", "Mozilla/5.0 (Linux; Android 16; K) Chrome/140.0.0.0 Safari/537.36": "tablet",
	} {
		if got := letters.DeviceOf(agent).Kind; got != want {
			t.Errorf("%s: %q", agent, got)
		}
	}
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.0/24", "::ffff:192.0.2.9": "192.0.2.0/24", "2001:db8:1:2::3": "2001:db8:1::/48", "fe80::1%eth0": "fe80::/48", "unknown": "unknown", "": "",
	} {
		if got := letters.Network(address); got != want {
			t.Errorf("%s: %q", address, got)
		}
	}
}

// subjects returns the subjects of the mail that has arrived and will arrive soon.
func (in *instance) subjects(server *smtptest.Server) (out []string) {
	in.waitEmpty()
	for server.Pending() > 0 {
		out = append(out, server.Next().Header(in.t, "Subject"))
	}
	return out
}

func TestSignInsFromUnknownBrowsersAreTold(t *testing.T) {
	in, server := openWithMail(t)
	in.browser().post("register", registration("ann@example.test"), "User-Agent", firefox).want(t, 200, `{"ok":true}`)
	signIn := func(address, agent string) *browser {
		b := in.browser()
		b.address = address
		b.post("sign-in", credentials("ann@example.test", password), "User-Agent", agent).want(t, 200, `{"ok":true}`)
		return b
	}
	if got := in.subjects(server); len(got) != 0 {
		t.Errorf("registration: %q", got)
	}
	for _, c := range []struct {
		address, agent string
		told           bool
	}{
		{"192.0.2.1", firefox, false}, {"192.0.2.200", newer, false}, {"192.0.2.1", chrome, true}, {"192.0.2.1", chrome, false},
		{"198.51.100.1", firefox, true}, {"198.51.100.2", firefox, false},
	} {
		signIn(c.address, c.agent).post("sign-out", "").want(t, 200, `{"ok":true}`)
		if got := in.subjects(server); (len(got) == 1) != c.told {
			t.Errorf("%s with %s: %q", c.address, letters.DeviceOf(c.agent), got)
		}
	}
	in.browser().post("sign-in", credentials("ann@example.test", "wrong"), "User-Agent", iphone)
	if got := in.subjects(server); len(got) != 0 {
		t.Errorf("failed sign-in: %q", got)
	}
	signIn("192.0.2.1", iphone)
	m := server.Next()
	const want = "When: 1 March 2026, 12:00 UTC\nDevice: Safari on iPhone\nAddress: 192.0.2.1\nServer: https://cloud.example.test\n"
	if text := m.Part(t, "text/plain"); !strings.Contains(text, want) {
		t.Errorf("text %s", text)
	}
}

func TestChangesAreTold(t *testing.T) {
	in, server := openWithMail(t)
	b := in.signedIn("ann@example.test")
	b.post("change-password", change).want(t, 200, `{"ok":true}`)
	if got := in.subjects(server); len(got) != 1 || got[0] != "Your password was changed" {
		t.Errorf("password: %q", got)
	}
	if err := in.p.Operator.SetDisabled(t.Context(), "ann@example.test", true); err != nil {
		t.Fatal(err)
	}
	in.waitEmpty()
	m := server.Next()
	if m.Header(t, "Subject") != "Your account was switched off" || !strings.Contains(m.Part(t, "text/plain"), "By: the operator of the server") {
		t.Errorf("disabled: %s", m.Part(t, "text/plain"))
	}
}

func TestManyFailedSignInsAreToldOnceADay(t *testing.T) {
	in, server := openWithMail(t)
	in.signedIn("ann@example.test")
	fail := func(times int) {
		for range times {
			err := in.p.store.Tx(t.Context(), func(q store.Queries) error {
				a, err := q.AccountByEmail(t.Context(), "ann@example.test")
				if err != nil {
					return err
				}
				if err := in.p.guard.Record(t.Context(), q, nil, a.ID, guard.EventSignInFailed, ""); err != nil {
					return err
				}
				return in.p.letters.TellOfFailures(t.Context(), q, nil, a)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	fail(letters.ManyFailures - 1)
	if got := in.subjects(server); len(got) != 0 {
		t.Errorf("too early: %q", got)
	}
	fail(30)
	if got := in.subjects(server); len(got) != 1 {
		t.Errorf("%q", got)
	}
	in.clock.advance(25 * time.Hour)
	fail(letters.ManyFailures)
	if got := in.subjects(server); len(got) != 1 {
		t.Errorf("the next day: %q", got)
	}
}

// Every notice has words, and what others may choose cannot become markup or a header.
func TestNoticesSayWhatTheyShould(t *testing.T) {
	subjects := map[string]bool{}
	for _, kind := range []letters.Notice{
		letters.NoticeNewSignIn, letters.NoticeSignInFailures, letters.NoticePasswordChanged, letters.NoticePasswordReset, letters.NoticeEmailAsked, letters.NoticeEmailChanged, letters.NoticeTOTPEnabled,
		letters.NoticeTOTPRemoved, letters.NoticePasskeyAdded, letters.NoticePasskeyRemoved, letters.NoticeRecoveryRenewed, letters.NoticeRecoveryUsed, letters.NoticeFactorsReset, letters.NoticeDisabled, letters.NoticePasskeysElsewhere,
	} {
		l := letters.NoticeLetter(kind, letters.Occasion{When: time.Unix(0, 0), Address: "192.0.2.1", Agent: firefox}, "<script>alert(1)</script>\r\nBcc: x@y.test", "https://cloud.example.test")
		if subjects[l.Subject] || l.Subject == "" {
			t.Errorf("%s: subject %q", kind, l.Subject)
		}
		subjects[l.Subject] = true
		if strings.Contains(l.Subject, "script") || l.Closing[0] == "" {
			t.Errorf("%s: %+v", kind, l)
		}
		html, err := l.HTML()
		if err != nil || strings.Contains(html, "<script") {
			t.Errorf("%s: %v %s", kind, err, html)
		}
		if strings.Contains(strings.ReplaceAll(l.Text()+html, "https://cloud.example.test", ""), "://") {
			t.Errorf("%s links elsewhere", kind)
		}
	}
}
