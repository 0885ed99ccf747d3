package accounts

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/google/uuid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
	"or3.chat/cloud/setting"
)

// RegistrationMode says who may create an account (contract, auth §9).
type RegistrationMode string

const (
	RegistrationOpen     RegistrationMode = setting.RegistrationOpen
	RegistrationInvite   RegistrationMode = setting.RegistrationInviteOnly
	registrationDisabled RegistrationMode = setting.RegistrationDisabled
)

// Create checks whether an account may be created, creates it and signs it in.
func (s *Accounts) Create(ctx context.Context, r *or3cloud.Request, body form.RegisterBody) (*sessions.Grant, error) {
	bySetup := s.Setup.Matches(body.Invite)
	if !bySetup {
		if err := s.refuseSetup(ctx, body.Invite); err != nil {
			return nil, err
		}
		if err := s.admission(ctx, body); err != nil {
			return nil, err
		}
	}
	if err := s.CheckNewPassword(body.Password, "password", body.Email, body.DisplayName); err != nil {
		return nil, err
	}
	switch _, err := s.store.Read.AccountByEmail(ctx, body.Email); {
	case err == nil:
		return nil, refuse.Credentials()
	case !store.Absent(err):
		return nil, err
	}
	hash, err := s.guard.Passwords.Hash(ctx, body.Password)
	if err != nil {
		return nil, err
	}
	now := s.now()
	var g *sessions.Grant
	err = s.store.Tx(ctx, func(q store.Queries) error {
		// The setup link is for the first account only, even when two people follow it at once.
		if bySetup && s.opts.Registration != RegistrationOpen {
			if exists, err := q.AnyAccount(ctx); err != nil {
				return err
			} else if exists {
				return s.Refusal()
			}
		}
		a := db.Account{Email: body.Email, PasswordHash: hash, DisplayName: store.Optional(body.DisplayName), Origin: s.origin(bySetup)}
		if bySetup {
			// Where registration is open, accounts may have been created before that of the link, and two people may
			// follow it at once.
			founded, err := q.AnyFounder(ctx)
			if err != nil {
				return err
			}
			a.Founder = flag(!founded)
		}
		a, err := s.insertAccount(ctx, q, a)
		if err != nil {
			return err
		}
		if err := s.guard.Record(ctx, q, r, a.ID, guard.EventRegistered, ""); err != nil {
			return err
		}
		g, err = s.sessions.Begin(ctx, q, a, r, now)
		return err
	})
	if sqlitex.IsUnique(err) {
		return nil, refuse.Credentials()
	}
	if err == nil && bySetup {
		s.Setup.forget()
	}
	return g, err
}

// refuseSetup refuses the token of a setup link that is not the current one. Where registration is open, a wrong token
// would otherwise create an ordinary account for someone who believes that it is the operator's. An invite is
// recognised by its form, and is ignored there (contract, auth §9). Anything else counts as a setup token if it looks
// like one, and in any case before there is an account, since no one can have been invited by then.
func (s *Accounts) refuseSetup(ctx context.Context, token string) error {
	if s.opts.Registration != RegistrationOpen || token == "" || strings.Contains(token, ".") {
		return nil
	}
	if raw, err := base64.RawURLEncoding.DecodeString(token); err == nil && len(raw) == setupBytes {
		return refuse.Setup()
	}
	exists, err := s.store.Read.AnyAccount(ctx)
	if err == nil && !exists {
		err = refuse.Setup()
	}
	return err
}

// admission returns nil if someone without a setup link may register, or the refusal. An invite is checked but not used
// up; the first session of the account accepts it together with the membership.
func (s *Accounts) admission(ctx context.Context, body form.RegisterBody) error {
	if s.opts.Registration != RegistrationInvite || body.Invite == "" {
		return s.Refusal()
	}
	return s.host.CheckInvite(ctx, body.Invite, body.Email)
}

// origin returns the origin of an account that is being registered.
func (s *Accounts) origin(bySetup bool) string {
	switch {
	case bySetup:
		return sessions.OriginSetup
	case s.opts.Registration == RegistrationInvite:
		return sessions.OriginInvite
	}
	return sessions.OriginOpen
}

// Refusal is what someone without a setup link is told, or nil when registration is open.
func (s *Accounts) Refusal() error {
	switch s.opts.Registration {
	case RegistrationOpen:
		return nil
	case RegistrationInvite:
		return refuse.InviteRequired()
	default:
		return refuse.RegistrationDisabled()
	}
}

// flag is a boolean as the database stores it.
func flag(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// insertAccount writes a new account, which gets an id.
func (s *Accounts) insertAccount(ctx context.Context, q store.Queries, a db.Account) (db.Account, error) {
	accountID, err := uuid.NewRandomFromReader(s.rand)
	if err != nil {
		return db.Account{}, err
	}
	a.ID = accountID.String()
	return a, q.InsertAccount(ctx, db.InsertAccountParams{
		ID: a.ID, Email: a.Email, PasswordHash: a.PasswordHash, DisplayName: a.DisplayName, Origin: a.Origin, Founder: a.Founder,
		Now: s.now().UnixMilli(),
	})
}

// Bootstrap creates the configured account if there is none with its address. Nothing else is checked about the two
// values, and an account that exists is never changed (contract, auth §8.6). If it is the first account, it is the
// founder's, like that of the setup link, which is then not printed: the person who writes the configuration runs the
// server.
func (s *Accounts) Bootstrap(ctx context.Context) error {
	email := form.NormalEmail(s.opts.BootstrapEmail)
	if email == "" || s.opts.BootstrapPassword == "" {
		return nil
	}
	if _, err := s.store.Read.AccountByEmail(ctx, email); !store.Absent(err) {
		return err
	}
	hash, err := s.guard.Passwords.Hash(ctx, s.opts.BootstrapPassword)
	if err != nil {
		return err
	}
	err = s.store.Tx(ctx, func(q store.Queries) error {
		exists, err := q.AnyAccount(ctx)
		if err != nil {
			return err
		}
		_, err = s.insertAccount(ctx, q, db.Account{
			Email: email, PasswordHash: hash, DisplayName: store.Optional(email), Origin: sessions.OriginBootstrap, Founder: flag(!exists),
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("create the bootstrap account: %w", err)
	}
	return nil
}
