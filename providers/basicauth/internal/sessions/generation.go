package sessions

import (
	"context"
	"sync"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// generation names a refresh token and the access tokens that were issued with it. The first one of a session has no
// name: nothing was exchanged for it, so no answer with it can be repeated.
type generation struct{ session, mark string }

// GenerationMark is how many characters of a fingerprint name a generation within its session.
const GenerationMark = 16

// generationOf names the refresh token with a fingerprint.
func generationOf(sessionID, fingerprint string) generation {
	if len(fingerprint) < GenerationMark {
		return generation{}
	}
	return generation{sessionID, fingerprint[:GenerationMark]}
}

// maxSightings limits how many generations wait in memory to be stored.
const maxSightings = 20_000

// Sightings are the generations whose tokens were seen. They are stored in the background (guard.Behind), once each;
// until then they are here.
type Sightings struct {
	mu      sync.Mutex
	pending map[generation]bool
}

// note reports whether the sighting will be remembered.
func (s *Sightings) note(g generation) bool {
	if g.mark == "" {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending == nil {
		s.pending = map[generation]bool{}
	}
	if len(s.pending) >= maxSightings && !s.pending[g] {
		return false
	}
	s.pending[g] = true
	return true
}

// has reports whether a generation was seen and that is not stored yet.
func (s *Sightings) has(g generation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending[g]
}

// Waiting returns up to most generations that are waiting to be stored.
func (s *Sightings) Waiting(most int) []generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []generation
	for g := range s.pending {
		if len(out) == most {
			break
		}
		out = append(out, g)
	}
	return out
}

// forget drops what is in the database now.
func (s *Sightings) forget(gs []generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range gs {
		delete(s.pending, g)
	}
}

// Write implements guard.Sightings.
func (s *Sightings) Write(most int) (write func(context.Context, store.Queries, time.Time) error, written func()) {
	seen := s.Waiting(most)
	if len(seen) == 0 {
		return nil, nil
	}
	return func(ctx context.Context, q store.Queries, now time.Time) error {
			return keepSightings(ctx, q, seen, now)
		},
		func() { s.forget(seen) }
}

// keepSightings stores sightings.
func keepSightings(ctx context.Context, q store.Queries, gs []generation, now time.Time) error {
	for _, g := range gs {
		if err := q.NoteUse(ctx, db.NoteUseParams{Now: now.UnixMilli(), SessionID: g.session, Generation: g.mark}); err != nil {
			return err
		}
	}
	return nil
}
