package engine

import (
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
)

type (
	member struct {
		UserID string        `json:"userId"`
		Email  string        `json:"email,omitempty"`
		Role   or3cloud.Role `json:"role"`
	}
	memberList struct {
		Members []member `json:"members"`
	}
	memberRole struct {
		workspaceOfUser
		Role or3cloud.Role `json:"role"`
	}
	workspaceSearch struct {
		// IDOrName is an id or a full name; empty finds all.
		IDOrName string `json:"idOrName,omitempty"`
		Limit    int    `json:"limit"`
	}
	workspaceSummaries struct {
		Workspaces []or3cloud.WorkspaceSummary `json:"workspaces"`
	}
	memberUpsert struct {
		WorkspaceID string `json:"workspaceId"`
		// EmailOrProviderID is an address if it has an @, otherwise the id of a user at an auth provider.
		EmailOrProviderID string        `json:"emailOrProviderId"`
		Role              or3cloud.Role `json:"role"`
		// Provider is the auth provider; without it, any.
		Provider string `json:"provider,omitempty"`
	}
	userSearch struct {
		Query string `json:"query,omitempty"`
		// Limit is 1 to 100; the default is 20.
		Limit int `json:"limit,omitempty"`
	}
	listedUser struct {
		UserID      string `json:"userId"`
		Email       string `json:"email,omitempty"`
		DisplayName string `json:"displayName,omitempty"`
	}
	userList struct {
		Users []listedUser `json:"users"`
	}
	workspaceListing struct {
		// Search is contained in the name or the description, ignoring case.
		Search         string `json:"search,omitempty"`
		IncludeDeleted bool   `json:"includeDeleted,omitempty"`
		// Page is 1 for the first.
		Page    int `json:"page"`
		PerPage int `json:"perPage"`
	}
	// overview is the host's WorkspaceSummary. Times are in Unix milliseconds.
	overview struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		Description string `json:"description,omitempty"`
		CreatedAt   int64  `json:"createdAt"`
		Deleted     bool   `json:"deleted"`
		DeletedAt   int64  `json:"deletedAt,omitempty"`
		OwnerUserID string `json:"ownerUserId,omitempty"`
		OwnerEmail  string `json:"ownerEmail,omitempty"`
		MemberCount int    `json:"memberCount"`
	}
	overviewPage struct {
		Items []overview `json:"items"`
		Total int        `json:"total"`
	}
	overviewAnswer struct {
		// Workspace is null if it never existed.
		Workspace *overview `json:"workspace"`
	}
	ownedWorkspace struct {
		Name        string `json:"name"`
		Description string `json:"description,omitempty"`
		OwnerUserID string `json:"ownerUserId"`
	}
	settingKey struct {
		WorkspaceID string `json:"workspaceId"`
		Key         string `json:"key"`
	}
	settingValue struct {
		// Value is null if nothing is set.
		Value *string `json:"value"`
	}
	settingChange struct {
		settingKey
		Value string `json:"value,omitempty"`
	}
	deploymentAdmin struct {
		listedUser
		// CreatedAt is when it was granted, in Unix milliseconds.
		CreatedAt int64 `json:"createdAt"`
	}
	adminList struct {
		Admins []deploymentAdmin `json:"admins"`
	}
	adminGrant struct {
		UserID string `json:"userId"`
		// CreatedByUserID is the user who grants it; anyone who is not a user, such as a super admin, is recorded as an
		// operator.
		CreatedByUserID string `json:"createdByUserId,omitempty"`
	}
	isAdmin struct {
		IsAdmin bool `json:"isAdmin"`
	}
)

// upserting is what is needed to find a member by a name.
type upserting interface {
	or3cloud.AuthWorkspaceStore
	or3cloud.WorkspaceAccessStore
	or3cloud.UserFinder
}

// named returns the user whom an administrator means, as instance.UserNamed does. The host may know identities of other
// providers than the engine: a person who signs in with one of those gets the user that is created here.
func (c call) named(s upserting, in memberUpsert) (string, error) {
	name, auth := strings.TrimSpace(in.EmailOrProviderID), c.engine.instance.Plan().Auth.ID
	id, err := c.engine.instance.UserNamed(c, name, in.Provider)
	accounts := instance.Ability[or3cloud.AccountAdmin](c.engine.running.Load().providers, or3cloud.ProviderAuth)
	elsewhere := in.Provider != "" && (in.Provider != auth || accounts == nil)
	if elsewhere && !strings.Contains(name, "@") && or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
		return s.GetOrCreateUser(c, or3cloud.ExternalIdentity{Provider: in.Provider, ProviderUserID: name})
	}
	return id, err
}

func wireUser(u or3cloud.User) listedUser {
	return listedUser{UserID: u.ID, Email: u.Email, DisplayName: u.DisplayName}
}

func wireOverview(w or3cloud.WorkspaceSummary) overview {
	o := overview{
		ID: w.ID, Name: w.Name, Description: w.Description, CreatedAt: w.CreatedAt.UnixMilli(), Deleted: !w.DeletedAt.IsZero(),
		OwnerUserID: w.OwnerUserID, OwnerEmail: w.Owner, MemberCount: w.Members,
	}
	if o.Deleted {
		o.DeletedAt = w.DeletedAt.UnixMilli()
	}
	return o
}

// accessMethods are the host's workspace access store.
func accessMethods() []method {
	return append(memberMethods(),
		does("access/upsert-member", "WorkspaceAccessStore.upsertMember. An address without a user is 404: invite its owner.",
			by[upserting](or3cloud.ProviderSync), func(c call, s upserting, in memberUpsert) (out userID, err error) {
				if err = known(in.Role); err == nil {
					out.UserID, err = c.named(s, in)
				}
				if err == nil {
					err = s.SetMemberRole(c, in.WorkspaceID, out.UserID, in.Role)
				}
				return out, err
			}),
		does("access/search-users", "WorkspaceAccessStore.searchUsers, AdminUserStore.searchUsers. A blank query finds no one.",
			by[or3cloud.UserDirectory](or3cloud.ProviderSync), func(c call, s or3cloud.UserDirectory, in userSearch) (out userList, err error) {
				const usual, most = 20, 100
				if in.Limit == 0 {
					in.Limit = usual
				}
				out.Users = []listedUser{}
				query := strings.TrimSpace(in.Query)
				if query == "" {
					return out, nil
				}
				found, err := s.SearchUsers(c, query, min(max(in.Limit, 1), most))
				for _, u := range found {
					out.Users = append(out.Users, wireUser(u))
				}
				return out, err
			}),
		does("access/create-workspace", "WorkspaceAccessStore.createWorkspace.", by[or3cloud.AuthWorkspaceStore](or3cloud.ProviderSync),
			func(c call, s or3cloud.AuthWorkspaceStore, in ownedWorkspace) (out workspaceID, err error) {
				if err = or3cloud.CheckWorkspaceTexts(in.Name, in.Description); err != nil {
					return out, err
				}
				out.WorkspaceID, err = s.CreateWorkspace(c, in.OwnerUserID, in.Name, in.Description)
				if or3cloud.CodeOf(err) == or3cloud.CodeForbidden { // only a user may
					err = or3cloud.Errorf(or3cloud.CodeNotFound, "Owner user not found")
				}
				return out, err
			}),
		allWorkspaces("access/list-workspaces", "WorkspaceAccessStore.listWorkspaces.",
			func(c call, s or3cloud.WorkspaceAdministrator, in workspaceListing) (out overviewPage, err error) {
				const most = 100
				if in.Page < 1 || in.Page > maxPage || in.PerPage < 1 || in.PerPage > most {
					return out, or3cloud.Errorf(or3cloud.CodeInvalid, "A page must be 1 to %d and have 1 to %d workspaces", maxPage, most)
				}
				found, total, err := s.SearchWorkspaces(c, or3cloud.WorkspaceSearch{
					Text: strings.TrimSpace(in.Search), IncludeDeleted: in.IncludeDeleted, Offset: (in.Page - 1) * in.PerPage, Limit: in.PerPage,
				})
				out = overviewPage{[]overview{}, total}
				for _, w := range found {
					out.Items = append(out.Items, wireOverview(w))
				}
				return out, err
			}),
		allWorkspaces("access/get-workspace", "WorkspaceAccessStore.getWorkspace; deleted ones as well.",
			func(c call, s or3cloud.WorkspaceAdministrator, in workspaceID) (out overviewAnswer, err error) {
				w, err := s.DescribeWorkspace(c, in.WorkspaceID)
				switch or3cloud.CodeOf(err) {
				case "":
					found := wireOverview(w)
					out.Workspace = &found
				case or3cloud.CodeNotFound:
					err = nil
				}
				return out, err
			}),
		allWorkspaces("access/soft-delete-workspace", "WorkspaceAccessStore.softDeleteWorkspace. The engine sets the time.",
			func(c call, s or3cloud.WorkspaceAdministrator, in workspaceID) (nothing, error) {
				return nothing{}, s.SoftDeleteWorkspace(c, in.WorkspaceID)
			}),
		allWorkspaces("access/restore-workspace", "WorkspaceAccessStore.restoreWorkspace. One without an owner is 409.",
			func(c call, s or3cloud.WorkspaceAdministrator, in workspaceID) (nothing, error) {
				return nothing{}, s.RestoreWorkspace(c, in.WorkspaceID)
			}),
	)
}

// maxPage is the highest page number that can be requested.
const maxPage = 100_000

func allWorkspaces[In, Out any](name, help string, run func(call, or3cloud.WorkspaceAdministrator, In) (Out, error)) method {
	return does(name, help, by[or3cloud.WorkspaceAdministrator](or3cloud.ProviderSync), run)
}

// settingMethods are the host's workspace settings store and admin user store.
func settingMethods() []method {
	type grants = or3cloud.DeploymentAdminStore
	settings, admins := by[or3cloud.WorkspaceSettings](or3cloud.ProviderSync), by[grants](or3cloud.ProviderSync)
	return []method{
		does("settings/get", "WorkspaceSettingsStore.get.", settings, func(c call, s or3cloud.WorkspaceSettings, in settingKey) (out settingValue, err error) {
			value, found, err := s.WorkspaceSetting(c, in.WorkspaceID, in.Key)
			if found {
				out.Value = &value
			}
			return out, err
		}),
		does("settings/set", "WorkspaceSettingsStore.set.", settings, func(c call, s or3cloud.WorkspaceSettings, in settingChange) (nothing, error) {
			return nothing{}, s.SetWorkspaceSetting(c, in.WorkspaceID, in.Key, in.Value)
		}),
		does("admins/list", "AdminUserStore.listAdmins.", admins, func(c call, s grants, _ nothing) (out adminList, err error) {
			all, err := s.ListDeploymentAdmins(c)
			out.Admins = []deploymentAdmin{}
			for _, a := range all {
				out.Admins = append(out.Admins, deploymentAdmin{wireUser(a.User), a.GrantedAt.UnixMilli()})
			}
			return out, err
		}),
		does("admins/grant", "AdminUserStore.grantAdmin.", admins, func(c call, s grants, in adminGrant) (nothing, error) {
			return nothing{}, s.GrantDeploymentAdmin(c, in.UserID, in.CreatedByUserID)
		}),
		does("admins/revoke", "AdminUserStore.revokeAdmin.", admins, func(c call, s grants, in userID) (nothing, error) {
			return nothing{}, s.RevokeDeploymentAdmin(c, in.UserID)
		}),
		does("admins/is-admin", "AdminUserStore.isAdmin.", admins, func(c call, s grants, in userID) (out isAdmin, err error) {
			out.IsAdmin, err = s.IsDeploymentAdmin(c, in.UserID)
			return out, err
		}),
	}
}

func memberMethods() []method {
	type store = or3cloud.WorkspaceAccessStore
	access := by[store](or3cloud.ProviderSync)
	return []method{
		does("access/list-members", "WorkspaceAccessStore.listMembers.", access, func(c call, s store, in workspaceID) (out memberList, err error) {
			all, err := s.ListMembers(c, in.WorkspaceID)
			out.Members = []member{}
			for _, m := range all {
				out.Members = append(out.Members, member{m.UserID, m.Email, m.Role})
			}
			return out, err
		}),
		does("access/set-member-role", "WorkspaceAccessStore.setMemberRole; a user who is not a member becomes one.", access, func(c call, s store, in memberRole) (nothing, error) {
			if err := known(in.Role); err != nil {
				return nothing{}, err
			}
			return nothing{}, s.SetMemberRole(c, in.WorkspaceID, in.UserID, in.Role)
		}),
		does("access/remove-member", "WorkspaceAccessStore.removeMember.", access, func(c call, s store, in workspaceOfUser) (nothing, error) {
			return nothing{}, s.RemoveMember(c, in.WorkspaceID, in.UserID)
		}),
		does("access/find-workspaces", "The live workspaces with an id or a name.", by[or3cloud.WorkspaceDirectory](or3cloud.ProviderSync),
			func(c call, s or3cloud.WorkspaceDirectory, in workspaceSearch) (out workspaceSummaries, err error) {
				if in.Limit < 1 || in.Limit > maxFound {
					return out, or3cloud.Errorf(or3cloud.CodeInvalid, "The limit must be 1 to %d", maxFound)
				}
				found, err := s.FindWorkspaces(c, in.IDOrName, in.Limit)
				out.Workspaces = append([]or3cloud.WorkspaceSummary{}, found...)
				return out, err
			}),
	}
}

// maxFound is how many workspaces one search returns.
const maxFound = 1000
