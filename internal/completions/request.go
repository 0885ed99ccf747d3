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

// What is wrong with a request.
var (
	// ErrUnreadable says that it is no JSON object.
	ErrUnreadable = errors.New("the request is no JSON object")
	// ErrTools says that its tools are no list of tools.
	ErrTools = errors.New("the tools of the request are no list of tools")
)

// Request is what a client asks of a model. All of it goes on as it came, byte for byte, but for the members that are between
// client and server: their names begin with an underscore (contract, client-behaviour §10).
type Request struct {
	// Model is the model that is asked for; empty if none is named.
	Model string
	// Stream says that the answer is to come in events.
	Stream bool
	// Background says that the answer is to be made without the client.
	Background bool
	// Tools says that the model may call tools, of which Functions are the names of those that are called here.
	Tools     bool
	Functions []string
	// ThreadID, MessageID and AdmissionID say of which message an answer without the client is, and of which wish for one; History is its
	// admission, JSON of the text that was read. Each is empty if it was left out, or is no text, or is far too long for one.
	ThreadID, MessageID, AdmissionID string
	History                          []byte
	// Runtimes says of functions where they are called: "client", "server" or "hybrid". Device is the browser whose functions they are,
	// and WholeFields says that the upstream sends a call's name and arguments whole each time.
	Runtimes    map[string]string
	Device      string
	WholeFields bool

	text   []byte
	cuts   []edit
	model  edit // where the model stands; it is the last one that counts, as for everyone who reads JSON
	stream edit // where it stands whether the answer comes in events, or could stand
	// Where the messages, the tools and the choice among these stand.
	messages, tools, choice edit
	cutAll                  int // beginning of the members before the first that is kept; -1 if there are none
}

// edit puts with in the place of text[from:to].
type edit struct {
	from, to int
	with     []byte
}

// maxCuts is how many stretches are cut out of a request at most. Clients put what is theirs at the end.
const maxCuts = 100

// lenient is how clients' JSON is read: with halves of surrogate pairs, which JavaScript sends, and the last of duplicate names.
var lenient = jsontext.AllowInvalidUTF8(true)

// Read reads a request. It keeps text.
func Read(text []byte) (*Request, error) {
	r := &Request{text: text, cutAll: -1}
	d := jsontext.NewDecoder(bytes.NewBuffer(text), lenient, jsontext.AllowDuplicateNames(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, ErrUnreadable
	}
	kept := -1 // end of the last member that is kept
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
				return nil, ErrUnreadable // there is no such model, and no telling whose it is
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

// What is looked at of a request, in bytes with quotes and escapes. It may have 128 MiB, of which nothing is copied.
const (
	longestName = 64
	longestText = 8 << 10
)

// nameOf returns the name of a member. Of one that is none of those that count it tells no more than whether it begins with an underscore.
func nameOf(raw jsontext.Value) string {
	if len(raw) > longestName {
		if raw[1] == '_' || bytes.EqualFold(raw[1:7], []byte(`\u005f`)) {
			return "_"
		}
		return ""
	}
	name, _ := jsontext.AppendUnquote(nil, raw) // what is no UTF-8 is no name that counts
	return string(name)
}

// textOf returns a text; "" if value is none, or is far too long for what is looked at.
func textOf(value jsontext.Value) string {
	if value.Kind() != '"' || len(value) > longestText {
		return ""
	}
	text, _ := jsontext.AppendUnquote(nil, value)
	return string(text)
}

// note keeps what a member between client and server says; the last one of a name counts.
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

// cut leaves a member out, and with it the comma that parts it from the one before, or from the one behind if it is the first. It
// reports whether there are few enough stretches.
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

// Body returns what an upstream gets, which calls the model by a name of its own. It shares the memory of the request's text.
func (r *Request) Body(model string) *Body { return r.body(r.renamed(model)) }

// Streamed is a Body that asks for events, whatever the client has asked for.
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

// Body is the body of a request to an upstream, in parts of memory that is forgotten as soon as the upstream has it.
type Body struct {
	mu    sync.Mutex
	parts [][]byte
	count int // of parts
	size  int64
	sent  bool
}

// NewBody returns the body that Bytes has returned before.
func NewBody(text []byte) *Body {
	b := &Body{}
	b.add(text)
	return b
}

// Size is how many bytes the body has.
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

// Release forgets the body if all of it was sent, and reports whether it has: nothing holds the memory any more then.
func (b *Body) Release() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sent {
		b.parts = nil
	}
	return b.sent
}

// reader reads the body from its beginning, and tells progress.
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
	if r.part == b.count { // also of one that was released meanwhile: readers ask once more than they need
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
