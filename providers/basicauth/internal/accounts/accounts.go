// Package accounts knows the accounts: how they come to be and go, their passwords and addresses, and what the operator
// does with them.
package accounts

import (
	"context"
	"io"
	"log/slog"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/census"
	"or3.chat/cloud/internal/passwordpolicy"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Options are what the configuration says about accounts.
type Options struct {
	Registration                      RegistrationMode
	MinPassword                       int
	BootstrapEmail, BootstrapPassword string
	// PublicHost is the name of the server, or empty: no password may repeat it.
	PublicHost string
	// Grace is how long a refresh token that was exchanged is accepted again.
	Grace time.Duration
}

// Host is what accounts ask of the host: about the users behind them, and about invites.
type Host interface {
	Users() or3cloud.UserRemover
	CheckInvite(ctx context.Context, token, email string) error
}

// Deps are what accounts are built on.
type Deps struct {
	Store    *store.Store
	Guard    *guard.Guard
	Letters  *letters.Letters
	Sessions *sessions.Sessions
	OneTime  *onetime.Tokens
	StepUp   *factors.StepUp
	Policy   *passwordpolicy.Policy
	Host     Host
	Log      *slog.Logger
	Now      func() time.Time
	Rand     io.Reader
}

// Accounts are the accounts of one server.
type Accounts struct {
	opts     Options
	store    *store.Store
	guard    *guard.Guard
	letters  *letters.Letters
	sessions *sessions.Sessions
	onetime  *onetime.Tokens
	stepUp   *factors.StepUp
	policy   *passwordpolicy.Policy
	host     Host
	log      *slog.Logger
	now      func() time.Time
	rand     io.Reader
	// Setup is the secret of the link with which the first account is made.
	Setup SetupToken
}

// New returns the accounts that the store has.
func New(opts Options, d Deps) *Accounts {
	return &Accounts{
		opts: opts, store: d.Store, guard: d.Guard, letters: d.Letters, sessions: d.Sessions, onetime: d.OneTime, stepUp: d.StepUp,
		policy: d.Policy, host: d.Host, log: d.Log, now: d.Now, rand: d.Rand,
	}
}

// Operator is what the operator does with accounts (or3cloud.AccountAdmin).
type Operator struct {
	accounts *Accounts
	factors  *factors.Factors
	demands  *factors.Demands
	store    *store.Store
	guard    *guard.Guard
	letters  *letters.Letters
	sessions *sessions.Sessions
	now      func() time.Time
	rand     io.Reader
}

var (
	_ or3cloud.AccountAdmin        = (*Operator)(nil)
	_ census.Accounts              = (*Operator)(nil)
	_ or3cloud.SecondFactorExcuser = (*Operator)(nil)
)

// NewOperator returns what the operator does with accounts and their factors.
func NewOperator(a *Accounts, f *factors.Factors, d *factors.Demands) *Operator {
	return &Operator{
		accounts: a, factors: f, demands: d, store: a.store, guard: a.guard, letters: a.letters, sessions: a.sessions, now: a.now, rand: a.rand,
	}
}
