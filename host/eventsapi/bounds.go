package eventsapi

import (
	"errors"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/seats"
)

// Bounds limit how many streams may be open at once. Zero means the default.
type Bounds struct {
	// PerUser is for one user, over all devices and tabs.
	PerUser int
	// Total is for the whole host.
	Total int
}

// The default limits. A browser keeps one stream for each workspace that it has open.
const (
	DefaultPerUser = 16
	DefaultTotal   = 10_000
)

// comeBack is when a client that found no seat may try again. Until then it polls, as it does without this endpoint.
const comeBack = 30 * time.Second

func (b Bounds) seats() *seats.Seats {
	if b.PerUser == 0 {
		b.PerUser = DefaultPerUser
	}
	if b.Total == 0 {
		b.Total = DefaultTotal
	}
	return seats.New(seats.Bounds{PerOwner: b.PerUser, Total: b.Total})
}

// take takes a seat for a user's stream, until leave is called.
func (a *API) take(userID string) (leave func(), err error) {
	leave, err = a.seats.Take(userID)
	switch {
	case errors.Is(err, seats.ErrOwner):
		return nil, &or3cloud.Error{Code: or3cloud.CodeRateLimited, Message: "Too many event streams", RetryAfter: comeBack}
	case err != nil:
		return nil, or3cloud.Unavailable(nil, "Too many event streams", comeBack)
	}
	return leave, nil
}

// Open is how many streams are open.
func (a *API) Open() int {
	_, all := a.seats.Taken("")
	return all
}
