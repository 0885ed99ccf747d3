package httpapi

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/traceparent"
)

// Middleware wraps a handler.
type Middleware func(http.Handler) http.Handler

// Chain returns h behind the given steps. The first is the outermost.
func Chain(h http.Handler, steps ...Middleware) http.Handler {
	for _, step := range slices.Backward(steps) {
		h = step(h)
	}
	return h
}

// Log gives each request an id, sends it as X-Request-Id, and writes one line when the request is over, without query,
// headers or body. Ordinary answers are logged at debug level, so that events stand out on a busy server. Answers with
// more to report than their status are logged at info level, refusals for lack of resources at warn level, and the
// server's own faults at error level.
func Log(log *slog.Logger, now func() time.Time, rand io.Reader) Middleware {
	newID := idSource(rand)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w, r, rec := withOwnRecord(w, r)
			rec.ID = newID()
			rec.Trace, rec.Parent = traceparent.Of(r.Header)
			w.Header()["X-Request-Id"] = []string{rec.ID}
			start, path := now(), r.URL.Path
			defer func() {
				if !rec.Started() {
					rec.Status = http.StatusOK // what net/http sends if a handler wrote nothing
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
				if !log.Enabled(r.Context(), level) {
					return
				}
				attrs := []slog.Attr{
					slog.String("method", r.Method), slog.String("path", path), slog.Int("status", rec.Status),
					slog.Int64("ms", now().Sub(start).Milliseconds()), slog.Int64("bytes", rec.Bytes),
					slog.String("request_id", rec.ID), slog.String("client", IdentityOf(r).ClientIP),
				}
				if rec.Trace != "" {
					attrs = append(attrs, slog.String("trace_id", rec.Trace), slog.String("parent_id", rec.Parent))
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
	if err == nil {
		return false
	}
	var e *or3cloud.Error
	return !errors.As(err, &e) || e.Cause != nil || e.Code == or3cloud.CodeInternal
}

// idSource returns a function that generates request ids of 16 hex digits. It is safe for concurrent use.
func idSource(rand io.Reader) func() string {
	var mu sync.Mutex
	var b [8]byte
	var text [16]byte
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return "unknown"
		}
		hex.Encode(text[:], b[:])
		return string(text[:])
	}
}

// Recover turns a panic into a 500, or into a broken connection if the answer has begun. It runs inside Log, so that
// the log line reports the panic.
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
						slog.String("request_id", RecordOf(r).ID), slog.String("trace_id", RecordOf(r).Trace), slog.String("stack", string(debug.Stack())))
					WriteError(w, r, fmt.Errorf("panic: %v", p))
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
}
