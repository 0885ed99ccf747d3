package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"or3.chat/cloud/setting"
)

// checkDomain checks the names for which the server gets certificates, and derives from them where it listens and its
// address.
func (l *loader) checkDomain(c *Config) {
	v := c.get(setting.Domain)
	if len(v.list) == 0 {
		return
	}
	var names []string
	for _, text := range v.list {
		name := strings.TrimSuffix(strings.ToLower(text), ".")
		if fault, fix := domainFault(name, c.String(setting.ACMECA) == ""); fault != "" {
			l.problems = append(l.problems, *v.problem(fmt.Sprintf("has %q, which %s", text, fault), fix))
			continue
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if v.list = names; len(names) == 0 {
		return
	}
	c.deriveDefault(setting.Addr, ":443")
	c.deriveDefault(setting.HTTPAddr, ":80")
	c.deriveDefault(setting.PublicURL, "https://"+names[0])
}

// Domain returns the first of the names under which the server speaks HTTPS itself, or "" if it does not.
func (c *Config) Domain() string {
	if names := c.List(setting.Domain); len(names) > 0 {
		return names[0]
	}
	return ""
}

// private are the last labels of names outside the public DNS.
var private = []string{"localhost", "local", "internal", "lan", "home", "test", "invalid", "arpa"}

// domainFault explains why a public authority, or one of the operator's own, cannot issue a certificate for a name. It
// returns "" if there is no such reason.
func domainFault(name string, public bool) (fault, fix string) {
	const example = "Use the name alone, for example chat.example.org."
	labels := strings.Split(name, ".")
	_, notAddr := netip.ParseAddr(name)
	switch {
	case notAddr == nil:
		return "is an address", "Use a domain name that leads to this machine, for example chat.example.org."
	case strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII }):
		return "has letters that certificates write in another way", "Use the form that begins with xn--, for example xn--bcher-kva.example for bücher.example."
	case strings.Contains(name, "*"):
		return "stands for many names", "List each name: the authority gives certificates for all names below a domain only to someone who can change its DNS."
	case len(name) > 253 || slices.ContainsFunc(labels, func(label string) bool {
		return label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !isLetter(r) && !isDigit(r) && r != '-' })
	}):
		return "is not a domain name", example
	case public && (len(labels) == 1 || slices.Contains(private, labels[len(labels)-1])):
		return "is in no public DNS, so no public authority gives a certificate for it",
			"Use a domain of your own that leads to this machine, or name an authority of your own in " + setting.ACMECA + "; without either, leave " + setting.Domain + " out."
	}
	return "", ""
}

// checkHTTPS checks the settings that go with the names.
func (l *loader) checkHTTPS(c *Config) {
	names := c.List(setting.Domain)
	if len(names) == 0 {
		return
	}
	addr, plain := c.get(setting.Addr), c.get(setting.HTTPAddr)
	if strings.HasPrefix(addr.Text, "unix:") {
		l.problems = append(l.problems, *addr.problem("is a Unix socket, and with "+setting.Domain+" the server itself speaks HTTPS with browsers",
			"Leave "+setting.Addr+" and --addr out to listen on port 443; or leave "+setting.Domain+" out, if a reverse proxy is in front of the server."))
	}
	switch _, _, err := net.SplitHostPort(plain.Text); {
	case plain.Text == setting.NoHTTPAddr:
	case err != nil:
		l.problems = append(l.problems, *plain.problem("is not an address to listen on", "Use host:port, for example :80, or "+setting.NoHTTPAddr+"."))
	case plain.Text == addr.Text && !strings.HasSuffix(addr.Text, ":0"):
		l.problems = append(l.problems, *plain.problem("is the address for HTTPS as well", "Use another one, or "+setting.NoHTTPAddr+"."))
	default:
		l.checkAddr(plain)
	}
	if public, err := url.Parse(c.String(setting.PublicURL)); err == nil && (public.Scheme != "https" || !slices.Contains(names, public.Hostname())) {
		l.doubt(c.get(setting.PublicURL), "is not https:// with a name of "+setting.Domain, "Leave it out: it is then https://"+names[0]+".")
	}
	for _, name := range []string{setting.TrustProxy, setting.TrustedProxies} {
		if v := c.get(name); v.boolean || len(v.list) > 0 {
			l.doubt(v, "trusts what clients say about themselves, because with "+setting.Domain+" no proxy is in front of the server",
				"Leave it out; or leave "+setting.Domain+" out, if the proxy has the certificate.")
		}
	}
	if v := c.get(setting.ACMEEmail); v.Text != "" && !isMailAddress(v.Text) {
		l.problems = append(l.problems, *v.problem("is not an e-mail address to reach you at", "Use for example admin@example.org, or leave it out."))
	}
	if v := c.get(setting.ACMECA); v.Text != "" {
		if u, err := url.Parse(v.Text); err != nil || u.Scheme != "https" || !isHost(u.Hostname()) {
			l.problems = append(l.problems, *v.problem("is not the directory of an authority",
				"Use its https:// address, for example "+v.Setting.Example+", or leave it out for Let's Encrypt."))
		}
		if c.Bool(setting.ACMEStaging) {
			l.doubt(c.get(setting.ACMEStaging), "is that of Let's Encrypt and contradicts "+setting.ACMECA+", which wins", "Remove one of the two.")
		}
	} else if roots := c.get(setting.ACMERoots); roots.IsSet {
		l.doubt(roots, "has no effect without "+setting.ACMECA, "Set both, or neither.")
	}
}
