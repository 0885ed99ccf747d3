// Package mail writes letters and delivers them to a mail server. Callers decide what the letters say, who gets them,
// and what happens if the server is down.
package mail

import (
	"encoding/base64"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"strconv"
	"strings"

	"or3.chat/cloud/setting"
)

// encryption tells how the connection to the mail server is protected.
type encryption int

const (
	// startTLS begins unencrypted and continues only if the server switches to TLS.
	startTLS encryption = iota
	// implicitTLS is TLS from the first byte.
	implicitTLS
	// opportunistic uses STARTTLS if offered. It is for servers on the same machine.
	opportunistic
	// cleartext is tls=none, chosen by the operator.
	cleartext
)

// Config is the mail server and the sender.
type Config struct {
	host           string
	port           int
	user, password string
	encryption     encryption
	from           *netmail.Address
	// ehlo is the name by which the program introduces itself to the server.
	ehlo string
}

// secrets returns the forms in which the server receives the password, and in which it may repeat it: literally, and
// encoded by SASL's PLAIN and LOGIN. It leaves out very short forms, because removing them would also remove words of
// the reply.
func (c Config) secrets() (forms []string) {
	const shortest = 4
	for _, form := range []string{
		c.password, base64.StdEncoding.EncodeToString([]byte("\x00" + c.user + "\x00" + c.password)), base64.StdEncoding.EncodeToString([]byte(c.password)),
	} {
		if c.password != "" && len(form) >= shortest {
			forms = append(forms, form)
		}
	}
	return forms
}

// FaultError is a fault in one of the two settings. Its text contains no secret.
type FaultError struct {
	// Setting is the name of the variable.
	Setting string
	// Fault describes the fault, and Fix tells what to write instead.
	Fault, Fix string
}

// Error implements error.
func (e *FaultError) Error() string { return e.Setting + " " + e.Fault + ". " + e.Fix }

const urlFix = "Use smtp://USER:PASSWORD@HOST:587 for STARTTLS, or smtps://USER:PASSWORD@HOST:465."

// Parse parses the settings OR3_SMTP_URL and OR3_SMTP_FROM. It returns nil if both are empty, which disables mail. ehlo
// is OR3_SMTP_EHLO_NAME, which the host's configuration has checked and never leaves empty.
func Parse(smtpURL, from, ehlo string) (*Config, error) {
	if smtpURL == "" && from == "" {
		return nil, nil
	}
	if smtpURL == "" {
		return nil, &FaultError{setting.SMTPURL, "is not set, but " + setting.SMTPFrom + " is", urlFix}
	}
	c, err := parseURL(smtpURL)
	if err != nil {
		return nil, err
	}
	if c.from, err = parseFrom(from); err != nil {
		return nil, err
	}
	c.ehlo = ehlo
	return c, nil
}

// parseURL never repeats the URL or the error of net/url in an error, because both may contain a password.
func parseURL(text string) (*Config, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || (u.Path != "" && u.Path != "/") || u.Fragment != "" {
		return nil, &FaultError{setting.SMTPURL, "is not the URL of a mail server", urlFix + " Characters such as @ / # ? % in a password are written as %40 %2F %23 %3F %25."}
	}
	c := &Config{host: u.Hostname(), user: u.User.Username()}
	c.password, _ = u.User.Password()
	defaultPort := 587
	switch u.Scheme {
	case "smtp":
		if loopback(c.host) {
			c.encryption = opportunistic
		}
	case "smtps":
		c.encryption, defaultPort = implicitTLS, 465
	default:
		return nil, &FaultError{setting.SMTPURL, "begins neither with smtp:// nor with smtps://", urlFix}
	}
	if c.port = defaultPort; u.Port() != "" {
		if c.port, err = strconv.Atoi(u.Port()); err != nil || c.port < 1 || c.port > 65535 {
			return nil, &FaultError{setting.SMTPURL, "has no port between 1 and 65535", urlFix}
		}
	}
	return c, c.applyOptions(u.Query())
}

// applyOptions parses the query. tls=none is the only option.
func (c *Config) applyOptions(options url.Values) error {
	for name, values := range options {
		if name != "tls" || len(values) != 1 || values[0] != "none" || c.encryption == implicitTLS {
			return &FaultError{setting.SMTPURL, "has an option other than tls=none", "Remove what follows the question mark, or write ?tls=none with smtp://."}
		}
		c.encryption = cleartext
	}
	return nil
}

func parseFrom(text string) (*netmail.Address, error) {
	a, err := netmail.ParseAddress(text)
	if err != nil || strings.ContainsFunc(a.Name, isControl) || strings.ContainsFunc(a.Address, isControl) {
		fault := "is not an e-mail address"
		if text == "" {
			fault = "is not set, but " + setting.SMTPURL + " is"
		}
		return nil, &FaultError{setting.SMTPFrom, fault, `Write cloud@example.org or "Our Cloud <cloud@example.org>".`}
	}
	return a, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Server returns the server's host and port, for messages.
func (c *Config) Server() string { return net.JoinHostPort(c.host, strconv.Itoa(c.port)) }

// From returns the sender's address, without a name.
func (c *Config) From() string { return c.from.Address }

// EHLOName returns the name by which the program introduces itself to the server.
func (c *Config) EHLOName() string { return c.ehlo }

// idDomain returns the domain in message ids: the server's name or, if it has only an address, the sender's domain.
func (c *Config) idDomain() string {
	if c.ehlo != "" && c.ehlo[0] != '[' {
		return c.ehlo
	}
	return c.from.Address[strings.LastIndexByte(c.from.Address, '@')+1:]
}

// String implements fmt.Stringer, so that no password can end up in a log.
func (c *Config) String() string { return fmt.Sprintf("mail server %s", c.Server()) }
