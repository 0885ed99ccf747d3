package passwd

import (
	"context"
	"sync"

	or3cloud "or3.chat/cloud"
)

// line is where callers wait for a slot, first come, first served. It is bounded because each of them holds a connection and
// its memory, and no origin may fill it, so that a flood from one place does not keep others out.
type line struct {
	slots chan struct{}
	// most may wait at once, and share of one origin.
	most, share int

	mu      sync.Mutex
	waiting int
	from    map[string]int // how many of each origin wait
}

func newLine(slots, most int) *line {
	return &line{slots: make(chan struct{}, slots), most: most, share: max(1, most/4), from: map[string]int{}}
}

// enter waits for a slot and returns what gives it back. It answers CodeUnavailable when the line is full, CodeRateLimited
// when the caller's origin has its share of it, and the context's error when that ends first.
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

// WithOrigin says where the work that is done with a context comes from: the network of a client. Work without an origin,
// such as an operator's, is bounded by the length of the line only.
func WithOrigin(ctx context.Context, origin string) context.Context {
	return context.WithValue(ctx, originKey{}, origin)
}
