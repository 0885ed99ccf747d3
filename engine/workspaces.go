package engine

import (
	"time"

	or3cloud "or3.chat/cloud"
)

type (
	identityRequest struct {
		Provider       string `json:"provider"`
		ProviderUserID string `json:"providerUserId"`
		Email          string `json:"email,omitempty"`
		DisplayName    string `json:"displayName,omitempty"`
		// Founder makes a new user a deployment administrator. Hosts need not set it: auth/session creates the users of
		// founders.
		Founder bool `json:"founder,omitempty"`
	}
	knownUser struct {
		// UserID is null if the identity is unknown.
		UserID *string `json:"userId"`
	}
	userID struct {
		UserID string `json:"userId"`
	}
	workspace struct {
		ID          string        `json:"id"`
		Name        string        `json:"name"`
		Description string        `json:"description,omitempty"`
		Role        or3cloud.Role `json:"role"`
		// CreatedAt is in Unix milliseconds.
		CreatedAt int64 `json:"createdAt"`
		IsActive  bool  `json:"isActive"`
	}
	defaultWorkspace struct {
		WorkspaceID   string    `json:"workspaceId"`
		WorkspaceName string    `json:"workspaceName"`
		Workspace     workspace `json:"workspace"`
		// Created says that this call has created it.
		Created bool `json:"created"`
	}
	workspaceOfUser struct {
		UserID      string `json:"userId"`
		WorkspaceID string `json:"workspaceId"`
	}
	roleAnswer struct {
		// Role is null for someone who is not a member, and for a deleted or unknown workspace.
		Role *or3cloud.Role `json:"role"`
	}
	workspaceList struct {
		Workspaces []workspace `json:"workspaces"`
	}
	newWorkspace struct {
		UserID      string `json:"userId"`
		Name        string `json:"name"`
		Description string `json:"description,omitempty"`
	}
	workspaceID struct {
		WorkspaceID string `json:"workspaceId"`
	}
	changedWorkspace struct {
		workspaceOfUser
		Name        string `json:"name"`
		Description string `json:"description,omitempty"`
	}
	newInvite struct {
		WorkspaceID     string        `json:"workspaceId"`
		Email           string        `json:"email"`
		Role            or3cloud.Role `json:"role"`
		InvitedByUserID string        `json:"invitedByUserId,omitempty"`
		// ExpiresAt is in Unix seconds.
		ExpiresAt int64  `json:"expiresAt"`
		TokenHash string `json:"tokenHash"`
	}
	inviteID struct {
		InviteID string `json:"inviteId"`
	}
	inviteFilter struct {
		WorkspaceID string                `json:"workspaceId"`
		Status      or3cloud.InviteStatus `json:"status,omitempty"`
		Limit       int                   `json:"limit,omitempty"`
	}
	// invite has its times in Unix seconds; they are null for what has not happened.
	invite struct {
		ID              string                `json:"id"`
		WorkspaceID     string                `json:"workspaceId"`
		Email           string                `json:"email"`
		Role            or3cloud.Role         `json:"role"`
		Status          or3cloud.InviteStatus `json:"status"`
		InvitedByUserID string                `json:"invitedByUserId,omitempty"`
		TokenHash       string                `json:"tokenHash"`
		AcceptedUserID  string                `json:"acceptedUserId,omitempty"`
		CreatedAt       int64                 `json:"createdAt"`
		UpdatedAt       int64                 `json:"updatedAt"`
		ExpiresAt       int64                 `json:"expiresAt"`
		AcceptedAt      *int64                `json:"acceptedAt"`
		RevokedAt       *int64                `json:"revokedAt"`
	}
	inviteList struct {
		Invites []invite `json:"invites"`
	}
	inviteOfWorkspace struct {
		WorkspaceID string `json:"workspaceId"`
		InviteID    string `json:"inviteId"`
	}
	inviteQuestion struct {
		WorkspaceID string `json:"workspaceId"`
		Email       string `json:"email,omitempty"`
		TokenHash   string `json:"tokenHash"`
	}
	inviteVerdict struct {
		OK bool `json:"ok"`
		// Role is given with ok, Reason without it.
		Role   or3cloud.Role          `json:"role,omitempty"`
		Reason or3cloud.InviteRefusal `json:"reason,omitempty"`
		// UserID is who has accepted it.
		UserID string `json:"userId,omitempty"`
	}
	inviteAcceptance struct {
		identityRequest
		WorkspaceID string `json:"workspaceId"`
		TokenHash   string `json:"tokenHash"`
	}
	workspaceIDPage struct {
		// After is the last id of the previous page; absent for the first.
		After string `json:"after,omitempty"`
	}
	workspaceIDs struct {
		// WorkspaceIDs is empty after the last page.
		WorkspaceIDs []string `json:"workspaceIds"`
	}
	adminAnswer struct {
		DeploymentAdmin bool `json:"deploymentAdmin"`
	}
)

func (i identityRequest) identity() or3cloud.ExternalIdentity {
	return or3cloud.ExternalIdentity{Provider: i.Provider, ProviderUserID: i.ProviderUserID, Email: i.Email, DisplayName: i.DisplayName, Founder: i.Founder}
}

func wireWorkspace(ws or3cloud.Workspace) workspace {
	return workspace{
		ID: ws.ID, Name: ws.Name, Description: ws.Description, Role: ws.Role, CreatedAt: ws.CreatedAt.UnixMilli(), IsActive: ws.Active,
	}
}

func workspaceMethods() []method {
	type store = or3cloud.AuthWorkspaceStore
	users := by[store](or3cloud.ProviderSync)
	return append([]method{
		does("workspaces/get-user", "AuthWorkspaceStore.getUser.", users, func(c call, s store, in identityRequest) (out knownUser, err error) {
			id, err := s.GetUser(c, in.identity())
			if id != "" {
				out.UserID = &id
			}
			return out, err
		}),
		does("workspaces/get-or-create-user", "AuthWorkspaceStore.getOrCreateUser.", users, func(c call, s store, in identityRequest) (out userID, err error) {
			out.UserID, err = s.GetOrCreateUser(c, in.identity())
			return out, err
		}),
		does("workspaces/get-or-create-default-workspace", "AuthWorkspaceStore.getOrCreateDefaultWorkspace.", users,
			func(c call, s store, in userID) (out defaultWorkspace, err error) {
				ws, err := s.GetOrCreateDefaultWorkspace(c, in.UserID)
				return defaultWorkspace{ws.ID, ws.Name, wireWorkspace(ws), ws.Created}, err
			}),
		does("workspaces/get-workspace-role", "AuthWorkspaceStore.getWorkspaceRole.", users, func(c call, s store, in workspaceOfUser) (out roleAnswer, err error) {
			role, err := s.GetWorkspaceRole(c, in.UserID, in.WorkspaceID)
			if role != "" {
				out.Role = &role
			}
			return out, err
		}),
		does("workspaces/list-user-workspaces", "AuthWorkspaceStore.listUserWorkspaces.", users, func(c call, s store, in userID) (out workspaceList, err error) {
			all, err := s.ListUserWorkspaces(c, in.UserID)
			out.Workspaces = []workspace{}
			for _, ws := range all {
				out.Workspaces = append(out.Workspaces, wireWorkspace(ws))
			}
			return out, err
		}),
		does("workspaces/create-workspace", "AuthWorkspaceStore.createWorkspace.", users, func(c call, s store, in newWorkspace) (out workspaceID, err error) {
			if err = or3cloud.CheckWorkspaceTexts(in.Name, in.Description); err == nil {
				out.WorkspaceID, err = s.CreateWorkspace(c, in.UserID, in.Name, in.Description)
			}
			return out, err
		}),
		does("workspaces/update-workspace", "AuthWorkspaceStore.updateWorkspace.", users, func(c call, s store, in changedWorkspace) (out nothing, err error) {
			if err = or3cloud.CheckWorkspaceTexts(in.Name, in.Description); err == nil {
				err = s.UpdateWorkspace(c, in.UserID, in.WorkspaceID, in.Name, in.Description)
			}
			return out, err
		}),
		does("workspaces/remove-workspace", "AuthWorkspaceStore.removeWorkspace.", users, func(c call, s store, in workspaceOfUser) (nothing, error) {
			return nothing{}, s.RemoveWorkspace(c, in.UserID, in.WorkspaceID)
		}),
		does("workspaces/set-active-workspace", "AuthWorkspaceStore.setActiveWorkspace.", users, func(c call, s store, in workspaceOfUser) (nothing, error) {
			return nothing{}, s.SetActiveWorkspace(c, in.UserID, in.WorkspaceID)
		}),
		does("workspaces/list-workspace-ids", "SyncGatewayAdapter.listWorkspaceIds, in pages: the live workspaces, oldest first.",
			by[or3cloud.WorkspaceLister](or3cloud.ProviderSync), func(c call, s or3cloud.WorkspaceLister, in workspaceIDPage) (out workspaceIDs, err error) {
				found, err := s.ListWorkspaceIDs(c, in.After, maxFound)
				out.WorkspaceIDs = append([]string{}, found...)
				return out, err
			}),
		does("workspaces/check-deployment-admin", "DeploymentAdminChecker.checkDeploymentAdmin.", by[or3cloud.DeploymentAdminChecker](or3cloud.ProviderSync),
			func(c call, s or3cloud.DeploymentAdminChecker, in identityRequest) (out adminAnswer, err error) {
				out.DeploymentAdmin, err = s.CheckDeploymentAdmin(c, in.ProviderUserID, in.Provider)
				return out, err
			}),
	}, inviteMethods()...)
}

func inviteMethods() []method {
	type store = or3cloud.InviteStore
	invites := by[store](or3cloud.ProviderSync)
	return []method{
		does("workspaces/create-invite", "AuthWorkspaceStore.createInvite.", invites, func(c call, s store, in newInvite) (out inviteID, err error) {
			if err := known(in.Role); err != nil {
				return out, err
			}
			out.InviteID, err = s.CreateInvite(c, or3cloud.Invite{
				WorkspaceID: in.WorkspaceID, Email: in.Email, Role: in.Role, InvitedByUserID: in.InvitedByUserID,
				TokenHash: in.TokenHash, ExpiresAt: time.Unix(in.ExpiresAt, 0),
			})
			return out, err
		}),
		does("workspaces/list-invites", "AuthWorkspaceStore.listInvites.", invites, func(c call, s store, in inviteFilter) (out inviteList, err error) {
			all, err := s.ListInvites(c, in.WorkspaceID, in.Status, in.Limit)
			out.Invites = []invite{}
			for _, i := range all {
				out.Invites = append(out.Invites, invite{
					ID: i.ID, WorkspaceID: i.WorkspaceID, Email: i.Email, Role: i.Role, Status: i.Status, InvitedByUserID: i.InvitedByUserID,
					TokenHash: i.TokenHash, AcceptedUserID: i.AcceptedUserID, CreatedAt: i.CreatedAt.Unix(), UpdatedAt: i.UpdatedAt.Unix(),
					ExpiresAt: i.ExpiresAt.Unix(), AcceptedAt: when(i.AcceptedAt), RevokedAt: when(i.RevokedAt),
				})
			}
			return out, err
		}),
		does("workspaces/revoke-invite", "AuthWorkspaceStore.revokeInvite.", invites, func(c call, s store, in inviteOfWorkspace) (nothing, error) {
			return nothing{}, s.RevokeInvite(c, in.WorkspaceID, in.InviteID)
		}),
		does("workspaces/validate-invite", "AuthWorkspaceStore.validateInvite.", invites, func(c call, s store, in inviteQuestion) (out inviteVerdict, err error) {
			out.Role, out.Reason, err = s.ValidateInvite(c, in.WorkspaceID, in.Email, in.TokenHash)
			out.OK = out.Reason == ""
			return out, err
		}),
		does("workspaces/accept-invite", "AuthWorkspaceStore.acceptInviteAndProvisionUser.", invites,
			func(c call, s store, in inviteAcceptance) (out inviteVerdict, err error) {
				out.UserID, out.Reason, err = s.AcceptInvite(c, in.identity(), in.WorkspaceID, in.TokenHash)
				out.OK = out.Reason == ""
				return out, err
			}),
	}
}

func known(r or3cloud.Role) error {
	if r.Valid() {
		return nil
	}
	return or3cloud.Errorf(or3cloud.CodeInvalid, "The role must be owner, editor or viewer")
}

func when(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}
