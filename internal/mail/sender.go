package mail

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"io"
	"time"

	smtp "github.com/wneessen/go-mail"
)

// Time limits of each step of a delivery, and of the whole.
const (
	stepTimeout = 20 * time.Second
	sendTimeout = 90 * time.Second
)

// Sender delivers letters to a mail server. Each delivery uses a new connection, because letters are rare.
type Sender struct {
	config Config
	now    func() time.Time
	rand   io.Reader
	// step and whole are the time limits of a delivery.
	step, whole time.Duration
	// roots are the authorities that the server's certificate is checked against. nil means the system's.
	roots *x509.CertPool
}

// NewSender returns a Sender for a server.
func NewSender(c *Config, now func() time.Time, rand io.Reader) *Sender {
	return &Sender{config: *c, now: now, rand: rand, step: stepTimeout, whole: sendTimeout}
}

// Send delivers a letter to the server. If it returns nil, the server has taken responsibility for it. Errors are of
// type *Error.
func (s *Sender) Send(ctx context.Context, l Letter) error {
	m, err := s.message(l)
	if err != nil {
		return &Error{Step: StepMessage, Permanent: true, cause: err}
	}
	return s.talk(ctx, m)
}

// SignIn does what a delivery does before its message: it connects, encrypts as configured, introduces itself and signs
// in. Errors are of type *Error.
func (s *Sender) SignIn(ctx context.Context) error { return s.talk(ctx, nil) }

// talk holds one conversation with the server.
func (s *Sender) talk(ctx context.Context, m *smtp.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, s.whole)
	defer cancel()
	line := &line{config: s.config, roots: s.roots}
	// Closing the connection ends a conversation in progress, and cleans up after a failed one.
	stop := context.AfterFunc(ctx, line.close)
	defer stop()
	defer line.close()
	client, err := s.client(line)
	if err != nil {
		return &Error{Step: StepConnect, cause: err}
	}
	if err := converse(ctx, client, line, m); err != nil {
		return explain(err, line)
	}
	return nil
}

// converse signs in and delivers m, if there is one. It ignores errors after the server has accepted the message: a
// sender that retried because of a failed goodbye would deliver it twice.
func converse(ctx context.Context, client *smtp.Client, line *line, m *smtp.Msg) error {
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	line.signedIn = true
	if m != nil {
		if err := client.SendWithSMTPClient(conn, m); err != nil && !m.IsDelivered() {
			return err
		}
	}
	_ = client.CloseWithSMTPClient(conn)
	return nil
}

func (s *Sender) client(line *line) (*smtp.Client, error) {
	c := s.config
	policy := map[encryption]smtp.TLSPolicy{
		startTLS: smtp.TLSMandatory, opportunistic: smtp.TLSOpportunistic, cleartext: smtp.NoTLS, implicitTLS: smtp.NoTLS,
	}
	options := []smtp.Option{
		smtp.WithPort(c.port), smtp.WithTimeout(s.step), smtp.WithTLSPolicy(policy[c.encryption]),
		smtp.WithTLSConfig(line.tlsConfig()), smtp.WithDialContextFunc(line.dial), smtp.WithHELO(c.ehlo),
	}
	switch {
	case c.user == "":
	case c.encryption == cleartext:
		options = append(options, smtp.WithSMTPAuth(smtp.SMTPAuthPlainNoEnc), smtp.WithUsername(c.user), smtp.WithPassword(c.password))
	default:
		options = append(options, smtp.WithUsername(c.user), smtp.WithPassword(c.password),
			smtp.WithOpportunisticSMTPAuth(smtp.SMTPAuthPlain, smtp.SMTPAuthLogin, smtp.SMTPAuthSCRAMSHA256, smtp.SMTPAuthSCRAMSHA1))
	}
	return smtp.NewClient(c.host, options...)
}

// message builds the message. Its id contains the server's public name, not this machine's.
func (s *Sender) message(l Letter) (*smtp.Msg, error) {
	html, err := l.HTML()
	if err != nil {
		return nil, err
	}
	id := make([]byte, 16)
	if _, err := io.ReadFull(s.rand, id); err != nil {
		return nil, err
	}
	m := smtp.NewMsg(smtp.WithNoDefaultUserAgent())
	m.FromMailAddress(s.config.from)
	if err := m.To(l.To); err != nil {
		return nil, err
	}
	m.Subject(l.Subject)
	m.SetDateWithValue(s.now().UTC())
	m.SetMessageIDWithValue(hex.EncodeToString(id) + "@" + s.config.idDomain())
	// Programs that reply automatically ignore such a message (RFC 3834).
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetBodyString(smtp.TypeTextPlain, l.Text())
	m.AddAlternativeString(smtp.TypeTextHTML, html)
	return m, nil
}
