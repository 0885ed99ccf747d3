package httpapi

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// EventHeader announces an answer as a stream of server-sent events. It asks proxies not to buffer it.
func EventHeader(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
}

// EventStream sends server-sent events (HTML Standard, §9.2) to one client. Its methods add to a buffer until Send, so
// that related events travel together. It is not safe for concurrent use.
type EventStream struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	unsent   []byte
}

// keptBuffer is the largest buffer that a stream keeps between its events, in bytes.
const keptBuffer = 16 << 10

// NewEventStream begins the answer. Send fails if the client does not read for longer than patience, so that a client
// that never reads cannot hold a stream.
func NewEventStream(w http.ResponseWriter, patience time.Duration) *EventStream {
	EventHeader(w)
	return &EventStream{w: w, control: http.NewResponseController(w), patience: patience}
}

// Comment adds a line that clients ignore. It keeps proxies from cutting an idle connection, usually after 30 or 60
// seconds.
func (s *EventStream) Comment(text string) {
	s.field("", firstLine(text))
	s.unsent = append(s.unsent, '\n')
}

// Greet adds a comment, which tells the client that the stream is established, and the time to wait before reconnecting
// once it has ended.
func (s *EventStream) Greet(retry time.Duration) {
	s.field("", "hello")
	s.field("retry", strconv.FormatInt(retry.Milliseconds(), 10))
	s.unsent = append(s.unsent, '\n')
}

// Event adds an event. The client sends id back as Last-Event-ID when it reconnects. name is the type of the event.
// Each may be empty and is cut at a line break or NUL, which it cannot contain. data may have several lines; all kinds
// of line breaks arrive as "\n".
func (s *EventStream) Event(id, name string, data []byte) {
	if id = firstLine(id); id != "" {
		s.field("id", id)
	}
	if name = firstLine(name); name != "" {
		s.field("event", name)
	}
	if bytes.IndexByte(data, '\r') >= 0 {
		data = bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	}
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		s.unsent = append(s.unsent, "data: "...)
		s.unsent = append(s.unsent, line...)
		s.unsent = append(s.unsent, '\n')
	}
	s.unsent = append(s.unsent, '\n')
}

func (s *EventStream) field(name, value string) {
	s.unsent = append(s.unsent, name...)
	s.unsent = append(s.unsent, ": "...)
	s.unsent = append(s.unsent, value...)
	s.unsent = append(s.unsent, '\n')
}

// firstLine cuts off anything that would end a field or make a client ignore it.
func firstLine(text string) string {
	if i := strings.IndexAny(text, "\r\n\x00"); i >= 0 {
		return text[:i]
	}
	return text
}

// Send sends what was added. An error means that the client does not read and that the stream is over.
func (s *EventStream) Send() error {
	s.hurry()
	_, err := s.w.Write(s.unsent)
	if s.unsent = s.unsent[:0]; cap(s.unsent) > keptBuffer {
		s.unsent = nil // do not keep a large buffer for the stream's long life
	}
	if err != nil {
		return err
	}
	return s.control.Flush()
}

// Close gives the client a moment to receive the end of the answer.
func (s *EventStream) Close() { s.hurry() }

// hurry gives the client a moment to receive what comes next. Unlike a connection, a test's recorder has no deadlines.
func (s *EventStream) hurry() { _ = s.control.SetWriteDeadline(time.Now().Add(s.patience)) }
