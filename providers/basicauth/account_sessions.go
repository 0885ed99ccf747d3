package basicauth

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// sessionAnswer is a signed-in browser as its owner sees it.
type sessionAnswer struct {
	ID         string    `json:"id"`
	Current    bool      `json:"current"`
	CreatedAt  time.Time `json:"createdAt"`
	LastSeenAt time.Time `json:"lastSeenAt"`
	IPAddress  string    `json:"ipAddress,omitempty"`
	UserAgent  string    `json:"userAgent,omitempty"`
	Device     device    `json:"device,omitzero"`
}

// sessions is GET /api/basic-auth/sessions.
func (p *provider) sessions(c call) error {
	who, err := p.signedIn(c)
	if err != nil {
		return err
	}
	rows, err := p.store.Read.AccountSessions(c.Context(), db.AccountSessionsParams{AccountID: who.ID, Now: p.now().UnixMilli()})
	if err != nil {
		return err
	}
	out := make([]sessionAnswer, len(rows))
	for i, r := range rows {
		out[i] = sessionAnswer{r.ID, r.ID == who.SessionID, moment(r.CreatedAt), moment(r.LastSeenAt), r.IpAddress.String, r.UserAgent.String,
			deviceOf(r.UserAgent.String)}
	}
	slices.SortStableFunc(out, func(a, b sessionAnswer) int { return cmp.Compare(rank(a), rank(b)) })
	return c.reply(map[string]any{"sessions": out})
}

// rank puts the current session first.
func rank(s sessionAnswer) int {
	if s.Current {
		return 0
	}
	return 1
}

// revokeSession is POST /api/basic-auth/sessions/revoke. Revoking the current session signs out, which needs no proof;
// ending another's does (ASVS 5.0, 7.5.2).
func (p *provider) revokeSession(c call) error {
	who, f, err := asked(c, p.signedIn)
	if err != nil {
		return err
	}
	sessionID, ok := f.Text("id", 1, form.MaxToken)
	if !ok {
		return refuse.Field("invalid_request", "id", "Invalid request")
	}
	if sessionID != who.SessionID {
		who.proven = true
		if err := p.fresh(c.Context(), p.store.Read, who); err != nil {
			return err
		}
	}
	ctx := c.Context()
	var e ended
	err = p.as(ctx, who, func(q store.Queries, who actor) error {
		rows, err := q.RevokeOwnSession(ctx, db.RevokeOwnSessionParams{ID: sessionID, AccountID: who.ID, Now: p.now().UnixMilli()})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return refuse.With(or3cloud.CodeNotFound, "not_found", "This session has ended already.", nil)
		}
		e.tokens = append(e.tokens, endedSession{rows[0].ID, rows[0].AccessUntil})
		return p.record(ctx, q, c.Request, who.ID, eventSessionRevoked, "")
	})
	if err != nil {
		return err
	}
	e.apply(p.revoked)
	if sessionID == who.SessionID {
		p.clearCookies(c.Request)
	}
	return c.answer(true)
}

// revokeOtherSessions is POST /api/basic-auth/sessions/revoke-others.
func (p *provider) revokeOtherSessions(c call) error {
	who, err := p.recentlyProven(c)
	if err != nil {
		return err
	}
	ctx := c.Context()
	var e ended
	err = p.as(ctx, who, func(q store.Queries, who actor) error {
		rows, err := q.RevokeOtherSessions(ctx, db.RevokeOtherSessionsParams{AccountID: who.ID, Keep: who.SessionID, Now: p.now().UnixMilli()})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			e.tokens = append(e.tokens, endedSession{r.ID, r.AccessUntil})
		}
		return p.record(ctx, q, c.Request, who.ID, eventSessionRevoked, "")
	})
	if err != nil {
		return err
	}
	e.apply(p.revoked)
	return c.reply(map[string]any{"ok": true, "revoked": len(e.tokens)})
}

// renewAccess signs a new access token for the session of a request whose account has changed, since the token carries name
// and address. Other sessions of the account learn of the change at their next rotation. For a session that has ended
// meanwhile the answer is errExpired.
func (p *provider) renewAccess(r *or3cloud.Request, q store.Queries, sessionID, accountID string) (*http.Cookie, error) {
	ctx := r.Context()
	a, err := q.AccountByID(ctx, accountID)
	if err != nil {
		return nil, err
	}
	now := p.now()
	ends, err := q.ExtendAccess(ctx, db.ExtendAccessParams{
		ID: sessionID, AccountID: accountID, Now: now.UnixMilli(), AccessUntil: p.accessUntil(now).UnixMilli(),
	})
	if store.Absent(err) {
		return nil, refuse.Expired()
	}
	if err != nil {
		return nil, err
	}
	g, err := p.grant("", identity{
		accountID: a.ID, email: a.Email, displayName: a.DisplayName.String,
		sessionID: sessionID, version: a.TokenVersion, admitted: admitted(a.Origin), generation: p.generationShown(r),
	}, now, time.UnixMilli(ends))
	if err != nil {
		return nil, err
	}
	return p.cookie(accessCookie, "/", g.accessToken, p.opts.accessTTL), nil
}

// generationShown is the generation of the access token that a request has, or has just been given in place.
func (p *provider) generationShown(r *or3cloud.Request) string {
	given := (&http.Response{Header: r.ResponseHeader}).Cookies()
	for _, c := range given {
		if claims := p.access.verify(c.Value); c.Name == accessCookie && claims != nil {
			return claims.Generation
		}
	}
	if claims := p.validAccess(r.Request); claims != nil {
		return claims.Generation
	}
	return ""
}

// replaceAccess sets the access cookie alone. A refresh cookie that the same answer sets, because the request renewed its
// tokens first, stays.
func (p *provider) replaceAccess(r *or3cloud.Request, cookie *http.Cookie) {
	kept := slices.DeleteFunc(slices.Clone(r.ResponseHeader.Values("Set-Cookie")), func(line string) bool {
		return strings.HasPrefix(line, accessCookie+"=")
	})
	r.ResponseHeader["Set-Cookie"] = kept
	r.SetCookie(cookie)
}
