// Package origin knows what a web origin is, when two origins are the same, and which of them may make changes here
// (contract, security-middleware §2, §5). It owns the rule. Callers decide which requests to apply it to.
package origin

import (
	"net/url"
	"strings"
)

// Origin is the origin of a page in normal form: lower case, without the default port of its scheme.
type Origin struct{ scheme, host string }

// Parse parses an origin, or takes that of a page's URL. It fails for text without scheme and host, such as "null".
func Parse(text string) (Origin, bool) {
	if o, ok := parseUsual(text); ok {
		return o, true
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return Origin{}, false
	}
	scheme := strings.ToLower(u.Scheme)
	return Origin{scheme, NormalHost(scheme, u.Host)}, true
}

// parseUsual parses an origin in the form in which browsers write those of the web, as nearly all are. A text that it
// does not accept may still be an origin.
func parseUsual(text string) (Origin, bool) {
	scheme, host, _ := strings.Cut(text, "://")
	if scheme != "http" && scheme != "https" {
		return Origin{}, false
	}
	name, port, _ := strings.Cut(host, ":")
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return Origin{}, false
		}
	}
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return Origin{}, false
		}
	}
	return Origin{scheme, NormalHost(scheme, host)}, name != ""
}

// String returns the origin as browsers write it.
func (o Origin) String() string { return o.scheme + "://" + o.host }

func (o Origin) web() bool { return o.scheme == "http" || o.scheme == "https" }

// servedAt reports whether pages of o come from the host that a request names, with or without a port. It does not
// compare the scheme, because a proxy that terminates TLS need not announce it.
func (o Origin) servedAt(host string) bool {
	return host != "" && o.web() && o.host == NormalHost(o.scheme, host)
}

// NormalHost converts a host, with or without a port, to the form in which browsers serialise it: lower case, without
// the default port of the scheme, which some proxies add.
func NormalHost(scheme, host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ":")
	switch scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// Policy decides which pages may make changes. The zero Policy trusts only pages of the addressed host.
type Policy struct {
	public Origin // from OR3_PUBLIC_URL; may be zero
	listed map[Origin]bool
}

// NewPolicy returns the policy of an instance with a public URL, which may be empty, and an allow-list of origins.
// Invalid entries of the list match nothing.
func NewPolicy(publicURL string, allowed []string) Policy {
	p := Policy{listed: map[Origin]bool{}}
	p.public, _ = Parse(publicURL)
	for _, text := range allowed {
		if o, ok := Parse(text); ok {
			p.listed[o] = true
		}
	}
	return p
}

// Listed reports whether an origin is on the allow-list.
func (p Policy) Listed(text string) bool {
	if len(p.listed) == 0 {
		return false
	}
	o, ok := Parse(text)
	return ok && p.listed[o]
}

// Own reports whether a page, given by its URL or origin, belongs to this instance: to its public URL, or to the host
// that a request names. host is empty if unknown.
func (p Policy) Own(page, host string) bool {
	o, ok := Parse(page)
	if !ok {
		return false
	}
	return o == p.public || o.servedAt(host)
}

// Allows reports whether a page may make changes with a request that names host. Its own pages and listed ones may.
func (p Policy) Allows(page, host string) bool { return p.Listed(page) || p.Own(page, host) }
