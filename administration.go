package or3cloud

import (
	"context"
	"time"
)

// User is a user of a workspace store as an operator sees them.
type User struct {
	ID string
	// Email and DisplayName are those of the first sign-in; empty when unknown.
	Email       string
	DisplayName string
}

// UserDirectory is the optional ability of an AuthWorkspaceStore to look users up for an operator (contract, workspaces-and-admin
// §7, searchUsers).
type UserDirectory interface {
	// SearchUsers returns users whose e-mail address, display name or id contains a text, whatever its case; no more than limit.
	SearchUsers(ctx context.Context, text string, limit int) ([]User, error)
}

// UserFinder is the optional ability of an AuthWorkspaceStore to say whom an operator means.
type UserFinder interface {
	// UsersNamed returns the users with an e-mail address, whatever its case, if name contains an @. Else it returns those with
	// an identity of this id, at one provider or, if that is empty, at any; and if there is none and provider is empty, the user
	// whose own id it is. Several may have an address or an id.
	UsersNamed(ctx context.Context, name, provider string) ([]User, error)
}

// WorkspaceSearch is what an operator looks for.
type WorkspaceSearch struct {
	// Text is contained in the name or the description, whatever its case; empty finds all.
	Text           string
	IncludeDeleted bool
	// Offset is how many of those that were found are passed over, and Limit how many are returned at most.
	Offset, Limit int
}

// WorkspaceAdministrator is the optional ability of an AuthWorkspaceStore to manage all workspaces, for an operator (contract,
// workspaces-and-admin §7). A workspace that never was is CodeNotFound.
type WorkspaceAdministrator interface {
	// SearchWorkspaces returns workspaces, newest first, and how many there are in all pages.
	SearchWorkspaces(ctx context.Context, in WorkspaceSearch) (page []WorkspaceSummary, total int, err error)
	// DescribeWorkspace returns a workspace, deleted or not.
	DescribeWorkspace(ctx context.Context, workspaceID string) (WorkspaceSummary, error)
	// SoftDeleteWorkspace does what RemoveWorkspace does for an owner. One that is deleted stays as it is.
	SoftDeleteWorkspace(ctx context.Context, workspaceID string) error
	// RestoreWorkspace takes a deletion back: members and content are there again, but for webhooks, and for files whose
	// retention has ended meanwhile. It refuses with CodeConflict if no owner is left, because the content then belonged to
	// users who were removed. One that is not deleted stays as it is.
	RestoreWorkspace(ctx context.Context, workspaceID string) error
}

// WorkspaceLister is the optional ability of an AuthWorkspaceStore to name all workspaces (contract, sync §10.8, listWorkspaceIds).
type WorkspaceLister interface {
	// ListWorkspaceIDs returns live workspaces, oldest first, that are younger than the one with the id after; empty begins.
	// There are no more when it returns none.
	ListWorkspaceIDs(ctx context.Context, after string, limit int) ([]string, error)
}

// The bounds of the settings of one workspace, in bytes and in number.
const (
	MaxSettingKey   = 200
	MaxSettingValue = 32 << 10
	MaxSettings     = 200
)

// WorkspaceSettings is the optional ability of an AuthWorkspaceStore to keep what a host's administration sets for a workspace:
// the enabled plugins, and so on (contract, workspaces-and-admin §5, §7). Whoever asks has authorised it.
type WorkspaceSettings interface {
	// WorkspaceSetting returns a value, and whether there is one. A workspace that never was has none.
	WorkspaceSetting(ctx context.Context, workspaceID, key string) (value string, found bool, err error)
	// SetWorkspaceSetting keeps a value. What is beyond the bounds is CodeInvalid, and a workspace that is deleted or never was
	// CodeNotFound.
	SetWorkspaceSetting(ctx context.Context, workspaceID, key, value string) error
}

// WorkspaceSettingsComparer is the optional ability of WorkspaceSettings to change what no one has changed meanwhile, so that of two
// administrators none overwrites what the other has done.
type WorkspaceSettingsComparer interface {
	WorkspaceSettings
	// CompareAndSetWorkspaceSetting keeps a value if the present one is expected, nil being none, and reports whether it has. What is
	// compared and what is kept is one transaction. The errors are those of SetWorkspaceSetting, whatever is expected.
	CompareAndSetWorkspaceSetting(ctx context.Context, workspaceID, key string, expected *string, value string) (done bool, err error)
}

// DeploymentAdmin is a user who may administer the whole deployment.
type DeploymentAdmin struct {
	User
	GrantedAt time.Time
}

// DeploymentAdminStore is the optional ability of an AuthWorkspaceStore to grant the administration of the whole deployment to
// users (contract, workspaces-and-admin §7, admin users). A store that has it is a DeploymentAdminChecker as well, and answers by
// the grants. Grants end with their user.
type DeploymentAdminStore interface {
	// ListDeploymentAdmins returns them, the oldest grant first.
	ListDeploymentAdmins(ctx context.Context) ([]DeploymentAdmin, error)
	// GrantDeploymentAdmin makes a user one, on behalf of another, or of an operator if by is empty. An unknown user is
	// CodeNotFound. Who is one already stays it.
	GrantDeploymentAdmin(ctx context.Context, userID, by string) error
	// RevokeDeploymentAdmin ends a grant, if there is one.
	RevokeDeploymentAdmin(ctx context.Context, userID string) error
	// IsDeploymentAdmin reports whether a user is one.
	IsDeploymentAdmin(ctx context.Context, userID string) (bool, error)
}
