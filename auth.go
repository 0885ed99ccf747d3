package or3cloud

import (
	"context"
	"net/http"
	"time"
)

// Request is what an authentication provider sees of an HTTP request: the request itself, who sent it according to
// the trusted-proxy rule, and the header of the answer, to which it may add cookies.
type Request struct {
	*http.Request
	// ClientIP is the address to limit and log by, or "unknown" (contract, security-middleware §4).
	ClientIP string
	// ResponseHeader is the header of the answer. It may be changed until the provider method returns. It is nil when
	// the answer has already begun: then no credential may be rotated, for the client would never learn the new one.
	ResponseHeader http.Header
}

// SetCookie adds a cookie to the answer.
func (r *Request) SetCookie(c *http.Cookie) {
	if v := c.String(); v != "" {
		r.ResponseHeader.Add("Set-Cookie", v)
	}
}

// ProviderSession is an identity that an AuthProvider has verified (contract, auth §1).
type ProviderSession struct {
	// Provider is the id of the auth provider.
	Provider string
	// UserID is the stable id of the user at the provider, not the internal user id.
	UserID string
	// SessionID names the session at the provider; empty if the provider does not tell its sessions apart.
	SessionID string
	// Email and DisplayName are empty when unknown.
	Email       string
	DisplayName string
	// ExpiresAt is the moment at which this proof of identity runs out.
	ExpiresAt time.Time
	// Admitted says that whoever runs the server made or allowed this account, so that it gets a user of its own
	// whatever the registration mode says (contract, auth §9: the bootstrap address needs no invite).
	Admitted bool
	// Founder says that this is the account that whoever runs the server has made first (ExternalIdentity.Founder).
	Founder bool
}

// Identity returns the user whose session it is, as the workspace store is asked for it.
func (s *ProviderSession) Identity() ExternalIdentity {
	return ExternalIdentity{Provider: s.Provider, ProviderUserID: s.UserID, Email: s.Email, DisplayName: s.DisplayName, Founder: s.Founder}
}

// AuthProvider turns the cookies of a request into an identity (requirements 2.1, 2.4).
type AuthProvider interface {
	// GetSession returns the verified session of the request, or nil when nobody is signed in. It may rotate
	// credentials by adding cookies to the answer. An error means that the identity system itself is broken:
	// a store that cannot be read must be an error with CodeUnavailable, never a nil session, because clients
	// delete local data when they are told that they are signed out (contract, auth Pitfall 10).
	GetSession(ctx context.Context, r *Request) (*ProviderSession, error)
}

// SessionChecker is the optional ability of an AuthProvider to say whether a session that it has proven in the course of a
// request still lives. Without it the host looks at the request's credentials once more.
type SessionChecker interface {
	// CheckSession reports whether s has not ended: by sign-out, revocation, a change of the account or its own time. It
	// looks at no credentials and changes nothing, so that a body which outlives its access token does not cost a rotation.
	CheckSession(ctx context.Context, s *ProviderSession) (live bool, err error)
}

// SessionRestrictor is the optional ability of an AuthProvider to keep a signed-in user to its own endpoints until they have done
// what the operator demands, such as setting up a second factor.
type SessionRestrictor interface {
	// Restriction returns why the user with this id at the provider may do nothing else yet, which is what every other endpoint
	// answers, and nil where nothing is wanting. It is a CodeUnavailable with a RetryAfter: clients keep their edits then. Each
	// request asks, so it is cheap.
	Restriction(ctx context.Context, providerUserID string) (*Error, error)
}

// Revocation says of which identities nothing may be believed any more that GetSession has returned before. It is no refusal:
// who asks GetSession again may well get a session.
type Revocation struct {
	// UserID is the id of the user at the provider. It is empty if SessionID says enough.
	UserID string
	// SessionID is the session; empty if all sessions of the user are meant.
	SessionID string
}

// RevocationWatcher is the optional ability of an AuthProvider to tell at once whose sessions have ended or changed before their
// time. With it, who remembers what GetSession has returned, until its ExpiresAt at most, need not ask again for each request.
type RevocationWatcher interface {
	// WatchRevocations returns a channel with everything that is revoked from now on. It is closed when ctx ends, when the
	// provider closes, or when its reader is too slow to get all of it: then nothing that is remembered may be believed.
	WatchRevocations(ctx context.Context) (<-chan Revocation, error)
}

// ProviderTokenRequest names the token that somebody wants from a ProviderTokenBroker.
type ProviderTokenRequest struct {
	// ProviderID is the service that the token is for, for example "convex".
	ProviderID string
	// Template is the provider's name for a token shape; may be empty.
	Template string
}

// ProviderTokenBroker mints tokens for other services in the name of the signed-in user (requirement 2.4). The engine
// hands it to hosts that have no tokens of their own.
type ProviderTokenBroker interface {
	// GetProviderToken returns a token, or "" when this provider has none for the request.
	GetProviderToken(ctx context.Context, r *Request, want ProviderTokenRequest) (string, error)
}
