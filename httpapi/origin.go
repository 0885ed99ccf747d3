package httpapi

import (
	"fmt"
	"net/http"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/origin"
)

// ForeignPages refuses changes that pages of other origins ask for. SameSite=Lax cookies are not enough: they are sent
// for a page on another port or a sibling domain, and a form needs no permission to send a body that is read as JSON.
type ForeignPages struct{ policy origin.Policy }

// NewForeignPages returns the rule for an instance with a public URL, which may be empty, and the origins of
// OR3_ALLOWED_ORIGINS, whose pages count as its own.
func NewForeignPages(publicURL string, allowed []string) ForeignPages {
	return ForeignPages{origin.NewPolicy(publicURL, allowed)}
}

// Own reports whether a page, given by its URL or origin, may make changes at the host that a request names. host is
// empty if unknown.
func (f ForeignPages) Own(page, host string) bool { return f.policy.Allows(page, host) }

// Same reports whether a page belongs to this instance. Unlike Own, it ignores OR3_ALLOWED_ORIGINS.
func (f ForeignPages) Same(page, host string) bool { return f.policy.Own(page, host) }

// Sender returns the page that sent a request, according to its header: its origin, or else its URL. It is "" if the
// request did not come from a browser.
func Sender(h http.Header) string {
	if from := h.Get("Origin"); from != "" {
		return from
	}
	return h.Get("Referer")
}

// maxShownHeader is how much of a header value the log shows.
const maxShownHeader = 100

// Check refuses r with 403 if a foreign page sent it and route changes something. It runs before anything reads the
// body or touches cookies. Browsers send Origin, which tells where a page comes from, or Sec-Fetch-Site, which tells
// how that relates to this server. A client that sends neither is not a browser.
func (f ForeignPages) Check(r *http.Request, route or3cloud.Route) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		if !route.Effects {
			return nil
		}
	}
	from, site := r.Header.Values("Origin"), r.Header.Values("Sec-Fetch-Site")
	if f.admits(from, site, IdentityOf(r).Host) {
		return nil
	}
	return &or3cloud.Error{
		Code: or3cloud.CodeForbidden, Message: "Forbidden",
		Cause: fmt.Errorf("a page of another origin: Origin %.*q, Sec-Fetch-Site %.*q, and this is host %.*q",
			maxShownHeader, from, maxShownHeader, site, maxShownHeader, IdentityOf(r).Host),
	}
}

// admits decides by all values of the two headers. A browser sends at most one of each.
func (f ForeignPages) admits(from, sites []string, host string) bool {
	if len(from) == 1 && f.policy.Listed(from[0]) {
		return true
	}
	for _, o := range from {
		if o != "" && !f.policy.Own(o, host) {
			return false
		}
	}
	for _, site := range sites {
		// "none" is the address bar. Any other value, known or future, does not prove that the page is ours.
		if site != "" && site != "same-origin" && site != "none" {
			return false
		}
	}
	return true
}
