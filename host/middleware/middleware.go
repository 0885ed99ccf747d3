// Package middleware holds the steps that every request passes before a route sees it: recover, request id, log line,
// security headers, redirect to HTTPS, CORS, and who the client is behind a proxy.
package middleware

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/httpx"
	"or3.chat/cloud/internal/origin"
)

// Middleware wraps a handler.
type Middleware func(http.Handler) http.Handler

// Chain returns h behind the given steps; the first is the outermost.
func Chain(h http.Handler, steps ...Middleware) http.Handler {
	for _, step := range slices.Backward(steps) {
		h = step(h)
	}
	return h
}

// Log gives each request an id, sends it as X-Request-Id, and writes one line when the request is over: no query, no
// headers, no bodies. What went as it should is logged at debug level, so that events can be read among the lines of a busy server;
// what has more to say than its status at info level, refusals for lack of something at warn level, and faults of ours at error level.
func Log(log *slog.Logger, now func() time.Time, rand io.Reader) Middleware {
	newID := idSource(rand)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := &httpx.Record{ID: newID()}
			w.Header().Set("X-Request-Id", rec.ID)
			start, path := now(), r.URL.Path
			w, r = httpx.WithRecord(w, r, rec)
			defer func() {
				if !rec.Started() {
					rec.Status = http.StatusOK // what net/http sends for a handler that wrote nothing
				}
				level := slog.LevelDebug
				switch {
				case rec.Status >= 500 && rec.Status != http.StatusServiceUnavailable:
					level = slog.LevelError
				case path == "/api/health" || path == "/api/healthz" || path == "/api/health/ready":
					level = slog.LevelDebug
				case rec.Status >= 500 || rec.Warning != "":
					level = slog.LevelWarn
				case worthLogging(rec.Err):
					level = slog.LevelInfo
				}
				attrs := []slog.Attr{
					slog.String("method", r.Method), slog.String("path", path), slog.Int("status", rec.Status),
					slog.Int64("ms", now().Sub(start).Milliseconds()), slog.Int64("bytes", rec.Bytes),
					slog.String("request_id", rec.ID), slog.String("client", httpx.IdentityOf(r).ClientIP),
				}
				if worthLogging(rec.Err) {
					attrs = append(attrs, slog.Any("error", rec.Err))
				}
				if rec.Warning != "" {
					attrs = append(attrs, slog.String("warning", rec.Warning))
				}
				log.LogAttrs(r.Context(), level, "request", attrs...)
			}()
			next.ServeHTTP(w, r)
		})
	}
}

// worthLogging reports whether an error says more than the status does.
func worthLogging(err error) bool {
	var e *or3cloud.Error
	return err != nil && (!errors.As(err, &e) || e.Cause != nil || e.Code == or3cloud.CodeInternal)
}

// idSource returns a function that makes request ids of 16 hex digits. It may be called from many goroutines.
func idSource(rand io.Reader) func() string {
	var mu sync.Mutex
	return func() string {
		var b [8]byte
		mu.Lock()
		defer mu.Unlock()
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return "unknown"
		}
		return hex.EncodeToString(b[:])
	}
}

// Recover turns a panic into a 500, and into a broken connection when the answer has begun. It stands inside Log, so
// that the line tells the panic.
func Recover(log *slog.Logger) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				switch p := recover(); p {
				case nil:
				case http.ErrAbortHandler:
					panic(p)
				default:
					log.LogAttrs(r.Context(), slog.LevelError, "panic in a handler",
						slog.String("request_id", httpx.RecordOf(r).ID), slog.String("stack", string(debug.Stack())))
					httpx.WriteError(w, r, fmt.Errorf("panic: %v", p))
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
}

// SecurityHeaders sets what every answer carries. Error answers tighten it (httpx.WriteError), and routes may replace it.
// The referrer policy keeps Origin and Referer on the page's own form posts, which the origin rule looks at.
func SecurityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "SAMEORIGIN")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// ForceHTTPS redirects requests that came in the clear (contract, security-middleware §3). Unlike upstream it believes
// X-Forwarded-Proto only where proxies are trusted (see Proxy): without that switch the header is the client's own
// claim. A TLS proxy in front of the host therefore needs OR3_TRUST_PROXY=true, which it needs for the origin rule
// and the limits anyway.
//
// Where a proxy does not say how a request came to it, a redirect could lead to itself for ever, so there is an explanation
// instead, and a line in log once. A proxy that is not trusted leads there as well; that it speaks HTTPS with the browser
// is only known by a header that browsers send nowhere else but there.
func ForceHTTPS(log *slog.Logger) Middleware {
	told := &once{log: log}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := httpx.IdentityOf(r)
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
				told.warn("untold", "a reverse proxy does not say that it speaks HTTPS with browsers, which would be redirected for ever: let it send X-Forwarded-Proto", "host", host)
				refuse(w, r, "The proxy says too little", "The reverse proxy in front of this server does not say whether you have opened it by HTTPS. "+
					"Its operator can let it send the header X-Forwarded-Proto, or switch redirection to HTTPS off with OR3_FORCE_HTTPS=false.", CodeProxy)
				return
			case claimed:
				told.warn("claimed", "a reverse proxy that is not trusted says that it speaks HTTPS with browsers, which are redirected for ever: set OR3_TRUSTED_PROXIES to its address",
					"proxy", id.Unbelieved, "example", "OR3_TRUSTED_PROXIES="+id.Unbelieved)
				if r.Header.Get("Sec-Fetch-Site") != "" {
					refuse(w, r, "The proxy is not trusted", "The reverse proxy at "+id.Unbelieved+" says that you have opened this server by HTTPS, but it is not believed. "+
						"The operator of the server can set OR3_TRUSTED_PROXIES="+id.Unbelieved+" and restart it.", CodeProxy)
					return
				}
			}
			httpx.GiveUp(w, r)
			w.Header().Set("Location", "https://"+host+r.URL.RequestURI())
			w.WriteHeader(http.StatusMovedPermanently)
		})
	}
}

// CORS adds the headers that let pages of other origins read answers (contract, security-middleware §2). It never
// refuses a request: browsers send Origin on the app's own calls too. What pages may change is ForeignPages' business. It
// answers OPTIONS itself but for requests of which served says that a route answers.
func CORS(allowed []string, served func(*http.Request) bool) Middleware {
	policy := origin.NewPolicy("", allowed)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			from := r.Header.Get("Origin")
			if from == "" || len(allowed) > 0 && !policy.Listed(from) {
				next.ServeHTTP(w, r)
				return
			}
			h := w.Header()
			h.Add("Vary", "Origin")
			if len(allowed) == 0 {
				h.Set("Access-Control-Allow-Origin", "*")
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
