package basicauth

import (
	"time"

	"or3.chat/cloud/providers/basicauth/internal/db"
)

// changePassword is POST /api/basic-auth/change-password. It ends all sessions of the account, this one included, and
// their access tokens with them.
func (p *provider) changePassword(c call) error {
	ctx := c.Context()
	who, _, err := p.identify(ctx, c.Request)
	if err != nil {
		return err
	}
	if who == nil {
		p.clearCookies(c.Request)
		return errExpired()
	}
	f, err := c.body()
	if err != nil {
		return err
	}
	body, err := parseChangePassword(f, p.opts.minPassword)
	if err != nil {
		return err
	}
	a, err := p.store.read.AccountByID(ctx, who.accountID)
	if absent(err) {
		p.clearCookies(c.Request)
		return errExpired()
	}
	if err != nil {
		return err
	}
	ok, err := p.password.Verify(ctx, a.PasswordHash, body.current)
	if err != nil {
		return err
	}
	if !ok {
		p.log.Warn("password change refused", "address", c.ClientIP, "email", redactEmail(a.Email))
		return errCredentials()
	}
	hash, err := p.password.Hash(ctx, body.next)
	if err != nil {
		return err
	}
	if err := p.replacePassword(c, a, hash); err != nil {
		return err
	}
	p.clearCookies(c.Request)
	return c.answer(true)
}

// replacePassword stores a new hash in place of the one that was verified and ends every session of the account.
func (p *provider) replacePassword(c call, a db.Account, hash string) error {
	ctx, now := c.Context(), p.now()
	var ended []db.RevokeAccountSessionsRow
	err := p.store.tx(ctx, func(q queries) error {
		n, err := q.ChangePassword(ctx, db.ChangePasswordParams{
			ID: a.ID, OldHash: a.PasswordHash, NewHash: hash, Now: now.UnixMilli(),
		})
		if err != nil {
			return err
		}
		if n == 0 { // a parallel change was faster, and the password that was verified is no longer the right one
			return errCredentials()
		}
		ended, err = q.RevokeAccountSessions(ctx, db.RevokeAccountSessionsParams{AccountID: a.ID, Now: now.UnixMilli()})
		return err
	})
	if err != nil {
		return err
	}
	p.revoked.raiseVersion(a.ID, a.TokenVersion+1, p.accessUntil(now))
	for _, s := range ended {
		p.revoked.revokeSession(s.ID, time.UnixMilli(s.AccessUntil))
	}
	return nil
}
