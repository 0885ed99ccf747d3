// Package seats limits how many long answers are under way at once, for each owner and in total.
package seats

import (
	"errors"
	"sync"
)

// Bounds are how many may be under way at once.
type Bounds struct {
	// PerOwner is for one user, over all devices and tabs, or one network.
	PerOwner int
	// Total is for the whole host.
	Total int
}

// Why there is no seat.
var (
	ErrOwner = errors.New("the owner has no seat left")
	ErrTotal = errors.New("no seat is left")
)

// Seats counts the seats that are taken. It is safe for concurrent use.
type Seats struct {
	bounds Bounds

	mu      sync.Mutex
	taken   int
	byOwner map[string]int
}

// New returns seats that are all free.
func New(b Bounds) *Seats { return &Seats{bounds: b, byOwner: map[string]int{}} }

// Take takes a seat, until leave is called, or fails with ErrOwner or ErrTotal.
func (s *Seats) Take(owner string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.byOwner[owner] >= s.bounds.PerOwner:
		return nil, ErrOwner
	case s.taken >= s.bounds.Total:
		return nil, ErrTotal
	}
	s.taken++
	s.byOwner[owner]++
	return func() { s.free(owner) }, nil
}

// Taken returns how many an owner has taken, and how many are taken in total.
func (s *Seats) Taken(owner string) (its, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byOwner[owner], s.taken
}

func (s *Seats) free(owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if s.byOwner[owner]--; s.byOwner[owner] == 0 {
		delete(s.byOwner, owner)
	}
}
