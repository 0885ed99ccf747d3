package httpapi

import (
	"fmt"
	"net/http"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/origin"
)

// ForeignPages refuses what pages of other origins want to change. Cookies are SameSite=Lax, which keeps neither a page on
// another port nor one of a sibling domain away, and a form needs no permission to send what is read as JSON.
type ForeignPages struct{ policy origin.Policy }

// NewForeignPages returns the rule of an instance with a public URL, empty if it has none, and the origins of
// OR3_ALLOWED_ORIGINS, whose pages count as its own.
func NewForeignPages(publicURL string, allowed []string) ForeignPages {
	return ForeignPages{origin.NewPolicy(publicURL, allowed)}
}

// Own reports whether a page, given by its URL or origin, may change something at the host that a request names, which is
// empty if it is not known.
func (f ForeignPages) Own(page, host string) bool { return f.policy.Allows(page, host) }

// Same reports whether a page is one of this instance: Own without the origins of OR3_ALLOWED_ORIGINS.
func (f ForeignPages) Same(page, host string) bool { return f.policy.Own(page, host) }

// Sender returns the page that a request comes from by its header, its origin or else its URL; "" where no browser has sent it.
func Sender(h http.Header) string {
	if from := h.Get("Origin"); from != "" {
		return from
	}
	return h.Get("Referer")
}

// maxShownHeader is how much of a header the log repeats.
const maxShownHeader = 100

// Check refuses r with 403 if a foreign page has sent it and route changes something. It stands before everything that
// reads the body or touches cookies. A browser tells by Origin where a page comes from, and by Sec-Fetch-Site how that
// relates to us; what sends neither is no browser.
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

// admits decides by all values of the two headers: a browser sends one of each at most.
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
		// "none" is the address bar. What a browser of the future says besides is not known to be us.
		if site != "" && site != "same-origin" && site != "none" {
			return false
		}
	}
	return true
}
