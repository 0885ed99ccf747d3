package middleware

import (
	"net/http"
	"net/url"
	"strings"

	"or3.chat/cloud/httpapi"
)

// addressed returns the path and query that a browser requested, base path included.
func addressed(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") { // and not the address that is sent to forward proxies
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// BasePath lets the server live below a path, for reverse proxies that have several sites under one name; "" changes
// nothing. Requests with the path in front are served as if they came without it. Requests without it are served, too:
// some proxies cut it off, and clients that were built for a path still call parts of /api without it.
func BasePath(base string) httpapi.Middleware {
	return func(next http.Handler) http.Handler {
		if base == "" {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			below, inside := strings.CutPrefix(r.URL.Path, base)
			switch {
			case !inside || below != "" && below[0] != '/':
				next.ServeHTTP(w, r)
			case below == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
				to := url.URL{Path: base + "/", RawQuery: r.URL.RawQuery}
				http.Redirect(w, r, to.String(), http.StatusPermanentRedirect)
			default:
				inner := new(http.Request)
				*inner = *r
				inner.URL = new(url.URL)
				*inner.URL = *r.URL
				inner.URL.Path = "/" + strings.TrimPrefix(below, "/")
				inner.URL.RawPath = "" // it had the whole path
				next.ServeHTTP(w, inner)
			}
		})
	}
}
