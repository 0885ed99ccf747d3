package passwd

import (
	"context"
	"sync"

	or3cloud "or3.chat/cloud"
)

// line is the queue of callers that wait for a slot, first come, first served. It is limited because each caller holds
// a connection and its memory. No origin may fill it, so that a flood from one place does not keep others out.
type line struct {
	slots chan struct{}
	// most is the largest number of waiting callers, and share that of one origin.
	most, share int

	mu      sync.Mutex
	waiting int
	from    map[string]int // the number waiting from each origin
}

func newLine(slots, most int) *line {
	return &line{slots: make(chan struct{}, slots), most: most, share: max(1, most/4), from: map[string]int{}}
}

// enter waits for a slot and returns the function that releases it. It returns CodeUnavailable if the queue is full,
// CodeRateLimited if the caller's origin has used up its share, and the context's error if that ends first.
func (l *line) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-l.slots }
	select {
	case l.slots <- struct{}{}:
		return leave, nil
	default:
	}
	origin, _ := ctx.Value(originKey{}).(string)
	if err := l.join(origin); err != nil {
		return nil, err
	}
	defer l.part(origin)
	select {
	case l.slots <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *line) join(origin string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.waiting >= l.most:
		return or3cloud.Unavailable(nil, "Too many sign-ins at the moment", retryAfter)
	case origin != "" && l.from[origin] >= l.share:
		return &or3cloud.Error{Code: or3cloud.CodeRateLimited, Message: "Too many requests", RetryAfter: retryAfter,
			Data: map[string]any{"code": "rate_limited"}}
	}
	l.waiting++
	l.from[origin]++
	return nil
}

func (l *line) part(origin string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting--
	if l.from[origin]--; l.from[origin] == 0 {
		delete(l.from, origin)
	}
}

// Line says how many callers wait, how many passwords are worked on, and how many of these there may be.
func (h *Hasher) Line() (waiting, working, slots int) {
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	return h.line.waiting, len(h.line.slots), cap(h.line.slots)
}

type originKey struct{}

// WithOrigin records in a context where the work comes from: a client's network. Work without an origin, such as an
// operator's, is limited only by the length of the queue.
func WithOrigin(ctx context.Context, origin string) context.Context {
	return context.WithValue(ctx, originKey{}, origin)
}
