package place

import "sync"

// Guests counts, on the engine's side, the starters that have joined it and need it. The zero value has none.
type Guests struct {
	mu    sync.Mutex
	n     int
	empty chan struct{} // closed when there are none; nil if no one waits
}

// Enter counts a starter.
func (g *Guests) Enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n++
}

// Leave is called when one that has entered leaves.
func (g *Guests) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.n == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// Gone returns a channel that is closed when none is left, perhaps at once.
func (g *Guests) Gone() <-chan struct{} {
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
