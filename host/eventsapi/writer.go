package eventsapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// writer sends events to one client. Its methods report whether the client still takes them.
type writer struct {
	w       http.ResponseWriter
	control *http.ResponseController
	// workspace is the workspace's id as JSON.
	workspace []byte
	// last is the newest version sent or known to the client.
	last int64
}

func newWriter(w http.ResponseWriter, workspaceID string) *writer {
	id, _ := jsontext.AppendQuote(nil, workspaceID) // an id of the store is text
	return &writer{w: w, control: http.NewResponseController(w), workspace: id}
}

// begin greets the client, so that it knows that the stream stands, and sends the current version if it is news.
func (o *writer) begin(retry time.Duration, current int64, lastEventID string) bool {
	b := append([]byte(nil), ": hello\nretry: "...)
	b = strconv.AppendInt(b, retry.Milliseconds(), 10)
	b = append(b, "\n\n"...)
	if !known(lastEventID, current) {
		b = o.append(b, current)
	}
	o.last = current
	return o.send(b)
}

// version sends a version, unless the client has a newer one.
func (o *writer) version(v int64) bool {
	if v <= o.last {
		return true
	}
	o.last = v
	return o.send(o.append(nil, v))
}

// heartbeat sends a comment, which clients ignore and connections live on.
func (o *writer) heartbeat() bool { return o.send([]byte(": ping\n\n")) }

func (o *writer) append(b []byte, v int64) []byte {
	b = append(b, "id: "...)
	b = strconv.AppendInt(b, v, 10)
	b = append(b, "\nevent: version\ndata: {\"workspaceId\":"...)
	b = append(b, o.workspace...)
	b = append(b, ",\"serverVersion\":"...)
	b = strconv.AppendInt(b, v, 10)
	return append(b, "}\n\n"...)
}

func (o *writer) send(b []byte) bool {
	o.hurry()
	if _, err := o.w.Write(b); err != nil {
		return false
	}
	return o.control.Flush() == nil
}

// hurry gives the client a moment to take what comes next. A recorder in a test has no deadlines; a connection has.
func (o *writer) hurry() { _ = o.control.SetWriteDeadline(time.Now().Add(patience)) }
