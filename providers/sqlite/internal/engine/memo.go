package engine

import "sync"

// memoSize limits a Memo; a full one starts over.
const memoSize = 10_000

// Memo keeps the results of reads that every request repeats, until a write makes them stale. What was read before a
// write is never kept after it: a result is stored only if nothing was forgotten since its read began.
type Memo[K comparable, V any] struct {
	mu  sync.RWMutex
	gen uint64
	m   map[K]V
}

// Get returns the kept value of k, or loads it.
func (m *Memo[K, V]) Get(k K, load func() (V, error)) (V, error) {
	m.mu.RLock()
	v, ok := m.m[k]
	gen := m.gen
	m.mu.RUnlock()
	if ok {
		return v, nil
	}
	v, err := load()
	if err != nil {
		return v, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gen == gen {
		if m.m == nil || len(m.m) >= memoSize {
			m.m = map[K]V{}
		}
		m.m[k] = v
	}
	return v, nil
}

// Forget drops everything.
func (m *Memo[K, V]) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gen++
	m.m = nil
}
