package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"

	"or3.chat/cloud/internal/mail"
	"or3.chat/cloud/setting"
)

// MailTest is an attempt to send a message with mail settings. It needs no instance.
type MailTest struct {
	// URL, From and EHLOName are the settings of the mail server as they are configured.
	URL, From, EHLOName string
	// To is the address that gets the message, PublicURL is what the message says about the server.
	To, PublicURL string
	Now           func() time.Time
	Rand          io.Reader
}

// MailTested is the outcome.
type MailTested struct {
	OK     bool   `json:"ok"`
	Server string `json:"server,omitempty"`
	From   string `json:"from,omitempty"`
	To     string `json:"to"`
	// EHLOName is how the program introduced itself to the server.
	EHLOName string `json:"ehloName,omitempty"`
	// Step is where it failed, Code the server's reply.
	Step   string `json:"step,omitempty"`
	Code   int    `json:"code,omitempty"`
	Error  string `json:"error,omitempty"`
	Advice string `json:"advice,omitempty"`
}

// IsAddress reports whether a text is exactly one e-mail address. Invisible characters are copied by accident,
// and no one registers with them.
func IsAddress(text string) bool {
	parsed, err := netmail.ParseAddress(text)
	return err == nil && parsed.Address == text && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Run sends the message and explains why if it cannot be sent.
func (t MailTest) Run(ctx context.Context) MailTested {
	r := MailTested{To: t.To}
	server, err := mail.Parse(t.URL, t.From, t.EHLOName)
	switch {
	case !IsAddress(t.To):
		r.Error = fmt.Sprintf("%q is not an e-mail address", t.To)
	case err != nil:
		r.fault(err)
	case server == nil:
		r.Error, r.Advice = "no mail server is configured", "Set "+setting.SMTPURL+" and "+setting.SMTPFrom+"."
	default:
		r.Server, r.From, r.EHLOName = server.Server(), server.From(), server.EHLOName()
		if err := mail.NewSender(server, t.Now, t.Rand).Send(ctx, t.letter()); err != nil {
			r.fault(err)
		}
	}
	r.OK = r.Error == ""
	return r
}

// fault fills in what went wrong.
func (r *MailTested) fault(err error) {
	r.Error = err.Error()
	var configured *mail.FaultError
	var delivery *mail.Error
	switch {
	case errors.As(err, &configured):
		r.Error, r.Advice = configured.Setting+" "+configured.Fault, configured.Fix
	case errors.As(err, &delivery):
		r.Step, r.Code, r.Advice = string(delivery.Step), delivery.Code, delivery.Advice
	}
}

func (t MailTest) letter() mail.Letter {
	l := mail.Letter{
		To: t.To, Subject: "OR3 Cloud can send mail",
		Paragraphs: []string{"This is a test message. Mail for forgotten passwords and notices about accounts will reach you the same way."},
	}
	if t.PublicURL != "" {
		l.Facts = []mail.Fact{{Name: "Server", Value: t.PublicURL}}
	}
	return l
}
