package engine

import (
	"net/http"
	"sync"

	"or3.chat/cloud/engine/place"
)

// guests are the starters that have joined an engine and need it.
type guests struct {
	mu    sync.Mutex
	n     int
	empty chan struct{} // closed when there are none; nil if no one waits
}

func (g *guests) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n++
}

func (g *guests) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.n == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// Deserted returns a channel that is closed when no starter that has joined is left, which may be at once.
func (e *Engine) Deserted() <-chan struct{} {
	g := &e.guests
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	if g.empty == nil {
		g.empty = make(chan struct{})
	}
	return g.empty
}

// stay keeps the engine alive for as long as the request lasts. It tells when everything can be asked, and ends with the engine.
func (e *Engine) stay(w http.ResponseWriter, r *http.Request) error {
	if e.instance.ShuttingDown() {
		return e.instance.Unavailable()
	}
	e.guests.enter()
	defer e.guests.leave()
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
