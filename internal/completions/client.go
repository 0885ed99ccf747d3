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

// What becomes of an upstream that makes others wait.
var (
	// ErrLate says that an answer has not begun in time.
	ErrLate = errors.New("it has not begun to answer in time")
	// ErrSilent says that an answer has stopped without an end.
	ErrSilent = errors.New("it has stopped in the middle of its answer")
	// ErrCut says that an answer has ended in the middle of an event.
	ErrCut = errors.New("its answer ends in the middle of an event")
	// ErrBroken says that the connection has broken off, or that HTTP was not spoken, in the middle of an answer.
	ErrBroken = errors.New("its connection has broken off in the middle of its answer")
	// ErrProtocol says that an upstream does not speak HTTP.
	ErrProtocol = errors.New("it does not speak HTTP as it should")
)

// Options are how long upstreams are waited for. Time in which they are not asked for anything, because the client does not read,
// does not count.
type Options struct {
	// Header is how long the header of an answer may take, from the moment at which the upstream has last taken something of the request.
	Header time.Duration
	// Idle is how long a pause within an answer may be.
	Idle time.Duration
	// Dial connects to an upstream; nil does so over the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// The bounds of a connection to an upstream.
const (
	connectTimeout  = 10 * time.Second
	idleConnections = 16
	idleTimeout     = 90 * time.Second
	maxAnswerHeader = 64 << 10
)

// Client asks upstreams. It is safe for concurrent use.
type Client struct {
	opt       Options
	transport *http.Transport
}

// NewClient returns a client. Close ends its idle connections.
//
// Each answer has a connection of its own: one that is given up is closed, which every upstream understands, and one that is not read
// holds back no other and fills no memory, as it would in the windows of HTTP/2.
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

// Close closes the connections that wait for the next request.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Call is one request to an upstream.
type Call struct {
	To Upstream
	// Key is what it is asked with; empty for none.
	Key string
	// Referer is the origin of the pages from which it comes, by which OpenRouter tells applications apart.
	Referer string
	Body    *Body
}

// Send sends a request and returns when the header of the answer has come; redirects are answers like others. It ends with ctx, as the
// answer does, and then its error is the cause of that.
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
	res, err := c.transport.RoundTrip(req) // not a Client, which would follow redirects
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

// unquoted returns what has kept an upstream from answering, if that is a fault of the network or of a certificate. Other errors of
// net/http quote what was said instead of an answer, and that may be a key or a chat.
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

// errClosed says that an upstream has closed the connection.
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

// Answer is what an upstream says. It must be closed, and is for one goroutine.
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

// Kind returns the media type of the answer, "" if none is named, and whether it came without compression.
func (a *Answer) Kind() (kind string, plain bool) {
	kind, _, _ = mime.ParseMediaType(a.Header.Get("Content-Type"))
	coding := a.Header.Get("Content-Encoding")
	return kind, coding == "" || strings.EqualFold(coding, "identity")
}

// Read implements io.Reader. An answer whose connection breaks off, or that is silent for too long, does not end with io.EOF, unless the
// upstream has said before that nothing more comes.
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

// Close ends the answer; the upstream learns that no one listens any more.
func (a *Answer) Close() {
	a.idle.Stop()
	a.cancel(nil)
	_ = a.body.Close()
}

// done is what a stream ends with (OpenAI's API). Some upstreams keep the connection open after it; overPatience is how long their end is
// waited for, because a connection that ends can be used again.
const (
	done         = "[DONE]"
	overPatience = 2 * time.Second
)

// tailSize holds an event with done, the end of the event before it, and blank lines of any kind.
const tailSize = 24

// note keeps the end of what was read.
func (a *Answer) note(p []byte) {
	if len(p) < tailSize {
		p = append(a.tail, p...)
	}
	a.tail = append(a.tail[:0], p[max(0, len(p)-tailSize):]...)
}

// over reports whether the upstream has said that nothing more comes: in an event of its own, which no text of a model can look like,
// since line breaks in JSON are escaped.
func (a *Answer) over() bool {
	lines := bytes.TrimRight(a.tail, "\r\n")
	event, said := bytes.CutSuffix(lines, []byte(done))
	before, data := bytes.CutSuffix(bytes.TrimRight(event, " "), []byte("data:"))
	return said && data && len(lines) < len(a.tail) && (len(before) == 0 || bytes.HasSuffix(before, []byte("\n")) || bytes.HasSuffix(before, []byte("\r")))
}

// Whole reports whether what was read of a stream of events ends where an event may end. Not every upstream says how long its answer
// is, so the end of a connection may look like the end of the answer.
func (a *Answer) Whole() bool {
	n := len(a.tail)
	return n == 0 || a.tail[n-1] == '\n' || a.tail[n-1] == '\r' || bytes.HasSuffix(a.tail, []byte(done))
}

// The bounds of an answer that is shown instead of handed on.
const (
	// MaxText is how much of it is shown, in characters as JavaScript counts them (contract, client-behaviour §10).
	MaxText      = 2000
	textPatience = 10 * time.Second
	// leastSecret is how much of a secret tells something of it, in bytes.
	leastSecret = 8
)

// Text returns the beginning of an answer that is no stream, or what of it comes within ten seconds, without a secret that the upstream
// may repeat.
func (a *Answer) Text(secret string) string {
	enough := time.AfterFunc(textPatience, func() { a.cancel(ErrSilent) })
	defer enough.Stop()
	raw, _ := io.ReadAll(io.LimitReader(a, 4*MaxText))
	text, units := strings.ToValidUTF8(string(raw), "\uFFFD"), 0
	if secret != "" {
		text = strings.ReplaceAll(text, secret, "[key]")
		for n := len(secret) - 1; n >= leastSecret; n-- { // what was read may end in the middle of it
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

// Reason returns what a text says that stands in place of an answer: the message of an error in the form of OpenAI's API, or in one of
// those that its kin have, and otherwise the text itself.
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
	_, _ = json.Unmarshal(in.Error, &inner), json.Unmarshal(in.Error, &plain) // it is one of them, or none
	return cmp.Or(strings.TrimSpace(inner.Message), strings.TrimSpace(plain), strings.TrimSpace(in.Message), text)
}
