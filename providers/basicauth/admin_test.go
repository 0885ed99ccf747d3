package basicauth

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
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
