package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"regexp"
	"strings"

	smtp "github.com/wneessen/go-mail"

	"or3.chat/cloud/setting"
)

// Step is how far a delivery got.
type Step string

// The steps.
const (
	StepMessage   Step = "message"
	StepConnect   Step = "connect"
	StepEncrypt   Step = "encrypt"
	StepGreet     Step = "greet"
	StepSignIn    Step = "sign_in"
	StepSender    Step = "sender"
	StepRecipient Step = "recipient"
	StepContent   Step = "content"
)

// Error is a failed delivery. Its text is for the operator who tests mail. It may contain the recipient's address,
// because servers repeat it. Logs use the other fields.
type Error struct {
	Step Step
	// Code is the server's reply code, or 0.
	Code int
	// Permanent means that a retry is useless: the server refuses this recipient or message permanently.
	Permanent bool
	// Advice is what the operator can do. It may be empty.
	Advice string
	cause  error
	// secrets are texts sent to the server that it may repeat.
	secrets []string
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %v", e.Summary(), e.cause)
	for _, secret := range e.secrets {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	return text
}

// Summary says where it failed, and nothing that the server has said.
func (e *Error) Summary() string {
	return map[Step]string{
		StepMessage:   "the message cannot be built",
		StepConnect:   "no connection to the mail server",
		StepEncrypt:   "no encrypted connection to the mail server",
		StepGreet:     "the mail server does not speak as expected",
		StepSignIn:    "the mail server refuses the sign-in",
		StepSender:    "the mail server refuses the sender",
		StepRecipient: "the mail server refuses the recipient",
		StepContent:   "the mail server did not take the message",
	}[e.Step]
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// explain reports at which step a conversation failed, and what can be done.
func explain(err error, l *line) *Error {
	e := &Error{cause: err, secrets: l.config.secrets()}
	var reply *textproto.Error
	if errors.As(err, &reply) {
		e.Code = reply.Code
	}
	var sent *smtp.SendError
	switch {
	case errors.As(err, &sent):
		e.refused(sent)
	case !l.connected:
		e.Step, e.Advice = StepConnect, connectAdvice(err, l.config)
	case isTLS(err):
		e.Step, e.Advice = StepEncrypt, tlsAdvice(err, l.config)
	case e.Code == 0 && strings.Contains(err.Error(), "STARTTLS"):
		e.Step = StepEncrypt
		e.Advice = "The server offers no STARTTLS. Use smtps:// if it has a port for TLS; ?tls=none sends everything in the clear."
	case e.Code == 530 || e.Code == 534 || e.Code == 535 || e.Code == 538 || strings.Contains(err.Error(), "AUTH"):
		e.Step, e.Advice = StepSignIn, "Check user name and password in "+setting.SMTPURL+"; some providers want a password made for this program."
	default:
		e.Step, e.Advice = StepGreet, "Check the port: 587 goes with smtp://, 465 with smtps://."
	}
	if e.Code >= 400 && e.Code != 421 && namesGreeting.MatchString(err.Error()) {
		// Many servers refuse the greeting only when they hear the recipient, who is not at fault.
		e.Step, e.Permanent = StepGreet, false
		e.Advice = "The mail server does not take the name " + l.config.ehlo + ": set " + setting.EHLOName + " to a full domain name that leads to this machine."
	}
	if timedOut(err) && e.Advice == "" {
		e.Advice = "The server did not answer in time."
	}
	return e
}

// namesGreeting recognizes the replies of servers that reject our greeting, at whatever step.
var namesGreeting = regexp.MustCompile(`(?i)\b(helo|ehlo)\b`)

// refused fills in the server's reply to the message. A server that refuses the sender refuses our configuration, which
// can be fixed. Only a refusal of the recipient or the content is permanent.
func (e *Error) refused(sent *smtp.SendError) {
	e.Code = sent.ErrorCode()
	switch sent.Reason {
	case smtp.ErrSMTPMailFrom:
		e.Step, e.Advice = StepSender, "Set "+setting.SMTPFrom+" to an address in whose name the account may send."
		if e.Code == 530 {
			e.Step, e.Advice = StepSignIn, "The server wants a sign-in: put user name and password into "+setting.SMTPURL+"."
		}
	case smtp.ErrSMTPRcptTo:
		e.Step, e.Permanent = StepRecipient, e.Code >= 500
	default:
		e.Step, e.Permanent = StepContent, e.Code >= 500
	}
}

func connectAdvice(err error, c Config) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("The name %s was not found: check it in %s.", c.host, setting.SMTPURL)
	case timedOut(err):
		return fmt.Sprintf("%s does not answer: many networks block outgoing mail; ask your provider which port is open.", c.Server())
	default:
		return fmt.Sprintf("Nothing listens at %s: check host and port in %s.", c.Server(), setting.SMTPURL)
	}
}

func tlsAdvice(err error, c Config) string {
	var name x509.HostnameError
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("The certificate is not for %s: use the name that it is for.", c.host)
	case errors.As(err, &plain):
		return "The server does not begin with TLS on this port: use smtp:// with port 587 or smtps:// with port 465."
	default:
		return "This machine does not trust the server's certificate: install its authority, for example through SSL_CERT_FILE."
	}
}

func isTLS(err error) bool {
	var verification *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &verification) || errors.As(err, &plain) || errors.As(err, &alert)
}

func timedOut(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}
