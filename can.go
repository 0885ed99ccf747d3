package or3cloud

// Permission is something that a session may be allowed to do (contract, auth §3).
type Permission string

// The permissions.
const (
	PermWorkspaceRead           Permission = "workspace.read"
	PermWorkspaceWrite          Permission = "workspace.write"
	PermWorkspaceSettingsManage Permission = "workspace.settings.manage"
	PermUsersManage             Permission = "users.manage"
	PermPluginsManage           Permission = "plugins.manage"
	PermAdminAccess             Permission = "admin.access"
)

// rolePermissions is the whole role table. No role includes admin.access, which comes with the deployment-admin flag.
var rolePermissions = map[Role]map[Permission]bool{
	RoleOwner: {
		PermWorkspaceRead: true, PermWorkspaceWrite: true, PermWorkspaceSettingsManage: true,
		PermUsersManage: true, PermPluginsManage: true,
	},
	RoleEditor: {PermWorkspaceRead: true, PermWorkspaceWrite: true},
	RoleViewer: {PermWorkspaceRead: true},
}

// Resource is the object of a permission check.
type Resource struct {
	// Kind is "workspace" for workspace-scoped checks.
	Kind string
	// ID is the resource's id. An empty id is not compared.
	ID string
}

// WorkspaceResource returns the Resource of a workspace.
func WorkspaceResource(id string) Resource { return Resource{Kind: "workspace", ID: id} }

// DenyReason is the reason for a negative Decision.
type DenyReason string

// The reasons.
const (
	DenyUnauthenticated DenyReason = "unauthenticated"
	DenyForbidden       DenyReason = "forbidden"
)

// Decision is the result of Can.
type Decision struct {
	Allowed    bool
	Permission Permission
	Resource   Resource
	// Reason is empty if Allowed.
	Reason      DenyReason
	UserID      string
	WorkspaceID string
	Role        Role
}

// DecisionFilter is a hook that sees each final decision and may turn an allow into a deny. Turning a deny into an
// allow has no effect.
type DecisionFilter func(Decision, *SessionContext) Decision

// Can is the only authorization gate (requirement 2.4). It decides from the session alone: the role table, the
// deployment-admin flag, and the rule that a workspace-scoped check must concern the workspace that the session was
// resolved for. Filters run in order on the final decision, not on the two early denials, and can only deny.
func Can(s *SessionContext, p Permission, res Resource, filters ...DecisionFilter) Decision {
	d := Decision{Permission: p, Resource: res}
	if s == nil || !s.Authenticated {
		d.Reason = DenyUnauthenticated
		return d
	}
	d.UserID, d.WorkspaceID, d.Role = s.User.ID, s.Workspace.ID, s.Role
	if s.Role == "" {
		d.Reason = DenyForbidden
		return d
	}
	d.Allowed = rolePermissions[s.Role][p] || (p == PermAdminAccess && s.DeploymentAdmin)
	if res.Kind == "workspace" && res.ID != "" && res.ID != s.Workspace.ID {
		d.Allowed = false
	}
	for _, f := range filters {
		was := d.Allowed
		d = f(d, s)
		d.Allowed = d.Allowed && was
	}
	if !d.Allowed && d.Reason == "" {
		d.Reason = DenyForbidden
	}
	if d.Allowed {
		d.Reason = ""
	}
	return d
}

// Err returns nil for an allowed decision, and otherwise the 401 or 403 that the contract prescribes.
func (d Decision) Err() error {
	switch {
	case d.Allowed:
		return nil
	case d.Reason == DenyUnauthenticated:
		return Errorf(CodeUnauthenticated, "Unauthorized")
	default:
		return Errorf(CodeForbidden, "Forbidden")
	}
}
