package eventsapi

import (
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
)

// Bounds are how many streams may be open at once. A zero means the default.
type Bounds struct {
	// PerUser is for one user, over all devices and tabs.
	PerUser int
	// Total is for the whole host.
	Total int
}

// The default bounds. A browser keeps one stream for each workspace that it has open.
const (
	DefaultPerUser = 16
	DefaultTotal   = 10_000
)

// comeBack is when a client that found no seat may ask again. Until then it polls, as it does without this endpoint.
const comeBack = 30 * time.Second

func (b Bounds) orDefault() Bounds {
	if b.PerUser == 0 {
		b.PerUser = DefaultPerUser
	}
	if b.Total == 0 {
		b.Total = DefaultTotal
	}
	return b
}

// seats counts the open streams.
type seats struct {
	bounds Bounds

	mu     sync.Mutex
	taken  int
	byUser map[string]int
}

// take takes a seat for a user's stream, until leave is called.
func (s *seats) take(userID string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.byUser[userID] >= s.bounds.PerUser:
		return nil, &or3cloud.Error{Code: or3cloud.CodeRateLimited, Message: "Too many event streams", RetryAfter: comeBack}
	case s.taken >= s.bounds.Total:
		return nil, or3cloud.Unavailable(nil, "Too many event streams", comeBack)
	}
	if s.byUser == nil {
		s.byUser = map[string]int{}
	}
	s.taken++
	s.byUser[userID]++
	return func() { s.free(userID) }, nil
}

func (s *seats) free(userID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if s.byUser[userID]--; s.byUser[userID] == 0 {
		delete(s.byUser, userID)
	}
}
