package basicauth

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/mail"
	"or3.chat/cloud/internal/mail/smtptest"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/store"
	"or3.chat/cloud/setting"
)

// withMail is a configuration with a mail server and a public address.
func withMail(s *smtptest.Server) config {
	return config{
		setting.SMTPURL: "smtp://" + s.Addr, setting.SMTPFrom: "Our Cloud <cloud@example.test>", setting.PublicURL: "https://cloud.example.test",
	}
}

// openWithMail returns a provider and the server that receives its mail.
func openWithMail(t *testing.T) (*instance, *smtptest.Server) {
	t.Helper()
	server := smtptest.Start(t, smtptest.Options{})
	return openTest(t, withMail(server)), server
}

var linkPattern = regexp.MustCompile(`https://cloud\.example\.test/#([a-z-]+)=([A-Za-z0-9_-]{43})`)

// linkOf returns the token of the link in a message. The text and the page must have the same one, and no other
// address.
func (in *instance) linkOf(m smtptest.Message, name string) string {
	in.t.Helper()
	text, html := m.Part(in.t, "text/plain"), m.Part(in.t, "text/html")
	found := linkPattern.FindStringSubmatch(text)
	if found == nil || found[1] != name || strings.Count(html, found[0]) != 2 {
		in.t.Fatalf("no link %s in %s\n%s", name, text, html)
	}
	if rest := strings.ReplaceAll(text+html, found[0], ""); strings.Contains(rest, "://") {
		in.t.Errorf("other addresses in %s", rest)
	}
	in.secrets.Note("link", found[2])
	return found[2]
}

// waitEmpty waits until the outbox has nothing left.
func (in *instance) waitEmpty() {
	in.t.Helper()
	in.waitFor("an empty outbox", func() bool { return in.rows("SELECT COUNT(*) FROM mail_outbox") == 0 })
}

// waitFor waits for something that the goroutine of the outbox does.
func (in *instance) waitFor(what string, reached func() bool) {
	in.t.Helper()
	defer func() {
		if in.t.Failed() {
			in.t.Log(in.log.String())
		}
	}()
	patience.Until(in.t, what, reached)
}

// rows returns the number that a query counts.
func (in *instance) rows(query string, args ...any) (n int) {
	in.t.Helper()
	if err := in.p.store.File.Read.QueryRow(query, args...).Scan(&n); err != nil {
		in.t.Fatal(err)
	}
	return n
}

// put adds a letter to the outbox.
func (in *instance) put(subject string, lifetime time.Duration) {
	in.t.Helper()
	err := in.p.store.Tx(in.t.Context(), func(q store.Queries) error {
		return in.p.letters.Outbox.Add(in.t.Context(), q, "", "test", mail.Letter{To: "ann@example.test", Subject: subject}, lifetime)
	})
	if err != nil {
		in.t.Fatal(err)
	}
}

func TestTheOutboxIsSealed(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{})
	in := openTest(t, withMail(server))
	server.Stop()
	in.put("a very secret subject", time.Hour)
	in.waitFor("first attempt", func() bool { return in.rows("SELECT COUNT(*) FROM mail_outbox WHERE attempts = 1") == 1 })
	if in.rows("SELECT COUNT(*) FROM mail_outbox WHERE instr(sealed, 'secret') + instr(sealed, 'ann@') > 0") != 0 {
		t.Error("the content can be read in the database")
	}
}

func TestMailIsTriedAgainUntilTheServerTakesIt(t *testing.T) {
	var mu sync.Mutex
	script := []string{"451 4.7.1 greylisted", smtptest.Drop, "421-4.3.2 not now\n421 4.3.2 please"}
	server := smtptest.Start(t, smtptest.Options{Answer: func(command string) string {
		mu.Lock()
		defer mu.Unlock()
		if command != "RCPT" || len(script) == 0 {
			return ""
		}
		answer := script[0]
		script = script[1:]
		return answer
	}})
	in := openTest(t, withMail(server))
	in.put("hello", time.Hour)
	for attempt, pause := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		in.waitFor("attempt", func() bool {
			return strings.Count(in.log.String(), "mail not delivered, will try again") == attempt+1
		})
		in.clock.advance(pause - time.Millisecond)
		in.p.letters.Outbox.Rouse()
		in.clock.advance(time.Millisecond)
		in.p.letters.Outbox.Rouse()
	}
	if m := server.Next(); m.Header(t, "Subject") != "hello" {
		t.Errorf("%+v", m)
	}
	in.waitEmpty()
	log := in.log.String()
	if !strings.Contains(log, "step=recipient code=451") || strings.Contains(log, "ann@example.test") {
		t.Errorf("log %s", log)
	}
	if server.Pending() != 0 {
		t.Error("the letter came twice")
	}
}

func TestMailThatIsRefusedForGoodIsDropped(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{Answer: func(command string) string {
		if command == "RCPT" {
			return "550 5.1.1 <ann@example.test>: no such person"
		}
		return ""
	}})
	in := openTest(t, withMail(server))
	in.put("hello", time.Hour)
	in.waitEmpty()
	in.waitFor("line in the log", func() bool { return strings.Contains(in.log.String(), "mail refused") })
	if strings.Contains(in.log.String(), "ann@example.test") {
		t.Errorf("the log has the address: %s", in.log.String())
	}
}

func TestMailThatIsTooOldIsNotSent(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{})
	in := openTest(t, withMail(server))
	server.Stop()
	in.put("old", 30*time.Minute)
	in.waitFor("first attempt", func() bool { return in.rows("SELECT COUNT(*) FROM mail_outbox WHERE attempts = 1") == 1 })
	in.clock.advance(30 * time.Minute)
	in.p.letters.Outbox.Rouse()
	in.waitEmpty()
	in.waitFor("line in the log", func() bool { return strings.Contains(in.log.String(), `msg="mail given up, it is too old" kind=test`) })
	if strings.Contains(in.log.String(), "mail delivered") {
		t.Error("delivered")
	}
}

func TestTheOutboxSurvivesARestart(t *testing.T) {
	away := smtptest.Start(t, smtptest.Options{})
	in := openTest(t, withMail(away))
	away.Stop()
	want := map[string]bool{}
	for i := range 20 {
		subject := fmt.Sprintf("letter %d", i)
		want[subject] = true
		in.put(subject, time.Hour)
	}
	server := smtptest.Start(t, smtptest.Options{})
	in.env.Config = withMail(server)
	in.restart()
	for range 20 {
		delete(want, server.Next().Header(t, "Subject"))
	}
	if len(want) > 0 {
		t.Errorf("missing %v", want)
	}
	in.waitEmpty()
}

func TestNewMailGoesBeforeMailThatHasFailed(t *testing.T) {
	in, server := openWithMail(t)
	in.p.letters.Outbox.Close()
	in.put("failed before", time.Hour)
	if _, err := in.p.store.File.Write.Exec("UPDATE mail_outbox SET attempts = 3"); err != nil {
		t.Fatal(err)
	}
	in.clock.advance(time.Minute)
	in.put("new", time.Hour)
	in.p.letters.Outbox.Start()
	for _, want := range []string{"new", "failed before"} {
		if got := server.Next().Header(t, "Subject"); got != want {
			t.Errorf("%q came, want %q", got, want)
		}
	}
}

// Mail that was sealed with a key that is gone, or moved to another row, is dropped and does not stop the rest.
func TestUnreadableMailIsDropped(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{})
	in := openTest(t, withMail(server))
	now := in.clock.now().UnixMilli()
	if _, err := in.p.store.File.Write.Exec(
		`INSERT INTO mail_outbox (kind, sealed, created_at, expires_at, next_attempt_at) VALUES ('test', x'00', ?, ?, ?)`, now, now+1000000, now); err != nil {
		t.Fatal(err)
	}
	in.put("the next", time.Hour)
	if m := server.Next(); m.Header(t, "Subject") != "the next" {
		t.Errorf("%+v", m)
	}
	in.waitEmpty()
}

// A letter belongs to the transaction in which it is written.
func TestARolledBackChangeSendsNoMail(t *testing.T) {
	in, server := openWithMail(t)
	in.signedIn("ann@example.test")
	boom := fmt.Errorf("boom")
	err := in.p.store.Tx(t.Context(), func(q store.Queries) error {
		a, err := q.AccountByEmail(t.Context(), "ann@example.test")
		if err != nil {
			return err
		}
		if err := in.p.letters.Notify(t.Context(), q, nil, a, letters.NoticeDisabled, ""); err != nil {
			return err
		}
		return boom
	})
	if err != boom {
		t.Fatal(err)
	}
	in.put("the only one", time.Hour)
	if m := server.Next(); m.Header(t, "Subject") != "the only one" {
		t.Errorf("%q was sent", m.Header(t, "Subject"))
	}
	in.waitEmpty()
}

func TestClosingDoesNotWaitForAMailServerThatIsSilent(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	var first sync.Once // after the restart it is tried again
	server := smtptest.Start(t, smtptest.Options{Answer: func(command string) string {
		if command == "CONNECT" {
			first.Do(func() { close(entered) })
			<-release
		}
		return ""
	}})
	in := openTest(t, withMail(server))
	in.put("hello", time.Hour)
	<-entered
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	// internal/mail shows that a cancelled delivery ends at once. One that did not would have run into its time limit.
	if log := in.log.String(); strings.Contains(log, "not delivered") {
		t.Errorf("closing waited for the end of a delivery: %s", log)
	}
	close(release)
	in.open()
	if m := server.Next(); m.Header(t, "Subject") != "hello" { // the letter was not lost
		t.Errorf("%q was sent", m.Header(t, "Subject"))
	}
}

// A panic costs one letter's turn, not the goroutine.
func TestAPanicDoesNotEndTheDelivery(t *testing.T) {
	in, server := openWithMail(t)
	in.p.letters.Outbox.Close()
	send, once := in.p.letters.Outbox.Send, sync.Once{}
	in.p.letters.Outbox.Send = func(ctx context.Context, l mail.Letter) error {
		once.Do(func() { panic("boom") })
		return send(ctx, l)
	}
	in.p.letters.Outbox.Start()
	in.put("first", time.Hour)
	in.waitFor("panic", func() bool { return strings.Contains(in.log.String(), "the delivery of mail panicked") })
	in.put("second", time.Hour)
	if m := server.Next(); m.Header(t, "Subject") != "second" {
		t.Errorf("%+v", m)
	}
}

func TestMailNeedsAServerAndLinksNeedAPublicURL(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{})
	half := withMail(server)
	half[setting.PublicURL] = ""
	for name, c := range map[string]struct {
		config  config
		warning bool
	}{"no server": {config{setting.PublicURL: "https://cloud.example.test"}, false}, "no public URL": {half, true}} {
		t.Run(name, func(t *testing.T) {
			in := openTest(t, c.config)
			warned := slices.ContainsFunc(warn(c.config, false), func(w or3cloud.Problem) bool {
				return strings.Contains(w.String(), "OR3_PUBLIC_URL is not set, so no links can be sent by mail")
			})
			if warned != c.warning {
				t.Errorf("warnings %v", in.p.opts.warnings)
			}
			a := in.browser().post("forgot-password", `{"email":"ann@example.test"}`)
			if a.status != 501 || a.err.Data.(map[string]any)["code"] != "mail_not_configured" {
				t.Errorf("answer %d %+v", a.status, a.err)
			}
			if got := in.browser().get("config").text; !strings.Contains(got, `"mail":false`) {
				t.Error(got)
			}
		})
	}
	t.Run("faults", func(t *testing.T) {
		problems := check(config{setting.SMTPURL: "smtp://ann:hunter2@", setting.SMTPFrom: "cloud@example.test"}, false)
		if len(problems) != 1 || problems[0].Variable != setting.SMTPURL || strings.Contains(fmt.Sprint(problems), "hunter2") {
			t.Errorf("%+v", problems)
		}
		if problems := check(config{}, false); len(problems) != 0 {
			t.Errorf("%+v", problems)
		}
	})
}
