package or3cloud

import "time"

// SessionContext is the host's resolved view of a request: the user, the workspace and the user's role in it (contract,
// auth §2). The zero value means "signed out".
type SessionContext struct {
	Authenticated bool
	// Provider and ProviderUserID are the identity at the auth provider.
	Provider       string
	ProviderUserID string
	User           SessionUser
	Workspace      SessionWorkspace
	// Role is the role in Workspace, or "" if the user is not a member.
	Role            Role
	ExpiresAt       time.Time
	DeploymentAdmin bool
	// Restriction is why the session may use only the endpoints of its auth provider (SessionRestrictor). It is usually
	// nil.
	Restriction *Error
}

// SessionUser is the signed-in user.
type SessionUser struct {
	// ID is the internal user id of the workspace store.
	ID string
	// Email and DisplayName are empty if unknown.
	Email       string
	DisplayName string
}

// SessionWorkspace is the workspace that a session was resolved for.
type SessionWorkspace struct {
	ID   string
	Name string
}
