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

// SmallBody is the default bound of a JSON body in bytes. The calls of the newest client stay below it.
const SmallBody = 16 << 10

// UnknownBody is how much of a body is read, in bytes, before it is asked who sends it. Up to here an unusable body is told
// from an unknown sender, as the contract has it (sync §1.1); beyond it an unknown sender is told so and nothing more is read.
const UnknownBody = 64 << 10

// slowestLink is the slowest client that is waited for, in bytes a second; grace comes on top of it. longest bounds what
// both together may come to for a body or an answer that is held in memory.
const (
	slowestLink = 16 << 10
	grace       = 30 * time.Second
	longest     = 10 * time.Minute
)

// timeFor is how long the transfer of size bytes may take.
func timeFor(size int64) time.Duration {
	return min(longest, grace+time.Duration(size)*time.Second/slowestLink)
}

// jsonOptions is how bodies are decoded: exact names, the last of duplicate names, and halves of surrogate pairs,
// which JavaScript clients send (contract, sync Pitfall 17).
var jsonOptions = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// LimitBody bounds the body of r: to limit bytes, to the memory that there is for it, and to the time that a slow but honest
// sender needs for what it has sent so far. A sender that stalls is waited for half a minute, whatever it has announced.
func LimitBody(w http.ResponseWriter, r *http.Request, limit int64) { limitBody(w, r, limit, nil, nil) }

// limitBody is LimitBody for senders that caller knows: it returns the id of a signed-in user, or "". Others are refused unless
// anonymous says that they need not be known.
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
	if b.size < 0 || b.size > limit { // net/http reads no more than what was announced
		b.ReadCloser = http.MaxBytesReader(w, r.Body, limit)
	}
	b.hurry(b.start)
	r.Body = b
}

// GiveUp bounds how long the body of a request is waited for that was refused before anything looked at it: net/http reads
// the rest of it after the answer. It reads none where the connection is to be closed then, as proxies ask for it, and a proxy
// that is still sending would take the closed connection for a broken server. So the beginning is read here.
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

// Forget reads and forgets up to most bytes of the body of r, whose route bounds it itself: a browser that is still sending takes
// the broken connection for a failure of the network, and shows nothing of the answer that comes then.
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
		_ = control.SetReadDeadline(deadline) // and net/http's, which reads on a little after the answer
		if _, err := io.CopyN(io.Discard, r.Body, min(step, left)); err != nil {
			return
		}
	}
}

// readWhole reads a bounded body before its handler runs, so that whatever the handler decides, it decides after the last
// byte has come. That a body is too large is left for the handler to find, which may have to say something else first.
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

// wholeBody is a body that has been read, and then what reading it has ended with.
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

// Caller finds out who has sent a request, as cheaply as that can be known: "" if it is not known. It decides nothing but
// whose share of memory a request is counted to.
type Caller func(*http.Request) (userID string, err error)

// body is a body within its bounds.
type body struct {
	io.ReadCloser
	request *http.Request
	answer  http.ResponseWriter
	caller  Caller // nil if no one is asked
	// anonymous is nil if all senders have to be known.
	anonymous func(*http.Request) bool
	tab       *membudget.Tab
	limit     int64
	size      int64 // −1 if it was not announced
	// start is when the reading began, without the time for which the reader itself has made the sender wait.
	start    time.Time
	received int64
	timed    int64 // for how many bytes the deadline is set
	asked    bool  // whether the caller is known to be a user, or need not be
}

// step is for how much more at a time a sender gets time.
const step = 64 << 10

// hurry gives the sender time for the next step. Having been fast until now does not pay for a pause: what has come is
// memory that others wait for.
func (b *body) hurry(now time.Time) {
	b.timed = b.received + step
	deadline, pause := b.start.Add(timeFor(b.timed)), now.Add(timeFor(step))
	if pause.Before(deadline) {
		deadline = pause
	}
	b.setDeadline(deadline)
}

func (b *body) setDeadline(t time.Time) { _ = http.NewResponseController(b.answer).SetReadDeadline(t) }

// Read implements io.Reader for whoever keeps what was read: its size is counted as memory of the request.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.read(p)
	if growErr := b.grow(int64(n)); growErr != nil {
		return 0, growErr
	}
	return n, err
}

// read reads without counting. It lifts the deadline once the body has been read, since the server goes on watching the
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

// ask finds out whether the sender of a large body is a user. Whether the user may do what the body says is decided after it.
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

// grow takes n bytes more for what has come and waits for them if it must. The sender is not blamed for that time.
func (b *body) grow(n int64) error {
	if n == 0 {
		return nil
	}
	before := time.Now()
	err := b.tab.Grow(b.request.Context(), n)
	b.start = b.start.Add(time.Since(before))
	return noMemory(err)
}

// noMemory words why a request did not get memory.
func noMemory(err error) error {
	if err == nil || or3cloud.CodeOf(err) != or3cloud.CodeInternal {
		return err
	}
	return or3cloud.Unavailable(err, "Service Unavailable", memoryPause)
}

// memoryPause is how long a client stays away that found no memory.
const memoryPause = 2 * time.Second

// ReadBody reads the body of r, which LimitBody has bounded, into one buffer that grows with what has come and is counted
// as memory of the request. When there is no memory, and the sender is known to be a user, the rest is read and forgotten before
// the error is returned: a client that is still sending would not see the answer, and takes a broken connection for worse
// than it is.
func ReadBody(r *http.Request) ([]byte, error) {
	if whole, ok := r.Body.(*wholeBody); ok {
		return whole.text, whole.err
	}
	b, ok := r.Body.(*body)
	if !ok {
		return io.ReadAll(r.Body) // none, or not one of our requests
	}
	if b.size > b.limit { // no memory is held for what is refused in any case
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

// firstBuffer is how much memory a body gets before any of it has come.
const firstBuffer = 8 << 10

// knownBuffer is how much a body of a known user gets once that is full: a push of fifty ops.
const knownBuffer = 128 << 10

// capacity returns how large a full buffer of size bytes is to become: twice as large, but not larger than the body, with
// a byte more in which its end is seen.
func (b *body) capacity(size int64) int64 {
	next := max(firstBuffer, 2*size)
	if size == firstBuffer { // usual bodies are copied once at most
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

// BodyError translates an error of reading or decoding a body. invalid is the route's own 400 text, used when the
// sender did not claim to send JSON.
func BodyError(r *http.Request, err error, invalid string) error {
	var syntax *jsontext.SyntacticError
	var refusal *or3cloud.Error
	switch {
	case errors.As(err, &refusal): // who sends the body has lost the permission to meanwhile
		return refusal
	case isTooLarge(err):
		return or3cloud.Errorf(or3cloud.CodeTooLarge, "The request body is too large.")
	case errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF):
		if isJSON(r) {
			return errMalformed
		}
		return or3cloud.Errorf(or3cloud.CodeInvalid, "%s", invalid)
	default:
		// The sender stalled or went away. If it is still there it should come again, not give up.
		return or3cloud.Unavailable(err, "The request body could not be read.", time.Second)
	}
}

func isJSON(r *http.Request) bool {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && t == "application/json"
}

// ReadJSON decodes the body of r, which LimitBody has bounded, into v. An empty body, JSON null and JSON of the wrong
// shape are the route's own 400; unknown members are ignored.
func ReadJSON(r *http.Request, v any, invalid string) error {
	text, err := ReadBody(r)
	if err != nil {
		return BodyError(r, err, invalid)
	}
	return DecodeJSON(r, text, v, invalid)
}

// DecodeJSON decodes the body of r, which ReadBody has read, as ReadJSON does.
func DecodeJSON(r *http.Request, text []byte, v any, invalid string) error {
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] == '{' && json.Unmarshal(text, v, jsonOptions) == nil {
		return nil
	}
	// The first fault may be one of shape, before one of syntax.
	if len(text) > 0 && !jsontext.Value(text).IsValid(jsonOptions) && isJSON(r) {
		return errMalformed
	}
	return or3cloud.Errorf(or3cloud.CodeInvalid, "%s", invalid)
}

// Int is an integer of the wire.
type Int = safeint.Int
