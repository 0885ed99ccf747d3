package or3cloud

import (
	"context"
	"time"
)

// User is a user of a workspace store, as an operator sees them.
type User struct {
	ID string
	// Email and DisplayName are those of the first sign-in. They are empty if unknown.
	Email       string
	DisplayName string
}

// UserDirectory is the optional ability of an AuthWorkspaceStore to look users up for an operator (contract,
// workspaces-and-admin §7, searchUsers).
type UserDirectory interface {
	// SearchUsers returns at most limit users whose e-mail address, display name or id contains a text, ignoring case.
	SearchUsers(ctx context.Context, text string, limit int) ([]User, error)
}

// UserFinder is the optional ability of an AuthWorkspaceStore to find the user whom an operator names.
type UserFinder interface {
	// UsersNamed returns the users with this e-mail address, ignoring case, if name contains an @. Otherwise it returns
	// the users with an identity of this id, at one provider or, if provider is empty, at any. If there is none and
	// provider is empty, it returns the user with this internal id. Several users can share an address or an id.
	UsersNamed(ctx context.Context, name, provider string) ([]User, error)
}

// WorkspaceSearch is an operator's search for workspaces.
type WorkspaceSearch struct {
	// Text matches workspaces whose name or description contains it, ignoring case. Empty matches all.
	Text           string
	IncludeDeleted bool
	// Offset is the number of matches to skip, and Limit the largest number to return.
	Offset, Limit int
}

// WorkspaceAdministrator is the optional ability of an AuthWorkspaceStore to manage all workspaces, for an operator
// (contract, workspaces-and-admin §7). A workspace that never existed is CodeNotFound.
type WorkspaceAdministrator interface {
	// SearchWorkspaces returns a page of workspaces, newest first, and the total number of matches.
	SearchWorkspaces(ctx context.Context, in WorkspaceSearch) (page []WorkspaceSummary, total int, err error)
	// DescribeWorkspace returns a workspace, deleted or not.
	DescribeWorkspace(ctx context.Context, workspaceID string) (WorkspaceSummary, error)
	// SoftDeleteWorkspace does what RemoveWorkspace does for an owner. It does nothing if the workspace is already
	// deleted.
	SoftDeleteWorkspace(ctx context.Context, workspaceID string) error
	// RestoreWorkspace undoes a deletion. It brings back members and content, except webhooks and files whose retention
	// has ended. It fails with CodeConflict if no owner is left, because the content then belonged to users who were
	// removed. It does nothing if the workspace is not deleted.
	RestoreWorkspace(ctx context.Context, workspaceID string) error
}

// WorkspaceLister is the optional ability of an AuthWorkspaceStore to list all workspaces (contract, sync §10.8,
// listWorkspaceIds).
type WorkspaceLister interface {
	// ListWorkspaceIDs returns live workspaces created after the one with the id after, oldest first. An empty after
	// starts from the beginning, and an empty result means the end.
	ListWorkspaceIDs(ctx context.Context, after string, limit int) ([]string, error)
}

// Limits on the settings of one workspace, in bytes and in number.
const (
	MaxSettingKey   = 200
	MaxSettingValue = 32 << 10
	MaxSettings     = 200
)

// WorkspaceSettings is the optional ability of an AuthWorkspaceStore to keep what a host's administration sets for a
// workspace, such as the enabled plugins (contract, workspaces-and-admin §5, §7). The caller has authorised the
// request.
type WorkspaceSettings interface {
	// WorkspaceSetting returns a value and whether it exists. A workspace that never existed has none.
	WorkspaceSetting(ctx context.Context, workspaceID, key string) (value string, found bool, err error)
	// SetWorkspaceSetting stores a value. A value beyond the limits is CodeInvalid; a workspace that is deleted or
	// never existed is CodeNotFound.
	SetWorkspaceSetting(ctx context.Context, workspaceID, key, value string) error
}

// WorkspaceSettingsComparer is the optional ability of WorkspaceSettings to change a value only if it has not changed
// meanwhile, so that two administrators do not overwrite each other's changes.
type WorkspaceSettingsComparer interface {
	WorkspaceSettings
	// CompareAndSetWorkspaceSetting stores a value if the current one equals expected, where nil means none, and
	// reports whether it did. It compares and stores in one transaction. Its errors are those of SetWorkspaceSetting,
	// whatever expected is.
	CompareAndSetWorkspaceSetting(ctx context.Context, workspaceID, key string, expected *string, value string) (done bool, err error)
}

// DeploymentAdmin is a user who may administer the whole deployment.
type DeploymentAdmin struct {
	User
	GrantedAt time.Time
}

// DeploymentAdminStore is the optional ability of an AuthWorkspaceStore to make users administrators of the whole
// deployment (contract, workspaces-and-admin §7, admin users). Such a store is also a DeploymentAdminChecker that
// answers from the grants. Removing a user ends their grant.
type DeploymentAdminStore interface {
	// ListDeploymentAdmins returns all administrators, oldest grant first.
	ListDeploymentAdmins(ctx context.Context) ([]DeploymentAdmin, error)
	// GrantDeploymentAdmin makes a user an administrator on behalf of another user, or of the operator if by is empty.
	// An unknown user is CodeNotFound. It does nothing if the user already is one.
	GrantDeploymentAdmin(ctx context.Context, userID, by string) error
	// RevokeDeploymentAdmin ends a grant, if there is one.
	RevokeDeploymentAdmin(ctx context.Context, userID string) error
	// IsDeploymentAdmin reports whether a user is an administrator.
	IsDeploymentAdmin(ctx context.Context, userID string) (bool, error)
}
