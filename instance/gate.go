package instance

import "sync"

// gate counts the requests in progress and can be closed.
type gate struct {
	closing chan struct{} // closed with the gate

	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // closed when the gate is closed and no request is inside
}

func newGate() *gate { return &gate{closing: make(chan struct{})} }

// enter reports whether a request may pass. If so, leave must follow.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.n++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.closed && g.n == 0 {
		close(g.idle)
	}
}

// close stops letting requests in and returns a channel that closes when the last one has left.
func (g *gate) close() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed, g.idle = true, make(chan struct{})
		close(g.closing)
		if g.n == 0 {
			close(g.idle)
		}
	}
	return g.idle
}

func (g *gate) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}
