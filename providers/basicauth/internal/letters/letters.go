// Package letters tells the owners of accounts what happens to them: the words, the outbox with the letters that the mail
// server has not taken yet, and who is told of what.
package letters

import (
	"time"

	"or3.chat/cloud/providers/basicauth/internal/guard"
)

// Letters writes the letters of one server.
type Letters struct {
	guard     *guard.Guard
	now       func() time.Time
	publicURL string
	// Outbox is nil when there is no mail server.
	Outbox *Outbox
}

// New returns what writes letters. publicURL is the origin that links are built from, or empty; outbox is nil without a mail
// server.
func New(g *guard.Guard, now func() time.Time, publicURL string, outbox *Outbox) *Letters {
	return &Letters{guard: g, now: now, publicURL: publicURL, Outbox: outbox}
}
