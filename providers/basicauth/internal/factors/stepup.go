package factors

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// NoteProof notes that the person behind a session has just proved who they are.
func (u *StepUp) NoteProof(r *or3cloud.Request, q store.Queries, who Actor) error {
	return q.ProveSession(r.Context(), db.ProveSessionParams{ID: who.SessionID, Now: u.now().UnixMilli()})
}

// ProofLifetime is how long after the last proof of identity a sensitive change is allowed (ASVS 5.0, 7.5.1).
const ProofLifetime = 10 * time.Minute

// StepUp finds out who acts: who is signed in, and whether they have proved it again recently.
type StepUp struct {
	publicHost string
	store      *store.Store
	sessions   *sessions.Sessions
	demands    *Demands
	now        func() time.Time
}

// NewStepUp returns a StepUp.
func NewStepUp(opts Options, d Deps, demands *Demands) *StepUp {
	return &StepUp{publicHost: opts.PublicHost, store: d.Store, sessions: d.Sessions, demands: demands, now: d.Now}
}

// Actor is someone who is signed in, with account and session as the store had them at some moment.
type Actor struct {
	db.SessionAccountRow
	// Proven says that what the actor does needs a recent proof by password or passkey.
	Proven bool
	// Unrestricted says that it is refused while a demanded second factor is missing.
	Unrestricted bool
}

// Account is the account of the actor.
func (a Actor) Account() db.Account {
	return db.Account{
		ID: a.ID, Email: a.Email, PasswordHash: a.PasswordHash, DisplayName: a.DisplayName, TokenVersion: a.TokenVersion,
		Origin: a.Origin, DisabledAt: a.DisabledAt, CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
	}
}

// SignedIn returns who sent a request, or refuse.Expired.
func (u *StepUp) SignedIn(ctx context.Context, r *or3cloud.Request) (Actor, error) {
	who, _, err := u.sessions.Identify(ctx, r)
	if err != nil {
		return Actor{}, err
	}
	if who == nil {
		return Actor{}, refuse.Expired()
	}
	return u.Actor(ctx, u.store.Read, who.SessionID, who.AccountID, who.Version)
}

// RecentlyProven is SignedIn for sensitive changes: the password or a passkey must have been shown recently.
func (u *StepUp) RecentlyProven(ctx context.Context, r *or3cloud.Request) (Actor, error) {
	who, err := u.SignedIn(ctx, r)
	if err != nil {
		return who, err
	}
	who.Proven = true
	return who, u.Fresh(ctx, u.store.Read, who)
}

// Unrestricted is SignedIn for changes that are closed to a user whose grace is over and who has no second factor
// (Demands).
func (u *StepUp) Unrestricted(ctx context.Context, r *or3cloud.Request) (Actor, error) {
	who, err := u.SignedIn(ctx, r)
	if err != nil {
		return who, err
	}
	who.Unrestricted = true
	return who, u.demands.Refuse(ctx, u.store.Read, who.ID)
}

// UnrestrictedAndProven is Unrestricted for sensitive changes.
func (u *StepUp) UnrestrictedAndProven(ctx context.Context, r *or3cloud.Request) (Actor, error) {
	who, err := u.Unrestricted(ctx, r)
	if err != nil {
		return who, err
	}
	who.Proven = true
	return who, u.Fresh(ctx, u.store.Read, who)
}

// Actor returns an account and a session as they are now, or refuse.Expired if the session has ended or the account has
// changed.
func (u *StepUp) Actor(ctx context.Context, q store.Queries, sessionID, accountID string, version int64) (Actor, error) {
	row, err := q.SessionAccount(ctx, db.SessionAccountParams{SessionID: sessionID, AccountID: accountID, Now: u.now().UnixMilli()})
	if store.Absent(err) || err == nil && row.TokenVersion != version {
		err = refuse.Expired()
	}
	return Actor{SessionAccountRow: row}, err
}

// As runs a change by someone who is signed in, in a write transaction. The transaction itself checks again that the
// session lives, that the account is active and unchanged, and that the proof, if one is needed, is fresh: whatever
// ended these while the request was on its way comes before the change. change gets the actor as the transaction sees
// it. Every write of a signed-in person goes through here.
func (u *StepUp) As(ctx context.Context, who Actor, change func(store.Queries, Actor) error) error {
	return u.store.Tx(ctx, func(q store.Queries) error {
		now, err := u.Still(ctx, q, who)
		if err != nil {
			return err
		}
		return change(q, now)
	})
}

// Still returns the actor as a transaction sees it, or an error if it may not act any more.
func (u *StepUp) Still(ctx context.Context, q store.Queries, who Actor) (Actor, error) {
	now, err := u.Actor(ctx, q, who.SessionID, who.ID, who.TokenVersion)
	if err != nil {
		return now, err
	}
	if now.Unrestricted = who.Unrestricted; now.Unrestricted {
		if err := u.demands.Refuse(ctx, q, now.ID); err != nil {
			return now, err
		}
	}
	if now.Proven = who.Proven; now.Proven {
		err = u.Fresh(ctx, q, now)
	}
	return now, err
}

// Fresh asks for a new proof if the last one of a session is too old.
func (u *StepUp) Fresh(ctx context.Context, q store.Queries, who Actor) error {
	if store.Within(who.AuthenticatedAt, u.now(), ProofLifetime) {
		return nil
	}
	methods := []string{"password"}
	if n, err := q.CountPasskeys(ctx, db.CountPasskeysParams{AccountID: who.ID, RpID: u.publicHost}); err != nil {
		return err
	} else if n > 0 {
		methods = append(methods, "passkey")
	}
	return refuse.With(or3cloud.CodeForbidden, "reauthentication_required", "Please confirm that it is you.", map[string]any{"methods": methods})
}
