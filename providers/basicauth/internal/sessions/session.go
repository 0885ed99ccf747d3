package sessions

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Provider is the value of AUTH_PROVIDER that selects this provider.
const Provider = "basic-auth"

// How an account was created (migrations/00001_accounts.sql).
const (
	OriginOpen      = "open"
	OriginInvite    = "invite"
	OriginSetup     = "setup"
	OriginBootstrap = "bootstrap"
	OriginOperator  = "operator"
)

// admitted reports whether the operator of the server created an account of this origin.
func admitted(origin string) bool {
	return origin == OriginSetup || origin == OriginBootstrap || origin == OriginOperator
}

// Identity is what an access token says.
type Identity struct {
	AccountID, Email, displayName string
	SessionID                     string
	Version                       int64
	// generation is the mark of the refresh token that the identity comes with; empty for the first one of a session.
	generation string
	// Admitted says that the operator of the server created or allowed the account (or3cloud.ProviderSession.Admitted).
	Admitted bool
	// Founder says that it is the account of the first administrator (or3cloud.ProviderSession.Founder).
	Founder bool
}

// accountIdentity is what the access token of a session of an account says.
func accountIdentity(a db.Account, sessionID, generation string) Identity {
	return Identity{
		AccountID: a.ID, Email: a.Email, displayName: a.DisplayName.String, SessionID: sessionID, Version: a.TokenVersion,
		generation: generation, Admitted: admitted(a.Origin), Founder: a.Founder == 1,
	}
}

// Grant is a new pair of tokens.
type Grant struct {
	Identity
	refreshToken string // empty if the browser keeps the one that it has
	AccessToken  string
	// expires is when the access token expires.
	expires time.Time
	// Displaced are the sessions that ended to make way for a new one.
	Displaced Ended
	// OtherDomains are the domains of passkeys that would have been demanded if they belonged to this one.
	OtherDomains []string
}

// grant signs an access token to go with a refresh token. The access token does not outlive its session.
func (s *Sessions) grant(refreshToken string, who Identity, now, sessionEnds time.Time) (*Grant, error) {
	expires := now.Add(s.opts.AccessTTL)
	if sessionEnds.Before(expires) {
		expires = sessionEnds
	}
	expires = expires.Truncate(time.Second)
	token, err := s.Access.Sign(who, expires)
	if err != nil {
		return nil, err
	}
	return &Grant{Identity: who, refreshToken: refreshToken, AccessToken: token, expires: expires}, nil
}

// GetSession implements or3cloud.AuthProvider. A valid access token is believed without any I/O. When it has expired
// and the refresh cookie is good, the pair is renewed in place, so that a client that knows nothing about expiry is
// never signed out (contract, auth §8.2 and Pitfall 2). Cookies are never cleared here. Once the answer has begun,
// tokens cannot be renewed: the access token alone decides, and the store is not used.
func (s *Sessions) GetSession(ctx context.Context, r *or3cloud.Request) (*or3cloud.ProviderSession, error) {
	who, expires, err := s.Identify(ctx, r)
	if err != nil || who == nil {
		return nil, err
	}
	return &or3cloud.ProviderSession{
		Provider: Provider, UserID: who.AccountID, Email: who.Email, DisplayName: who.displayName, ExpiresAt: expires,
		SessionID: who.SessionID, Admitted: who.Admitted, Founder: who.Founder,
	}, nil
}

// CheckSession implements or3cloud.SessionChecker. It uses the store: the memory of revocations goes back no further
// than an access token lives, and a body may take longer.
func (s *Sessions) CheckSession(ctx context.Context, of *or3cloud.ProviderSession) (bool, error) {
	_, err := s.store.Read.SessionAccount(ctx, db.SessionAccountParams{
		SessionID: of.SessionID, AccountID: of.UserID, Now: s.now().UnixMilli(),
	})
	if store.Absent(err) {
		return false, nil
	}
	return err == nil, store.Fault(err)
}

// Identify returns who sent a request, or nil, and renews the request's tokens if needed. A token that is only accepted
// because clocks differ is renewed if it can be.
func (s *Sessions) Identify(ctx context.Context, r *or3cloud.Request) (*Identity, time.Time, error) {
	c := s.ValidAccess(r.Request)
	if c != nil && (s.now().Before(c.ExpiresAt.Time) || r.ResponseHeader == nil) {
		return c.Identity(), c.ExpiresAt.Time, nil
	}
	if r.ResponseHeader == nil {
		return nil, time.Time{}, nil
	}
	g, err := s.Renew(ctx, r, Values(r.Request, RefreshCookie))
	switch {
	case err == nil && g != nil:
		s.SetCookies(r, g)
		return &g.Identity, g.expires, nil
	case c != nil:
		return c.Identity(), c.ExpiresAt.Time, nil
	}
	return nil, time.Time{}, err
}

// ValidAccess returns the claims of the request's access token if it is valid and not revoked.
func (s *Sessions) ValidAccess(r *http.Request) *accessClaims {
	if token, usual := value(r, AccessCookie); usual {
		return s.validToken(token)
	}
	for _, token := range Values(r, AccessCookie) {
		if c := s.validToken(token); c != nil {
			return c
		}
	}
	return nil
}

// validToken returns the claims of an access token if it is valid and not revoked.
func (s *Sessions) validToken(token string) *accessClaims {
	c := s.Access.Verify(token)
	if c == nil {
		return nil
	}
	// Noted first: the code that replaces the generation revokes it and then looks here, so that one of the two sees
	// the other.
	if !c.noted.Load() && s.Sightings.note(c.generation()) {
		c.noted.Store(true)
	}
	if !s.Revoked.Permit(c) {
		return nil
	}
	return c
}

// MaxSessions is how many browsers may be signed in to one account. A script that signs in for each of its runs must
// not fill the database.
const MaxSessions = 100

// How many ended sessions are kept after their access tokens have expired, and how many beyond that are deleted with
// each new one.
const (
	KeptEnded       = 100
	surplusSessions = 4
)

// Begin starts a session of an account and returns its first grant. If there are too many, the least recently used one
// ends; of the ended ones the oldest are forgotten.
func (s *Sessions) Begin(ctx context.Context, q store.Queries, a db.Account, r *or3cloud.Request, now time.Time) (*Grant, error) {
	err := q.DeleteOldEndedSessions(ctx, db.DeleteOldEndedSessionsParams{
		AccountID: a.ID, Before: now.Add(-s.opts.Grace).UnixMilli(), Keep: KeptEnded, Most: surplusSessions,
	})
	if err != nil {
		return nil, err
	}
	token, print, err := s.refresh.Generate()
	if err != nil {
		return nil, err
	}
	sid, err := uuid.NewRandomFromReader(s.rand)
	if err != nil {
		return nil, err
	}
	oldest, err := q.EndOldestSessions(ctx, db.EndOldestSessionsParams{AccountID: a.ID, Keep: MaxSessions - 1, Now: now.UnixMilli()})
	if err != nil {
		return nil, err
	}
	last := now.Add(s.opts.SessionTTL)
	ends := earlier(now.Add(s.opts.RefreshTTL), last)
	err = q.InsertSession(ctx, db.InsertSessionParams{
		ID: sid.String(), AccountID: a.ID, TokenVersion: a.TokenVersion,
		Now: now.UnixMilli(), ExpiresAt: ends.UnixMilli(), EndsAt: last.UnixMilli(), AccessUntil: s.AccessUntil(now).UnixMilli(),
		IpAddress: store.Optional(r.ClientIP), UserAgent: guard.UserAgent(r),
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
	g, err := s.grant(token, accountIdentity(a, sid.String(), ""), now, ends)
	if err != nil {
		return nil, err
	}
	for _, o := range oldest {
		g.Displaced.Add(o.ID, o.AccessUntil)
	}
	return g, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// RenewAccess signs a new access token for the session of a request whose account has changed, since the token carries
// name and address. Other sessions of the account learn of the change at their next rotation. The error is
// refuse.Expired for a session that has ended in the meantime.
func (s *Sessions) RenewAccess(r *or3cloud.Request, q store.Queries, sessionID, accountID string) (*http.Cookie, error) {
	ctx := r.Context()
	a, err := q.AccountByID(ctx, accountID)
	if err != nil {
		return nil, err
	}
	now := s.now()
	ends, err := q.ExtendAccess(ctx, db.ExtendAccessParams{
		ID: sessionID, AccountID: accountID, Now: now.UnixMilli(), AccessUntil: s.AccessUntil(now).UnixMilli(),
	})
	if store.Absent(err) {
		return nil, refuse.Expired()
	}
	if err != nil {
		return nil, err
	}
	g, err := s.grant("", accountIdentity(a, sessionID, s.generationShown(r)), now, time.UnixMilli(ends))
	if err != nil {
		return nil, err
	}
	return s.Cookie(AccessCookie, "/", g.AccessToken, s.opts.AccessTTL), nil
}

// generationShown is the generation of the access token that a request has, or has just been given in place.
func (s *Sessions) generationShown(r *or3cloud.Request) string {
	given := (&http.Response{Header: r.ResponseHeader}).Cookies()
	for _, c := range given {
		if claims := s.Access.Verify(c.Value); c.Name == AccessCookie && claims != nil {
			return claims.Generation
		}
	}
	if claims := s.ValidAccess(r.Request); claims != nil {
		return claims.Generation
	}
	return ""
}
