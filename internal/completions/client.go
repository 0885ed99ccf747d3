package completions

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Failures of an upstream to answer.
var (
	// ErrLate means that an answer did not begin in time.
	ErrLate = errors.New("it has not begun to answer in time")
	// ErrSilent means that an answer paused for too long.
	ErrSilent = errors.New("it has stopped in the middle of its answer")
	// ErrCut means that an answer ended in the middle of an event.
	ErrCut = errors.New("its answer ends in the middle of an event")
	// ErrBroken means that the connection broke, or its HTTP became invalid, in the middle of an answer.
	ErrBroken = errors.New("its connection has broken off in the middle of its answer")
	// ErrProtocol means that an upstream does not speak HTTP.
	ErrProtocol = errors.New("it does not speak HTTP as it should")
)

// Options are how long to wait for upstreams. Time in which the client does not read, so that nothing is asked of them,
// does not count.
type Options struct {
	// Header is how long the header of an answer may take after the upstream last accepted a part of the request.
	Header time.Duration
	// Idle is how long a pause within an answer may last.
	Idle time.Duration
	// Dial connects to an upstream. nil uses the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Limits of a connection to an upstream.
const (
	connectTimeout  = 10 * time.Second
	idleConnections = 16
	idleTimeout     = 90 * time.Second
	maxAnswerHeader = 64 << 10
)

// Client sends requests to upstreams. It is safe for concurrent use.
type Client struct {
	opt       Options
	transport *http.Transport
}

// NewClient returns a client. Close closes its idle connections.
//
// Each answer has a connection of its own. Closing one that is abandoned is a signal that every upstream understands.
// One that is not read holds up no other and fills no memory, as it would in the windows of HTTP/2.
func NewClient(o Options) *Client {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: connectTimeout}).DialContext
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &Client{opt: o, transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            o.Dial,
		TLSHandshakeTimeout:    connectTimeout,
		MaxIdleConnsPerHost:    idleConnections,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxAnswerHeader,
		DisableCompression:     true,
		Protocols:              &protocols,
	}}
}

// Close closes idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Call is one request to an upstream.
type Call struct {
	To Upstream
	// Key is the key for the upstream. It may be empty.
	Key string
	// Referer is the origin of the client's pages. OpenRouter uses it to tell applications apart.
	Referer string
	Body    *Body
}

// Send sends a request and returns when the header of the answer has arrived. It does not follow redirects. ctx ends
// the request and the answer; the error is then the cause of ctx.
func (c *Client) Send(ctx context.Context, call Call) (*Answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := newDeadline(c.opt.Header, func() { cancel(ErrLate) })
	defer late.stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, call.To.Base+"/chat/completions", nil)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	req.ContentLength = call.Body.size
	req.GetBody = func() (io.ReadCloser, error) { return call.Body.reader(late.extend), nil }
	req.Body, _ = req.GetBody()
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "text/event-stream")
	h.Set("Accept-Encoding", "identity")
	h.Set("User-Agent", "or3-cloud")
	h.Set("X-Title", "or3.chat")
	if call.Referer != "" {
		h.Set("HTTP-Referer", call.Referer)
	}
	if call.Key != "" {
		h.Set("Authorization", "Bearer "+call.Key)
	}
	res, err := c.transport.RoundTrip(req) // not http.Client, which follows redirects
	if err != nil {
		if err = unquoted(err); context.Cause(ctx) != nil {
			err = context.Cause(ctx)
		}
		cancel(nil)
		return nil, err
	}
	a := &Answer{Status: res.StatusCode, Header: res.Header, body: res.Body, ctx: ctx, cancel: cancel, patience: c.opt.Idle}
	a.idle = time.AfterFunc(c.opt.Idle, func() { cancel(ErrSilent) })
	a.idle.Stop()
	return a, nil
}

// unquoted returns the reason why an upstream did not answer, if that is a network or certificate fault. Other errors
// of net/http quote what the upstream sent instead of an answer, which may contain a key or a chat.
func unquoted(err error) error {
	var network net.Error
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errClosed
	case errors.As(err, &network), errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert), errors.Is(err, http.ErrSchemeMismatch):
		return err
	}
	return ErrProtocol
}

// errClosed means that an upstream closed the connection.
var errClosed = errors.New("it has closed the connection")

// deadline calls a function unless it is extended or stopped in time.
type deadline struct {
	length time.Duration

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

func newDeadline(length time.Duration, passed func()) *deadline {
	return &deadline{length: length, timer: time.AfterFunc(length, passed)}
}

func (d *deadline) extend() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.stopped {
		d.timer.Reset(d.length)
	}
}

func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	d.timer.Stop()
}

// Answer is the answer of an upstream. It must be closed. Only one goroutine may use it.
type Answer struct {
	Status int
	Header http.Header

	body     io.ReadCloser
	ctx      context.Context
	cancel   context.CancelCauseFunc
	idle     *time.Timer
	patience time.Duration
	tail     []byte
}

// Kind returns the media type of the answer, or "" if it names none, and whether the answer came uncompressed.
func (a *Answer) Kind() (kind string, plain bool) {
	kind, _, _ = mime.ParseMediaType(a.Header.Get("Content-Type"))
	coding := a.Header.Get("Content-Encoding")
	return kind, coding == "" || strings.EqualFold(coding, "identity")
}

// Read implements io.Reader. If the connection breaks or stays silent for too long, the answer does not end with
// io.EOF, unless the upstream has announced the end before.
func (a *Answer) Read(p []byte) (int, error) {
	patience := a.patience
	over := a.over()
	if over {
		patience = min(patience, overPatience)
	}
	a.idle.Reset(patience)
	n, err := a.body.Read(p)
	a.idle.Stop()
	a.note(p[:n])
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case over && n == 0:
		return 0, io.EOF
	}
	if err = ErrBroken; context.Cause(a.ctx) != nil {
		err = context.Cause(a.ctx)
	}
	return n, err
}

// Close ends the answer. The upstream learns that its answer is not read any further.
func (a *Answer) Close() {
	a.idle.Stop()
	a.cancel(nil)
	_ = a.body.Close()
}

// done is the end of a stream (OpenAI's API). Some upstreams keep the connection open after it. overPatience is how
// long to wait for it to end, so that the connection can be reused.
const (
	done         = "[DONE]"
	overPatience = 2 * time.Second
)

// tailSize is enough for an event with done, the end of the event before it, and blank lines of any kind.
const tailSize = 24

// note keeps the end of what was read.
func (a *Answer) note(p []byte) {
	if len(p) < tailSize {
		p = append(a.tail, p...)
	}
	a.tail = append(a.tail[:0], p[max(0, len(p)-tailSize):]...)
}

// over reports whether the upstream has announced the end. It does so in an event of its own, which no text of a model
// can imitate because JSON escapes line breaks.
func (a *Answer) over() bool {
	lines := bytes.TrimRight(a.tail, "\r\n")
	event, said := bytes.CutSuffix(lines, []byte(done))
	before, data := bytes.CutSuffix(bytes.TrimRight(event, " "), []byte("data:"))
	return said && data && len(lines) < len(a.tail) && (len(before) == 0 || bytes.HasSuffix(before, []byte("\n")) || bytes.HasSuffix(before, []byte("\r")))
}

// Whole reports whether the part of a stream that was read ends where an event may end. Not every upstream declares the
// length of its answer, so the end of a connection may look like the end of the answer.
func (a *Answer) Whole() bool {
	n := len(a.tail)
	return n == 0 || a.tail[n-1] == '\n' || a.tail[n-1] == '\r' || bytes.HasSuffix(a.tail, []byte(done))
}

// Limits on an answer that is shown instead of passed on.
const (
	// MaxText is how much of it is shown, in characters as JavaScript counts them (contract, client-behaviour §10).
	MaxText      = 2000
	textPatience = 10 * time.Second
	// leastSecret is the smallest part of a secret that reveals something, in bytes.
	leastSecret = 8
)

// Text returns the beginning of an answer that is not a stream, or what arrives of it within ten seconds. It removes a
// secret that the upstream may repeat.
func (a *Answer) Text(secret string) string {
	enough := time.AfterFunc(textPatience, func() { a.cancel(ErrSilent) })
	defer enough.Stop()
	raw, _ := io.ReadAll(io.LimitReader(a, 4*MaxText))
	text, units := strings.ToValidUTF8(string(raw), "\uFFFD"), 0
	if secret != "" {
		text = strings.ReplaceAll(text, secret, "[key]")
		for n := len(secret) - 1; n >= leastSecret; n-- { // the text read may end inside the secret
			if before, ok := strings.CutSuffix(text, secret[:n]); ok {
				text = before
				break
			}
		}
	}
	for i, r := range text {
		if units++; r > 0xFFFF {
			units++
		}
		if units > MaxText {
			return text[:i]
		}
	}
	return text
}

// Reason returns the message in a text that came instead of an answer: the message of an error in the format of
// OpenAI's API or a similar one, and otherwise the text itself.
func Reason(text string) string {
	text = strings.TrimSpace(text)
	var in struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	if json.Unmarshal([]byte(text), &in) != nil {
		return text
	}
	var inner struct {
		Message string `json:"message"`
	}
	var plain string
	_, _ = json.Unmarshal(in.Error, &inner), json.Unmarshal(in.Error, &plain) // it has one of these formats, or none
	return cmp.Or(strings.TrimSpace(inner.Message), strings.TrimSpace(plain), strings.TrimSpace(in.Message), text)
}
