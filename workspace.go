package or3cloud

import (
	"context"
	"time"
	"unicode/utf16"
)

// Role is what a member may do in one workspace (contract, auth §3).
type Role string

// The roles, strongest first. The empty Role means "not a member".
const (
	RoleOwner  Role = "owner"
	RoleEditor Role = "editor"
	RoleViewer Role = "viewer"
)

// Valid reports whether r is one of the three roles.
func (r Role) Valid() bool { return r == RoleOwner || r == RoleEditor || r == RoleViewer }

// ExternalIdentity is a user as an auth provider knows it.
type ExternalIdentity struct {
	// Provider and ProviderUserID together are the key. Email is never part of it: it is not verified.
	Provider       string
	ProviderUserID string
	// Email and DisplayName are kept when the user is created and not changed by later sign-ins.
	Email       string
	DisplayName string
	// Founder says that the user becomes a deployment administrator when it is made, in the same transaction, if the store has
	// the ability DeploymentAdminStore. An identity is given this once: neither an end of the grant nor one of the user is undone
	// by it. It means nothing for a user that exists.
	Founder bool
}

// Workspace is a tenant as one of its members sees it.
type Workspace struct {
	ID   string
	Name string
	// Description is empty when there is none.
	Description string
	// Role is the role of the member that asked.
	Role      Role
	CreatedAt time.Time
	// Active says whether this is the member's active workspace.
	Active bool
	// Created says that the call which returns it has made it; only GetOrCreateDefaultWorkspace tells.
	Created bool
}

// The bounds of what a workspace is called, in UTF-16 code units (contract, workspaces-and-admin §1).
const (
	MaxWorkspaceName        = 100
	MaxWorkspaceDescription = 1000
)

// CheckWorkspaceTexts refuses the trimmed name and description of a workspace with CodeInvalid, in the words of the contract.
func CheckWorkspaceTexts(name, description string) error {
	switch {
	case name == "":
		return Errorf(CodeInvalid, "Workspace name is required")
	case utf16Len(name) > MaxWorkspaceName:
		return Errorf(CodeInvalid, "Workspace name must be under 100 characters")
	case utf16Len(description) > MaxWorkspaceDescription:
		return Errorf(CodeInvalid, "Description must be under 1000 characters")
	}
	return nil
}

func utf16Len(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// AuthWorkspaceStore maps external identities to internal users, workspaces and roles (requirement 3.1; contract,
// auth §5). It is looked up under the id of the sync provider. Reads must see every completed write: the host does
// not cache roles, so that a removed member loses access with the next request.
//
// Names and descriptions were trimmed and checked (CheckWorkspaceTexts) by the caller. Methods that act for a user answer
// CodeForbidden when the role does not suffice or the user is no member, and CodeNotFound when the workspace does
// not exist or is deleted and the user was a member of it.
type AuthWorkspaceStore interface {
	// GetUser returns the internal id of a known identity, or "" when it is unknown.
	GetUser(ctx context.Context, id ExternalIdentity) (userID string, err error)
	// GetOrCreateUser returns the internal id of an identity and creates the user when it is unknown. Concurrent
	// calls for one identity agree on one user.
	GetOrCreateUser(ctx context.Context, id ExternalIdentity) (userID string, err error)
	// GetOrCreateDefaultWorkspace returns the user's active workspace if it is usable, else the oldest membership
	// (which becomes the active one), else a new workspace "My Workspace" that the user owns.
	GetOrCreateDefaultWorkspace(ctx context.Context, userID string) (Workspace, error)
	// GetWorkspaceRole returns the user's role, or "" for no member and for a deleted or unknown workspace.
	GetWorkspaceRole(ctx context.Context, userID, workspaceID string) (Role, error)
	// ListUserWorkspaces returns all live workspaces of the user, newest first.
	ListUserWorkspaces(ctx context.Context, userID string) ([]Workspace, error)
	// CreateWorkspace creates a workspace that the user owns. It does not change the active workspace.
	CreateWorkspace(ctx context.Context, userID, name, description string) (workspaceID string, err error)
	// UpdateWorkspace replaces name and description; needs owner or editor.
	UpdateWorkspace(ctx context.Context, userID, workspaceID, name, description string) error
	// RemoveWorkspace deletes a workspace softly; needs owner. Every user who had it active is moved to another
	// membership, or to none.
	RemoveWorkspace(ctx context.Context, userID, workspaceID string) error
	// SetActiveWorkspace makes a workspace the user's active one; needs membership.
	SetActiveWorkspace(ctx context.Context, userID, workspaceID string) error
}

// Member is one user's place in a workspace.
type Member struct {
	UserID string
	Email  string
	Role   Role
}

// WorkspaceAccessStore is the optional ability to manage members (contract, workspaces-and-admin §7).
type WorkspaceAccessStore interface {
	// ListMembers returns the members, oldest first.
	ListMembers(ctx context.Context, workspaceID string) ([]Member, error)
	// SetMemberRole gives a user a role, adding the membership if there is none. It refuses with CodeConflict to
	// take the role from the last owner.
	SetMemberRole(ctx context.Context, workspaceID, userID string, role Role) error
	// RemoveMember ends a membership; it refuses with CodeConflict to remove the last owner and succeeds when
	// there is none.
	RemoveMember(ctx context.Context, workspaceID, userID string) error
}

// RoleChanger is the optional ability of a WorkspaceAccessStore to change roles without adding members.
type RoleChanger interface {
	// ChangeRole gives a member another role. Who is no member is CodeNotFound, and it refuses with CodeConflict to take the role from
	// the last owner.
	ChangeRole(ctx context.Context, workspaceID, userID string, role Role) error
}

// MemberManager is the optional ability to manage the members of a workspace for one of them. What the user named by may do
// is asked again in the transaction of the change: CodeForbidden if it does not suffice any more. A member or invite that
// is not there is CodeNotFound, and what would leave the workspace without an owner CodeConflict.
type MemberManager interface {
	// AdmitMember makes a user a member, for somebody with PermUsersManage; who is one already gets the role. An unknown user is
	// CodeNotFound.
	AdmitMember(ctx context.Context, by, workspaceID, userID string, role Role) error
	// ChangeMemberRole gives a member another role, for somebody with PermUsersManage.
	ChangeMemberRole(ctx context.Context, by, workspaceID, userID string, role Role) error
	// DismissMember ends a membership, for somebody with PermUsersManage or for the member. The former member has no access
	// from the next request on, and another active workspace.
	DismissMember(ctx context.Context, by, workspaceID, userID string) error
	// WithdrawInvite makes a pending invite worthless, for somebody with PermUsersManage.
	WithdrawInvite(ctx context.Context, by, workspaceID, inviteID string) error
}

// DeploymentAdminChecker is the optional ability of a workspace store to say who may administer the whole
// deployment (contract, auth §7). Without it nobody is a deployment admin.
type DeploymentAdminChecker interface {
	CheckDeploymentAdmin(ctx context.Context, providerUserID, provider string) (bool, error)
}
