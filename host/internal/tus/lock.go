package tus

import (
	"context"
	"sync"

	"github.com/tus/tusd/v2/pkg/handler"
	"github.com/tus/tusd/v2/pkg/memorylocker"
)

// locker gives one request its locks. A request that waits for a lock interrupts the one that holds it, and tusd does
// so by closing the body: before there is a body the interruption would be lost, and the waiting request with it.
type locker struct {
	locks        *memorylocker.MemoryLocker
	interruption *interruption
}

// NewLock implements handler.Locker.
func (l locker) NewLock(id string) (handler.Lock, error) {
	lock, err := l.locks.NewLock(id)
	return interruptible{lock, l.interruption}, err
}

type interruptible struct {
	lock         handler.Lock
	interruption *interruption
}

// Lock implements handler.Lock.
func (l interruptible) Lock(ctx context.Context, requestRelease func()) error {
	l.interruption.interrupt = requestRelease
	return l.lock.Lock(ctx, l.interruption.ask)
}

// Unlock implements handler.Lock.
func (l interruptible) Unlock() error { return l.lock.Unlock() }

// interruption waits until a request reads its body.
type interruption struct {
	interrupt func()

	mu             sync.Mutex
	asked, reading bool
}

// ask interrupts the request, now or as soon as it reads.
func (i *interruption) ask() { i.note(&i.asked) }

// begin says that the request now reads its body.
func (i *interruption) begin() { i.note(&i.reading) }

func (i *interruption) note(happened *bool) {
	i.mu.Lock()
	*happened = true
	both := i.asked && i.reading
	i.mu.Unlock()
	if both {
		i.interrupt()
	}
}
