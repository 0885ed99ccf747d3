package layout

import (
	"context"
	"sync"
	"testing"
)

// TestLocksTakeMemoryOnlyWhileTheyAreHeldOrWaitedFor: a store has many more keys than are in use at a time.
func TestLocksTakeMemoryOnlyWhileTheyAreHeldOrWaitedFor(t *testing.T) {
	var l Locks
	k, other := Key{Workspace: "a"}, Key{Workspace: "b"}
	unlock := l.Lock(k)
	l.Lock(other)()
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := l.LockWithin(ended, k); err == nil {
		t.Error("two hold a lock")
	}
	var waiting sync.WaitGroup
	n := 0
	for range 10 {
		waiting.Go(func() {
			defer l.Lock(k)()
			n++
		})
	}
	l.mu.Lock()
	if len(l.held) != 1 {
		t.Errorf("%d locks, want the one that is held", len(l.held))
	}
	l.mu.Unlock()
	unlock()
	waiting.Wait()
	if n != 10 || len(l.held) != 0 {
		t.Errorf("%d have had the lock, and %v is left behind", n, l.held)
	}
}
