package basicauth

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// proofLifetime is how long a sensitive change may follow the last proof of who is there (ASVS 5.0, 7.5.1).
const proofLifetime = 10 * time.Minute

// actor is somebody who is signed in, with account and session as the store had them at some moment.
type actor struct {
	db.SessionAccountRow
	// proven says that the password or a passkey must have been shown a moment ago for what the actor does.
	proven bool
}

// account is the account of the actor.
func (a actor) account() db.Account {
	return db.Account{
		ID: a.ID, Email: a.Email, PasswordHash: a.PasswordHash, DisplayName: a.DisplayName, TokenVersion: a.TokenVersion,
		Origin: a.Origin, DisabledAt: a.DisabledAt, CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
	}
}

// signedIn returns who sends a request, or refuse.Expired.
func (p *provider) signedIn(c call) (actor, error) {
	who, _, err := p.sessions.Identify(c.Context(), c.Request)
	if err != nil {
		return actor{}, err
	}
	if who == nil {
		return actor{}, refuse.Expired()
	}
	return p.actor(c.Context(), p.store.Read, who.SessionID, who.AccountID, who.Version)
}

// recentlyProven is signedIn for sensitive changes: the password or a passkey must have been shown a moment ago.
func (p *provider) recentlyProven(c call) (actor, error) {
	who, err := p.signedIn(c)
	if err != nil {
		return who, err
	}
	who.proven = true
	return who, p.fresh(c.Context(), p.store.Read, who)
}

// actor returns the account and the session of somebody as they are now, or refuse.Expired if the session has ended or the
// account is not the one any more that it was.
func (p *provider) actor(ctx context.Context, q store.Queries, sessionID, accountID string, version int64) (actor, error) {
	row, err := q.SessionAccount(ctx, db.SessionAccountParams{SessionID: sessionID, AccountID: accountID, Now: p.now().UnixMilli()})
	if store.Absent(err) || err == nil && row.TokenVersion != version {
		err = refuse.Expired()
	}
	return actor{SessionAccountRow: row}, err
}

// as runs a change that somebody makes who is signed in, in a write transaction. The transaction itself asks again whether
// the session lives, the account is on and unchanged, and the proof, if one was asked for, is fresh: whatever has ended them
// while the request was on its way comes before the change. change gets the actor as the transaction sees it. Every write of
// a signed-in person goes through here.
func (p *provider) as(ctx context.Context, who actor, change func(store.Queries, actor) error) error {
	return p.store.Tx(ctx, func(q store.Queries) error {
		now, err := p.still(ctx, q, who)
		if err != nil {
			return err
		}
		return change(q, now)
	})
}

// still returns the actor as a transaction sees it, or the refusal if it may not act any more.
func (p *provider) still(ctx context.Context, q store.Queries, who actor) (actor, error) {
	now, err := p.actor(ctx, q, who.SessionID, who.ID, who.TokenVersion)
	if err != nil {
		return now, err
	}
	if now.proven = who.proven; now.proven {
		err = p.fresh(ctx, q, now)
	}
	return now, err
}

// fresh asks for a new proof if the last one of a session is too old.
func (p *provider) fresh(ctx context.Context, q store.Queries, who actor) error {
	if store.Within(who.AuthenticatedAt, p.now(), proofLifetime) {
		return nil
	}
	methods := []string{"password"}
	if n, err := q.CountPasskeys(ctx, db.CountPasskeysParams{AccountID: who.ID, RpID: p.opts.publicHost}); err != nil {
		return err
	} else if n > 0 {
		methods = append(methods, "passkey")
	}
	return refuse.With(or3cloud.CodeForbidden, "reauthentication_required", "Please confirm that it is you.", map[string]any{"methods": methods})
}

// asked returns who sends a request, found out by signedIn or recentlyProven, and then what with it.
func asked(c call, by func(call) (actor, error)) (actor, form.Fields, error) {
	who, err := by(c)
	if err != nil {
		return who, nil, err
	}
	f, err := c.body()
	return who, f, err
}
