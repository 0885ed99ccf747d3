package basicauth

import (
	"or3.chat/cloud/providers/basicauth/internal/secret"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// signOut is POST /api/basic-auth/sign-out. It ends the session of every valid token of the request, rotated ones
// included, so that no grace window can revive it, and succeeds without any.
func (n *entrance) signOut(c call) error {
	ctx, now := c.Context(), n.now()
	var ids []string
	if claims := n.sessions.ValidAccess(c.Request.Request); claims != nil {
		ids = append(ids, claims.SessionID)
	}
	for _, token := range sessions.Values(c.Request.Request, sessions.RefreshCookie) {
		t, err := n.store.Read.Token(ctx, secret.Fingerprint(token))
		switch {
		case err == nil:
			ids = append(ids, t.SessionID)
		case !store.Absent(err):
			return err
		}
	}
	if len(ids) > 0 {
		var e sessions.Ended
		err := n.store.Tx(ctx, func(q store.Queries) error {
			for _, sid := range ids {
				if err := n.sessions.EndSession(ctx, q, c.Request, sid, now, &e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		e.Apply(n.sessions.Revoked)
	}
	n.sessions.ClearCookies(c.Request)
	return c.answer(true)
}
