// Package origin knows what a web origin is, when two are the same, and which of them may change something here
// (contract, security-middleware §2, §5). It owns the rule; who applies it to which requests is the caller's.
package origin

import (
	"net/url"
	"strings"
)

// Origin is where a page comes from, in its normal form: lower case, and without the default port of its scheme.
type Origin struct{ scheme, host string }

// Parse reads an origin, or that of a page's URL. Text without scheme and host has none; "null" is such a text.
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

// parseUsual reads an origin in the form in which browsers write those of the web, as nearly all are; what is not in it may be an
// origin all the same.
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

// String is the origin as browsers write it.
func (o Origin) String() string { return o.scheme + "://" + o.host }

func (o Origin) web() bool { return o.scheme == "http" || o.scheme == "https" }

// servedAt reports whether pages of o come from the host, with or without a port, that a request names. The scheme is not
// compared: a proxy that ends TLS need not tell.
func (o Origin) servedAt(host string) bool {
	return host != "" && o.web() && o.host == NormalHost(o.scheme, host)
}

// NormalHost brings a host, with or without a port, into the form in which browsers serialise it: lower case, and without the
// default port of the scheme, which some proxies write.
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

// Policy says which pages may change something. The zero Policy trusts those of the addressed host only.
type Policy struct {
	public Origin // of OR3_PUBLIC_URL; the zero Origin if there is none
	listed map[Origin]bool
}

// NewPolicy returns the policy of an instance with a public URL, which may be empty, and an allow-list of origins, in
// which entries that are no origin match nothing.
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

// Listed reports whether an origin stands on the allow-list.
func (p Policy) Listed(text string) bool {
	if len(p.listed) == 0 {
		return false
	}
	o, ok := Parse(text)
	return ok && p.listed[o]
}

// Own reports whether a page, given by its URL or origin, is one of this instance: of its public URL, or of the host that
// a request names, empty if that is unknown.
func (p Policy) Own(page, host string) bool {
	o, ok := Parse(page)
	if !ok {
		return false
	}
	return o == p.public || o.servedAt(host)
}

// Allows reports whether a page may change something by a request that names host: its own pages may, and listed ones.
func (p Policy) Allows(page, host string) bool { return p.Listed(page) || p.Own(page, host) }
