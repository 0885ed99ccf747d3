package engine

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"or3.chat/cloud/httpapi"
)

const (
	// untaken is how long a host may leave an event unread before its stream is cut.
	untaken = 10 * time.Second
	// heartbeat is how often a stream shows that it is still there.
	heartbeat = 15 * time.Second
)

// stream describes a method that answers with events whose data is a T.
func stream[T any](name, help string, query ...string) method {
	return method{name: name, help: help, out: reflect.TypeFor[T](), stream: true, query: query}
}

// events is a stream to a host.
type events struct{ *httpapi.EventStream }

func newEvents(w http.ResponseWriter) events { return events{httpapi.NewEventStream(w, untaken)} }

// tell sends one event. An error means that the host is gone.
func (s events) tell(name string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	s.Event("", name, text)
	return s.Send()
}

// follow passes on events until its source, the host or the engine ends.
func follow[T any](ctx context.Context, s events, closing <-chan struct{}, source <-chan T, tell func(T) error) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case v, open := <-source:
			if !open || tell(v) != nil {
				return
			}
		case <-beat.C:
			if s.Comment("ping"); s.Send() != nil {
				return
			}
		case <-closing:
			return
		case <-ctx.Done():
			return
		}
	}
}
