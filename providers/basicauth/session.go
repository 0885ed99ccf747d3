package basicauth

import (
	"context"
	"database/sql"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// identity is what an access token says.
type identity struct {
	accountID, email, displayName string
	sessionID                     string
	version                       int64
	// generation is the mark of the refresh token that the identity comes with; empty for the first one of a session.
	generation string
	// admitted says that whoever runs the server made or allowed the account (or3cloud.ProviderSession.Admitted).
	admitted bool
}

// grant is a fresh pair of tokens.
type grant struct {
	identity
	refreshToken string // empty if the browser is to keep the one that it has
	accessToken  string
	// expires is when the access token does.
	expires time.Time
	// displaced are the sessions that ended to make room for a new one.
	displaced ended
	// otherDomains are those of passkeys that would have been demanded, did they not belong to them.
	otherDomains []string
}

// grant signs an access token beside a refresh token. The access token does not outlive its session.
func (p *provider) grant(refreshToken string, who identity, now, sessionEnds time.Time) (*grant, error) {
	expires := now.Add(p.opts.accessTTL)
	if sessionEnds.Before(expires) {
		expires = sessionEnds
	}
	expires = expires.Truncate(time.Second)
	token, err := p.access.sign(who, expires)
	if err != nil {
		return nil, err
	}
	return &grant{identity: who, refreshToken: refreshToken, accessToken: token, expires: expires}, nil
}

// GetSession implements or3cloud.AuthProvider. A valid access token is believed without any I/O. When it has run out
// and the refresh cookie is good, the pair is renewed in place, so that a client that knows nothing about expiry is
// never thrown out (contract, auth §8.2 and Pitfall 2). Cookies are never cleared here. When the answer has begun there
// is nothing to renew with: the access token alone decides, and the store is not asked.
func (p *provider) GetSession(ctx context.Context, r *or3cloud.Request) (*or3cloud.ProviderSession, error) {
	who, expires, err := p.identify(ctx, r)
	if err != nil || who == nil {
		return nil, err
	}
	return &or3cloud.ProviderSession{
		Provider: id, UserID: who.accountID, Email: who.email, DisplayName: who.displayName, ExpiresAt: expires,
		SessionID: who.sessionID, Admitted: who.admitted,
	}, nil
}

// CheckSession implements or3cloud.SessionChecker. It asks the store: what is remembered of revocations goes back no further
// than an access token lives, and a body may take longer.
func (p *provider) CheckSession(ctx context.Context, s *or3cloud.ProviderSession) (bool, error) {
	_, err := p.store.Read.SessionAccount(ctx, db.SessionAccountParams{
		SessionID: s.SessionID, AccountID: s.UserID, Now: p.now().UnixMilli(),
	})
	if store.Absent(err) {
		return false, nil
	}
	return err == nil, store.Fault(err)
}

// identify returns who sent a request, or nil, and renews the request's tokens if needed. A token that is only believed for
// the difference of clocks is renewed if it can be.
func (p *provider) identify(ctx context.Context, r *or3cloud.Request) (*identity, time.Time, error) {
	c := p.validAccess(r.Request)
	if c != nil && (p.now().Before(c.ExpiresAt.Time) || r.ResponseHeader == nil) {
		return c.identity(), c.ExpiresAt.Time, nil
	}
	if r.ResponseHeader == nil {
		return nil, time.Time{}, nil
	}
	g, err := p.renew(ctx, r, values(r.Request, refreshCookie))
	switch {
	case err == nil && g != nil:
		p.setCookies(r, g)
		return &g.identity, g.expires, nil
	case c != nil:
		return c.identity(), c.ExpiresAt.Time, nil
	}
	return nil, time.Time{}, err
}

// validAccess returns the claims of the request's access token if it is valid and not revoked.
func (p *provider) validAccess(r *http.Request) *accessClaims {
	for _, token := range values(r, accessCookie) {
		c := p.access.verify(token)
		if c == nil {
			continue
		}
		// Noted first: whoever replaces the generation revokes it and then looks here, so that one of the two sees the other.
		if !c.noted.Load() && p.sightings.note(c.generation()) {
			c.noted.Store(true)
		}
		if p.revoked.permit(c) {
			return c
		}
	}
	return nil
}

// maxUserAgent bounds what is kept of a header that the client chooses.
const maxUserAgent = 256

// maxSessions is how many browsers may be signed in to one account. A script that signs in for each of its runs must not fill
// the database.
const maxSessions = 100

// How many sessions are kept that have ended and whose access tokens have too, and how many beyond that go with a new one.
const (
	keptEnded       = 100
	surplusSessions = 4
)

// begin starts a session of an account and returns its first grant. If there are too many, the one that was used least
// recently ends; of those that have ended the oldest are forgotten.
func (p *provider) begin(ctx context.Context, q store.Queries, a db.Account, r *or3cloud.Request, now time.Time) (*grant, error) {
	err := q.DeleteOldEndedSessions(ctx, db.DeleteOldEndedSessionsParams{
		AccountID: a.ID, Before: now.Add(-p.opts.grace).UnixMilli(), Keep: keptEnded, Most: surplusSessions,
	})
	if err != nil {
		return nil, err
	}
	token, print, err := p.refresh.Generate()
	if err != nil {
		return nil, err
	}
	sid, err := uuid.NewRandomFromReader(p.rand)
	if err != nil {
		return nil, err
	}
	oldest, err := q.EndOldestSessions(ctx, db.EndOldestSessionsParams{AccountID: a.ID, Keep: maxSessions - 1, Now: now.UnixMilli()})
	if err != nil {
		return nil, err
	}
	last := now.Add(p.opts.sessionTTL)
	ends := earlier(now.Add(p.opts.refreshTTL), last)
	err = q.InsertSession(ctx, db.InsertSessionParams{
		ID: sid.String(), AccountID: a.ID, TokenVersion: a.TokenVersion,
		Now: now.UnixMilli(), ExpiresAt: ends.UnixMilli(), EndsAt: last.UnixMilli(), AccessUntil: p.accessUntil(now).UnixMilli(),
		IpAddress: store.Optional(r.ClientIP), UserAgent: userAgent(r),
	})
	if err != nil {
		return nil, err
	}
	err = q.InsertToken(ctx, db.InsertTokenParams{
		Fingerprint: print, SessionID: sid.String(), CreatedAt: now.UnixMilli(), ExpiresAt: ends.UnixMilli(),
	})
	if err != nil {
		return nil, err
	}
	who := identity{
		accountID: a.ID, email: a.Email, displayName: a.DisplayName.String,
		sessionID: sid.String(), version: a.TokenVersion, admitted: admitted(a.Origin),
	}
	g, err := p.grant(token, who, now, ends)
	if err != nil {
		return nil, err
	}
	for _, o := range oldest {
		g.displaced.tokens = append(g.displaced.tokens, endedSession{o.ID, o.AccessUntil})
	}
	return g, nil
}

// userAgent is what a browser calls itself, cut to what is kept of it.
func userAgent(r *or3cloud.Request) sql.NullString {
	agent := strings.ToValidUTF8(r.UserAgent(), "")
	return store.Optional(strings.ToValidUTF8(agent[:min(len(agent), maxUserAgent)], ""))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
