package answers

import "sync"

// readers are those who read answers along.
type readers struct {
	mu sync.Mutex
	by map[string]map[chan struct{}]bool // by the job
}

func (r *readers) watch(id string) (news <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = map[string]map[chan struct{}]bool{}
	}
	if r.by[id] == nil {
		r.by[id] = map[chan struct{}]bool{}
	}
	r.by[id][c] = true
	return c, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if delete(r.by[id], c); len(r.by[id]) == 0 {
			delete(r.by, id)
		}
	}
}

// watched reports whether someone reads a job along.
func (r *readers) watched(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.by[id]) > 0
}

// tell wakes the readers of a job. It never waits: a reader that has not looked yet sees everything when it does.
func (r *readers) tell(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.by[id] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
