package middleware

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"or3.chat/cloud/host/httpx"
	"or3.chat/cloud/internal/ratelimit"
)

// Proxy says whether forwarding headers are believed, and which of them.
type Proxy struct {
	trust        bool
	forwardedFor string
}

// NewProxy returns the rule. trust is OR3_TRUST_PROXY: every request comes through a proxy that sets the forwarding
// headers itself. forwardedFor is the header with the client's address: "x-real-ip", or anything else for
// "x-forwarded-for".
func NewProxy(trust bool, forwardedFor string) Proxy {
	if !strings.EqualFold(forwardedFor, "x-real-ip") {
		forwardedFor = "x-forwarded-for"
	}
	return Proxy{trust, forwardedFor}
}

// Identify puts the sender's identity into the context.
func (p Proxy) Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, httpx.WithIdentity(r, p.identity(r)))
	})
}

// identity applies the rules of contract security-middleware §4. The address falls back to the socket's, as the
// callers of that rule do; the host does not, since the origin rule must fail closed.
func (p Proxy) identity(r *http.Request) httpx.Identity {
	id := httpx.Identity{ClientIP: "unknown", HTTPS: r.TLS != nil}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		setClient(&id, host)
	}
	if !p.trust {
		id.Host = normalHost(r.Host)
		return id
	}
	setClient(&id, first(r.Header.Get(p.forwardedFor)))
	id.Host = normalHost(first(r.Header.Get("X-Forwarded-Host")))
	if proto := r.Header.Get("X-Forwarded-Proto"); proto != "" {
		id.HTTPS = proto == "https" // a list such as "https,http" is not https
	}
	return id
}

// setClient takes a client's address in the one form in which it is logged, stored and limited. A zone, which may be any
// text and says nothing beyond this machine, is no part of it. What is no address is not taken.
func setClient(id *httpx.Identity, text string) {
	if addr, err := netip.ParseAddr(text); err == nil {
		id.ClientIP = addr.Unmap().WithZone("").String()
	}
}

func first(list string) string {
	entry, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(entry)
}

func normalHost(host string) string { return strings.ToLower(strings.TrimSpace(host)) }

// LimitKey returns the key under which an address is limited.
func LimitKey(clientIP string) string { return ratelimit.Network(clientIP) }
