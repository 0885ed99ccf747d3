package completions

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// Faults in the events of an answer.
var (
	// ErrEvent means that an event is too long or not part of a completion.
	ErrEvent = errors.New("it has sent an event that does not belong to a completion")
	// ErrCalls means that the model calls a tool although the request offered none.
	ErrCalls = errors.New("the model calls a tool that it was not offered")
	// ErrLargeCalls means that the model calls too many tools, or with too large arguments.
	ErrLargeCalls = errors.New("the model calls too many tools, or with too much")
)

// maxEvent is the largest event that is read here, in bytes. Models send their text in small pieces.
const maxEvent = 1 << 20

// Limits on the usage, in bytes and in lists and objects. Usage beyond them is ignored, because it would keep the
// answer out of the history.
const (
	maxUsage = 16 << 10
	maxParts = 64
)

// Fault is an error that an upstream reports in the middle of an answer.
type Fault string

// Error implements error.
func (f Fault) Error() string { return string(f) }

// Event is a piece of an answer.
type Event struct {
	// Content and Reasoning are the next parts of the model's answer and reasoning, in well-formed text.
	Content, Reasoning string
	// Usage is the cost of the answer, a JSON object, or nil if not known yet.
	Usage []byte
}

// Events reads a stream of events (HTML Standard, §9.2.6) as pieces of an answer. Every complete data line is one,
// because some upstreams omit the blank line after it. An incomplete one continues in the next line.
type Events struct {
	in   *bufio.Reader
	line []byte
	data []byte // of an incomplete event
	// begun means that the first line has arrived. returned means that the last line ended with CR, so that a following
	// LF belongs to it.
	begun, returned bool
	done            bool
	// finished means that the upstream has given the reason why the answer ends.
	finished bool
	offered  Offered
	calls    calls
}

// NewEvents reads in, which is an Answer of an upstream. offered tells whether the request offered tools.
func NewEvents(in io.Reader, offered Offered) *Events {
	return &Events{in: bufio.NewReader(in), offered: offered}
}

// Calls returns the tools that the model calls. Call it after the last piece of the answer.
func (e *Events) Calls() []ToolCall { return e.calls.all() }

// Next returns the next piece of an answer, or io.EOF after the last piece of a complete one. A Fault is the upstream's
// own error.
func (e *Events) Next() (Event, error) {
	for !e.done {
		if err := e.readLine(); err != nil {
			if err == io.EOF && (len(e.data) > 0 || !e.finished) {
				err = ErrCut
			}
			return Event{}, err
		}
		field, data, _ := bytes.Cut(e.line, []byte(":"))
		data = bytes.TrimSpace(data)
		switch {
		case len(e.line) == 0 && len(e.data) > 0: // the end of an event in several lines
			event, err := e.read(e.data)
			if e.data = e.data[:0]; err == errUnfinished {
				err = ErrEvent
			}
			return event, err
		case string(field) != "data", len(data) == 0: // a comment, or an irrelevant field
		case len(e.data) > 0:
			if len(e.data)+len(data) >= maxEvent {
				return Event{}, ErrEvent
			}
			e.data = append(append(e.data, '\n'), data...)
		case string(data) == done:
			e.done = true
		case data[0] != '{':
			return Event{}, ErrEvent
		default:
			event, err := e.read(data)
			if err != errUnfinished {
				return event, err
			}
			e.data = append(e.data, data...)
		}
	}
	return Event{}, io.EOF
}

// readLine reads a line without its end, which is CR, LF or both.
func (e *Events) readLine() error {
	e.line = e.line[:0]
	for {
		if _, err := e.in.Peek(1); err != nil {
			if err == io.EOF && len(bytes.TrimSpace(e.line)) > 0 { // "[DONE]" may come last
				return nil
			}
			return err
		}
		part, _ := e.in.Peek(e.in.Buffered())
		if returned := e.returned; returned {
			if e.returned = false; part[0] == '\n' {
				_, _ = e.in.Discard(1)
				continue
			}
		}
		end := bytes.IndexAny(part, "\r\n")
		if end >= 0 {
			e.returned, part = part[end] == '\r', part[:end]
		}
		if len(e.line)+len(part) > maxEvent {
			return ErrEvent
		}
		e.line = append(e.line, part...)
		if end < 0 {
			_, _ = e.in.Discard(len(part))
			continue
		}
		_, _ = e.in.Discard(len(part) + 1)
		if !e.begun {
			e.begun = true
			e.line = bytes.TrimPrefix(e.line, []byte("\uFEFF"))
		}
		return nil
	}
}

// errUnfinished means that more of an event is to come.
var errUnfinished = errors.New("an event is not finished")

// text is a member that is a text, or a list of parts some of which are texts. Anything else counts as empty.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case '"':
		return json.Unmarshal(raw, (*string)(t))
	case '[':
		var parts []json.RawMessage
		if err := json.Unmarshal(raw, &parts); err != nil {
			return err
		}
		for _, p := range parts {
			var part struct {
				Text    *string `json:"text"`    // a part has no parts of its own, however deep an upstream nests
				Summary *string `json:"summary"` // of reasoning
			}
			_ = json.Unmarshal(p, &part)
			for _, said := range []*string{part.Text, part.Summary} {
				if said != nil {
					*t += text(*said)
				}
			}
		}
	}
	return nil
}

// delta is the new part of a choice. Model servers use several names for the text and the reasoning, and clients
// understand all of them.
type delta struct {
	Content          text        `json:"content"`
	Text             text        `json:"text"`
	Reasoning        text        `json:"reasoning"`
	ReasoningContent text        `json:"reasoning_content"`
	ReasoningDetails text        `json:"reasoning_details"`
	ToolCalls        []callPiece `json:"tool_calls"`
}

// fault returns the error in an answer, given as an object with a message or as a text.
func fault(raw json.RawMessage) error {
	if raw == nil || string(raw) == "null" || string(raw) == "false" {
		return nil
	}
	var in struct {
		Message text `json:"message"`
	}
	var said text
	if json.Unmarshal(raw, &in) == nil {
		said = in.Message
	} else {
		_ = said.UnmarshalJSON(raw)
	}
	if said == "" {
		return errFailed
	}
	return Fault(wellFormed(said))
}

// errFailed is a fault without details.
const errFailed = Fault("the answer has failed")

func wellFormed(t text) string { return strings.ToValidUTF8(string(t), "\uFFFD") }

func (e *Events) read(data []byte) (out Event, err error) {
	var in struct {
		Choices []struct {
			Delta        delta `json:"delta"`
			Message      delta `json:"message"`
			FinishReason text  `json:"finish_reason"`
		} `json:"choices"`
		Usage json.RawMessage `json:"usage"`
		Error json.RawMessage `json:"error"`
	}
	// Bytes that are not UTF-8 become replacement characters.
	var syntax *json.SyntaxError
	switch err := json.Unmarshal(data, &in); {
	case errors.As(err, &syntax):
		return out, errUnfinished
	case err != nil:
		return out, ErrEvent
	}
	if err := fault(in.Error); err != nil {
		return out, err
	}
	if u := in.Usage; bytes.HasPrefix(u, []byte("{")) && len(u) <= maxUsage && bytes.Count(u, []byte("{"))+bytes.Count(u, []byte("[")) <= maxParts {
		out.Usage = bytes.ToValidUTF8(u, []byte("\uFFFD"))
	}
	if len(in.Choices) == 0 {
		return out, nil
	}
	first := in.Choices[0]
	e.finished = e.finished || first.FinishReason != ""
	switch {
	case len(first.Delta.ToolCalls) > 0 && e.offered == NoTools:
		return out, ErrCalls
	case first.FinishReason == "error":
		return out, errFailed
	}
	for _, piece := range first.Delta.ToolCalls {
		if !e.calls.add(piece, e.offered == WholeFields) {
			return out, ErrLargeCalls
		}
	}
	for _, call := range first.Message.ToolCalls { // which some repeat at the end
		if e.offered != NoTools && !e.calls.add(call, true) {
			return out, ErrLargeCalls
		}
	}
	out.Content = wellFormed(first.Delta.Content + first.Delta.Text + first.Message.Content)
	for _, thought := range []text{first.Delta.Reasoning, first.Delta.ReasoningContent, first.Delta.ReasoningDetails} {
		if out.Reasoning == "" {
			out.Reasoning = wellFormed(thought)
		}
	}
	return out, nil
}
