package config

import (
	"net/mail"
	"net/netip"
	"net/url"
	"strings"
)

// ehloLiteral is how a mail client without a name introduces itself: with an address in brackets (RFC 5321 §4.1.4).
const ehloLiteral = "[127.0.0.1]"

// defaultEHLOName returns how the program introduces itself to the mail server if nothing is configured: by its public
// name, otherwise by the domain it sends from, otherwise by the machine's name. Strict servers refuse a name that is
// not fully qualified, and in a container the machine's name is a random id.
func defaultEHLOName(publicURL, from, machine string) string {
	var names []string
	if u, err := url.Parse(publicURL); err == nil {
		names = append(names, u.Hostname())
	}
	if a, err := mail.ParseAddress(from); err == nil {
		names = append(names, a.Address[strings.LastIndexByte(a.Address, '@')+1:])
	}
	for _, name := range append(names, machine) {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if isQualifiedDomain(name) && !namesThisMachine(name) {
			return name
		}
	}
	return ehloLiteral
}

// isEHLOName reports whether a mail server can be greeted with a name: a fully qualified domain or an address literal
// (RFC 5321 §4.1.1.1 and §4.1.3).
func isEHLOName(name string) bool {
	inner, ok := strings.CutPrefix(name, "[")
	if !ok {
		return isQualifiedDomain(name)
	}
	if inner, ok = strings.CutSuffix(inner, "]"); !ok {
		return false
	}
	v6, tagged := strings.CutPrefix(inner, "IPv6:")
	addr, err := netip.ParseAddr(v6)
	return err == nil && addr.Zone() == "" && addr.Is6() == tagged
}

// isQualifiedDomain reports whether a name is two or more labels of letters, digits and inner hyphens, and no IP
// address (RFC 1123 §2.1, RFC 1034 §3.1).
func isQualifiedDomain(name string) bool {
	labels := strings.Split(name, ".")
	if len(name) > 253 || len(labels) < 2 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !isLetter(r) && !isDigit(r) && r != '-' }) {
			return false
		}
	}
	return strings.ContainsFunc(labels[len(labels)-1], isLetter)
}

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }
func isDigit(r rune) bool  { return '0' <= r && r <= '9' }

// namesThisMachine reports whether a name means "here" on every machine, which tells a mail server nothing.
func namesThisMachine(name string) bool {
	return strings.HasSuffix(name, ".localhost") || strings.HasSuffix(name, ".localdomain")
}
