package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/internal/safeint"
)

// SmallBody is the default limit of a JSON body in bytes. The calls of the newest client stay below it.
const SmallBody = 16 << 10

// UnknownBody is how many bytes of a body are read before the server checks who sends it. Up to this size, an invalid
// body is reported before an unknown sender, as the contract demands (sync §1.1). Beyond it, an unknown sender is
// refused and nothing more is read.
const UnknownBody = 64 << 10

// slowestLink is the slowest client that the server waits for, in bytes per second, and grace is added to that time.
// longest limits the sum for a body or an answer that is held in memory.
const (
	slowestLink = 16 << 10
	grace       = 30 * time.Second
	longest     = 10 * time.Minute
)

// timeFor returns how long the transfer of size bytes may take.
func timeFor(size int64) time.Duration {
	return min(longest, grace+time.Duration(size)*time.Second/slowestLink)
}

// jsonOptions are the options for decoding bodies: exact names, the last of duplicate names, and halves of surrogate
// pairs, which JavaScript clients send (contract, sync Pitfall 17).
var jsonOptions = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// LimitBody limits the body of r to limit bytes, to the memory available for it, and to the time that a slow but honest
// sender needs for what it has sent so far. A sender that stalls gets half a minute, whatever size it announced.
func LimitBody(w http.ResponseWriter, r *http.Request, limit int64) { limitBody(w, r, limit, nil, nil) }

// limitBody is LimitBody for senders that caller identifies: it returns the id of a signed-in user, or "". Other
// senders are refused, unless anonymous reports that the request may come from an unknown sender.
func limitBody(w http.ResponseWriter, r *http.Request, limit int64, caller Caller, anonymous func(*http.Request) bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return // a deadline that no reader lifts would cancel a long download
	}
	if limit <= UnknownBody {
		caller = nil
	}
	b := &body{
		ReadCloser: r.Body, request: r, answer: w,
		caller: caller, anonymous: anonymous, tab: &RecordOf(r).Memory, limit: limit, size: r.ContentLength, start: time.Now(),
	}
	if b.size < 0 || b.size > limit { // net/http reads no more than the announced size
		b.ReadCloser = http.MaxBytesReader(w, r.Body, limit)
	}
	b.hurry(b.start)
	r.Body = b
}

// GiveUp limits the wait for the body of a request that was refused before anything read it. Usually net/http reads the
// rest of the body after the answer. It does not if the connection is then to be closed, as proxies request, and a
// proxy that is still sending would take the closed connection for a broken server. So GiveUp reads the beginning here.
func GiveUp(w http.ResponseWriter, r *http.Request) {
	switch r.Body.(type) {
	case *body, *wholeBody: // has its own deadline
	default:
		if r.Body != nil && r.Body != http.NoBody {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(grace))
			if r.Close && r.Header.Get("Expect") == "" {
				_, _ = io.CopyN(io.Discard, r.Body, UnknownBody)
			}
		}
	}
}

// Forget reads and discards up to most bytes of the body of r, for routes that limit it themselves. A browser that is
// still sending takes the closed connection for a network failure and does not show the answer.
func Forget(w http.ResponseWriter, r *http.Request, most int64) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	control, end := http.NewResponseController(w), time.Now().Add(timeFor(most))
	for left := most; left > 0; left -= step {
		deadline := time.Now().Add(timeFor(step))
		if deadline.After(end) {
			deadline = end
		}
		_ = control.SetReadDeadline(deadline) // and net/http's, which keeps reading for a while after the answer
		if _, err := io.CopyN(io.Discard, r.Body, min(step, left)); err != nil {
			return
		}
	}
}

// readWhole reads a limited body before its handler runs, so that the handler decides only after the last byte has
// arrived. It leaves it to the handler to find that the body is too large, because the handler may have to report
// something else first.
func readWhole(r *http.Request) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	text, err := ReadBody(r)
	if err != nil && !isTooLarge(err) {
		return BodyError(r, err, "The request body is cut off.")
	}
	whole := &wholeBody{text: text, err: err}
	whole.Reset(text)
	r.Body = whole
	return nil
}

func isTooLarge(err error) bool {
	var tooLarge *http.MaxBytesError
	return errors.As(err, &tooLarge)
}

// wholeBody is a body that has been read, followed by the error that reading it ended with.
type wholeBody struct {
	bytes.Reader
	text []byte
	err  error
}

func (b *wholeBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.err != nil {
		err = b.err
	}
	return n, err
}

// WriteTo implements io.WriterTo.
func (b *wholeBody) WriteTo(w io.Writer) (int64, error) {
	n, err := b.Reader.WriteTo(w)
	if err == nil {
		err = b.err
	}
	return n, err
}

// Close implements io.Closer.
func (b *wholeBody) Close() error { return nil }

// Caller identifies the sender of a request, as cheaply as possible, or returns "" if it is unknown. It decides only
// which share of the memory the request uses.
type Caller func(*http.Request) (userID string, err error)

// body is a body within its limits.
type body struct {
	io.ReadCloser
	request *http.Request
	answer  http.ResponseWriter
	caller  Caller // nil if the sender is not checked
	// anonymous is nil if all senders have to be known.
	anonymous func(*http.Request) bool
	tab       *membudget.Tab
	limit     int64
	size      int64 // −1 if unknown
	// start is when reading began. It moves forward by the time that the reader itself has made the sender wait.
	start    time.Time
	received int64
	timed    int64 // the number of bytes that the deadline covers
	asked    bool  // whether the caller is known to be a user, or need not be
}

// step is the number of bytes for which the deadline is extended at a time.
const step = 64 << 10

// hurry extends the deadline for the next step. A sender that has been fast so far earns no pause, because its bytes
// occupy memory that others wait for.
func (b *body) hurry(now time.Time) {
	b.timed = b.received + step
	deadline, pause := b.start.Add(timeFor(b.timed)), now.Add(timeFor(step))
	if pause.Before(deadline) {
		deadline = pause
	}
	b.setDeadline(deadline)
}

func (b *body) setDeadline(t time.Time) { _ = http.NewResponseController(b.answer).SetReadDeadline(t) }

// Read implements io.Reader for callers that keep what they read: its size counts as memory of the request.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.read(p)
	if growErr := b.grow(int64(n)); growErr != nil {
		return 0, growErr
	}
	return n, err
}

// read reads without counting. It lifts the deadline once the body is complete: the server keeps watching the
// connection while the handler works, and a deadline that passes then would cancel the request.
func (b *body) read(p []byte) (int, error) {
	if err := b.ask(); err != nil {
		return 0, err
	}
	if b.caller != nil && !b.asked { // one byte more shows that there is more
		p = p[:min(int64(len(p)), UnknownBody+1-b.received)]
	}
	if b.received >= b.timed {
		b.hurry(time.Now())
	}
	n, err := b.ReadCloser.Read(p)
	b.received += int64(n)
	if err == io.EOF {
		b.setDeadline(time.Time{})
	}
	return n, err
}

// ask checks that the sender of a large body is a user. Whether the user may do what the body asks for is decided
// later.
func (b *body) ask() error {
	if b.caller == nil || b.asked || b.size <= UnknownBody && b.received <= UnknownBody {
		return nil
	}
	user, err := b.caller(b.request)
	if err != nil {
		return err
	}
	if user == "" && (b.anonymous == nil || !b.anonymous(b.request)) {
		b.answer.Header().Set("Connection", "close") // or net/http reads on
		return or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized")
	}
	b.asked = true
	return nil
}

// grow reserves n more bytes for what has arrived and waits for them if necessary. That time does not count against the
// sender.
func (b *body) grow(n int64) error {
	if n == 0 {
		return nil
	}
	before := time.Now()
	err := b.tab.Grow(b.request.Context(), n)
	b.start = b.start.Add(time.Since(before))
	return noMemory(err)
}

// noMemory returns the error for a request that did not get memory.
func noMemory(err error) error {
	if err == nil || or3cloud.CodeOf(err) != or3cloud.CodeInternal {
		return err
	}
	return or3cloud.Unavailable(err, "Service Unavailable", memoryPause)
}

// memoryPause is how long a client waits if there was no memory.
const memoryPause = 2 * time.Second

// ReadBody reads the body of r, which LimitBody has limited, into one buffer that grows with what arrives and counts as
// memory of the request. If there is no memory and the sender is known to be a user, it reads and discards the rest
// before it returns the error. A client that is still sending would not see the answer, and treats a broken connection
// as something worse than it is.
func ReadBody(r *http.Request) ([]byte, error) {
	if whole, ok := r.Body.(*wholeBody); ok {
		return whole.text, whole.err
	}
	b, ok := r.Body.(*body)
	if !ok {
		return io.ReadAll(r.Body) // none, or not one of our requests
	}
	if b.size > b.limit { // no memory for a body that will be refused anyway
		_, err := io.Copy(io.Discard, onlyReader{b.read})
		return nil, err
	}
	var text []byte
	for {
		if len(text) == cap(text) {
			if err := b.ask(); err != nil {
				return nil, err
			}
			larger := b.capacity(int64(cap(text)))
			if err := b.grow(larger - int64(cap(text))); err != nil {
				if b.asked {
					_, _ = io.Copy(io.Discard, onlyReader{b.read})
				}
				return nil, err
			}
			text = append(make([]byte, 0, larger), text...)
		}
		n, err := b.read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		if err == io.EOF {
			return text, nil
		}
		if err != nil {
			return text, err
		}
	}
}

// firstBuffer is how much memory a body gets before any of it has arrived.
const firstBuffer = 8 << 10

// knownBuffer is the next size for the body of a known user: a push of fifty ops.
const knownBuffer = 128 << 10

// capacity returns the next size of a full buffer of size bytes: twice as large, but no larger than the body plus one
// byte, in which its end shows.
func (b *body) capacity(size int64) int64 {
	next := max(firstBuffer, 2*size)
	if size == firstBuffer { // usual bodies are copied at most once
		if next = UnknownBody + 1; b.asked {
			next = knownBuffer
		}
	}
	if b.size >= 0 {
		next = min(next, b.size+1)
	}
	return max(size+1, min(next, b.limit+1))
}

type onlyReader struct {
	read func([]byte) (int, error)
}

func (r onlyReader) Read(p []byte) (int, error) { return r.read(p) }

// BodyError translates an error from reading or decoding a body. invalid is the route's own 400 text, for a sender that
// did not claim to send JSON.
func BodyError(r *http.Request, err error, invalid string) error {
	var syntax *jsontext.SyntacticError
	var refusal *or3cloud.Error
	switch {
	case errors.As(err, &refusal): // the sender has lost permission meanwhile
		return refusal
	case isTooLarge(err):
		return or3cloud.Errorf(or3cloud.CodeTooLarge, "The request body is too large.")
	case errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF):
		if isJSON(r) {
			return errMalformed
		}
		return or3cloud.Errorf(or3cloud.CodeInvalid, "%s", invalid)
	default:
		// The sender stalled or left. If it is still there, it should come again and not give up.
		return or3cloud.Unavailable(err, "The request body could not be read.", time.Second)
	}
}

func isJSON(r *http.Request) bool {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && t == "application/json"
}

// ReadJSON decodes the body of r, which LimitBody has limited, into v. An empty body, JSON null and JSON of the wrong
// shape are the route's own 400. Unknown members are ignored.
func ReadJSON(r *http.Request, v any, invalid string) error {
	text, err := ReadBody(r)
	if err != nil {
		return BodyError(r, err, invalid)
	}
	return DecodeJSON(r, text, v, invalid)
}

// DecodeJSON is like ReadJSON, for a body of r that ReadBody has already read.
func DecodeJSON(r *http.Request, text []byte, v any, invalid string) error {
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] == '{' && json.Unmarshal(text, v, jsonOptions) == nil {
		return nil
	}
	// The first fault found may be a wrong shape even if a syntax error follows.
	if len(text) > 0 && !jsontext.Value(text).IsValid(jsonOptions) && isJSON(r) {
		return errMalformed
	}
	return or3cloud.Errorf(or3cloud.CodeInvalid, "%s", invalid)
}

// Int is an integer on the wire.
type Int = safeint.Int
