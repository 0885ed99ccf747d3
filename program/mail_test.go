package program

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"or3.chat/cloud/internal/mail/smtptest"
	"or3.chat/cloud/operator"
)

// testApp is the program with an environment and nothing else from this machine.
func testApp(environ []string) (a app, stdout, stderr *bytes.Buffer) {
	a, stdout, stderr = newApp(registerProviders), &bytes.Buffer{}, &bytes.Buffer{}
	a.stdout, a.stderr, a.environ = stdout, stderr, environ
	return a, stdout, stderr
}

func runMailTest(t *testing.T, environ []string, flags ...string) (stdout, stderr string, code int) {
	t.Helper()
	a, out, errs := testApp(environ)
	code = a.main(append([]string{"mail", "test", "ann@example.test", "--data", t.TempDir()}, flags...))
	return out.String(), errs.String(), code
}

func TestMailTestSendsAMessageOrSaysWhatIsWrong(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{})
	refusing := smtptest.Start(t, smtptest.Options{Answer: func(command string) string {
		if command == "RCPT" {
			return "550 5.1.1 no such person"
		}
		return ""
	}})
	const from = "OR3_SMTP_FROM=Our Cloud <cloud@example.org>"
	for name, c := range map[string]struct {
		environ []string
		want    operator.MailTested
	}{
		"sent": {[]string{"OR3_SMTP_URL=smtp://" + server.Addr, from}, operator.MailTested{OK: true, Server: server.Addr, From: "cloud@example.org", EHLOName: "example.org"}},
		"by a name": {[]string{"OR3_SMTP_URL=smtp://" + server.Addr, from, "OR3_PUBLIC_URL=https://cloud.example.org"}, operator.MailTested{
			OK: true, Server: server.Addr, From: "cloud@example.org", EHLOName: "cloud.example.org",
		}},
		"not configured": {nil, operator.MailTested{Error: "no mail server is configured", Advice: "Set OR3_SMTP_URL"}},
		"half":           {[]string{from}, operator.MailTested{Error: "OR3_SMTP_URL is not set", Advice: "Use smtp://"}},
		"refused": {[]string{"OR3_SMTP_URL=smtp://" + refusing.Addr, from}, operator.MailTested{
			Server: refusing.Addr, From: "cloud@example.org", EHLOName: "example.org", Step: "recipient", Code: 550, Error: "no such person",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var got operator.MailTested
			out, errs, code := runMailTest(t, c.environ, "--json")
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatalf("%v: %s %s", err, out, errs)
			}
			if (code == 0) != c.want.OK || got.OK != c.want.OK || got.Server != c.want.Server || got.From != c.want.From || got.EHLOName != c.want.EHLOName || got.To != "ann@example.test" ||
				got.Step != c.want.Step || got.Code != c.want.Code || !strings.Contains(got.Error, c.want.Error) || !strings.Contains(got.Advice, c.want.Advice) {
				t.Errorf("exit code %d, %+v", code, got)
			}
			out, errs, _ = runMailTest(t, c.environ)
			if said := out + errs; !strings.Contains(said, c.want.Error) || c.want.OK && !strings.Contains(said, "accepted a message") || c.want.OK && !strings.Contains(said, "as "+c.want.EHLOName+".") {
				t.Errorf("text output %q", said)
			}
			if c.want.OK {
				for range 2 {
					if m := server.Next(); m.To[0] != "ann@example.test" || m.Header(t, "Subject") != "OR3 Cloud can send mail" || m.Hello != c.want.EHLOName {
						t.Errorf("%+v", m)
					}
				}
			}
		})
	}
}

func TestMailTestWantsOneAddress(t *testing.T) {
	for _, args := range [][]string{{}, {"nobody"}, {"a@example.test", "b@example.test"}, {"Ann <a@example.test>"}} {
		a, out, errs := testApp(nil)
		if code := a.main(append([]string{"mail", "test"}, args...)); code != 2 || out.String() != "" {
			t.Errorf("%q: exit code %d, %s %s", args, code, out, errs)
		}
	}
}
