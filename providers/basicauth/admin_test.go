package basicauth

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/census"
	"or3.chat/cloud/internal/mail/smtptest"
)

// TestFailedMailIsTriedAgainAtOnce: an operator who has mended the mail server does not wait for the next try.
func TestFailedMailIsTriedAgainAtOnce(t *testing.T) {
	var mended atomic.Bool
	server := smtptest.Start(t, smtptest.Options{Answer: func(command string) string {
		if command == "RCPT" && !mended.Load() {
			return "451 4.7.1 not now"
		}
		return ""
	}})
	in := openTest(t, withMail(server))
	admin := in.Admin[or3cloud.ProviderAuth].(or3cloud.AdminActionRunner)
	status, err := in.Admin[or3cloud.ProviderAuth].GetStatus(t.Context())
	if err != nil || len(status.Actions) != 1 || status.Actions[0].ID != actionRetryMail {
		t.Fatalf("%+v, %v", status, err)
	}
	in.put("hello", time.Hour)
	in.waitFor("a failure", func() bool { return strings.Contains(in.log.String(), "mail not delivered, will try again") })
	mended.Store(true)
	if _, err := admin.RunAction(t.Context(), "", actionRetryMail, nil); err != nil {
		t.Fatal(err)
	}
	if m := server.Next(); m.Header(t, "Subject") != "hello" {
		t.Errorf("%+v", m)
	}
	in.waitEmpty()
}

func TestUnknownActions(t *testing.T) {
	admin := openTest(t, nil).Admin[or3cloud.ProviderAuth].(or3cloud.AdminActionRunner)
	for _, id := range []string{"", "sync.gc-tombstones", actionRetryMail} { // without a mail server there is no mail
		var refusal *or3cloud.Error
		if _, err := admin.RunAction(t.Context(), "", id, nil); !errors.As(err, &refusal) || refusal.Code != or3cloud.CodeInvalid || refusal.Message != "Unknown action" {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// TestMailThatFailsIsExplained: administrators see why, and neither an address nor what the server has said.
func TestMailThatFailsIsExplained(t *testing.T) {
	var answer atomic.Value
	answer.Store("451 4.7.1 not now, ann@example.test")
	server := smtptest.Start(t, smtptest.Options{Answer: func(command string) string {
		if command == "RCPT" {
			return answer.Load().(string)
		}
		return ""
	}})
	in := openTest(t, withMail(server))
	state := func() census.MailState {
		t.Helper()
		s, err := in.Admin[or3cloud.ProviderAuth].(census.Mail).MailState(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := state(); !s.Configured || s.Server == "" || s.From == "" || s.WaitingCount != 0 {
		t.Fatalf("before: %+v", s)
	}
	in.put("hello", time.Hour)
	in.waitFor("a failure", func() bool { s := state(); return len(s.Waiting) == 1 && s.Waiting[0].Fault != nil })
	s := state()
	if f := s.Waiting[0].Fault; s.WaitingCount != 1 || f.Step != "recipient" || f.Code != 451 || strings.Contains(f.Fault+f.Advice, "ann@") || len(s.Lost) != 0 {
		t.Errorf("while it waits: %+v, %+v", s, f)
	}
	answer.Store("550 5.1.1 no such ann@example.test")
	if _, err := in.Admin[or3cloud.ProviderAuth].(or3cloud.AdminActionRunner).RunAction(t.Context(), "", actionRetryMail, nil); err != nil {
		t.Fatal(err)
	}
	in.waitFor("the end", func() bool { return len(state().Lost) == 1 })
	s = state()
	if l := s.Lost[0]; s.WaitingCount != 0 || l.Reason != census.MailRefused || l.Attempts != 2 || l.Fault == nil || l.Fault.Code != 550 {
		t.Errorf("in the end: %+v", s)
	}
}

func TestWithoutAMailServerThereIsNoMail(t *testing.T) {
	s, err := openTest(t, nil).Admin[or3cloud.ProviderAuth].(census.Mail).MailState(t.Context())
	if err != nil || s.Configured || s.Waiting == nil || s.Lost == nil {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestLostMailIsBounded: however much mail is given up, administrators see the newest of it and the table does not
// grow.
func TestLostMailIsBounded(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{Answer: func(string) string { return "" }})
	in := openTest(t, withMail(server))
	const given, kept = 250, 200
	if _, err := in.p.store.File.Write.Exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO mail_outbox (kind, sealed, created_at, expires_at, next_attempt_at) SELECT 'test', x'00', i, 1, 1 FROM n`, given); err != nil {
		t.Fatal(err)
	}
	in.p.letters.Outbox.Rouse()
	in.waitEmpty()
	s, err := in.Admin[or3cloud.ProviderAuth].(census.Mail).MailState(t.Context())
	if err != nil || len(s.Lost) != kept || s.Lost[0].Reason != census.MailExpired || in.rows("SELECT count(*) FROM lost_mail") != kept {
		t.Errorf("%d are remembered, %v", len(s.Lost), err)
	}
	if newest := s.Lost[0].CreatedAt.UnixMilli(); newest != given {
		t.Errorf("the newest is that of %d", newest)
	}
}
