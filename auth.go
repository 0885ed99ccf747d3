package or3cloud

import (
	"context"
	"net/http"
	"time"
)

// Request is what an auth provider sees of an HTTP request: the request itself, the client's address according to the
// trusted-proxy rule, and the response header, to which it may add cookies.
type Request struct {
	*http.Request
	// ClientIP is the address for rate limits and logs, or "unknown" (contract, security-middleware §4).
	ClientIP string
	// ResponseHeader is the header of the response. The provider may change it until its method returns. It is nil if
	// the response has already begun. Then the provider must not rotate credentials, because the client would never
	// learn the new ones.
	ResponseHeader http.Header
}

// SetCookie adds a cookie to the response.
func (r *Request) SetCookie(c *http.Cookie) {
	if v := c.String(); v != "" {
		r.ResponseHeader.Add("Set-Cookie", v)
	}
}

// ProviderSession is an identity that an AuthProvider has verified (contract, auth §1).
type ProviderSession struct {
	// Provider is the id of the auth provider.
	Provider string
	// UserID is the user's stable id at the provider, not the internal user id.
	UserID string
	// SessionID identifies the session at the provider. It is empty if the provider does not distinguish sessions.
	SessionID string
	// Email and DisplayName are empty if unknown.
	Email       string
	DisplayName string
	// ExpiresAt is when this proof of identity expires.
	ExpiresAt time.Time
	// Admitted reports whether the operator created or allowed this account, so that it gets a user of its own in every
	// registration mode (contract, auth §9: the bootstrap address needs no invite).
	Admitted bool
	// Founder marks the first account that the operator created (ExternalIdentity.Founder).
	Founder bool
}

// Identity returns the user of the session in the form that the workspace store expects.
func (s *ProviderSession) Identity() ExternalIdentity {
	return ExternalIdentity{Provider: s.Provider, ProviderUserID: s.UserID, Email: s.Email, DisplayName: s.DisplayName, Founder: s.Founder}
}

// AuthProvider derives an identity from the cookies of a request (requirements 2.1, 2.4).
type AuthProvider interface {
	// GetSession returns the verified session of the request, or nil if the request is not signed in. It may rotate
	// credentials by adding cookies to the response. An error means that the identity system itself is broken. A store
	// that cannot be read must be an error with CodeUnavailable and never a nil session, because clients delete local
	// data when they are told that they are signed out (contract, auth Pitfall 10).
	GetSession(ctx context.Context, r *Request) (*ProviderSession, error)
}

// SessionChecker is the optional ability of an AuthProvider to tell whether a session that it verified earlier in the
// same request is still live. Without it, the host verifies the request's credentials again.
type SessionChecker interface {
	// CheckSession reports whether s is still live. A session ends by sign-out, revocation, a change of the account, or
	// expiry. CheckSession reads no credentials and changes nothing, so a request body that outlives its access token
	// does not cost a rotation.
	CheckSession(ctx context.Context, s *ProviderSession) (live bool, err error)
}

// SessionRestrictor is the optional ability of an AuthProvider to confine a signed-in user to its own endpoints until
// the user has done what the operator demands, such as setting up a second factor.
type SessionRestrictor interface {
	// Restriction returns the error that every other endpoint answers to the user with this id at the provider, or nil
	// if the user is not restricted. The error is a CodeUnavailable with a RetryAfter, so that clients keep their
	// edits. It must be cheap, because the host calls it for each request.
	Restriction(ctx context.Context, providerUserID string) (*Error, error)
}

// Revocation names identities for which earlier results of GetSession no longer hold. It is not a refusal: calling
// GetSession again may well return a session.
type Revocation struct {
	// UserID is the user's id at the provider. It is empty if SessionID is enough.
	UserID string
	// SessionID is the session. If it is empty, the revocation covers all sessions of the user.
	SessionID string
}

// RevocationWatcher is the optional ability of an AuthProvider to report at once which sessions ended or changed early.
// With it, callers may cache what GetSession returned, until its ExpiresAt at most, instead of asking for each request.
type RevocationWatcher interface {
	// WatchRevocations returns a channel of all revocations from now on. The channel closes when ctx ends, when the
	// provider closes, or when its reader is too slow. After that, the reader must discard everything it has cached.
	WatchRevocations(ctx context.Context) (<-chan Revocation, error)
}

// ProviderTokenRequest identifies the token requested from a ProviderTokenBroker.
type ProviderTokenRequest struct {
	// ProviderID is the service that the token is for, such as "convex".
	ProviderID string
	// Template is the provider's name for a kind of token. It may be empty.
	Template string
}

// ProviderTokenBroker mints tokens for other services on behalf of the signed-in user (requirement 2.4). The engine
// offers it to hosts that have no tokens of their own.
type ProviderTokenBroker interface {
	// GetProviderToken returns a token, or "" if this provider has none for the request.
	GetProviderToken(ctx context.Context, r *Request, want ProviderTokenRequest) (string, error)
}
