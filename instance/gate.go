package instance

import "sync"

// gate counts the requests under way and can be closed.
type gate struct {
	closing chan struct{} // closed with the gate

	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // closed when the gate is closed and nobody is inside
}

func newGate() *gate { return &gate{closing: make(chan struct{})} }

// enter reports whether a request may pass; if so, leave must follow.
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

// close lets nobody in any more and returns a channel that is closed when everybody has left.
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
