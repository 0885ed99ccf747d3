package changelog

import (
	"context"
	"sync"

	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// heads keeps in memory how far each workspace has come, so that a poll that has nothing to fetch costs no read of the
// database, and tells watchers about every commit.
type heads struct {
	mu     sync.Mutex
	m      map[int64]*head
	closed bool
}

// head is how far one workspace has come: never ahead of what is committed.
type head struct {
	version, horizon int64
	known            bool // whether the numbers have ever been read
	watchers         map[chan int64]struct{}
}

func (h *heads) of(workspace int64) *head {
	if h.m == nil {
		h.m = map[int64]*head{}
	}
	w := h.m[workspace]
	if w == nil {
		w = &head{}
		h.m[workspace] = w
	}
	return w
}

// get returns what is known of a workspace.
func (h *heads) get(workspace int64) (version, horizon int64, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.m[workspace]
	if w == nil {
		return 0, 0, false
	}
	return w.version, w.horizon, w.known
}

// learn takes both numbers as they were read. Commits that the read did not see still count.
func (h *heads) learn(workspace, version, horizon int64) {
	h.mu.Lock()
	h.of(workspace).known = true
	h.mu.Unlock()
	h.raise(workspace, version, horizon)
}

// raise takes the numbers that a commit has raised, unless newer ones are known, and tells the watchers.
func (h *heads) raise(workspace, version, horizon int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.of(workspace)
	w.horizon = max(w.horizon, horizon)
	if version <= w.version {
		return
	}
	w.version = version
	for c := range w.watchers {
		select {
		case <-c: // an older number that no one has received
		default:
		}
		c <- version
	}
}

// Collected says that a collection was committed that has raised the horizon of a workspace.
func (l *Log) Collected(num, horizon int64) { l.heads.raise(num, 0, horizon) }

// watch returns a channel that holds the newest version after each commit, until ctx ends or the heads are closed.
func (h *heads) watch(ctx context.Context, workspace int64) (<-chan int64, error) {
	c := make(chan int64, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, engine.Unavailable(engine.ErrClosed)
	}
	w := h.of(workspace)
	if w.watchers == nil {
		w.watchers = map[chan int64]struct{}{}
	}
	w.watchers[c] = struct{}{}
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, open := w.watchers[c]; open {
			delete(w.watchers, c)
			close(c)
		}
	})
	return c, nil
}

// close ends all watches.
func (h *heads) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, w := range h.m {
		for c := range w.watchers {
			close(c)
		}
		w.watchers = nil
	}
}

// Watch implements or3cloud.Watcher.
func (l *Log) Watch(ctx context.Context, workspaceID string) (int64, <-chan int64, error) {
	num, err := l.ws.Number(ctx, workspaceID)
	if err != nil {
		return 0, nil, err
	}
	// Watching begins before the counter is read, so that no commit falls in between.
	updates, err := l.heads.watch(ctx, num)
	if err != nil {
		return 0, nil, err
	}
	version, _, err := l.head(ctx, num)
	return version, updates, err
}

// head returns how far a workspace has come, from memory if it is known there.
func (l *Log) head(ctx context.Context, num int64) (version, horizon int64, err error) {
	version, horizon, known := l.heads.get(num)
	if known {
		return version, horizon, nil
	}
	err = l.e.View(ctx, func(r *engine.Reader) error {
		version, horizon, err = counter(r, num)
		return err
	})
	if err == nil {
		l.heads.learn(num, version, horizon)
	}
	return version, horizon, err
}
