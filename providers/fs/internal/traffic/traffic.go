// Package traffic knows which transfers are under way: reading the files back gives way to them, and only one upload of
// a content runs at a time.
package traffic

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/refuse"
)

// The limits on what may be under way for one user and one content.
const (
	// turnPatience is how long an upload waits for another one of the same content.
	turnPatience = 20 * time.Second
	// MaxUploads is how many uploads one user may have at once, including those that wait. A browser has four in a tab.
	MaxUploads = 32
)

// Traffic is what is under way. Its zero value is ready to use.
type Traffic struct {
	transfers atomic.Int64

	turns layout.Locks
	mu    sync.Mutex
	users map[string]int
}

// Transfer counts an upload or a download until the returned function is called.
func (t *Traffic) Transfer() (done func()) {
	t.transfers.Add(1)
	return func() { t.transfers.Add(-1) }
}

// UnderWay reports whether there are transfers.
func (t *Traffic) UnderWay() bool { return t.transfers.Load() > 0 }

// Begin waits until no other upload of the content is under way. A second one would hold as many bytes again; once the
// first is done, it finds the content there.
func (t *Traffic) Begin(ctx context.Context, k layout.Key, user string) (end func(), err error) {
	t.mu.Lock()
	if t.users == nil {
		t.users = map[string]int{}
	}
	if t.users[user] >= MaxUploads {
		t.mu.Unlock()
		return nil, &or3cloud.Error{Code: or3cloud.CodeRateLimited, Message: "Too many uploads at once", RetryAfter: refuse.RetryAfter}
	}
	t.users[user]++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.users[user]--; t.users[user] == 0 {
			delete(t.users, user)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, turnPatience)
	defer cancel()
	unlock, err := t.turns.LockWithin(ctx, k)
	if err != nil {
		leave()
		return nil, or3cloud.Unavailable(err, "Another upload of this file is under way", refuse.RetryAfter)
	}
	return func() { unlock(); leave() }, nil
}
