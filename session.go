package or3cloud

import "time"

// SessionContext is the host's resolved view of a request: who it is, the workspace it acts in and the role there
// (contract, auth §2). The zero value means "signed out".
type SessionContext struct {
	Authenticated bool
	// Provider and ProviderUserID are the identity at the auth provider.
	Provider       string
	ProviderUserID string
	User           SessionUser
	Workspace      SessionWorkspace
	// Role is the role in Workspace, or "" when the user is no member of it.
	Role            Role
	ExpiresAt       time.Time
	DeploymentAdmin bool
	// Restriction is why the session may do nothing but what its auth provider offers (SessionRestrictor); mostly nil.
	Restriction *Error
}

// SessionUser is the signed-in user.
type SessionUser struct {
	// ID is the internal user id of the workspace store.
	ID string
	// Email and DisplayName are empty when unknown.
	Email       string
	DisplayName string
}

// SessionWorkspace is the workspace that a session was resolved for.
type SessionWorkspace struct {
	ID   string
	Name string
}
