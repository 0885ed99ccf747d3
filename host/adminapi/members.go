package adminapi

import (
	"net/http"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/operator"
)

// membersAPI are the endpoints of one workspace: what it is, who is in it, and whether it is shown as open to guests
// (contract, workspaces-and-admin §5, §6).
type membersAPI struct{ *API }

func (a membersAPI) table() []endpoint {
	return []endpoint{
		{method: http.MethodGet, path: "workspace", may: owners, proof: readOnly, handle: a.ownWorkspace},
		{method: http.MethodPost, path: "workspace/guest-access/set", may: owners, action: audit.WorkspaceGuestAccess, handle: a.setGuestAccess},
		{method: http.MethodPost, path: "workspace/members/upsert", may: owners, action: audit.MemberUpsert, handle: a.upsertMember},
		{method: http.MethodPost, path: "workspace/members/set-role", may: owners, action: audit.MemberSetRole, handle: a.setMemberRole},
		{method: http.MethodPost, path: "workspace/members/remove", may: owners, action: audit.MemberRemove, handle: a.removeMember},
	}
}

// membership is what the store must be able to do.
type membership interface {
	or3cloud.WorkspaceAccessStore
	or3cloud.RoleChanger
	or3cloud.MemberManager
}

// place is the workspace that a change concerns. Both members may be missing.
type place struct {
	WorkspaceID string `json:"workspaceId"`
	// ExpectedWorkspaceID is the one that the page shows. If the user has moved to another one since, nothing is
	// changed.
	ExpectedWorkspaceID string `json:"expectedWorkspaceId"`
}

// at resolves the workspace of a change.
func (c *Caller) at(p place) (string, error) {
	id, err := c.workspace(p.WorkspaceID)
	if err == nil && p.ExpectedWorkspaceID != "" && p.ExpectedWorkspaceID != id {
		err = or3cloud.Errorf(or3cloud.CodeConflict, "Another workspace is now active. Reload the page.")
	}
	return id, err
}

// user returns the id of the user who is signed in in the caller's browser; "" if there is none, to whom no store
// grants anything.
func (c *Caller) user() string {
	if c.Session == nil {
		return ""
	}
	return c.Session.User.ID
}

// member is a user in a workspace.
type member struct {
	UserID string        `json:"userId"`
	Email  string        `json:"email,omitempty"`
	Role   or3cloud.Role `json:"role"`
}

func (a *API) membersOf(r *http.Request, workspaceID string) ([]member, error) {
	access, err := instance.StoreAbility[or3cloud.WorkspaceAccessStore](a.opt.Instance, instance.AccessStore)
	if err != nil {
		return nil, err
	}
	all, err := access.ListMembers(r.Context(), workspaceID)
	out := make([]member, 0, len(all))
	for _, m := range all {
		out = append(out, member{m.UserID, m.Email, m.Role})
	}
	return out, err
}

// guestAccess is the setting with which OR3 Chat's pages show a workspace as open to guests. Nothing in this server but
// these pages reads it: a workspace is open to its members only, whatever it says (contract, workspaces-and-admin
// Pitfall 10).
const guestAccess = "admin.guest_access.enabled"

func (a membersAPI) ownWorkspace(w http.ResponseWriter, r *http.Request, c *Caller) error {
	id, err := c.workspace(r.URL.Query().Get("workspaceId"))
	if err != nil {
		return err
	}
	ws, err := operator.DescribeWorkspace.Do(r.Context(), a.opt.Desk, operator.WorkspaceID{WorkspaceID: id})
	if err != nil {
		return err
	}
	settings, err := instance.StoreAbility[or3cloud.WorkspaceSettings](a.opt.Instance, instance.SettingsStore)
	if err != nil {
		return err
	}
	type named struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	out := struct {
		Workspace          named         `json:"workspace"`
		Role               or3cloud.Role `json:"role"`
		Members            []member      `json:"members"`
		EnabledPlugins     []string      `json:"enabledPlugins"`
		GuestAccessEnabled bool          `json:"guestAccessEnabled"`
	}{Workspace: named{ws.ID, ws.Name}, Role: or3cloud.RoleOwner} // others are not admitted
	if out.Members, err = a.membersOf(r, id); err != nil {
		return err
	}
	enabled, err := enabledPlugins(r.Context(), settings, id)
	if err != nil {
		return err
	}
	out.EnabledPlugins = enabled.ids
	guests, _, err := settings.WorkspaceSetting(r.Context(), id, guestAccess)
	if err != nil {
		return err
	}
	out.GuestAccessEnabled = guests == "true"
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

func (a membersAPI) setGuestAccess(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var in struct {
		place
		Enabled *bool `json:"enabled"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	if in.Enabled == nil {
		return invalid(invalidRequest)
	}
	id, err := c.at(in.place)
	if err != nil {
		return err
	}
	settings, err := instance.StoreAbility[or3cloud.WorkspaceSettings](a.opt.Instance, instance.SettingsStore)
	if err != nil {
		return err
	}
	value := "false"
	if *in.Enabled {
		value = "true"
	}
	return answerOK(w, settings.SetWorkspaceSetting(r.Context(), id, guestAccess, value))
}

// answerOK answers {"ok":true} unless there is an error.
func answerOK(w http.ResponseWriter, err error) error {
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, ok{true})
}

// changing resolves the workspace whose members change, and the store that changes them.
func (a membersAPI) changing(c *Caller, p place) (id string, store membership, err error) {
	if id, err = c.at(p); err == nil {
		store, err = instance.StoreAbility[membership](a.opt.Instance, instance.AccessStore)
	}
	return id, store, err
}

func (a membersAPI) upsertMember(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var in struct {
		place
		EmailOrProviderID string        `json:"emailOrProviderId"`
		Role              or3cloud.Role `json:"role"`
		Provider          string        `json:"provider"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	c.Target.UserID = strings.TrimSpace(in.EmailOrProviderID)
	if c.Target.UserID == "" || !in.Role.Valid() {
		return invalid(invalidRequest)
	}
	id, store, err := a.changing(c, in.place)
	if err != nil {
		return err
	}
	user, err := a.opt.Instance.UserNamed(r.Context(), in.EmailOrProviderID, in.Provider)
	if or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
		err = or3cloud.Errorf(or3cloud.CodeNotFound, "User not found. Send an invite to someone who does not use this server yet.")
	}
	if err != nil {
		return err
	}
	c.Target.UserID = user
	if c.Kind == SuperAdmin {
		return answerOK(w, store.SetMemberRole(r.Context(), id, user, in.Role))
	}
	return answerOK(w, store.AdmitMember(r.Context(), c.user(), id, user, in.Role))
}

func (a membersAPI) setMemberRole(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var in struct {
		place
		UserID string        `json:"userId"`
		Role   or3cloud.Role `json:"role"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	c.Target.UserID = strings.TrimSpace(in.UserID)
	if c.Target.UserID == "" || !in.Role.Valid() {
		return invalid(invalidRequest)
	}
	id, store, err := a.changing(c, in.place)
	if err != nil {
		return err
	}
	if c.Kind == SuperAdmin {
		return answerOK(w, store.ChangeRole(r.Context(), id, c.Target.UserID, in.Role))
	}
	return answerOK(w, store.ChangeMemberRole(r.Context(), c.user(), id, c.Target.UserID, in.Role))
}

func (a membersAPI) removeMember(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var in struct {
		place
		UserID string `json:"userId"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	if c.Target.UserID = strings.TrimSpace(in.UserID); c.Target.UserID == "" {
		return invalid(invalidRequest)
	}
	id, store, err := a.changing(c, in.place)
	if err != nil {
		return err
	}
	if c.Kind != SuperAdmin {
		return answerOK(w, store.DismissMember(r.Context(), c.user(), id, c.Target.UserID))
	}
	role, err := a.opt.Instance.Providers().Workspaces.GetWorkspaceRole(r.Context(), c.Target.UserID, id)
	if err != nil {
		return err
	}
	if role == "" {
		return or3cloud.Errorf(or3cloud.CodeNotFound, "Member not found")
	}
	return answerOK(w, store.RemoveMember(r.Context(), id, c.Target.UserID))
}
