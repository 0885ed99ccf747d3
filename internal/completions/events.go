package completions

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// What is wrong with the events of an answer.
var (
	// ErrEvent says that an event is none of a completion, or too long.
	ErrEvent = errors.New("it has sent an event that is none of a completion")
	// ErrCalls says that the model calls a tool, which a request without tools does not allow.
	ErrCalls = errors.New("the model calls a tool that it was not offered")
)

// maxEvent is the longest line of an answer that is read here, in bytes. What a model says comes in small pieces.
const maxEvent = 1 << 20

// Fault is what an upstream says in the middle of an answer that went wrong.
type Fault string

// Error implements error.
func (f Fault) Error() string { return string(f) }

// Event is a piece of an answer.
type Event struct {
	// Content and Reasoning are what the model says and thinks next, in well-formed text.
	Content, Reasoning string
	// Usage is what the answer has cost, a JSON object; nil if it is not known yet.
	Usage []byte
}

// Events reads a stream of events as pieces of an answer.
type Events struct {
	in   *bufio.Reader
	line []byte
	done bool
	// finished says that the upstream has said why the answer ends.
	finished bool
}

// NewEvents reads in, which is an Answer.
func NewEvents(in io.Reader) *Events { return &Events{in: bufio.NewReader(in)} }

// Next returns the next piece of an answer, and io.EOF after the last one of an answer that is whole. A Fault is the upstream's own.
func (e *Events) Next() (Event, error) {
	for !e.done {
		if err := e.readLine(); err != nil {
			if err == io.EOF && !e.finished {
				err = ErrCut
			}
			return Event{}, err
		}
		data, ok := bytes.CutPrefix(e.line, []byte("data:"))
		if !ok {
			continue // a comment, or a field that tells nothing
		}
		switch data = bytes.TrimSpace(data); {
		case len(data) == 0:
		case string(data) == done:
			e.done = true
		default:
			return e.read(data)
		}
	}
	return Event{}, io.EOF
}

// readLine reads a line without its end.
func (e *Events) readLine() error {
	e.line = e.line[:0]
	for {
		part, err := e.in.ReadSlice('\n')
		e.line = append(e.line, part...)
		switch {
		case len(e.line) > maxEvent:
			return ErrEvent
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(bytes.TrimSpace(e.line)) > 0: // "[DONE]" may be the last that comes
			err = nil
		}
		e.line = bytes.TrimRight(e.line, "\r\n")
		return err
	}
}

// delta is the part of a choice that is new. Servers of models call what the model thinks by two names.
type delta struct {
	Content          *string           `json:"content"`
	Reasoning        *string           `json:"reasoning"`
	ReasoningContent *string           `json:"reasoning_content"`
	ToolCalls        []json.RawMessage `json:"tool_calls"`
}

func (e *Events) read(data []byte) (out Event, err error) {
	var in struct {
		Choices []struct {
			Delta        delta   `json:"delta"`
			FinishReason *string `json:"finish_reason"`
		} `json:"choices"`
		Usage json.RawMessage `json:"usage"`
		Error *struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	// What is no UTF-8 becomes replacement characters.
	if err := json.Unmarshal(data, &in); err != nil {
		return out, ErrEvent
	}
	if in.Error != nil {
		if in.Error.Message == "" {
			return out, Fault("the answer has failed")
		}
		return out, Fault(in.Error.Message)
	}
	if bytes.HasPrefix(in.Usage, []byte("{")) {
		out.Usage = in.Usage
	}
	if len(in.Choices) == 0 {
		return out, nil
	}
	first := in.Choices[0]
	e.finished = e.finished || first.FinishReason != nil && *first.FinishReason != ""
	if len(first.Delta.ToolCalls) > 0 {
		return out, ErrCalls
	}
	say := func(text *string) string {
		if text == nil {
			return ""
		}
		return strings.ToValidUTF8(*text, "\uFFFD")
	}
	out.Content = say(first.Delta.Content)
	if out.Reasoning = say(first.Delta.Reasoning); out.Reasoning == "" {
		out.Reasoning = say(first.Delta.ReasoningContent)
	}
	return out, nil
}
