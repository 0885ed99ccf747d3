package completions

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// Faults of a request.
var (
	// ErrUnreadable means that the request is not a JSON object.
	ErrUnreadable = errors.New("the request is not a JSON object")
	// ErrTools means that its tools are not a list of tools.
	ErrTools = errors.New("the tools of the request are not a list of tools")
)

// Request is a client's request to a model. All of it is forwarded byte for byte, except for the members between client
// and server, whose names begin with an underscore (contract, client-behaviour §10).
type Request struct {
	// Model is the requested model. It may be empty.
	Model string
	// Stream means that the client wants the answer as events.
	Stream bool
	// Background means that the answer is made without the client.
	Background bool
	// Tools means that the model may call tools. Functions are the names of those that are called here.
	Tools     bool
	Functions []string
	// ThreadID, MessageID and AdmissionID identify the message of an answer without the client, and its admission.
	// History is the envelope of the admission, JSON of the text that was read. Each is empty if it is missing, not a
	// text, or far too long.
	ThreadID, MessageID, AdmissionID string
	History                          []byte
	// Runtimes maps functions to where they are called: "client", "server" or "hybrid". Device is the browser that has
	// the functions. WholeFields means that the upstream sends the name and arguments of a call in full each time.
	Runtimes    map[string]string
	Device      string
	WholeFields bool

	text   []byte
	cuts   []edit
	model  edit // where the model stands; the last one counts, as in all JSON parsers
	stream edit // where the member that asks for events stands, or could stand
	// Where the messages, the tools and the tool choice stand.
	messages, tools, choice edit
	cutAll                  int // where the members before the first kept one begin; -1 if there are none
}

// edit replaces text[from:to] with with.
type edit struct {
	from, to int
	with     []byte
}

// maxCuts is the largest number of stretches cut out of a request. Clients put their own members at the end.
const maxCuts = 100

// lenient is how clients' JSON is read: with halves of surrogate pairs, which JavaScript sends, and the last of
// duplicate names.
var lenient = jsontext.AllowInvalidUTF8(true)

// Read reads a request. It keeps text.
func Read(text []byte) (*Request, error) {
	r := &Request{text: text, cutAll: -1}
	d := jsontext.NewDecoder(bytes.NewBuffer(text), lenient, jsontext.AllowDuplicateNames(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, ErrUnreadable
	}
	kept := -1 // end of the last kept member
	var tools error
	for d.PeekKind() == '"' {
		raw, err := d.ReadValue()
		if err != nil {
			return nil, ErrUnreadable
		}
		start := int(d.InputOffset()) - len(raw)
		name := nameOf(raw)
		value, err := d.ReadValue()
		if err != nil {
			return nil, ErrUnreadable
		}
		end := int(d.InputOffset())
		value = text[end-len(value) : end]
		if strings.HasPrefix(name, "_") {
			r.note(name, value)
			if !r.cut(start, end, kept) {
				return nil, ErrUnreadable
			}
			continue
		}
		if r.cutAll >= 0 {
			r.cuts, r.cutAll = append(r.cuts, edit{from: r.cutAll, to: start}), -1
		}
		kept = end
		switch name {
		case "model":
			if r.Model, r.model = textOf(value), (edit{}); r.Model != "" {
				r.model = edit{from: end - len(value), to: end}
			} else if value.Kind() == '"' && len(value) > longestText {
				return nil, ErrUnreadable // no such model exists, and no server can be chosen
			}
		case "stream":
			r.Stream, r.stream = value.Kind() == 't', edit{end - len(value), end, []byte("true")}
		case "messages":
			r.messages = edit{from: end - len(value), to: end}
		case "tool_choice":
			r.choice = edit{from: end - len(value), to: end}
		case "tools":
			r.tools = edit{from: end - len(value), to: end}
			r.Functions, tools = functions(value)
			first, _ := bytes.CutPrefix(value, []byte("["))
			r.Tools = value.Kind() == '[' && !bytes.HasPrefix(bytes.TrimLeft(first, " \t\r\n"), []byte("]"))
		}
	}
	last := int(d.InputOffset())
	if t, err := d.ReadToken(); err != nil || t.Kind() != '}' {
		return nil, ErrUnreadable
	}
	if r.stream.with == nil {
		brace := int(d.InputOffset()) - 1
		r.stream = edit{brace, brace, []byte(`,"stream":true`)}
		if kept < 0 {
			r.stream.with = r.stream.with[1:]
		}
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, ErrUnreadable
	}
	if r.cutAll >= 0 {
		r.cuts = append(r.cuts, edit{from: r.cutAll, to: last})
	}
	return r, tools
}

// Limits on the parts of a request that are inspected, in bytes with quotes and escapes. A request may have 128 MiB, of
// which nothing is copied.
const (
	longestName = 64
	longestText = 8 << 10
)

// nameOf returns the name of a member. For a name that does not matter, it only preserves whether it begins with an
// underscore.
func nameOf(raw jsontext.Value) string {
	if len(raw) > longestName {
		if raw[1] == '_' || bytes.EqualFold(raw[1:7], []byte(`\u005f`)) {
			return "_"
		}
		return ""
	}
	name, _ := jsontext.AppendUnquote(nil, raw) // a name that is not UTF-8 does not matter
	return string(name)
}

// textOf returns a text, or "" if value is not one or is far too long.
func textOf(value jsontext.Value) string {
	if value.Kind() != '"' || len(value) > longestText {
		return ""
	}
	text, _ := jsontext.AppendUnquote(nil, value)
	return string(text)
}

// note records a member between client and server. The last one with a name counts.
func (r *Request) note(name string, value jsontext.Value) {
	switch name {
	case "_background":
		r.Background = value.Kind() == 't'
	case "_threadId":
		r.ThreadID = textOf(value)
	case "_messageId":
		r.MessageID = textOf(value)
	case "_backgroundAdmissionId":
		r.AdmissionID = textOf(value)
	case "_history":
		if r.History = nil; value.Kind() == '{' {
			r.History = value
		}
	case "_toolRuntime":
		r.Runtimes = runtimes(value)
	case "_clientDeviceId":
		r.Device = textOf(value)
	case "_streamedFieldMode":
		r.WholeFields = textOf(value) == "cumulative-snapshot"
	}
}

// cut leaves a member out, with the comma before it, or the comma after it if it is the first. It reports whether the
// number of stretches is within the limit.
func (r *Request) cut(start, end, kept int) bool {
	n := len(r.cuts)
	switch {
	case kept < 0 && r.cutAll < 0:
		r.cutAll = start
	case kept < 0:
	case n > 0 && r.cuts[n-1].from == kept:
		r.cuts[n-1].to = end
	default:
		r.cuts = append(r.cuts, edit{from: kept, to: end})
	}
	return len(r.cuts) <= maxCuts
}

// Body returns the body for an upstream, which has a name of its own for the model. It shares the memory of the
// request's text.
func (r *Request) Body(model string) *Body { return r.body(r.renamed(model)) }

// Streamed is like Body, but asks for events whatever the client asked for.
func (r *Request) Streamed(model string) *Body {
	edits := r.renamed(model)
	if !r.Stream {
		edits = append(edits, r.stream)
	}
	return r.body(edits)
}

func (r *Request) renamed(model string) []edit {
	edits := slices.Clone(r.cuts)
	if model != r.Model {
		renamed := r.model
		renamed.with, _ = jsontext.AppendQuote(nil, model)
		edits = append(edits, renamed)
	}
	return edits
}

func (r *Request) body(edits []edit) *Body {
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	b := &Body{}
	at := 0
	for _, e := range edits {
		b.add(r.text[at:e.from])
		b.add(e.with)
		at = e.to
	}
	b.add(r.text[at:])
	return b
}

// Body is the body of a request to an upstream. Its parts of memory are released as soon as the upstream has them.
type Body struct {
	mu    sync.Mutex
	parts [][]byte
	count int // of parts
	size  int64
	sent  bool
}

// NewBody returns the body from an earlier result of Bytes.
func NewBody(text []byte) *Body {
	b := &Body{}
	b.add(text)
	return b
}

// Size returns the size of the body in bytes.
func (b *Body) Size() int64 { return b.size }

// Bytes returns a copy of a body that was not sent.
func (b *Body) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Join(b.parts, nil)
}

func (b *Body) add(part []byte) {
	if len(part) > 0 {
		b.parts, b.count, b.size = append(b.parts, part), b.count+1, b.size+int64(len(part))
	}
}

// Release releases the body if all of it was sent, and reports whether it did. Then nothing holds the memory any more.
func (b *Body) Release() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sent {
		b.parts = nil
	}
	return b.sent
}

// reader reads the body from its beginning and calls progress.
func (b *Body) reader(progress func()) io.ReadCloser { return &bodyReader{of: b, progress: progress} }

type bodyReader struct {
	of           *Body
	part, offset int
	progress     func()
}

func (r *bodyReader) Read(p []byte) (int, error) {
	r.progress()
	b := r.of
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.part == b.count { // the body may have been released: readers read once more than necessary
		b.sent = true
		return 0, io.EOF
	}
	if b.parts == nil {
		return 0, io.ErrClosedPipe
	}
	n := copy(p, b.parts[r.part][r.offset:])
	if r.offset += n; r.offset == len(b.parts[r.part]) {
		r.part, r.offset = r.part+1, 0
	}
	b.sent = b.sent || r.part == b.count
	return n, nil
}

func (*bodyReader) Close() error { return nil }
