// Package letters tells the owners of accounts what happens to them: the texts, the outbox with the letters that the
// mail server has not accepted yet, and who is told what.
package letters

import (
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/guard"
)

// Letters writes the letters of one server.
type Letters struct {
	guard *guard.Guard
	now   func() time.Time
	// entrance is where links in letters lead. It comes from the configuration alone: someone who could choose it, as
	// with the Host of a request, would be sent the tokens of others.
	entrance or3cloud.Entrance
	// Outbox is nil if there is no mail server.
	Outbox *Outbox
}

// New returns a Letters. The entrance has no base if no public address is configured; outbox is nil without a mail
// server.
func New(g *guard.Guard, now func() time.Time, entrance or3cloud.Entrance, outbox *Outbox) *Letters {
	return &Letters{guard: g, now: now, entrance: entrance, Outbox: outbox}
}
