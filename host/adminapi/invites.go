package adminapi

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/setting"
)

// The limits of an invite (contract, workspaces-and-admin §6, auth §9).
const (
	maxInviteEmail = 320
	shortestInvite = 1      // minutes
	longestInvite  = 43_200 // minutes, which are 30 days
	maxInvites     = 500
)

// invitesAPI are the endpoints of the invites to a workspace (contract, workspaces-and-admin §6).
type invitesAPI struct{ *API }

func (a invitesAPI) table() []endpoint {
	return []endpoint{
		{method: http.MethodPost, path: "workspace/invites/create", may: owners, action: audit.InviteCreate, handle: a.createInvite},
		{method: http.MethodGet, path: "workspace/invites/list", may: owners, proof: readOnly, handle: a.listInvites},
		{method: http.MethodPost, path: "workspace/invites/revoke", may: owners, action: audit.InviteRevoke, handle: a.revokeInvite},
	}
}

// errNoInvites and errNoInviteSecret are for a server that cannot make invites, in the words of the contract.
var (
	errNoInvites      = or3cloud.Errorf(or3cloud.CodeUnavailable, "Selected auth store does not support invites")
	errNoInviteSecret = or3cloud.Errorf(or3cloud.CodeUnavailable, "Invite token secret not configured")
)

// createdInvite is an invite with its token, which is shown once; the time is in seconds.
type createdInvite struct {
	ID        string        `json:"id"`
	Email     string        `json:"email"`
	Role      or3cloud.Role `json:"role"`
	ExpiresAt int64         `json:"expiresAt"`
	Token     string        `json:"token"`
	InviteURL string        `json:"inviteUrl"`
}

func (a invitesAPI) createInvite(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var in struct {
		place
		Email            string         `json:"email"`
		Role             *or3cloud.Role `json:"role"`
		ExpiresInSeconds *httpapi.Int   `json:"expiresInSeconds"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	ask := operator.NewInvite{Email: strings.TrimSpace(in.Email), Role: or3cloud.RoleViewer}
	if in.Role != nil {
		ask.Role = *in.Role
	}
	if in.ExpiresInSeconds != nil {
		if ask.Seconds = int64(*in.ExpiresInSeconds); ask.Seconds < shortestInvite*60 || ask.Seconds > longestInvite*60 {
			return invalid(invalidRequest)
		}
	}
	if len(ask.Email) > maxInviteEmail || !operator.IsAddress(ask.Email) || !ask.Role.Valid() {
		return invalid(invalidRequest)
	}
	c.Target.UserID = ask.Email
	if c.Session == nil && strings.TrimSpace(in.WorkspaceID) == "" {
		return or3cloud.Errorf(or3cloud.CodeForbidden, "Workspace admin session required")
	}
	var err error
	if ask.WorkspaceID, err = c.at(in.place); err != nil {
		return err
	}
	by := c.user()
	if c.Kind == SuperAdmin {
		by = "" // as the operator
	} else if by == "" {
		return or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized")
	}
	made, token, err := a.opt.Desk.Invite(r.Context(), ask, by)
	switch {
	case errors.Is(err, instance.ErrNoInviteStore):
		return errNoInvites
	case errors.Is(err, instance.ErrNoInviteSecret):
		return errNoInviteSecret
	case err != nil:
		return err
	}
	c.Target.Object = made.ID
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		OK     bool          `json:"ok"`
		Invite createdInvite `json:"invite"`
	}{true, createdInvite{
		ID: made.ID, Email: made.Email, Role: made.Role, ExpiresAt: made.ExpiresAt.Unix(), Token: token,
		InviteURL: or3cloud.Entrance{Base: a.opt.Config.String(setting.BasePath)}.Invite(url.QueryEscape(token)),
	}})
}

// listedInvite is an invite without its token, which is not stored; times are in seconds.
type listedInvite struct {
	ID        string                `json:"id"`
	Email     string                `json:"email"`
	Role      or3cloud.Role         `json:"role"`
	Status    or3cloud.InviteStatus `json:"status"`
	CreatedAt int64                 `json:"createdAt"`
	ExpiresAt int64                 `json:"expiresAt"`
}

func (a invitesAPI) listInvites(w http.ResponseWriter, r *http.Request, c *Caller) error {
	query := r.URL.Query()
	status := or3cloud.InviteStatus(query.Get("status"))
	switch status {
	case "", or3cloud.InvitePending, or3cloud.InviteAccepted, or3cloud.InviteRevoked, or3cloud.InviteExpired:
	default:
		return invalid("Invalid query")
	}
	limit := 0 // the store's default
	if text := query.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(strings.TrimSpace(text)); err != nil || limit < 1 || limit > maxInvites {
			return invalid("Invalid query")
		}
	}
	id, err := c.workspace(query.Get("workspaceId"))
	if err != nil {
		return err
	}
	store, ok := a.opt.Instance.Providers().Workspaces.(or3cloud.InviteStore)
	if !ok {
		return errNoInvites
	}
	list, err := store.ListInvites(r.Context(), id, status, limit)
	if err != nil {
		return err
	}
	items := make([]listedInvite, 0, len(list))
	for _, in := range list {
		items = append(items, listedInvite{in.ID, in.Email, in.Role, in.Status, in.CreatedAt.Unix(), in.ExpiresAt.Unix()})
	}
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		Invites []listedInvite `json:"invites"`
	}{items})
}

func (a invitesAPI) revokeInvite(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var in struct {
		place
		InviteID string `json:"inviteId"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	if c.Target.Object = strings.TrimSpace(in.InviteID); c.Target.Object == "" {
		return invalid(invalidRequest)
	}
	id, err := c.at(in.place)
	if err != nil {
		return err
	}
	store, ok := a.opt.Instance.Providers().Workspaces.(or3cloud.InviteStore)
	if !ok {
		return errNoInvites
	}
	if c.Kind == SuperAdmin {
		return answerOK(w, store.RevokeInvite(r.Context(), id, c.Target.Object))
	}
	manager, err := instance.StoreAbility[or3cloud.MemberManager](a.opt.Instance, instance.AccessStore)
	if err != nil {
		return err
	}
	return answerOK(w, manager.WithdrawInvite(r.Context(), c.user(), id, c.Target.Object))
}
