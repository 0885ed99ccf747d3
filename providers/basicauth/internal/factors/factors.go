// Package factors knows how people prove who they are besides their password: with an authenticator app, a passkey or a
// recovery code, when they sign in and again before a sensitive change.
package factors

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"or3.chat/cloud/internal/sealed"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Options are the settings of factors.
type Options struct {
	// PublicURL is the origin of the server, or empty; PublicHost is its host name, in lower case. Passkeys belong to
	// it.
	PublicURL, PublicHost string
	// Grace is how long a refresh token is still accepted after it was exchanged.
	Grace time.Duration
}

// Host returns the host name that a request was sent to, and whether that name is known to be ours.
type Host interface {
	RequestHost(r *http.Request) (host string, known bool)
}

// Deps are what factors are built on.
type Deps struct {
	Store    *store.Store
	Guard    *guard.Guard
	Letters  *letters.Letters
	Sessions *sessions.Sessions
	OneTime  *onetime.Tokens
	Sealer   *sealed.Sealer
	Host     Host
	Log      *slog.Logger
	Now      func() time.Time
	Rand     io.Reader
}

// Factors are the factors of all accounts.
type Factors struct {
	opts     Options
	store    *store.Store
	guard    *guard.Guard
	letters  *letters.Letters
	sessions *sessions.Sessions
	onetime  *onetime.Tokens
	sealer   *sealed.Sealer
	host     Host
	log      *slog.Logger
	now      func() time.Time
	rand     io.Reader
}

// New returns the factors that the store has.
func New(opts Options, d Deps) *Factors {
	return &Factors{
		opts: opts, store: d.Store, guard: d.Guard, letters: d.Letters, sessions: d.Sessions, onetime: d.OneTime, sealer: d.Sealer,
		host: d.Host, log: d.Log, now: d.Now, rand: d.Rand,
	}
}
