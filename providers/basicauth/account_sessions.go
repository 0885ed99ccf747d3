package basicauth

import (
	"cmp"
	"slices"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// sessionAnswer is a signed-in browser as its owner sees it.
type sessionAnswer struct {
	ID         string         `json:"id"`
	Current    bool           `json:"current"`
	CreatedAt  time.Time      `json:"createdAt"`
	LastSeenAt time.Time      `json:"lastSeenAt"`
	IPAddress  string         `json:"ipAddress,omitempty"`
	UserAgent  string         `json:"userAgent,omitempty"`
	Device     letters.Device `json:"device,omitzero"`
}

// listSessions is GET /api/basic-auth/sessions.
func (s *self) listSessions(c call) error {
	who, err := s.stepUp.SignedIn(c.Context(), c.Request)
	if err != nil {
		return err
	}
	rows, err := s.store.Read.AccountSessions(c.Context(), db.AccountSessionsParams{AccountID: who.ID, Now: s.now().UnixMilli()})
	if err != nil {
		return err
	}
	out := make([]sessionAnswer, len(rows))
	for i, r := range rows {
		out[i] = sessionAnswer{r.ID, r.ID == who.SessionID, moment(r.CreatedAt), moment(r.LastSeenAt), r.IpAddress.String, r.UserAgent.String,
			letters.DeviceOf(r.UserAgent.String)}
	}
	slices.SortStableFunc(out, func(a, b sessionAnswer) int { return cmp.Compare(rank(a), rank(b)) })
	return c.reply(map[string]any{"sessions": out})
}

// rank sorts the current session first.
func rank(s sessionAnswer) int {
	if s.Current {
		return 0
	}
	return 1
}

// revokeSession is POST /api/basic-auth/sessions/revoke. Revoking the current session signs out, which needs no proof;
// ending another does (ASVS 5.0, 7.5.2).
func (s *self) revokeSession(c call) error {
	who, f, err := asked(c, s.stepUp.SignedIn)
	if err != nil {
		return err
	}
	sessionID, ok := f.Text("id", 1, form.MaxToken)
	if !ok {
		return refuse.Field("invalid_request", "id", "Invalid request")
	}
	if sessionID != who.SessionID {
		who.Proven = true
		if err := s.stepUp.Fresh(c.Context(), s.store.Read, who); err != nil {
			return err
		}
	}
	ctx := c.Context()
	var e sessions.Ended
	err = s.stepUp.As(ctx, who, func(q store.Queries, who factors.Actor) error {
		rows, err := q.RevokeOwnSession(ctx, db.RevokeOwnSessionParams{ID: sessionID, AccountID: who.ID, Now: s.now().UnixMilli()})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return refuse.With(or3cloud.CodeNotFound, "not_found", "This session has ended already.", nil)
		}
		e.Add(rows[0].ID, rows[0].AccessUntil)
		return s.guard.Record(ctx, q, c.Request, who.ID, guard.EventSessionRevoked, "")
	})
	if err != nil {
		return err
	}
	e.Apply(s.sessions.Revoked)
	if sessionID == who.SessionID {
		s.sessions.ClearCookies(c.Request)
	}
	return c.answer(true)
}

// revokeOtherSessions is POST /api/basic-auth/sessions/revoke-others.
func (s *self) revokeOtherSessions(c call) error {
	who, err := s.stepUp.RecentlyProven(c.Context(), c.Request)
	if err != nil {
		return err
	}
	ctx := c.Context()
	var e sessions.Ended
	err = s.stepUp.As(ctx, who, func(q store.Queries, who factors.Actor) error {
		rows, err := q.RevokeOtherSessions(ctx, db.RevokeOtherSessionsParams{AccountID: who.ID, Keep: who.SessionID, Now: s.now().UnixMilli()})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			e.Add(r.ID, r.AccessUntil)
		}
		return s.guard.Record(ctx, q, c.Request, who.ID, guard.EventSessionRevoked, "")
	})
	if err != nil {
		return err
	}
	e.Apply(s.sessions.Revoked)
	return c.reply(map[string]any{"ok": true, "revoked": e.Count()})
}
