package workspaceapi

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
)

// The owners of a workspace manage its members and its invites. The shapes are those of the contract's admin endpoints
// (contract, workspaces-and-admin §5, §6); the workspace is the active one unless workspaceId names another.

const invalidRequest = "Invalid request"

// maxInvites is the longest list of invites (contract, auth §9).
const maxInvites = 500

// memberRoutes returns the endpoints that the store has abilities for.
func (a *API) memberRoutes() (routes []or3cloud.Route) {
	access, ok := a.opt.Store.(or3cloud.WorkspaceAccessStore)
	manager, managed := a.opt.Store.(or3cloud.MemberManager)
	if !ok || !managed {
		return nil
	}
	m := members{a, access, manager}
	routes = []or3cloud.Route{
		{Method: http.MethodGet, Path: "/api/workspaces/members", Handle: m.list},
		{Method: http.MethodPost, Path: "/api/workspaces/members/set-role", Handle: m.setRole},
		{Method: http.MethodPost, Path: "/api/workspaces/members/remove", Handle: m.remove},
	}
	if invites, ok := a.opt.Store.(or3cloud.InviteStore); ok {
		routes = append(routes,
			or3cloud.Route{Method: http.MethodGet, Path: "/api/workspaces/invites", Handle: m.invites(invites)},
			or3cloud.Route{Method: http.MethodPost, Path: "/api/workspaces/invites/revoke", Handle: m.revokeInvite},
		)
	}
	return routes
}

type members struct {
	*API
	access  or3cloud.WorkspaceAccessStore
	manager or3cloud.MemberManager
}

// target returns the session and the workspace of a request, in which the user may do p.
func (m members) target(r *http.Request, p or3cloud.Permission, workspaceID string) (*or3cloud.SessionContext, error) {
	s, err := m.guard(r)
	if err != nil {
		return nil, err
	}
	return m.opt.Host.Authorize(r, p, cmp.Or(strings.TrimSpace(workspaceID), s.Workspace.ID))
}

type memberItem struct {
	UserID string        `json:"userId"`
	Email  string        `json:"email,omitempty"`
	Role   or3cloud.Role `json:"role"`
}

func (m members) list(w http.ResponseWriter, r *http.Request) error {
	s, err := m.target(r, or3cloud.PermUsersManage, r.URL.Query().Get("workspaceId"))
	if err != nil {
		return err
	}
	list, err := m.access.ListMembers(r.Context(), s.Workspace.ID)
	if err != nil {
		return err
	}
	items := make([]memberItem, 0, len(list))
	for _, member := range list {
		items = append(items, memberItem{UserID: member.UserID, Email: member.Email, Role: member.Role})
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]any{"members": items})
}

func (m members) setRole(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		WorkspaceID string        `json:"workspaceId"`
		UserID      string        `json:"userId"`
		Role        or3cloud.Role `json:"role"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	if in.UserID == "" || !in.Role.Valid() {
		return invalid(invalidRequest)
	}
	s, err := m.target(r, or3cloud.PermUsersManage, in.WorkspaceID)
	if err == nil {
		err = m.mayChange(s.User.ID)
	}
	if err != nil {
		return err
	}
	return ok(w, m.manager.ChangeMemberRole(r.Context(), s.User.ID, s.Workspace.ID, in.UserID, in.Role))
}

// remove ends a membership: any for an owner, their own for everyone.
func (m members) remove(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		WorkspaceID string `json:"workspaceId"`
		UserID      string `json:"userId"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	if in.UserID == "" {
		return invalid(invalidRequest)
	}
	s, err := m.target(r, or3cloud.PermWorkspaceRead, in.WorkspaceID)
	if err == nil && in.UserID != s.User.ID {
		s, err = m.opt.Host.Authorize(r, or3cloud.PermUsersManage, s.Workspace.ID)
	}
	if err == nil {
		err = m.mayChange(s.User.ID)
	}
	if err != nil {
		return err
	}
	return ok(w, m.manager.DismissMember(r.Context(), s.User.ID, s.Workspace.ID, in.UserID))
}

// inviteItem is an invite without its token, which is not stored; times are in seconds.
type inviteItem struct {
	ID        string                `json:"id"`
	Email     string                `json:"email"`
	Role      or3cloud.Role         `json:"role"`
	Status    or3cloud.InviteStatus `json:"status"`
	CreatedAt int64                 `json:"createdAt"`
	ExpiresAt int64                 `json:"expiresAt"`
}

func (m members) invites(store or3cloud.InviteStore) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		httpapi.NoCache(w)
		query := r.URL.Query()
		limit := 0
		if text := query.Get("limit"); text != "" {
			var err error
			if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxInvites {
				return invalid("Invalid query")
			}
		}
		status := or3cloud.InviteStatus(query.Get("status"))
		switch status {
		case "", or3cloud.InvitePending, or3cloud.InviteAccepted, or3cloud.InviteRevoked, or3cloud.InviteExpired:
		default:
			return invalid("Invalid query")
		}
		s, err := m.target(r, or3cloud.PermUsersManage, query.Get("workspaceId"))
		if err != nil {
			return err
		}
		list, err := store.ListInvites(r.Context(), s.Workspace.ID, status, limit)
		if err != nil {
			return err
		}
		items := make([]inviteItem, 0, len(list))
		for _, in := range list {
			items = append(items, inviteItem{
				ID: in.ID, Email: in.Email, Role: in.Role, Status: in.Status, CreatedAt: in.CreatedAt.Unix(), ExpiresAt: in.ExpiresAt.Unix(),
			})
		}
		return httpapi.WriteJSON(w, http.StatusOK, map[string]any{"invites": items})
	}
}

func (m members) revokeInvite(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		WorkspaceID string `json:"workspaceId"`
		InviteID    string `json:"inviteId"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	if in.InviteID == "" {
		return invalid(invalidRequest)
	}
	s, err := m.target(r, or3cloud.PermUsersManage, in.WorkspaceID)
	if err == nil {
		err = m.mayChange(s.User.ID)
	}
	if err != nil {
		return err
	}
	return ok(w, m.manager.WithdrawInvite(r.Context(), s.User.ID, s.Workspace.ID, in.InviteID))
}
