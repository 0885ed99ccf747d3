package mail

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/internal/mail/smtptest"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/setting"
)

func TestParseSaysWhatIsWrongWithoutTheSecret(t *testing.T) {
	for _, c := range []struct{ url, from, setting, fault string }{
		{"", "cloud@example.org", setting.SMTPURL, "is not set"},
		{"smtp://mail.example.org", "", setting.SMTPFrom, "is not set"},
		{"smtp://mail.example.org", "nobody", setting.SMTPFrom, "not an e-mail address"},
		{"smtp://mail.example.org", "Cloud\r\nBcc: all@example.org <cloud@example.org>", setting.SMTPFrom, "not an e-mail address"},
		{"http://user:hunter2@mail.example.org", "cloud@example.org", setting.SMTPURL, "begins neither"},
		{"smtp://user:hunter2@/", "cloud@example.org", setting.SMTPURL, "not the URL"},
		{"smtp://user:hunter2#more@mail.example.org", "cloud@example.org", setting.SMTPURL, "not the URL"},
		{"smtp://user:hunter2%zz@mail.example.org", "cloud@example.org", setting.SMTPURL, "not the URL"},
		{"smtp://user:hunter2@mail.example.org:0", "cloud@example.org", setting.SMTPURL, "no port"},
		{"smtp://user:hunter2@mail.example.org?tls=off", "cloud@example.org", setting.SMTPURL, "option other"},
		{"smtps://user:hunter2@mail.example.org?tls=none", "cloud@example.org", setting.SMTPURL, "option other"},
	} {
		_, err := Parse(c.url, c.from, "")
		var fault *FaultError
		if !errors.As(err, &fault) || fault.Setting != c.setting || !strings.Contains(fault.Fault, c.fault) {
			t.Errorf("%q, %q: %v", c.url, c.from, err)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
	if c, err := Parse("", "", ""); c != nil || err != nil {
		t.Errorf("without settings: %v, %v", c, err)
	}
}

func TestTheURLChoosesPortAndEncryption(t *testing.T) {
	for text, want := range map[string]Config{
		"smtp://mail.example.org":                  {host: "mail.example.org", port: 587, encryption: startTLS},
		"smtp://mail.example.org:25?tls=none":      {host: "mail.example.org", port: 25, encryption: cleartext},
		"smtps://ann:p%40ss%2F@mail.example.org/":  {host: "mail.example.org", port: 465, encryption: implicitTLS, user: "ann", password: "p@ss/"},
		"smtp://localhost:1025":                    {host: "localhost", port: 1025, encryption: opportunistic},
		"smtp://[::1]:1025":                        {host: "::1", port: 1025, encryption: opportunistic},
		"smtp://localhost.example.org":             {host: "localhost.example.org", port: 587, encryption: startTLS},
		"smtp://ann%40example.org:pw@10.0.0.1:587": {host: "10.0.0.1", port: 587, encryption: startTLS, user: "ann@example.org", password: "pw"},
	} {
		c, err := Parse(text, "Our Cloud <cloud@example.org>", "")
		if err != nil {
			t.Fatal(err)
		}
		if c.From() != "cloud@example.org" {
			t.Errorf("from %q", c.From())
		}
		c.from = nil
		if *c != want {
			t.Errorf("%s: %+v", text, *c)
		}
	}
}

var letter = Letter{
	To: "ann@example.test", Subject: "Wörter & <Zeichen>", Paragraphs: []string{"One <b>paragraph</b>."},
	Facts: []Fact{{"Passkey", `"><img src=x>`}}, Action: &Action{"Go on", "https://cloud.example.org/#reset=abc"}, Closing: []string{"Bye."},
}

// sender returns a Sender for a server, with a scheme and credentials.
func sender(t *testing.T, s *smtptest.Server, scheme, user string) *Sender {
	t.Helper()
	c, err := Parse(scheme+"://"+user+s.Addr, "Our Cloud <cloud@example.org>", "cloud.example.org")
	if err != nil {
		t.Fatal(err)
	}
	out := NewSender(c, func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }, rand.Reader)
	out.roots = s.Roots
	return out
}

func TestALetterArrivesAsTextAndHTML(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{})
	if err := sender(t, server, "smtp", "").Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	m := server.Next()
	if m.From != "cloud@example.org" || len(m.To) != 1 || m.To[0] != "ann@example.test" {
		t.Errorf("envelope %+v", m)
	}
	for name, want := range map[string]string{
		"Subject": letter.Subject, "To": "<ann@example.test>", "From": `"Our Cloud" <cloud@example.org>`, "Auto-Submitted": "auto-generated",
		"Date": "Sun, 01 Mar 2026 12:00:00 +0000", "X-Mailer": "", "User-Agent": "",
	} {
		if got := m.Header(t, name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if id := m.Header(t, "Message-ID"); !strings.HasSuffix(id, "@cloud.example.org>") || len(id) < 40 {
		t.Errorf("message id %q", id)
	}
	const text = "One <b>paragraph</b>.\n\nPasskey: \"><img src=x>\n\nGo on:\nhttps://cloud.example.org/#reset=abc\n\nBye.\n"
	if got := m.Part(t, "text/plain"); got != text {
		t.Errorf("text %q", got)
	}
	html := m.Part(t, "text/html")
	for _, want := range []string{"&lt;b&gt;paragraph", "&lt;img src=x&gt;", `href="https://cloud.example.org/#reset=abc"`, "Wörter &amp; &lt;Zeichen&gt;"} {
		if !strings.Contains(html, want) {
			t.Errorf("no %s in %s", want, html)
		}
	}
	for _, remote := range []string{"<img", "<script", "<link", "url(", "src="} {
		if strings.Contains(strings.ReplaceAll(html, "&lt;img src=x&gt;", ""), remote) {
			t.Errorf("the page has %s", remote)
		}
	}
}

func TestTheServerIsGreetedByTheConfiguredName(t *testing.T) {
	for name, id := range map[string]string{"cloud.example.org": "@cloud.example.org>", "[192.0.2.7]": "@example.net>", "[IPv6:2001:db8::1]": "@example.net>"} {
		for _, opts := range []smtptest.Options{{}, {StartTLS: true}, {Implicit: true}} {
			server := smtptest.Start(t, opts)
			scheme := "smtp"
			if opts.Implicit {
				scheme = "smtps"
			}
			c, err := Parse(scheme+"://"+server.Addr, "cloud@example.net", name)
			if err != nil {
				t.Fatal(err)
			}
			s := NewSender(c, time.Now, rand.Reader)
			s.roots = server.Roots
			if err := s.Send(t.Context(), letter); err != nil {
				t.Fatal(err)
			}
			if m := server.Next(); m.Hello != name || !strings.HasSuffix(m.Header(t, "Message-ID"), id) {
				t.Errorf("greeted as %q, message id %q", m.Hello, m.Header(t, "Message-ID"))
			}
		}
	}
}

func TestALetterGoesOverTLS(t *testing.T) {
	for name, c := range map[string]struct {
		opts       smtptest.Options
		scheme     string
		encryption encryption
	}{
		"STARTTLS":                 {smtptest.Options{StartTLS: true, User: "ann", Password: "p@ss"}, "smtp", startTLS},
		"STARTTLS on this machine": {smtptest.Options{StartTLS: true, User: "ann", Password: "p@ss"}, "smtp", opportunistic},
		"implicit":                 {smtptest.Options{Implicit: true, User: "ann", Password: "p@ss"}, "smtps", implicitTLS},
	} {
		t.Run(name, func(t *testing.T) {
			server := smtptest.Start(t, c.opts)
			s := sender(t, server, c.scheme, "ann:p%40ss@")
			s.config.encryption = c.encryption
			if err := s.Send(t.Context(), letter); err != nil {
				t.Fatal(err)
			}
			if m := server.Next(); !m.Encrypted {
				t.Error("in the clear")
			}
		})
	}
}

func TestSignInInTheClearOnlyWhenAskedFor(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{User: "ann", Password: "pw"})
	s := sender(t, server, "smtp", "ann:pw@")
	s.config.encryption = cleartext
	if err := s.Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	server.Next()
	s.config.encryption = startTLS
	err := s.Send(t.Context(), letter)
	wantFault(t, err, Error{Step: StepEncrypt}, "no STARTTLS")
	if server.Pending() != 0 {
		t.Error("mail went out in the clear")
	}
}

func wantFault(t *testing.T, err error, want Error, advice string) {
	t.Helper()
	var got *Error
	if !errors.As(err, &got) {
		t.Fatalf("no delivery error: %v", err)
	}
	if got.Step != want.Step || got.Code != want.Code || got.Permanent != want.Permanent || !strings.Contains(got.Advice, advice) {
		t.Errorf("step %q code %d permanent %v advice %q (%v)", got.Step, got.Code, got.Permanent, got.Advice, err)
	}
	if strings.Contains(err.Error()+got.Advice, "hunter2") {
		t.Errorf("the error tells the password: %v", err)
	}
}

func TestWhatTheServerRefusesIsNamed(t *testing.T) {
	answer := func(to, with string) func(string) string {
		return func(command string) string {
			if command == to {
				return with
			}
			return ""
		}
	}
	for name, c := range map[string]struct {
		opts   smtptest.Options
		want   Error
		advice string
	}{
		"greeting":             {smtptest.Options{Answer: answer("CONNECT", "554 no")}, Error{Step: StepGreet, Code: 554}, "port"},
		"greeting, dropped":    {smtptest.Options{Answer: answer("CONNECT", smtptest.Drop)}, Error{Step: StepGreet}, "port"},
		"wrong password":       {smtptest.Options{StartTLS: true, User: "ann", Password: "other"}, Error{Step: StepSignIn, Code: 535}, "password"},
		"no sign-in offered":   {smtptest.Options{StartTLS: true}, Error{Step: StepSignIn}, "user name"},
		"sender":               {smtptest.Options{Answer: answer("MAIL", "553 5.7.1 not yours")}, Error{Step: StepSender, Code: 553}, setting.SMTPFrom},
		"recipient":            {smtptest.Options{Answer: answer("RCPT", "550-5.1.1 no one\n550 5.1.1 of that name")}, Error{Step: StepRecipient, Code: 550, Permanent: true}, ""},
		"recipient, for now":   {smtptest.Options{Answer: answer("RCPT", "450 4.2.1 busy")}, Error{Step: StepRecipient, Code: 450}, ""},
		"message":              {smtptest.Options{Answer: answer(".", "554 5.7.1 spam")}, Error{Step: StepContent, Code: 554, Permanent: true}, ""},
		"message, for now":     {smtptest.Options{Answer: answer(".", "451 4.3.0 disk")}, Error{Step: StepContent, Code: 451}, ""},
		"connection is lost":   {smtptest.Options{Answer: answer("DATA", smtptest.Drop)}, Error{Step: StepContent}, ""},
		"unknown certificate":  {smtptest.Options{StartTLS: true}, Error{Step: StepEncrypt}, "does not trust"},
		"no TLS on that port":  {smtptest.Options{}, Error{Step: StepEncrypt}, "does not begin with TLS"},
		"our name, at first":   {smtptest.Options{Answer: answer("EHLO", "504 5.5.2 <cloud>: Helo command rejected")}, Error{Step: StepGreet, Code: 504}, setting.EHLOName},
		"busy":                 {smtptest.Options{Answer: answer("EHLO", "421 4.7.0 too many connections")}, Error{Step: StepGreet, Code: 421}, "port"},
		"our name, at RCPT":    {smtptest.Options{Answer: answer("RCPT", "504 5.5.2 <cloud>: Helo command rejected: need fully-qualified hostname")}, Error{Step: StepGreet, Code: 504}, setting.EHLOName},
		"our name, at MAIL":    {smtptest.Options{Answer: answer("MAIL", "550 5.7.1 your EHLO name has no address")}, Error{Step: StepGreet, Code: 550}, setting.EHLOName},
		"recipient, encrypted": {smtptest.Options{Implicit: true, Answer: answer("RCPT", "550 5.1.1 no one")}, Error{Step: StepRecipient, Code: 550, Permanent: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := smtptest.Start(t, c.opts)
			user := ""
			if strings.Contains(name, "sign-in") || strings.Contains(name, "password") {
				user = "ann:hunter2@"
			}
			scheme := "smtp"
			if c.opts.Implicit || name == "no TLS on that port" {
				scheme = "smtps"
			}
			s := sender(t, server, scheme, user)
			if name == "unknown certificate" {
				s.roots, s.config.encryption = nil, startTLS
			}
			wantFault(t, s.Send(t.Context(), letter), c.want, c.advice)
			// Signing in without a message fails at the same steps, and succeeds if only a message is refused.
			refused := slices.Contains([]Step{StepEncrypt, StepGreet, StepSignIn}, c.want.Step) && !strings.HasSuffix(name, "at RCPT") && !strings.HasSuffix(name, "at MAIL")
			if err := s.SignIn(t.Context()); refused {
				wantFault(t, err, c.want, c.advice)
			} else if err != nil {
				t.Errorf("sign-in: %v", err)
			}
			if server.Pending() != 0 {
				t.Error("a message was taken")
			}
		})
	}
}

// The password must not be quoted, in whatever form the server repeats it.
func TestAServerThatRepeatsThePasswordIsNotQuoted(t *testing.T) {
	const password = "hunter2 and more"
	plain := base64.StdEncoding.EncodeToString([]byte("\x00ann\x00" + password))
	for command, reply := range map[string]string{
		"AUTH": "535 5.7.8 no: " + password + " " + plain, "CONNECT": "554 not " + password, "EHLO": "550 not " + base64.StdEncoding.EncodeToString([]byte(password)),
	} {
		server := smtptest.Start(t, smtptest.Options{User: "ann", Password: password, Answer: func(c string) string {
			if c == command {
				return reply
			}
			return ""
		}})
		err := sender(t, server, "smtp", url.UserPassword("ann", password).String()+"@").SignIn(t.Context())
		if err == nil || !strings.Contains(err.Error(), "[redacted]") {
			t.Errorf("%s: %v", command, err)
		}
		if text := fmt.Sprint(err); strings.Contains(text, password) || strings.Contains(text, plain) {
			t.Errorf("%s: %s", command, text)
		}
	}
}

func TestALostFarewellIsNotAFailure(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{Answer: func(command string) string {
		if command == "QUIT" || command == "RSET" {
			return smtptest.Drop
		}
		return ""
	}})
	if err := sender(t, server, "smtp", "").Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	server.Next()
}

func TestNoServerIsNamed(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{})
	s := sender(t, server, "smtp", "")
	server.Stop()
	wantFault(t, s.Send(t.Context(), letter), Error{Step: StepConnect}, "Nothing listens at 127.0.0.1")
	s.config.host = "mail.invalid"
	wantFault(t, s.Send(t.Context(), letter), Error{Step: StepConnect}, "mail.invalid")
}

// A server that accepts the connection and then says nothing must not delay a shutdown.
func TestACancelledDeliveryEndsAtOnce(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		if conn, err := listener.Accept(); err == nil {
			accepted <- conn
		}
	}()
	c, err := Parse("smtp://"+listener.Addr().String(), "cloud@example.org", "cloud.example.org")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn := <-accepted
		defer conn.Close()
		cancel()
		_, _ = conn.Read(make([]byte, 1)) // until the other side closes
	}()
	s := NewSender(c, time.Now, rand.Reader)
	s.step, s.whole = 2*patience.Limit, 2*patience.Limit // so that only the end of ctx can end it in time
	sent := make(chan error, 1)
	go func() { sent <- s.Send(ctx, letter) }()
	if err := patience.Receive(t, "the end of a cancelled delivery", sent); err == nil {
		t.Fatal("delivered to no one")
	}
}

func TestAddressesCannotAddHeadersOrRecipients(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{})
	s := sender(t, server, "smtp", "")
	for _, to := range []string{
		"ann@example.test\r\nBcc: all@example.test", "ann@example.test, all@example.test", "ann@example.test>\r\nRCPT TO:<all@example.test",
		"", "\n", "ann@example.test\x00",
	} {
		bad := letter
		bad.To = to
		if err := s.Send(t.Context(), bad); err == nil {
			m := server.Next()
			t.Errorf("%q was sent to %q", to, m.To)
		}
	}
	odd := letter
	odd.Subject = "Hello\r\nBcc: all@example.test\r\n\r\nBody"
	odd.Facts = []Fact{{"Name", "x\r\n.\r\nMAIL FROM:<a@b>\r\n"}}
	if err := s.Send(t.Context(), odd); err != nil {
		t.Fatal(err)
	}
	m := server.Next()
	if m.Header(t, "Bcc") != "" || len(m.To) != 1 {
		t.Errorf("a subject added a header: %s", m.Data)
	}
	if server.Pending() != 0 {
		t.Error("a fact became a message of its own")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("smtp://user:pass@mail.example.org:587?tls=none", "Our Cloud <cloud@example.org>")
	f.Add("smtps://[::1]", "a@b")
	f.Fuzz(func(t *testing.T, url, from string) {
		c, err := Parse(url, from, "cloud.example.org")
		var fault *FaultError
		switch {
		case err != nil && !errors.As(err, &fault):
			t.Errorf("error without a setting: %v", err)
		case err == nil && c != nil && (c.host == "" || c.port < 1 || c.port > 65535 || strings.ContainsAny(c.From(), "\r\n")):
			t.Errorf("%+v", c)
		}
	})
}
