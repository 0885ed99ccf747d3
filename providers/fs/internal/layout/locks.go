package layout

import (
	"context"
	"sync"
)

// Locks is a lock per key that takes memory only while it is held or waited for.
type Locks struct {
	mu   sync.Mutex
	held map[Key]*keyLock
}

// keyLock is held by the goroutine that has put a value into sem.
type keyLock struct {
	sem   chan struct{}
	users int
}

// Lock locks k and returns the function that unlocks it.
func (l *Locks) Lock(k Key) (unlock func()) {
	unlock, _ = l.LockWithin(context.Background(), k)
	return unlock
}

// LockWithin is Lock, but gives up when ctx ends.
func (l *Locks) LockWithin(ctx context.Context, k Key) (unlock func(), err error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[Key]*keyLock{}
	}
	kl := l.held[k]
	if kl == nil {
		kl = &keyLock{sem: make(chan struct{}, 1)}
		l.held[k] = kl
	}
	kl.users++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if kl.users--; kl.users == 0 {
			delete(l.held, k)
		}
	}
	select {
	case kl.sem <- struct{}{}:
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
	return func() {
		<-kl.sem
		leave()
	}, nil
}
