package eventsapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"or3.chat/cloud/httpapi"
)

// writer sends versions to one client. Its methods report whether the client still reads them.
type writer struct {
	*httpapi.EventStream
	// workspace is the workspace's id as JSON.
	workspace []byte
	// last is the newest version sent or known to the client.
	last int64
}

func newWriter(w http.ResponseWriter, workspaceID string) *writer {
	id, _ := jsontext.AppendQuote(nil, workspaceID) // an id of the store is text
	return &writer{EventStream: httpapi.NewEventStream(w, patience), workspace: id}
}

// begin greets the client and sends the current version if it is news.
func (o *writer) begin(retry time.Duration, current int64, lastEventID string) bool {
	o.Greet(retry)
	if !known(lastEventID, current) {
		o.add(current)
	}
	o.last = current
	return o.Send() == nil
}

// version sends a version, unless the client has a newer one.
func (o *writer) version(v int64) bool {
	if v <= o.last {
		return true
	}
	o.last = v
	o.add(v)
	return o.Send() == nil
}

// heartbeat sends a comment, which clients ignore and which keeps connections open.
func (o *writer) heartbeat() bool {
	o.Comment("ping")
	return o.Send() == nil
}

func (o *writer) add(v int64) {
	data := append([]byte(`{"workspaceId":`), o.workspace...)
	data = append(data, `,"serverVersion":`...)
	data = append(strconv.AppendInt(data, v, 10), '}')
	o.Event(strconv.FormatInt(v, 10), "version", data)
}
