// Package mail writes letters and hands them to a mail server. What the letters say, to whom, and what happens when the server
// is away belongs to the callers.
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

// encryption says how the connection to the mail server is protected.
type encryption int

const (
	// startTLS begins in the clear and goes on only when the server switches to TLS.
	startTLS encryption = iota
	// implicitTLS is TLS from the first byte.
	implicitTLS
	// opportunistic takes STARTTLS if it is offered; for servers on the same machine.
	opportunistic
	// cleartext is what the operator asked for with tls=none.
	cleartext
)

// Config says which server takes mail, and in whose name.
type Config struct {
	host           string
	port           int
	user, password string
	encryption     encryption
	from           *netmail.Address
	// ehlo is the name by which the program introduces itself to the server.
	ehlo string
}

// secrets are the forms in which the password goes to the server, which may repeat what it does not take: as it is, and as SASL's PLAIN and
// LOGIN encode it. Very short ones would take words of the reply away and are left in.
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

// FaultError is a mistake in one of the two settings. Its text holds no secret.
type FaultError struct {
	// Setting is the name of the variable.
	Setting string
	// Fault says what is wrong, Fix what to write instead.
	Fault, Fix string
}

// Error implements error.
func (e *FaultError) Error() string { return e.Setting + " " + e.Fault + ". " + e.Fix }

const urlFix = "Use smtp://USER:PASSWORD@HOST:587 for STARTTLS, or smtps://USER:PASSWORD@HOST:465."

// Parse reads the settings OR3_SMTP_URL and OR3_SMTP_FROM. It returns nil when both are empty: then there is no mail.
// ehlo is OR3_SMTP_EHLO_NAME, which the host's configuration has checked and never leaves empty.
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

// parseURL never repeats the URL in an error, nor the error of net/url, for there may be a password in both.
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

// applyOptions reads what follows the question mark: tls=none is all there is.
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

// Server names the server for messages: host and port.
func (c *Config) Server() string { return net.JoinHostPort(c.host, strconv.Itoa(c.port)) }

// From is the sender's address, without a name.
func (c *Config) From() string { return c.from.Address }

// EHLOName is the name by which the program introduces itself to the server.
func (c *Config) EHLOName() string { return c.ehlo }

// idDomain is the domain in the ids of messages: the name of the server, or, if it has none but an address, the domain
// of the sender.
func (c *Config) idDomain() string {
	if c.ehlo != "" && c.ehlo[0] != '[' {
		return c.ehlo
	}
	return c.from.Address[strings.LastIndexByte(c.from.Address, '@')+1:]
}

// String implements fmt.Stringer, so that no password can end in a log.
func (c *Config) String() string { return fmt.Sprintf("mail server %s", c.Server()) }
