// Package httpapi is how OR3 Cloud speaks HTTP: handlers that return errors, the one table from error codes to
// statuses, the error body of the contract, body limits, JSON in and out, event streams, the rule about foreign pages,
// the router, and the steps in front of it. Every front uses it, and providers' routes may use it too, even in modules
// outside this one. It imports the contracts of the root package, but neither a front nor a provider.
//
// When the Handle of a provider's route (or3cloud.Route) is called, the request has passed the router: it does not come
// from a foreign page, and its body is limited. Handle reads with ReadJSON or ReadBody, answers with WriteJSON or an
// EventStream, or returns an error, which the front writes.
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

// Handler answers a request or returns an error, never both. Only Respond writes errors.
type Handler func(w http.ResponseWriter, r *http.Request) error

// statuses maps every code to its status. A code that is missing here is a bug, and a 500.
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

// Codes returns all codes, sorted.
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

// Respond runs h. If h fails, Respond writes the error's status and body, keeping headers that h has set. Causes never
// reach the client: they go to the request's Record, and from there to the log.
func Respond(w http.ResponseWriter, r *http.Request, h Handler) {
	if err := h(w, r); err != nil {
		WriteError(w, r, err)
	}
}

// Fault is an error as the client may see it.
type Fault struct {
	Code    or3cloud.Code
	Status  int
	Message string
	// RetryAfter is how long the client should wait, in seconds. 0 means unspecified.
	RetryAfter int64
	Data       any
}

// FaultOf returns the visible part of an error. Errors without a code, and CodeInternal, become the fixed text "Server
// Error".
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

// WriteFault answers r with err, in the form that body gives it. If the answer has already begun, WriteFault breaks the
// connection, so that a cut body cannot be mistaken for a complete one. The cause goes to the request's Record.
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
	// Headers that described the body that will not be sent must not describe this one.
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

// NotFound answers a path or method that has no route. There is no 405 (contract, security-middleware §7).
func NotFound(_ http.ResponseWriter, r *http.Request) error {
	path := redactedURI(r)
	return &or3cloud.Error{
		Code: or3cloud.CodeNotFound, Message: "Page not found: " + path, Data: map[string]string{"path": path},
	}
}

// Disabled answers for an endpoint whose feature is off.
func Disabled(http.ResponseWriter, *http.Request) error {
	return or3cloud.Errorf(or3cloud.CodeNotFound, "Not Found")
}

// Seconds rounds a wait up to whole seconds, at least one: a client told to wait 0 s would be refused again at once.
func Seconds(d time.Duration) int64 { return max(1, int64(math.Ceil(d.Seconds()))) }

// Duration returns n units, or the longest possible duration if that is shorter: the wire and the configuration allow
// longer times than Go.
func Duration(n int64, unit time.Duration) time.Duration {
	if n > math.MaxInt64/int64(unit) {
		return math.MaxInt64
	}
	return time.Duration(n) * unit
}

// RateLimited returns the refusal of the host's rate limits (contract, sync §1.1).
func RateLimited(wait time.Duration) error {
	return &or3cloud.Error{
		Code:       or3cloud.CodeRateLimited,
		Message:    "Rate limit exceeded. Retry after " + strconv.FormatInt(Seconds(wait), 10) + "s",
		RetryAfter: wait,
	}
}

// BudgetHeaders tells a client how many requests its budget allows and how many are left. It does nothing for a limit
// of 0, which means no limit.
func BudgetHeaders(w http.ResponseWriter, limit, remaining int) {
	if limit > 0 {
		w.Header().Set("X-RateLimit-Limit", strconv.Itoa(limit))
		w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	}
}

// displayURL returns the request's URL as error bodies show it, without the values of tokens. People copy error bodies
// into bug reports, and a signed URL is a key (contract, security-middleware Pitfall 5).
func displayURL(r *http.Request) string {
	scheme := "http"
	if IsHTTPS(r) {
		scheme = "https"
	}
	return scheme + "://" + r.Host + redactedURI(r)
}

// secretParams are the names, in lower case, of parameters that are keys: signed URLs, one-time links whose token was
// put into the query, and keys of model servers, which belong in a header.
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

// WriteJSON answers with v and a Content-Length. Like JavaScript, it does not escape HTML characters.
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
	_, _ = io.WriteString(w, body) // a client that has left is not the handler's fault
	return nil
}

// WriteRaw answers 200 with finished JSON text, given in pieces.
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
			return // a client that has left is not the handler's fault
		}
	}
}

// limitAnswer limits the time in which a client must receive an answer of size bytes, so that one that reads drop by
// drop cannot keep the answer in memory indefinitely. Each piece also has a deadline of its own (recorder).
func limitAnswer(w http.ResponseWriter, size int) {
	if rec, ok := w.(*recorder); ok && size > 0 {
		rec.size = int64(size)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeFor(int64(size))))
}

// Unhurried lifts the deadline that an earlier answer on the same connection left behind.
func Unhurried(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
}

// NoCache forbids caches to store the answer of a sync or presign route (contract, security-middleware §6).
func NoCache(w http.ResponseWriter) {
	h := w.Header()
	h["Cache-Control"], h["Pragma"] = uncachedAnswer, noCache
}

// Common header values. All answers share them, so they have no spare capacity to append to.
var (
	jsonType       = []string{"application/json"}
	uncachedAnswer = []string{"no-store, no-cache, must-revalidate"}
	noCache        = []string{"no-cache"}
)

// NoStore forbids caches to store the answer of an identity route.
func NoStore(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }

// Identity is the sender of a request and the address used, according to the trusted-proxy rule (contract,
// security-middleware §4). Package middleware puts it into the context.
type Identity struct {
	// ClientIP is the address for rate limits and logs, or "unknown".
	ClientIP string
	// Host is the host and port that the browser addressed, in lower case. It is empty if unknown.
	Host string
	// HTTPS reports whether the browser's connection is encrypted.
	HTTPS bool
	// Forwarded reports that all of this comes from a trusted proxy.
	Forwarded bool
	// Unbelieved is the address of a sender in a nearby network that is not a trusted proxy but forwards like one. It
	// is empty if there is none.
	Unbelieved string
	// ProtoUntold reports that a trusted proxy forwarded a request without naming the protocol that the client used, or
	// with an unknown protocol.
	ProtoUntold bool
	// ClientUntold reports that a trusted proxy forwarded a request without the client's address. ClientIP is then the
	// proxy's.
	ClientUntold bool
}

// WithIdentity returns r with an identity.
func WithIdentity(r *http.Request, id Identity) *http.Request {
	return r.WithContext(&carrier{Context: r.Context(), identity: id, identified: true})
}

// IdentityOf returns the identity of r, or that of an unknown sender.
func IdentityOf(r *http.Request) Identity {
	if id, ok := r.Context().Value(identityKey).(*Identity); ok {
		return *id
	}
	return Identity{ClientIP: "unknown", HTTPS: r.TLS != nil}
}

// IsHTTPS reports whether the browser's connection is encrypted.
func IsHTTPS(r *http.Request) bool { return IdentityOf(r).HTTPS }
