// Package membudget shares the memory of the process among requests. There is one Budget. Each request has a Tab, which
// records what it currently holds: the part of its body that has arrived, and the answer that has not been sent. Data
// that was only announced costs nothing and blocks no one.
//
// The budget has three parts. Small amounts come from the first, which costs only an atomic addition and does not ask
// for the owner. Larger amounts come from the second, of which a user gets no more than is left to other users: one may
// hold half of it, another a quarter beside that, and so on, so that there is always something for the next. An unknown
// caller gets no more than a quarter. The third part serves one request at a time, the one that has waited longest, and
// is large enough to finish any request of a user. So however many half-read bodies hold the rest, one proceeds, and
// after it the next.
package membudget

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Parts of a budget, in bytes.
const (
	// Pocket is how much a small request may hold: a usual body and a usual answer.
	Pocket = 256 << 10
	// Largest is how much one request may hold if memory is not scarce: the largest chat, 128 MiB, with some overhead.
	Largest = 130 << 20
	// largestPush is how much one may hold if memory is scarcer: the largest push with its answer.
	largestPush = 80 << 20
)

// Patience is how long a request waits for memory. comeBack is when it may retry.
const Patience = 10 * time.Second

// How much must have been held at once, beyond pockets, before the runtime is asked to return memory to the system, and
// how long to wait after the last of it was released.
const (
	crest = 32 << 20
	calm  = 2 * time.Second
)

// ErrFull means that a request did not get memory in time.
var ErrFull = errors.New("the memory for requests is used up")

// Budget is the memory of all requests together. Create it with New.
type Budget struct {
	total, pockets, common, reserve int64

	small atomic.Int64 // held in pockets

	mu      sync.Mutex
	used    int64            // of common
	shares  map[string]int64 // of used, by owner
	unknown int64            // of used, by owners who are not known users
	last    *Tab             // holder of the reserve
	queue   []*waiter        // waiting for used or for the reserve, oldest first
	peak    int64            // the most ever held at once
	crest   int64            // the most held beyond pockets since memory was last returned to the system
	relax   func()           // returns memory to the system
}

// waiter is a tab that waits for n more bytes. granted is closed when it gets them.
type waiter struct {
	tab     *Tab
	n       int64
	granted chan struct{}
}

// New returns a budget of total bytes.
func New(total int64) *Budget {
	b := &Budget{
		total: total, pockets: total / 8, reserve: max(min(largestPush, total*5/8), min(Largest, total*5/16)),
		shares: map[string]int64{}, relax: Release,
	}
	b.common = total - b.pockets - b.reserve
	return b
}

// Total returns the size of the budget in bytes.
func (b *Budget) Total() int64 { return b.total }

// Largest returns how many bytes a single request may hold.
func (b *Budget) Largest() int64 { return b.reserve }

// Held returns how many bytes are held now, and the most that were held at once when a request held more than a pocket.
func (b *Budget) Held() (now, peak int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held(), b.peak
}

func (b *Budget) held() int64 {
	n := b.small.Load() + b.used
	if b.last != nil {
		n += b.last.reserve
	}
	return n
}

// Owner returns whose share a tab uses. It is called once, and only when the tab outgrows its pocket or when no pocket
// is left. An unknown caller is named by its address.
type Owner func() (name string, known bool, err error)

// Tab is what one request holds. The zero value belongs to no budget and is unlimited. Only one goroutine may use a tab
// at a time.
type Tab struct {
	b     *Budget
	owner Owner

	named bool
	name  string
	known bool
	// How much is held of each part.
	pocket, share, reserve int64
}

// Open opens a tab on b. Close must follow.
func (t *Tab) Open(b *Budget, owner Owner) { *t = Tab{b: b, owner: owner} }

// Held returns how many bytes the tab holds.
func (t *Tab) Held() int64 { return t.pocket + t.share + t.reserve }

// Grow reserves n more bytes, waiting up to Patience. It fails with ErrFull, when ctx ends, or if the owner cannot be
// determined. In that case, the tab keeps what it held before.
func (t *Tab) Grow(ctx context.Context, n int64) error {
	if t.fromPocket(n) {
		return nil
	}
	if err := t.find(); err != nil {
		return err
	}
	b := t.b
	b.mu.Lock()
	if b.take(t, n) || b.lend(t, n) {
		b.mu.Unlock()
		return nil
	}
	w := &waiter{t, n, make(chan struct{})}
	b.queue = append(b.queue, w)
	b.mu.Unlock()

	timer := time.NewTimer(Patience)
	defer timer.Stop()
	var err error
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = ErrFull
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.queue, w)
	if i < 0 { // granted at the same moment
		return nil
	}
	b.queue = slices.Delete(b.queue, i, i+1)
	return err
}

// TryGrow reserves n more bytes if they are available at once. It never takes the reserve.
func (t *Tab) TryGrow(n int64) bool {
	if t.fromPocket(n) {
		return true
	}
	if t.find() != nil {
		return false
	}
	t.b.mu.Lock()
	defer t.b.mu.Unlock()
	return t.b.take(t, n)
}

// Shrink releases n bytes, or all if the tab holds less.
func (t *Tab) Shrink(n int64) {
	if t.b == nil {
		return
	}
	reserve := min(n, t.reserve)
	share := min(n-reserve, t.share)
	if reserve+share > 0 {
		t.b.giveBack(t, reserve, share)
	}
	if pocket := min(n-reserve-share, t.pocket); pocket > 0 {
		t.pocket -= pocket
		t.b.small.Add(-pocket)
	}
}

// Close releases everything. It may be called again.
func (t *Tab) Close() { t.Shrink(t.Held()) }

// fromPocket reserves n bytes as a small amount, if they are one and there is room.
func (t *Tab) fromPocket(n int64) bool {
	if t.b == nil {
		return true
	}
	if t.pocket+n > Pocket {
		return false
	}
	if t.b.small.Add(n) > t.b.pockets {
		t.b.small.Add(-n)
		return false
	}
	t.pocket += n
	return true
}

func (t *Tab) find() error {
	if t.named || t.owner == nil {
		return nil
	}
	name, known, err := t.owner()
	if err != nil {
		return err
	}
	t.named, t.name, t.known = true, key(name, known), known
	return nil
}

// key keeps users and addresses apart.
func key(name string, known bool) string {
	if known {
		return "user " + name
	}
	return "from " + name
}

// take reserves n bytes of the common part, if there are enough and the owner's share allows it. b.mu must be held.
func (b *Budget) take(t *Tab, n int64) bool {
	allowed := b.common - (b.used - b.unknown) - n // what is left to other users
	if !t.known {
		allowed = min(allowed, b.common/4)
	}
	if b.used+n > b.common || b.shares[t.name]+n > allowed || !t.known && b.unknown+n > b.common/2 {
		return false
	}
	b.used += n
	b.shares[t.name] += n
	if !t.known {
		b.unknown += n
	}
	t.share += n
	b.note()
	return true
}

// lend lets t have n bytes of the reserve, unless another tab has it. An unknown caller gets only what a small request
// needs, so that it cannot keep the reserve from users. b.mu must be held.
func (b *Budget) lend(t *Tab, n int64) bool {
	if b.last != nil && b.last != t || t.reserve+n > b.reserve || !t.known && t.owner != nil && t.reserve+n > Pocket {
		return false
	}
	b.last = t
	t.reserve += n
	b.note()
	return true
}

func (b *Budget) note() {
	n := b.held()
	b.peak = max(b.peak, n)
	b.crest = max(b.crest, n-b.small.Load())
}

// giveBack takes back what t held and serves those that wait.
func (b *Budget) giveBack(t *Tab, reserve, share int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.reserve -= reserve
	if b.last == t && t.reserve == 0 {
		b.last = nil
	}
	t.share -= share
	b.used -= share
	if b.shares[t.name] -= share; b.shares[t.name] <= 0 {
		delete(b.shares, t.name)
	}
	if !t.known {
		b.unknown -= share
	}
	b.queue = slices.DeleteFunc(b.queue, func(w *waiter) bool {
		if !b.take(w.tab, w.n) && !b.lend(w.tab, w.n) {
			return false
		}
		close(w.granted)
		return true
	})
	if b.crest >= crest && b.used == 0 && b.last == nil {
		b.crest = 0
		time.AfterFunc(calm, b.calmDown)
	}
}

// calmDown returns memory to the system once nothing large is held any more. The runtime would do so too, but only
// after minutes of idleness, and a container on a shared machine is judged by the memory it holds.
func (b *Budget) calmDown() {
	b.mu.Lock()
	idle := b.used == 0 && b.last == nil
	if !idle {
		b.crest = max(b.crest, crest) // the call in progress will handle it
	}
	b.mu.Unlock()
	if idle {
		b.relax()
	}
}
