package basicauth

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/secret"
	"or3.chat/cloud/providers/basicauth/internal/store"
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
		t, err := p.store.Read.Token(ctx, secret.Fingerprint(token))
		switch {
		case err == nil:
			ids = append(ids, t.SessionID)
		case !store.Absent(err):
			return err
		}
	}
	if len(ids) > 0 {
		var e ended
		err := p.store.Tx(ctx, func(q store.Queries) error {
			for _, sid := range ids {
				if err := p.endSession(ctx, q, c.Request, sid, now, &e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		e.apply(p.revoked)
	}
	p.clearCookies(c.Request)
	return c.answer(true)
}

// endSession ends a session by its owner's wish, unless it has ended already.
func (p *provider) endSession(ctx context.Context, q store.Queries, r *or3cloud.Request, sessionID string, now time.Time, e *ended) error {
	rows, err := q.RevokeSession(ctx, db.RevokeSessionParams{ID: sessionID, Now: now.UnixMilli()})
	if err != nil {
		return err
	}
	for _, s := range rows {
		e.tokens = append(e.tokens, endedSession{s.ID, s.AccessUntil})
		if err := p.record(ctx, q, r, s.AccountID, eventSignedOut, ""); err != nil {
			return err
		}
	}
	return nil
}
