package or3cloud

import (
	"context"
	"time"
	"unicode/utf16"
)

// Role determines what a member may do in one workspace (contract, auth §3).
type Role string

// The roles, strongest first. The empty Role means "not a member".
const (
	RoleOwner  Role = "owner"
	RoleEditor Role = "editor"
	RoleViewer Role = "viewer"
)

// Valid reports whether r is one of the three roles.
func (r Role) Valid() bool { return r == RoleOwner || r == RoleEditor || r == RoleViewer }

// ExternalIdentity is a user as an auth provider knows them.
type ExternalIdentity struct {
	// Provider and ProviderUserID together are the key. Email is never part of it, because it is not verified.
	Provider       string
	ProviderUserID string
	// Email and DisplayName are recorded when the user is created. Later sign-ins do not change them.
	Email       string
	DisplayName string
	// Founder makes the user a deployment administrator when it is created, in the same transaction, if the store has
	// the ability DeploymentAdminStore. This happens once per identity: after the grant or the user has been removed,
	// it does not happen again. It has no effect for an existing user.
	Founder bool
}

// Workspace is a tenant, as one of its members sees it.
type Workspace struct {
	ID   string
	Name string
	// Description may be empty.
	Description string
	// Role is the role of the member who asked.
	Role      Role
	CreatedAt time.Time
	// Active reports whether this is the member's active workspace.
	Active bool
	// Created reports that this call created the workspace. Only GetOrCreateDefaultWorkspace sets it.
	Created bool
}

// Limits on a workspace's name and description, in UTF-16 code units (contract, workspaces-and-admin §1).
const (
	MaxWorkspaceName        = 100
	MaxWorkspaceDescription = 1000
)

// CheckWorkspaceTexts checks the trimmed name and description of a workspace. It returns CodeInvalid, in the words of
// the contract.
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

// AuthWorkspaceStore maps external identities to internal users, workspaces and roles (requirement 3.1; contract, auth
// §5). It is looked up under the id of the sync provider. Reads must see every completed write. The host does not cache
// roles, so a removed member loses access with the next request.
//
// The caller has trimmed and checked names and descriptions (CheckWorkspaceTexts). Methods that act for a user return
// CodeForbidden if the role does not suffice or the user is not a member. They return CodeNotFound if the workspace
// does not exist, or if it was deleted and the user was a member of it.
type AuthWorkspaceStore interface {
	// GetUser returns the internal id of an identity, or "" if it is unknown.
	GetUser(ctx context.Context, id ExternalIdentity) (userID string, err error)
	// GetOrCreateUser returns the internal id of an identity, creating the user if it is unknown. Concurrent calls for
	// one identity agree on one user.
	GetOrCreateUser(ctx context.Context, id ExternalIdentity) (userID string, err error)
	// GetOrCreateDefaultWorkspace returns the user's active workspace if it is usable, otherwise the oldest membership
	// (which becomes the active one), otherwise a new workspace "My Workspace" that the user owns.
	GetOrCreateDefaultWorkspace(ctx context.Context, userID string) (Workspace, error)
	// GetWorkspaceRole returns the user's role. It is "" if the user is not a member, or if the workspace is deleted or
	// unknown.
	GetWorkspaceRole(ctx context.Context, userID, workspaceID string) (Role, error)
	// ListUserWorkspaces returns all live workspaces of the user, newest first.
	ListUserWorkspaces(ctx context.Context, userID string) ([]Workspace, error)
	// CreateWorkspace creates a workspace that the user owns. It does not change the active workspace.
	CreateWorkspace(ctx context.Context, userID, name, description string) (workspaceID string, err error)
	// UpdateWorkspace replaces name and description. It requires an owner or editor.
	UpdateWorkspace(ctx context.Context, userID, workspaceID, name, description string) error
	// RemoveWorkspace soft-deletes a workspace. It requires an owner. Every user who had it active is moved to another
	// membership, or to none.
	RemoveWorkspace(ctx context.Context, userID, workspaceID string) error
	// SetActiveWorkspace makes a workspace the user's active one. It requires membership.
	SetActiveWorkspace(ctx context.Context, userID, workspaceID string) error
}

// Member is one user's membership in a workspace.
type Member struct {
	UserID string
	Email  string
	Role   Role
}

// WorkspaceAccessStore is the optional ability to manage members (contract, workspaces-and-admin §7).
type WorkspaceAccessStore interface {
	// ListMembers returns the members, oldest first.
	ListMembers(ctx context.Context, workspaceID string) ([]Member, error)
	// SetMemberRole sets the role of a user, adding the membership if there is none. It returns CodeConflict instead of
	// demoting the last owner.
	SetMemberRole(ctx context.Context, workspaceID, userID string, role Role) error
	// RemoveMember ends a membership. It returns CodeConflict instead of removing the last owner, and succeeds if there
	// is not a membership.
	RemoveMember(ctx context.Context, workspaceID, userID string) error
}

// RoleChanger is the optional ability of a WorkspaceAccessStore to change roles without adding members.
type RoleChanger interface {
	// ChangeRole changes the role of a member. It returns CodeNotFound if the user is not a member, and CodeConflict
	// instead of demoting the last owner.
	ChangeRole(ctx context.Context, workspaceID, userID string, role Role) error
}

// MemberManager is the optional ability to manage the members of a workspace on behalf of one of them. The transaction
// of the change checks again what the user by may do: CodeForbidden if that does not suffice any more. A missing member
// or invite is CodeNotFound. A change that would leave the workspace without an owner is CodeConflict.
type MemberManager interface {
	// AdmitMember makes a user a member, on behalf of a user with PermUsersManage. An existing member gets the role. An
	// unknown user is CodeNotFound.
	AdmitMember(ctx context.Context, by, workspaceID, userID string, role Role) error
	// ChangeMemberRole changes the role of a member, on behalf of a user with PermUsersManage.
	ChangeMemberRole(ctx context.Context, by, workspaceID, userID string, role Role) error
	// DismissMember ends a membership, on behalf of a user with PermUsersManage or of the member. From the next request
	// on, the former member has no access and another active workspace.
	DismissMember(ctx context.Context, by, workspaceID, userID string) error
	// WithdrawInvite revokes a pending invite, on behalf of a user with PermUsersManage.
	WithdrawInvite(ctx context.Context, by, workspaceID, inviteID string) error
}

// DeploymentAdminChecker is the optional ability of a workspace store to tell who may administer the whole deployment
// (contract, auth §7). Without it, there are no deployment admins.
type DeploymentAdminChecker interface {
	CheckDeploymentAdmin(ctx context.Context, providerUserID, provider string) (bool, error)
}
