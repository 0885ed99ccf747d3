package httpx

import (
	"bytes"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
)

// SmallBody is the default bound of a JSON body in bytes. The calls of the newest client stay below it.
const SmallBody = 16 << 10

// maxWhole is up to which bound bodies are read whole before their handler runs.
const maxWhole = 64 << 10

// slowestLink is the slowest client that is waited for, in bytes a second; grace comes on top of it.
const (
	slowestLink = 16 << 10
	grace       = 30 * time.Second
)

// hurry sets a deadline for the transfer of size bytes. A recorder in a test has no deadlines; a connection has.
func hurry(setDeadline func(time.Time) error, size int64) {
	_ = setDeadline(time.Now().Add(grace + time.Duration(size/slowestLink)*time.Second))
}

// JSONOptions is how bodies are decoded: exact names, the last of duplicate names, and halves of surrogate pairs,
// which JavaScript clients send (contract, sync Pitfall 17).
func JSONOptions() jsontext.Options { return jsonOptions }

var jsonOptions = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// LimitBody bounds the body of r to limit bytes and to the time that a slow but honest sender needs for it.
func LimitBody(w http.ResponseWriter, r *http.Request, limit int64) {
	if r.Body == nil || r.Body == http.NoBody {
		return // a deadline that no reader lifts would cancel a long download
	}
	size := limit
	if r.ContentLength >= 0 && r.ContentLength < limit {
		size = r.ContentLength
	}
	control := http.NewResponseController(w)
	hurry(control.SetReadDeadline, size)
	r.Body = &body{ReadCloser: http.MaxBytesReader(w, r.Body, limit), control: control}
}

// readWhole reads a bounded body before its handler runs, so that whatever the handler decides, it decides after the last
// byte has come. That a body is too large is left for the handler to find, which may have to say something else first.
func readWhole(r *http.Request) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	text, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		return BodyError(r, err, "The request body is cut off.")
	}
	r.Body = &wholeBody{bytes.NewReader(text), err}
	return nil
}

// wholeBody is a body that has been read, and then what reading it has ended with.
type wholeBody struct {
	*bytes.Reader
	err error
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

// body lifts the deadline once the body has been read, since the server goes on watching the connection while the
// handler works, and a deadline that passes then would cancel the request.
type body struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// BodyError translates an error of reading or decoding a body. invalid is the route's own 400 text, used when the
// sender did not claim to send JSON.
func BodyError(r *http.Request, err error, invalid string) error {
	var tooLarge *http.MaxBytesError
	var syntax *jsontext.SyntacticError
	var refusal *or3cloud.Error
	switch {
	case errors.As(err, &refusal): // who sends the body has lost the permission to meanwhile
		return refusal
	case errors.As(err, &tooLarge):
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
	body := bytes.NewBuffer(make([]byte, 0, bytes.MinRead))
	if _, err := body.ReadFrom(r.Body); err != nil {
		return BodyError(r, err, invalid)
	}
	text := bytes.TrimSpace(body.Bytes())
	if len(text) > 0 && text[0] == '{' && json.Unmarshal(text, v, jsonOptions) == nil {
		return nil
	}
	// The first fault may be one of shape, before one of syntax.
	if len(text) > 0 && !jsontext.Value(text).IsValid(jsonOptions) && isJSON(r) {
		return errMalformed
	}
	return or3cloud.Errorf(or3cloud.CodeInvalid, "%s", invalid)
}

// Int is an integer of the wire: any JSON number that JavaScript takes for a safe integer, 1.0 and 1e3 included.
type Int int64

// UnmarshalJSON implements json.Unmarshaler.
func (i *Int) UnmarshalJSON(text []byte) error {
	n, ok := ParseInt(text)
	if !ok {
		return errors.New("not a safe integer")
	}
	*i = Int(n)
	return nil
}

// ParseInt reads a JSON number as a safe integer.
func ParseInt(text []byte) (int64, bool) {
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return n, -or3cloud.MaxSafeInteger <= n && n <= or3cloud.MaxSafeInteger
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > or3cloud.MaxSafeInteger {
		return 0, false
	}
	return int64(f), true
}
