package webhook

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	or3cloud "or3.chat/cloud"
)

// maxURL is the largest length of a webhook's URL, in bytes.
const maxURL = 2048

// notPublic are the address ranges that do not belong to the public internet (IANA registries of special-purpose
// addresses): private, shared, link-local and loopback networks, documentation, tests, multicast, tunnels. Of IPv6,
// only 2000::/3 is allocated at all.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

var (
	global = netip.MustParsePrefix("2000::/3")
	// nat64 is where a network without IPv4 reaches all of IPv4: the last four bytes are the IPv4 address (RFC 6052).
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// Public reports whether an address, in whatever form, belongs to the public internet.
func Public(a netip.Addr) bool {
	if a.Zone() != "" { // only link-local addresses need one
		return false
	}
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	a = a.Unmap()
	if !a.IsValid() || a.Is6() && !global.Contains(a) {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// Anywhere lets deliveries go to every address.
func Anywhere(netip.Addr) bool { return true }

var errNotPublic = errors.New("the address is not one of the public internet")

// control refuses a connection by the very address that is about to be dialled, after all names have been resolved.
func (e *Engine) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !e.opt.Allow(to.Addr()) {
		return errNotPublic
	}
	return nil
}

func invalid(text string) error { return or3cloud.Errorf(or3cloud.CodeInvalid, "%s", text) }

// CheckURL returns CodeInvalid for a URL that no webhook may have. It does not resolve names, because a name may
// resolve to another address tomorrow. Deliveries check that.
func (e *Engine) CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, len(text) > maxURL, u.Hostname() == "", u.Opaque != "":
		return invalid("The webhook URL is not a valid address")
	case u.Scheme != "http" && u.Scheme != "https":
		return invalid("The webhook URL must begin with http:// or https://")
	case e.opt.HTTPS && u.Scheme != "https":
		return invalid("The webhook URL must begin with https://")
	case u.User != nil:
		return invalid("The webhook URL must not contain a user name or password")
	}
	host := u.Hostname()
	if a, err := netip.ParseAddr(host); err == nil {
		if !e.opt.Allow(a) {
			return invalid("The webhook URL must not lead to a private address")
		}
		return nil
	}
	if isNumber(host) { // resolvers read 2130706433, 0x7f.1 and 127.1 as 127.0.0.1
		return invalid("The webhook URL is not a valid address")
	}
	if isLocal(host) && !e.opt.Allow(netip.IPv6Loopback()) {
		return invalid("The webhook URL must not lead to a private address")
	}
	return nil
}

// isNumber reports whether the last part of a host name is a number. Software that parses it as browsers do takes the
// whole name for an IPv4 address.
func isNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, ok := strings.CutPrefix(strings.ToLower(last), "0x"); ok {
		_, err := strconv.ParseUint(hex, 16, 64)
		return hex == "" || err == nil
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// isLocal reports whether a name never leads to another network.
func isLocal(host string) bool {
	host = "." + strings.ToLower(strings.TrimSuffix(host, "."))
	for _, end := range []string{".localhost", ".local", ".internal", ".localdomain"} {
		if strings.HasSuffix(host, end) {
			return true
		}
	}
	return false
}
