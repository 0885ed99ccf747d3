// Package middleware holds the steps of the host that every request passes before it reaches a route: who the client
// behind a proxy is, security headers, redirect to HTTPS, CORS, and the names of the server; and the budgets of
// requests. What any front needs, such as the log line, is in package httpapi.
package middleware

import (
	"log/slog"
	"net/http"
	"strings"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/origin"
)

// SecurityHeaders sets the headers of every answer. Error answers tighten them (httpapi.WriteError), and routes may
// replace them. The referrer policy keeps Origin and Referer on the page's own form posts, which the origin rule
// checks. A server that speaks HTTPS itself tells browsers to use only HTTPS (RFC 6797); where a proxy speaks it, that
// is up to the proxy.
func SecurityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["X-Content-Type-Options"], h["X-Frame-Options"], h["Referrer-Policy"] = nosniff, sameFrame, sameReferrer
		if r.TLS != nil {
			h["Strict-Transport-Security"] = secureForAYear
		}
		next.ServeHTTP(w, r)
	})
}

// The headers of every answer. All answers share the values, which have no capacity to append to them.
var (
	nosniff      = []string{"nosniff"}
	sameFrame    = []string{"SAMEORIGIN"}
	sameReferrer = []string{"same-origin"}
	// A year is what ASVS 3.4.1 asks for. Other hosts below the domain are not this server's to decide for.
	secureForAYear = []string{"max-age=31536000"}
	byOrigin       = []string{"Origin"}
	anyOrigin      = []string{"*"}
)

// ForceHTTPS redirects requests that came over plain HTTP (contract, security-middleware §3). Unlike upstream it
// believes X-Forwarded-Proto only where proxies are trusted (see Proxy): otherwise the header is the client's own
// claim. A TLS proxy in front of the host therefore needs OR3_TRUST_PROXY=true, which it needs for the origin rule and
// the limits anyway.
//
// If a proxy does not say how a request reached it, a redirect could lead to itself forever, so there is an explanation
// instead, and a line in the log once. The same happens with a proxy that is not trusted; that it speaks HTTPS with the
// browser can only be seen from a header that browsers send nowhere else.
func ForceHTTPS(log *slog.Logger) httpapi.Middleware {
	told := &once{log: log}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := httpapi.IdentityOf(r)
			host := id.Host
			if host == "" {
				host = r.Host
			}
			if id.HTTPS || host == "" {
				next.ServeHTTP(w, r)
				return
			}
			claimed := id.Unbelieved != "" && strings.EqualFold(strings.TrimSpace(first(list(r.Header, "X-Forwarded-Proto"))), "https")
			switch {
			case id.ProtoUntold:
				told.warn("untold", "a reverse proxy does not say that it speaks HTTPS with browsers, which would be redirected forever: let it send X-Forwarded-Proto", "host", host)
				refuse(w, r, "The proxy says too little", "The reverse proxy in front of this server does not say whether you opened it over HTTPS. "+
					"Its operator can let it send the header X-Forwarded-Proto, or switch redirection to HTTPS off with OR3_FORCE_HTTPS=false.", CodeProxy)
				return
			case claimed:
				told.warn("claimed", "a reverse proxy that is not trusted says that it speaks HTTPS with browsers, which are redirected forever: set OR3_TRUSTED_PROXIES to its address",
					"proxy", id.Unbelieved, "example", "OR3_TRUSTED_PROXIES="+id.Unbelieved)
				if r.Header.Get("Sec-Fetch-Site") != "" {
					refuse(w, r, "The proxy is not trusted", "The reverse proxy at "+id.Unbelieved+" says that you opened this server over HTTPS, but it is not trusted. "+
						"The operator of the server can set OR3_TRUSTED_PROXIES="+id.Unbelieved+" and restart it.", CodeProxy)
					return
				}
			}
			httpapi.GiveUp(w, r)
			w.Header().Set("Location", "https://"+host+addressed(r))
			w.WriteHeader(http.StatusMovedPermanently)
		})
	}
}

// CORS adds the headers that let pages of other origins read answers (contract, security-middleware §2). It never
// refuses a request: browsers send Origin on the app's own calls too. httpapi.ForeignPages decides what pages may
// change. It answers OPTIONS itself unless served says that a route answers.
func CORS(allowed []string, served func(*http.Request) bool) httpapi.Middleware {
	policy := origin.NewPolicy("", allowed)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			from := r.Header.Get("Origin")
			if from == "" || len(allowed) > 0 && !policy.Listed(from) {
				next.ServeHTTP(w, r)
				return
			}
			h := w.Header()
			if h["Vary"] == nil {
				h["Vary"] = byOrigin
			} else {
				h.Add("Vary", "Origin")
			}
			if len(allowed) == 0 {
				h["Access-Control-Allow-Origin"] = anyOrigin
			} else {
				h.Set("Access-Control-Allow-Origin", from)
				h.Set("Access-Control-Allow-Credentials", "true")
			}
			if r.Method != http.MethodOptions {
				next.ServeHTTP(w, r)
				return
			}
			want := r.Header.Get("Access-Control-Request-Headers")
			if want == "" {
				want = "Content-Type,Authorization"
			}
			h.Set("Access-Control-Allow-Methods", "GET,POST,PUT,PATCH,DELETE,OPTIONS")
			h.Set("Access-Control-Allow-Headers", want)
			h.Set("Access-Control-Max-Age", "3600")
			if served(r) {
				next.ServeHTTP(w, r)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
}
