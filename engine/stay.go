package engine

import (
	"net/http"

	"or3.chat/cloud/engine/place"
)

// Deserted returns a channel that is closed when no starter that has joined is left, perhaps at once.
func (e *Engine) Deserted() <-chan struct{} { return e.guests.Gone() }

// stay keeps the engine alive for as long as the request lasts. It reports when all methods can be called, and ends
// with the engine.
func (e *Engine) stay(w http.ResponseWriter, r *http.Request) error {
	if e.instance.ShuttingDown() {
		return e.instance.Unavailable()
	}
	e.guests.Enter()
	defer e.guests.Leave()
	out := newEvents(w)
	defer out.Close()
	state := e.present().State
	if out.tell("state", place.StateEvent{State: state}) != nil {
		return nil
	}
	ready := make(chan place.State, 1)
	if state == place.StateStarting {
		go func() {
			select {
			case <-e.opened:
				ready <- place.StateReady
			case <-r.Context().Done():
			case <-e.instance.Closing():
			}
		}()
	}
	follow(r.Context(), out, e.instance.Closing(), ready, func(s place.State) error { return out.tell("state", place.StateEvent{State: s}) })
	return nil
}
