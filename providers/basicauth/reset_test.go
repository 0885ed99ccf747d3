package basicauth

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"or3.chat/cloud/internal/mail/smtptest"
	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

func newPassword(token, password string) string {
	return fmt.Sprintf(`{"token":%q,"newPassword":%q,"confirmNewPassword":%q}`, token, password, password)
}

// asks has a reset link sent and returns its token.
func (in *instance) asks(server *smtptest.Server, email string) string {
	in.t.Helper()
	in.browser().post("forgot-password", credentials(email, "")).want(in.t, 200, `{"ok":true}`)
	m := server.Next()
	if m.To[0] != email || m.Header(in.t, "Subject") != "Set a new password" {
		in.t.Fatalf("%q to %v", m.Header(in.t, "Subject"), m.To)
	}
	return in.linkOf(m, "reset")
}

func TestAForgottenPasswordIsReplacedByALink(t *testing.T) {
	in, server := openWithMail(t)
	b := in.signedIn("ann@example.test")
	token := in.asks(server, "ann@example.test")

	visitor := in.browser()
	visitor.post("reset-password", newPassword(token, "short")).wantCode(t, 400, "password_too_short")
	visitor.post("reset-password", fmt.Sprintf(`{"token":%q,"newPassword":"one long password","confirmNewPassword":"another"}`, token)).
		wantCode(t, 400, "passwords_differ")
	b.wantSignedIn()
	visitor.post("reset-password", newPassword(token, "a brand new secret")).want(t, 200, `{"ok":true}`).wantCookiesKept(t)
	b.wantSignedOut()
	if m := server.Next(); m.Header(t, "Subject") != "Your password was reset" {
		t.Errorf("notice %q", m.Header(t, "Subject"))
	}
	visitor.post("sign-in", credentials("ann@example.test", password)).wantCode(t, 401, "invalid_credentials")
	visitor.post("sign-in", credentials("ann@example.test", "a brand new secret")).want(t, 200, `{"ok":true}`)
	visitor.post("reset-password", newPassword(token, "yet another secret")).wantCode(t, 400, "invalid_token")
}

func TestAResetLinkDies(t *testing.T) {
	for name, kill := range map[string]func(in *instance, b *browser, server *smtptest.Server){
		"after 30 minutes": func(in *instance, _ *browser, _ *smtptest.Server) { in.clock.advance(30 * time.Minute) },
		"with a change of the password": func(in *instance, b *browser, _ *smtptest.Server) {
			b.post("change-password", change).want(in.t, 200, `{"ok":true}`)
		},
		"with another reset": func(in *instance, b *browser, server *smtptest.Server) {
			b.post("reset-password", newPassword(in.asks(server, "ann@example.test"), "a brand new secret")).want(in.t, 200, `{"ok":true}`)
		},
		"with the account": func(in *instance, _ *browser, _ *smtptest.Server) {
			in.host.users = &fakeUsers{}
			if err := in.p.Operator.DeleteAccount(in.t.Context(), "ann@example.test"); err != nil {
				in.t.Fatal(err)
			}
		},
		"with the account's being switched off": func(in *instance, _ *browser, _ *smtptest.Server) {
			if err := in.p.Operator.SetDisabled(in.t.Context(), "ann@example.test", true); err != nil {
				in.t.Fatal(err)
			}
		},
		"with a change of the address": func(in *instance, _ *browser, _ *smtptest.Server) {
			err := in.p.store.Tx(in.t.Context(), func(q store.Queries) error {
				a, err := q.AccountByEmail(in.t.Context(), "ann@example.test")
				if err != nil {
					return err
				}
				return in.p.accounts.SetEmail(in.t.Context(), q, nil, a.ID, "new@example.test")
			})
			if err != nil {
				in.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			in, server := openWithMail(t)
			b := in.signedIn("ann@example.test")
			token := in.asks(server, "ann@example.test")
			kill(in, b, server)
			in.browser().post("reset-password", newPassword(token, "yet another secret")).wantCode(t, 400, "invalid_token")
		})
	}
	t.Run("but not with a restart", func(t *testing.T) {
		in, server := openWithMail(t)
		in.signedIn("ann@example.test")
		token := in.asks(server, "ann@example.test")
		in.restart()
		in.browser().post("reset-password", newPassword(token, "a brand new secret")).want(t, 200, `{"ok":true}`)
	})
}

func TestOfParallelResetsOneSucceeds(t *testing.T) {
	in, server := openWithMail(t)
	in.signedIn("ann@example.test")
	first, second := in.asks(server, "ann@example.test"), in.asks(server, "ann@example.test")
	var wg sync.WaitGroup
	answers := make([]answer, 8)
	for i := range answers {
		wg.Go(func() {
			answers[i] = in.browser().post("reset-password", newPassword([]string{first, second}[i%2], fmt.Sprintf("a brand new secret %d", i)))
		})
	}
	wg.Wait()
	winner := -1
	for i, a := range answers {
		switch {
		case a.status == 200 && winner < 0:
			winner = i
		case a.status != 400 || a.data("code") != `"invalid_token"`:
			t.Errorf("answer %d: %d %s", i, a.status, a.text)
		}
	}
	if winner < 0 {
		t.Fatal("no reset succeeded")
	}
	in.browser().post("sign-in", credentials("ann@example.test", fmt.Sprintf("a brand new secret %d", winner))).want(t, 200, `{"ok":true}`)
}

// The endpoint does the same for every address: it stores a request, and looks up no account. That is why answers and
// times cannot differ.
func TestUnknownAddressesAreTreatedLikeKnownOnes(t *testing.T) {
	in, server := openWithMail(t)
	in.signedIn("ann@example.test")
	in.p.letters.Outbox.Close()
	var sizes []int
	for _, email := range []string{"ann@example.test", "bob@example.test"} {
		before := in.rows("SELECT COUNT(*) FROM mail_outbox")
		a := in.browser().post("forgot-password", credentials(email, "")).want(t, 200, `{"ok":true}`)
		if len(a.header) != len(in.browser().post("forgot-password", credentials("nobody@example.test", "")).header) {
			t.Errorf("headers %v", a.header)
		}
		if n := in.rows("SELECT COUNT(*) FROM mail_outbox WHERE kind = 'reset_request' AND account_id IS NULL"); n != before+2 {
			t.Errorf("%d rows for %s", n-before, email)
		}
		sizes = append(sizes, in.rows("SELECT length(sealed) FROM mail_outbox ORDER BY id DESC LIMIT 1 OFFSET 1"))
		if in.rows("SELECT (SELECT COUNT(*) FROM one_time_tokens) + (SELECT COUNT(*) FROM security_events WHERE kind = 'reset_requested')") != 0 {
			t.Error("the request itself looked for the account")
		}
	}
	if sizes[0] != sizes[1] {
		t.Errorf("rows of %v bytes", sizes)
	}
	in.p.letters.Outbox.Start()
	if m := server.Next(); m.To[0] != "ann@example.test" {
		t.Errorf("mail to %v", m.To)
	}
	in.waitEmpty()
	if server.Pending() != 0 {
		t.Error("mail to someone without an account")
	}
}

func TestNoOneCanFloodAMailbox(t *testing.T) {
	in, server := openWithMail(t)
	in.signedIn("ann@example.test")
	for i := range 20 {
		b := in.browser()
		b.address = fmt.Sprintf("192.0.2.%d", 10+i)
		b.post("forgot-password", credentials("Ann@Example.test", "")).want(t, 200, `{"ok":true}`)
	}
	in.waitEmpty()
	for range accounts.ResetMails {
		server.Next()
	}
	if server.Pending() != 0 {
		t.Errorf("%d mails too many", server.Pending())
	}
	in.restart()
	in.browser().post("forgot-password", credentials("ann@example.test", "")).want(t, 200, `{"ok":true}`)
	in.waitEmpty()
	if server.Pending() != 0 {
		t.Error("a restart forgets the limit")
	}
	in.clock.advance(accounts.ResetMailsWithin)
	in.asks(server, "ann@example.test")

	b := in.browser()
	b.address = "192.0.2.99"
	for range forgotLimit {
		b.post("forgot-password", credentials("nobody@example.test", "")).want(t, 200, `{"ok":true}`)
	}
	if a := b.post("forgot-password", credentials("nobody@example.test", "")); a.status != 429 || a.err.RetryAfter <= 0 {
		t.Errorf("answer %d", a.status)
	}
}

func TestADisabledAccountGetsNoLink(t *testing.T) {
	in, server := openWithMail(t)
	in.signedIn("ann@example.test")
	if err := in.p.Operator.SetDisabled(t.Context(), "ann@example.test", true); err != nil {
		t.Fatal(err)
	}
	in.waitEmpty()
	for server.Pending() > 0 {
		server.Next()
	}
	in.browser().post("forgot-password", credentials("ann@example.test", "")).want(t, 200, `{"ok":true}`)
	in.waitEmpty()
	if server.Pending() != 0 {
		t.Error("a link was sent")
	}
}

// The sender chooses the Host of a request.
func TestLinksComeFromTheConfigurationOnly(t *testing.T) {
	in, server := openWithMail(t)
	in.signedIn("ann@example.test")
	in.browser().post("forgot-password", credentials("ann@example.test", ""), "Host", "evil.test", "X-Forwarded-Host", "evil.test",
		"User-Agent", "Mozilla (Windows NT) <a href=//evil.test>Firefox/1\r\nX: y").want(t, 200, `{"ok":true}`)
	m := server.Next()
	in.linkOf(m, "reset")
	if strings.Contains(m.Data, "evil.test") {
		t.Errorf("the request wrote into the letter: %s", m.Data)
	}
}

func TestForgotPasswordRefusesNonsense(t *testing.T) {
	in, _ := openWithMail(t)
	for _, body := range []string{`{}`, `{"email":1}`, `{"email":"nobody"}`, `{"email":"ann@example.test\nBcc: all@example.test"}`} {
		in.browser().post("forgot-password", body).wantCode(t, 400, "invalid_email")
	}
	for _, body := range []string{`{}`, `{"token":1}`, `{"token":""}`} {
		in.browser().post("reset-password", body).wantCode(t, 400, "invalid_token")
	}
	in.browser().post("reset-password", newPassword("unknown", "a brand new secret")).wantCode(t, 400, "invalid_token")
	if in.rows("SELECT COUNT(*) FROM mail_outbox") != 0 {
		t.Error("something was left behind")
	}
}
