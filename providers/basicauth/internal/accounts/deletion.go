package accounts

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Fates returns what happens to a user's workspaces when they delete their account.
func (s *Accounts) Fates(ctx context.Context, accountID string) ([]or3cloud.WorkspaceFate, error) {
	users := s.host.Users()
	if users == nil {
		return []or3cloud.WorkspaceFate{}, nil
	}
	fates, err := users.UserRemoval(ctx, or3cloud.ExternalIdentity{Provider: sessions.Provider, ProviderUserID: accountID})
	if fates == nil {
		fates = []or3cloud.WorkspaceFate{}
	}
	return fates, err
}

// RemoveAccount removes an account and the user behind it. find says in the transaction which account, or why not, so
// that nothing that ends the right to do this comes between that and the removal; the transaction is held while the
// workspace store removes the user. The user goes first: if one of the two steps fails, the account is still there to
// try again with.
func (s *Accounts) RemoveAccount(ctx context.Context, find func(store.Queries) (db.Account, error)) error {
	users := s.host.Users()
	var identity or3cloud.ExternalIdentity
	var e sessions.Ended
	err := s.store.Tx(ctx, func(q store.Queries) error {
		a, err := find(q)
		if err != nil {
			return err
		}
		if users == nil {
			return or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store cannot remove users")
		}
		identity = or3cloud.ExternalIdentity{Provider: sessions.Provider, ProviderUserID: a.ID}
		if err := users.RemoveUser(ctx, identity); err != nil {
			return err
		}
		now := s.now()
		until := s.sessions.AccessUntil(now)
		if err := q.ForgetDeleted(ctx, now.Add(-s.opts.Grace).UnixMilli()); err != nil {
			return err
		}
		if err := q.RememberDeleted(ctx, db.RememberDeletedParams{ID: a.ID, AccessUntil: until.UnixMilli()}); err != nil {
			return err
		}
		if _, err := q.DeleteAccount(ctx, a.ID); err != nil {
			return err
		}
		s.log.Info("account event", "event", "account_deleted", "account", a.ID)
		e.Raise(a.ID, sessions.NoVersion, until)
		return nil
	})
	if err != nil {
		return store.Fault(err)
	}
	e.Apply(s.sessions.Revoked)
	// A request that came in between may have made the user again. The account is gone in any case, and that user has
	// nothing.
	if err := users.RemoveUser(ctx, identity); err != nil {
		s.log.Warn("a user without an account may be left", "account", identity.ProviderUserID, "error", err)
	}
	return nil
}
