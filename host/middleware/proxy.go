package middleware

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/origin"
)

// Proxy says whose forwarding headers are believed, and which of them (contract, security-middleware §4). Where the
// contract reads less than proxies send (ports, lists of protocols, RFC 7239) it reads more.
type Proxy struct {
	// Everyone believes the headers of every sender: OR3_TRUST_PROXY. The proxy in front must overwrite them.
	Everyone bool
	// Proxies are the networks whose senders are believed: OR3_TRUSTED_PROXIES. The client is then the last address of
	// the chain that is in none of them, so that what a client itself has sent is not believed.
	Proxies []netip.Prefix
	// ClientHeader has the client's address: OR3_FORWARDED_FOR_HEADER. Empty means X-Forwarded-For. With "forwarded",
	// host and protocol are also taken from that header (RFC 7239).
	ClientHeader string
	// Log, if set, gets one line for each nearby proxy that is not trusted.
	Log *slog.Logger
}

// Identify puts the sender's identity into the context.
func (p Proxy) Identify(next http.Handler) http.Handler {
	told := &once{log: p.Log}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := p.identity(r)
		if id.Unbelieved != "" {
			told.warn(id.Unbelieved, "a reverse proxy is not trusted, so all people behind it count as one client: set OR3_TRUSTED_PROXIES to its address",
				"proxy", id.Unbelieved, "example", "OR3_TRUSTED_PROXIES="+id.Unbelieved)
		}
		next.ServeHTTP(w, httpapi.WithIdentity(r, id))
	})
}

// forwards reports whether a request has headers that a proxy adds.
func (p Proxy) forwards(h http.Header) bool {
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", p.ClientHeader} {
		if name != "" && len(h.Values(name)) > 0 {
			return true
		}
	}
	return false
}

// identity falls back to the socket's address where the headers have none, like the callers of the contract's rule. It
// does not fall back to the Host header of a trusted proxy, since the origin rule must fail closed.
func (p Proxy) identity(r *http.Request) httpapi.Identity {
	id := httpapi.Identity{ClientIP: "unknown", HTTPS: r.TLS != nil}
	peer, known := parsePeer(r.RemoteAddr)
	if known {
		id.ClientIP = peer.String()
	}
	if !p.believes(peer, known) {
		id.Host = normalHost(r.Host, id.HTTPS)
		// Beyond nearby networks it may be anyone, whose address must not be suggested.
		if near := !known || peer.IsLoopback() || peer.IsPrivate() || peer.IsLinkLocalUnicast(); near && p.forwards(r.Header) {
			id.Unbelieved = "loopback" // stands for a Unix socket, too
			if known {
				id.Unbelieved = peer.String()
			}
		}
		return id
	}
	id.Forwarded = true
	f := p.forwarded(r.Header)
	if addr, ok := p.client(f.chain); ok {
		id.ClientIP = addr.String()
	} else {
		id.ClientUntold = p.forwards(r.Header)
	}
	switch f.proto {
	case "https", "wss":
		id.HTTPS = true
	case "http", "ws":
		id.HTTPS = false
	default: // any other word says nothing, and must not redirect forever
		id.ProtoUntold = p.forwards(r.Header)
	}
	id.Host = normalHost(f.host, id.HTTPS)
	return id
}

// believes reports whether the sender of a request is a proxy of ours. A sender without an address has come through a
// Unix socket, which the file system guards.
func (p Proxy) believes(peer netip.Addr, known bool) bool {
	return p.Everyone || len(p.Proxies) > 0 && (!known || p.trusted(peer))
}

func (p Proxy) trusted(addr netip.Addr) bool {
	return slices.ContainsFunc(p.Proxies, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// unixSocket is what nginx writes for a sender without an address.
const unixSocket = "unix:"

// client returns the client among the addresses that the proxies have added, the nearest proxy's last. Without a list
// of proxies it is the first, as the contract says.
func (p Proxy) client(chain []string) (netip.Addr, bool) {
	if len(p.Proxies) == 0 {
		return parseAddr(first(chain))
	}
	var nearest netip.Addr
	for _, text := range slices.Backward(chain) {
		if strings.EqualFold(text, unixSocket) {
			continue // a proxy of ours on this machine, which came through a socket
		}
		addr, ok := parseAddr(text)
		if !ok {
			break // anyone may have written what precedes an entry that no proxy of ours would write
		}
		if nearest = addr; !p.trusted(addr) {
			break
		}
	}
	return nearest, nearest.IsValid()
}

// forwarded is what the headers of a request say about its way.
type forwarded struct {
	chain []string // addresses, the client's first
	host  string
	proto string // lower case
}

func (p Proxy) forwarded(h http.Header) forwarded {
	if strings.EqualFold(p.ClientHeader, "forwarded") {
		return parseForwarded(list(h, "Forwarded"))
	}
	header := p.ClientHeader
	if header == "" {
		header = "X-Forwarded-For"
	}
	return forwarded{
		chain: list(h, header),
		host:  first(list(h, "X-Forwarded-Host")),
		proto: strings.ToLower(first(list(h, "X-Forwarded-Proto"))),
	}
}

// parseForwarded reads RFC 7239: elements separated by commas, each of pairs separated by semicolons. Host and protocol
// are those of the first element that has them, which is the one nearest to the browser.
func parseForwarded(elements []string) (f forwarded) {
	for _, element := range elements {
		for _, pair := range splitQuoted(element, ';') {
			name, value, _ := strings.Cut(pair, "=")
			value = unquote(strings.TrimSpace(value))
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "for":
				f.chain = append(f.chain, value)
			case "host":
				f.host = cmp.Or(f.host, value)
			case "proto":
				f.proto = cmp.Or(f.proto, strings.ToLower(value))
			}
		}
	}
	return f
}

// list returns the entries of a header that is a list, over all its lines, without empty ones (RFC 9110 §5.6.1).
func list(h http.Header, name string) []string {
	var out []string
	for _, line := range h.Values(name) {
		for _, entry := range splitQuoted(line, ',') {
			if entry = unquote(strings.TrimSpace(entry)); entry != "" {
				out = append(out, entry)
			}
		}
	}
	return out
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// splitQuoted splits at a separator outside quoted strings (RFC 9110 §5.6.4). A quote that is not closed does not
// count: the client must not be able to open one that swallows what the proxy adds.
func splitQuoted(s string, sep byte) (parts []string) {
	quoted, from := false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == sep && !quoted:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	if quoted {
		return strings.Split(s, string(sep))
	}
	return append(parts, s[from:])
}

func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// parseAddr reads an address with or without a port, in the forms that proxies write: 192.0.2.1, 192.0.2.1:443,
// 2001:db8::1, [2001:db8::1] and [2001:db8::1]:443. A zone only matters on this machine and is dropped.
func parseAddr(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		host, _, splitErr := net.SplitHostPort(text)
		if splitErr != nil {
			return netip.Addr{}, false
		}
		if addr, err = netip.ParseAddr(host); err != nil {
			return netip.Addr{}, false
		}
	}
	return addr.Unmap().WithZone(""), true
}

// parsePeer is parseAddr for the form in which net/http writes the sender of a request.
func parsePeer(text string) (netip.Addr, bool) {
	if peer, err := netip.ParseAddrPort(text); err == nil {
		return peer.Addr().Unmap().WithZone(""), true
	}
	return parseAddr(text)
}

// normalHost is a host in the form for comparison.
func normalHost(host string, https bool) string {
	scheme := "http"
	if https {
		scheme = "https"
	}
	return origin.NormalHost(scheme, strings.TrimSpace(host))
}
