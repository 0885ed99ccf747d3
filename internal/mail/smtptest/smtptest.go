// Package smtptest is a mail server on a local port that keeps what it receives and can be told to misbehave. It is for
// tests only.
package smtptest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"or3.chat/cloud/internal/patience"
)

// Drop is an answer that closes the connection.
const Drop = "drop"

// Options control the behaviour of a server.
type Options struct {
	// StartTLS offers STARTTLS, Implicit speaks TLS from the first byte. Both use the certificate of Server.Roots.
	StartTLS, Implicit bool
	// User and Password, if set, are required before mail is accepted.
	User, Password string
	// Answer, if set, is called first for each command, including "CONNECT", and "." for the end of a message. Its
	// result replaces the usual answer, unless it is empty.
	Answer func(command string) string
}

// Message is a received message.
type Message struct {
	// Hello is the name that the client used to introduce itself.
	Hello string
	From  string
	To    []string
	// Data is the message as received, without dot-stuffing.
	Data string
	// Encrypted reports whether it came over TLS.
	Encrypted bool
}

// Server is a running server.
type Server struct {
	// Addr is its host and port.
	Addr string
	// Roots holds the authority of its certificate, which is for 127.0.0.1 and localhost.
	Roots *x509.CertPool

	t        testing.TB
	opts     Options
	tls      *tls.Config
	listener net.Listener
	received chan Message
	work     sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
	closed   bool
}

// Start runs a server until the test ends.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	s := &Server{t: t, opts: opts, received: make(chan Message, 1000), conns: map[net.Conn]bool{}}
	s.certify()
	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.Addr = s.listener.Addr().String()
	s.work.Go(s.accept)
	t.Cleanup(s.Stop)
	return s
}

// Stop closes the port and all connections. It may be called before the test ends.
func (s *Server) Stop() {
	s.mu.Lock()
	s.closed = true
	s.listener.Close()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
}

// Next returns the next message. It fails the test if there is none.
func (s *Server) Next() Message {
	s.t.Helper()
	return patience.Receive(s.t, "a mail", s.received)
}

// Pending returns the number of messages received but not returned by Next.
func (s *Server) Pending() int { return len(s.received) }

func (s *Server) certify() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Roots = x509.NewCertPool()
	s.Roots.AddCert(leaf)
	s.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			conn.Close()
			return
		}
		s.conns[conn] = true
		s.mu.Unlock()
		s.work.Go(func() {
			defer func() {
				s.mu.Lock()
				delete(s.conns, conn)
				s.mu.Unlock()
				conn.Close()
			}()
			c := &conversation{server: s}
			c.use(conn)
			if s.opts.Implicit {
				c.encrypt()
			}
			c.run()
		})
	}
}

// conversation is one connection.
type conversation struct {
	server    *Server
	conn      net.Conn
	text      *textproto.Conn
	encrypted bool
	known     bool // has signed in
	hello     string
	message   Message
}

func (c *conversation) use(conn net.Conn) {
	c.conn, c.text = conn, textproto.NewConn(struct {
		io.Reader
		io.Writer
		io.Closer
	}{bufio.NewReader(conn), conn, conn})
}

func (c *conversation) encrypt() {
	c.use(tls.Server(c.conn, c.server.tls))
	c.encrypted = true
}

var errDropped = errors.New("dropped")

// say sends an answer, or what the test wants instead, and returns its code.
func (c *conversation) say(command, usual string) (code string, err error) {
	answer := usual
	if c.server.opts.Answer != nil {
		if other := c.server.opts.Answer(command); other != "" {
			answer = other
		}
	}
	if answer == Drop {
		return "", errDropped
	}
	return answer[:1], c.text.PrintfLine("%s", strings.ReplaceAll(answer, "\n", "\r\n"))
}

func (c *conversation) run() {
	if code, err := c.say("CONNECT", "220 mail.test ready"); err != nil || code != "2" {
		return
	}
	for {
		line, err := c.text.ReadLine()
		if err != nil {
			return
		}
		if err := c.command(line); err != nil {
			return
		}
	}
}

func (c *conversation) command(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	var err error
	var code string
	switch verb = strings.ToUpper(verb); verb {
	case "EHLO":
		c.hello = rest
		_, err = c.say(verb, c.extensions())
	case "STARTTLS":
		if code, err = c.say(verb, "220 go ahead"); code == "2" {
			c.encrypt()
		}
	case "AUTH":
		err = c.signIn(rest)
	case "MAIL":
		usual := "250 OK"
		if c.server.opts.User != "" && !c.known {
			usual = "530 5.7.0 Authentication required"
		}
		if code, err = c.say(verb, usual); code == "2" {
			c.message = Message{Hello: c.hello, From: between(rest), Encrypted: c.encrypted}
		}
	case "RCPT":
		if code, err = c.say(verb, "250 OK"); code == "2" {
			c.message.To = append(c.message.To, between(rest))
		}
	case "DATA":
		if code, err = c.say(verb, "354 go ahead"); code == "3" {
			err = c.data()
		}
	case "QUIT":
		_, err = c.say(verb, "221 bye")
		return errors.Join(err, errDropped)
	case "NOOP", "RSET":
		_, err = c.say(verb, "250 OK")
	default:
		_, err = c.say(verb, "502 5.5.1 unknown command")
	}
	return err
}

func (c *conversation) extensions() string {
	out := "250-mail.test greets you\n250-8BITMIME\n250-ENHANCEDSTATUSCODES"
	if c.server.opts.StartTLS && !c.encrypted {
		out += "\n250-STARTTLS"
	}
	if c.server.opts.User != "" {
		out += "\n250-AUTH PLAIN LOGIN"
	}
	return out + "\n250 SIZE 1000000"
}

// signIn handles AUTH PLAIN with an initial response.
func (c *conversation) signIn(rest string) error {
	_, encoded, _ := strings.Cut(rest, " ")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err == nil && string(raw) == "\x00"+c.server.opts.User+"\x00"+c.server.opts.Password {
		c.known = true
		_, err := c.say("AUTH", "235 2.7.0 welcome")
		return err
	}
	_, err = c.say("AUTH", "535 5.7.8 wrong user name or password")
	return err
}

func (c *conversation) data() error {
	raw, err := c.text.ReadDotBytes()
	if err != nil {
		return err
	}
	code, err := c.say(".", "250 2.0.0 taken")
	if code == "2" {
		c.message.Data = string(raw)
		c.server.received <- c.message
	}
	return err
}

func between(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}

// Header returns a decoded field of the message's header.
func (m Message) Header(t testing.TB, name string) string {
	t.Helper()
	parsed, err := netmail.ReadMessage(strings.NewReader(m.Data))
	if err != nil {
		t.Fatal(err)
	}
	value, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get(name))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// Part returns the decoded part of a media type, such as text/plain.
func (m Message) Part(t testing.TB, mediaType string) string {
	t.Helper()
	parsed, err := netmail.ReadMessage(strings.NewReader(m.Data))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(parsed.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(fmt.Errorf("no part %s: %w", mediaType, err))
		}
		if !strings.HasPrefix(part.Header.Get("Content-Type"), mediaType) {
			continue
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(body), "\r\n", "\n")
	}
}
