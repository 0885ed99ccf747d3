package basicauth

import (
	"time"

	"or3.chat/cloud/providers/basicauth/internal/db"
)

// signOut is POST /api/basic-auth/sign-out. It ends the session of every valid token of the request, rotated ones
// included, so that no grace window can revive it, and succeeds without any.
func (p *provider) signOut(c call) error {
	ctx, now := c.Context(), p.now()
	var ids []string
	if claims := p.validAccess(c.Request.Request); claims != nil {
		ids = append(ids, claims.SessionID)
	}
	for _, token := range values(c.Request.Request, refreshCookie) {
		t, err := p.store.read.Token(ctx, fingerprint(token))
		switch {
		case err == nil:
			ids = append(ids, t.SessionID)
		case !absent(err):
			return err
		}
	}
	if len(ids) > 0 {
		var ended []db.RevokeSessionRow
		err := p.store.tx(ctx, func(q queries) error {
			for _, sid := range ids {
				rows, err := q.RevokeSession(ctx, db.RevokeSessionParams{ID: sid, Now: now.UnixMilli()})
				if err != nil {
					return err
				}
				ended = append(ended, rows...)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, s := range ended {
			p.revoked.revokeSession(s.ID, time.UnixMilli(s.AccessUntil))
		}
	}
	p.clearCookies(c.Request)
	return c.answer(true)
}
