package sessions

import (
	"context"

	or3cloud "or3.chat/cloud"
)

// unread is how many revocations a watcher may leave unread. A slower one is dropped, so that it costs no memory.
const unread = 256

// watchers are told of revocations. The zero value has none; the mutex of Revocations guards it.
type watchers struct {
	open   map[chan or3cloud.Revocation]bool
	closed bool
}

func (w *watchers) tell(v or3cloud.Revocation) {
	for c := range w.open {
		select {
		case c <- v:
		default:
			w.leave(c)
		}
	}
}

func (w *watchers) leave(c chan or3cloud.Revocation) {
	if w.open[c] {
		delete(w.open, c)
		close(c)
	}
}

// Watch implements or3cloud.RevocationWatcher.
func (r *Revocations) Watch(ctx context.Context) <-chan or3cloud.Revocation {
	c := make(chan or3cloud.Revocation, unread)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watchers.closed {
		close(c)
		return c
	}
	if r.watchers.open == nil {
		r.watchers.open = map[chan or3cloud.Revocation]bool{}
	}
	r.watchers.open[c] = true
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.watchers.leave(c)
	})
	return c
}

// Close drops all watchers.
func (r *Revocations) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchers.closed = true
	for c := range r.watchers.open {
		r.watchers.leave(c)
	}
}

// WatchRevocations implements or3cloud.RevocationWatcher.
func (s *Sessions) WatchRevocations(ctx context.Context) (<-chan or3cloud.Revocation, error) {
	return s.Revoked.Watch(ctx), nil
}
