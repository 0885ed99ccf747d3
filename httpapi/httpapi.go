// Package httpapi is how OR3 Cloud speaks HTTP: handlers that return errors, the one table from error codes to statuses, the
// error body of the contract, bounds of bodies, JSON in and out, streams of events, the rule about foreign pages, the router
// and the steps in front of it. Every front uses it, and so may the routes of providers, also of modules outside this one.
// It knows the contracts of the root package, and neither a front nor a provider.
//
// A provider's route (or3cloud.Route) has passed the router when its Handle is called: the sender is no foreign page, and
// the body is bounded. It reads with ReadJSON or ReadBody, answers with WriteJSON or an EventStream, or returns an error,
// which the front answers.
package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
)

// Handler answers a request or returns an error, never both. Errors are written by Respond alone.
type Handler func(w http.ResponseWriter, r *http.Request) error

// statuses maps every code to its status. A code that is missing here is a fault of ours, a 500.
var statuses = map[or3cloud.Code]int{
	or3cloud.CodeInvalid:             http.StatusBadRequest,
	or3cloud.CodeUnauthenticated:     http.StatusUnauthorized,
	or3cloud.CodeForbidden:           http.StatusForbidden,
	or3cloud.CodeNotFound:            http.StatusNotFound,
	or3cloud.CodeConflict:            http.StatusConflict,
	or3cloud.CodeGone:                http.StatusGone,
	or3cloud.CodeTooLarge:            http.StatusRequestEntityTooLarge,
	or3cloud.CodeUnsupportedMedia:    http.StatusUnsupportedMediaType,
	or3cloud.CodeRangeUnsatisfiable:  http.StatusRequestedRangeNotSatisfiable,
	or3cloud.CodeRateLimited:         http.StatusTooManyRequests,
	or3cloud.CodeInternal:            http.StatusInternalServerError,
	or3cloud.CodeUnsupported:         http.StatusNotImplemented,
	or3cloud.CodeUnavailable:         http.StatusServiceUnavailable,
	or3cloud.CodeInsufficientStorage: http.StatusInsufficientStorage,
}

// Codes returns all codes, in order.
func Codes() []or3cloud.Code { return slices.Sorted(maps.Keys(statuses)) }

// errMalformed is the one error whose two texts differ (contract, sync §1.1).
var errMalformed = or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid JSON body")

// errorBody is the body of every error, in the member order of the contract (security-middleware §7).
type errorBody struct {
	Error         bool   `json:"error"`
	URL           string `json:"url"`
	StatusCode    int    `json:"statusCode"`
	StatusMessage string `json:"statusMessage"`
	Message       string `json:"message"`
	Data          any    `json:"data,omitempty"`
}

// Respond runs h. If it fails, Respond writes the error's status and body; headers that h has set are kept. Causes
// never reach the client: they go to the request's Record, and from there to the log.
func Respond(w http.ResponseWriter, r *http.Request, h Handler) {
	if err := h(w, r); err != nil {
		WriteError(w, r, err)
	}
}

// Fault is an error as whoever asked may see it.
type Fault struct {
	Code    or3cloud.Code
	Status  int
	Message string
	// RetryAfter is how long to stay away, in seconds; 0 if nothing is said about it.
	RetryAfter int64
	Data       any
}

// FaultOf returns what may be seen of an error. Errors without a code, and CodeInternal, become the fixed text "Server Error".
func FaultOf(err error) Fault {
	f := Fault{Code: or3cloud.CodeInternal, Status: http.StatusInternalServerError, Message: "Server Error"}
	var e *or3cloud.Error
	if !errors.As(err, &e) {
		return f
	}
	if status, ok := statuses[e.Code]; ok && e.Code != or3cloud.CodeInternal {
		f = Fault{Code: e.Code, Status: status, Message: e.Message, Data: e.Data}
	}
	if e.RetryAfter > 0 {
		f.RetryAfter = Seconds(e.RetryAfter)
	}
	return f
}

// WriteFault answers r with err, in the words that body finds for it. If the answer has already begun, the connection is broken
// off, so that a cut body cannot be taken for a whole one. The cause goes to the request's Record.
func WriteFault(w http.ResponseWriter, r *http.Request, err error, body func(Fault) any) {
	rec := RecordOf(r)
	rec.Err = err
	if rec.Started() {
		panic(http.ErrAbortHandler)
	}
	GiveUp(w, r)
	f := FaultOf(err)
	header := w.Header()
	if f.RetryAfter > 0 {
		header.Set("Retry-After", strconv.FormatInt(f.RetryAfter, 10))
	}
	if header.Get("Cache-Control") == "" || f.Status == http.StatusNotFound {
		header.Set("Cache-Control", "no-cache")
	}
	// What described a body that will not come now must not describe this one.
	for _, name := range []string{"Content-Encoding", "Content-Disposition", "Content-Range", "ETag", "Last-Modified"} {
		header.Del(name)
	}
	writeJSON(w, f.Status, body(f), "  ")
}

// WriteError answers r with err and the error body of the contract.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	if !RecordOf(r).Started() {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Content-Security-Policy", "script-src 'none'; frame-ancestors 'none';")
	}
	WriteFault(w, r, err, func(f Fault) any {
		body := errorBody{Error: true, URL: displayURL(r), StatusCode: f.Status, StatusMessage: f.Message, Message: f.Message, Data: f.Data}
		if errors.Is(err, errMalformed) {
			body.StatusMessage = "Bad Request"
		}
		return body
	})
}

// NotFound is the answer for a path or method that nobody serves. There is no 405 (contract, security-middleware §7).
func NotFound(_ http.ResponseWriter, r *http.Request) error {
	path := redactedURI(r)
	return &or3cloud.Error{
		Code: or3cloud.CodeNotFound, Message: "Page not found: " + path, Data: map[string]string{"path": path},
	}
}

// Disabled is the answer of an endpoint whose feature is switched off.
func Disabled(http.ResponseWriter, *http.Request) error {
	return or3cloud.Errorf(or3cloud.CodeNotFound, "Not Found")
}

// Seconds rounds a wait up to whole seconds, at least one: a client told to wait 0 s would be refused again at once.
func Seconds(d time.Duration) int64 { return max(1, int64(math.Ceil(d.Seconds()))) }

// Duration is n units, or the longest duration if that is shorter: wire and configuration know longer times than Go.
func Duration(n int64, unit time.Duration) time.Duration {
	if n > math.MaxInt64/int64(unit) {
		return math.MaxInt64
	}
	return time.Duration(n) * unit
}

// RateLimited is the refusal of the host's limits (contract, sync §1.1).
func RateLimited(wait time.Duration) error {
	return &or3cloud.Error{
		Code:       or3cloud.CodeRateLimited,
		Message:    "Rate limit exceeded. Retry after " + strconv.FormatInt(Seconds(wait), 10) + "s",
		RetryAfter: wait,
	}
}

// BudgetHeaders tells a client how many requests its budget allows and how many of them are left; nothing for a limit of 0,
// which is none.
func BudgetHeaders(w http.ResponseWriter, limit, remaining int) {
	if limit > 0 {
		w.Header().Set("X-RateLimit-Limit", strconv.Itoa(limit))
		w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	}
}

// displayURL is the request's URL as error bodies show it, without the value of tokens: an error body gets copied
// into bug reports, and a signed URL is a key (contract, security-middleware Pitfall 5).
func displayURL(r *http.Request) string {
	scheme := "http"
	if IsHTTPS(r) {
		scheme = "https"
	}
	return scheme + "://" + r.Host + redactedURI(r)
}

// secretParams are the names, in lower case, of what is a key: signed URLs, one-time links whose token someone has put into the
// query, and keys of servers of models, which belong into a header.
var secretParams = []string{"token", "invite", "setup", "reset", "confirm-email", "key", "api_key", "apikey", "x-or3-openrouter-key"}

func redactedURI(r *http.Request) string {
	path, query, found := strings.Cut(r.URL.RequestURI(), "?")
	if !found {
		return path
	}
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, _, hasValue := strings.Cut(part, "=")
		n, err := url.QueryUnescape(name)
		if hasValue && (err != nil || slices.Contains(secretParams, strings.ToLower(n))) {
			parts[i] = name + "=redacted"
		}
	}
	return path + "?" + strings.Join(parts, "&")
}

// WriteJSON answers with v and a Content-Length. HTML characters are not escaped, as JavaScript does not either.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	return writeJSON(w, status, v, "")
}

func writeJSON(w http.ResponseWriter, status int, v any, indent string) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	body := strings.TrimSuffix(b.String(), "\n")
	limitAnswer(w, len(body))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // a client that went away is no fault of the handler
	return nil
}

// WriteRaw answers 200 with JSON text that is ready to be sent, in pieces.
func WriteRaw(w http.ResponseWriter, pieces ...[]byte) {
	size := 0
	for _, p := range pieces {
		size += len(p)
	}
	limitAnswer(w, size)
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(size)}
	for _, p := range pieces {
		if _, err := w.Write(p); err != nil {
			return // a client that went away is no fault of the handler
		}
	}
}

// limitAnswer bounds the time in which all of an answer of size bytes is taken, so that one that is taken in drops cannot
// stay in memory for ever. Each piece has a deadline of its own as well (recorder).
func limitAnswer(w http.ResponseWriter, size int) {
	if rec, ok := w.(*recorder); ok && size > 0 {
		rec.size = int64(size)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeFor(int64(size))))
}

// Unhurried lifts the deadline that an earlier answer on the same connection has left.
func Unhurried(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
}

// NoCache forbids caches to keep the answer of a sync or presign route (contract, security-middleware §6).
func NoCache(w http.ResponseWriter) {
	h := w.Header()
	h["Cache-Control"], h["Pragma"] = uncachedAnswer, noCache
}

// What most answers say, as values of their headers. They are shared by all answers, whose headers have no room to append to them.
var (
	jsonType       = []string{"application/json"}
	uncachedAnswer = []string{"no-store, no-cache, must-revalidate"}
	noCache        = []string{"no-cache"}
)

// NoStore forbids caches to keep the answer of an identity route.
func NoStore(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }

// Identity is who sent a request and what they addressed, after the trusted-proxy rule (contract, security-middleware
// §4). Package middleware puts it into the context.
type Identity struct {
	// ClientIP is the address to limit and log by, or "unknown".
	ClientIP string
	// Host is the lower-case host and port that the browser addressed; empty when it is unknown.
	Host string
	// HTTPS says whether the browser's connection is encrypted.
	HTTPS bool
	// Forwarded says that a trusted proxy has told all this.
	Forwarded bool
	// Unbelieved is the address of a sender in a network at hand that is no trusted proxy but forwards as one does; empty if
	// there is none.
	Unbelieved string
	// ProtoUntold says that a trusted proxy has forwarded a request without saying how it came to the proxy, or in a word that
	// is no protocol of the web.
	ProtoUntold bool
	// ClientUntold says that a trusted proxy has forwarded a request without the address of the client; ClientIP is then the proxy's.
	ClientUntold bool
}

// WithIdentity returns r with an identity.
func WithIdentity(r *http.Request, id Identity) *http.Request {
	return r.WithContext(&carrier{Context: r.Context(), identity: id, identified: true})
}

// IdentityOf returns the identity of r; that of an unknown sender if there is none.
func IdentityOf(r *http.Request) Identity {
	if id, ok := r.Context().Value(identityKey).(*Identity); ok {
		return *id
	}
	return Identity{ClientIP: "unknown", HTTPS: r.TLS != nil}
}

// IsHTTPS reports whether the browser's connection is encrypted.
func IsHTTPS(r *http.Request) bool { return IdentityOf(r).HTTPS }
