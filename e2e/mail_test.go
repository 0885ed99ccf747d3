package e2e

import (
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"or3.chat/cloud/internal/mail/smtptest"
)

// TestAForgottenPasswordSurvivesAKill requests a link, kills the program while the mail server does not accept mail,
// and sets a new password with the link that the next process delivers.
func TestAForgottenPasswordSurvivesAKill(t *testing.T) {
	t.Parallel()
	var closed atomic.Bool
	refused := make(chan struct{}, 100)
	mailServer := smtptest.Start(t, smtptest.Options{Answer: func(command string) string {
		if command == "CONNECT" && closed.Load() {
			refused <- struct{}{}
			return "421 4.3.2 closed for today"
		}
		return ""
	}})
	// The address is also the public one, so it must be known before the start.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	srv := startServer(t, withArgs("--addr", addr), withEnv("OR3_SMTP_URL", "smtp://"+mailServer.Addr), withEnv("OR3_SMTP_FROM", "Our Cloud <cloud@example.test>"),
		withEnv("OR3_PUBLIC_URL", "http://"+addr))
	d := newDevice(t, srv, "A")
	d.register("forgetful@example.test")
	other := newDevice(t, srv, "B")

	closed.Store(true)
	for _, email := range []string{"nobody@example.test", "forgetful@example.test"} {
		if r := other.post("/api/basic-auth/forgot-password", obj{"email": email}); r.status != 200 || string(r.body) != `{"ok":true}` {
			t.Fatalf("forgot-password: %s", r)
		}
	}
	<-refused
	srv.kill()
	closed.Store(false)
	srv.start()
	m := mailServer.Next()
	if len(m.To) != 1 || m.To[0] != "forgetful@example.test" {
		t.Fatalf("mail to %v", m.To)
	}
	link := regexp.MustCompile(regexp.QuoteMeta("http://"+addr) + `/account/#reset=(\S+)`).FindStringSubmatch(m.Part(t, "text/plain"))
	if link == nil {
		t.Fatalf("no link in %s", m.Data)
	}
	srv.secrets.Note("reset link", link[1])

	const next = "a password of another kind"
	body := obj{"token": link[1], "newPassword": next, "confirmNewPassword": next}
	if r := other.post("/api/basic-auth/reset-password", body); r.status != 200 {
		t.Fatalf("reset-password: %s", r)
	}
	if r := other.post("/api/basic-auth/reset-password", body); r.status != 400 || !strings.Contains(string(r.body), "invalid_token") {
		t.Errorf("the link works twice: %s", r)
	}
	if s := d.session(); s != nil && s.Authenticated {
		t.Error("the session of before is alive")
	}
	if r := other.post("/api/basic-auth/sign-in", obj{"email": "forgetful@example.test", "password": password}); r.status != 401 {
		t.Errorf("the old password: %s", r)
	}
	if r := other.post("/api/basic-auth/sign-in", obj{"email": "forgetful@example.test", "password": next}); r.status != 200 {
		t.Errorf("the new password: %s", r)
	}
}
