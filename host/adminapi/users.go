package adminapi

import (
	"context"
	"net/http"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/operator"
)

// usersAPI are the endpoints of deployment administrators and of users as a whole (contract, workspaces-and-admin §5).
type usersAPI struct{ *API }

func (a usersAPI) table() []endpoint {
	return []endpoint{
		{method: http.MethodGet, path: "admin-users", proof: readOnly, handle: a.listAdmins},
		{method: http.MethodPost, path: "admin-users/grant", proof: ownOrigin, action: audit.AdminGrant, limited: true, handle: a.grantAdmin},
		{method: http.MethodPost, path: "admin-users/revoke", proof: ownOrigin, action: audit.AdminRevoke, handle: a.revokeAdmin},
		{method: http.MethodGet, path: "search-users", proof: readOnly, handle: a.searchUsers},
	}
}

// adminUser is a deployment administrator.
type adminUser struct {
	operator.User
	// CreatedAt is the time of the grant in Unix milliseconds.
	CreatedAt int64 `json:"createdAt"`
}

func (a usersAPI) listAdmins(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	store, err := instance.StoreAbility[or3cloud.DeploymentAdminStore](a.opt.Instance, instance.AdminStore)
	if err != nil {
		return err
	}
	all, err := store.ListDeploymentAdmins(r.Context())
	if err != nil {
		return err
	}
	admins := make([]adminUser, 0, len(all))
	for _, g := range all {
		admins = append(admins, adminUser{operator.User{UserID: g.ID, Email: g.Email, DisplayName: g.DisplayName}, g.GrantedAt.UnixMilli()})
	}
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		Admins []adminUser `json:"admins"`
	}{admins})
}

// named reads the user named in a change, and returns the store of the grants.
func (a usersAPI) named(r *http.Request, c *Caller) (user string, store or3cloud.DeploymentAdminStore, err error) {
	const needUserID = "User ID is required"
	var in struct {
		UserID string `json:"userId"`
	}
	if err := httpapi.ReadJSON(r, &in, needUserID); err != nil {
		return "", nil, err
	}
	if c.Target.UserID = strings.TrimSpace(in.UserID); c.Target.UserID == "" {
		return "", nil, invalid(needUserID)
	}
	store, err = instance.StoreAbility[or3cloud.DeploymentAdminStore](a.opt.Instance, instance.AdminStore)
	return c.Target.UserID, store, err
}

func (a usersAPI) grantAdmin(w http.ResponseWriter, r *http.Request, c *Caller) error {
	user, store, err := a.named(r, c)
	if err != nil {
		return err
	}
	by := c.user()
	if c.bySignIn {
		by = "" // the user who is also signed in did not do it
	}
	if err := store.GrantDeploymentAdmin(r.Context(), user, by); err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, success{Success: true})
}

// revokeAdmin ends a grant, including the caller's own. The last one stays if no one else could administer the
// deployment: the only way back in would be the command line.
func (a usersAPI) revokeAdmin(w http.ResponseWriter, r *http.Request, c *Caller) error {
	user, store, err := a.named(r, c)
	if err != nil {
		return err
	}
	a.revoking.Lock() // otherwise two who revoke each other could both be the last one
	defer a.revoking.Unlock()
	if a.opt.SuperAdmin == nil {
		left, err := a.othersLeft(r.Context(), store, user)
		if err != nil {
			return err
		}
		if !left {
			return or3cloud.Errorf(or3cloud.CodeConflict, "No administrator would be left. Make another user an administrator first.")
		}
	}
	if err := store.RevokeDeploymentAdmin(r.Context(), user); err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, success{Success: true})
}

// othersLeft reports whether anyone but a user could sign in as a deployment administrator.
func (a usersAPI) othersLeft(ctx context.Context, store or3cloud.DeploymentAdminStore, user string) (bool, error) {
	all, err := operator.ListAdmins.Do(ctx, a.opt.Desk, operator.Nothing{})
	if or3cloud.CodeOf(err) == or3cloud.CodeUnsupported { // the accounts are managed elsewhere
		granted, err := store.ListDeploymentAdmins(ctx)
		for _, g := range granted {
			if g.ID != user {
				return true, err
			}
		}
		return false, err
	}
	for _, admin := range all.Admins {
		if admin.UserID != user && admin.State == operator.AdminEnabled {
			return true, err
		}
	}
	return false, err
}

func (a usersAPI) searchUsers(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	limit, err := number(r, "limit", 20, 1, 50)
	if err != nil {
		return err
	}
	found, err := operator.SearchUsers.Do(r.Context(), a.opt.Desk, operator.UserSearch{Text: r.URL.Query().Get("q"), Limit: limit})
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, found.Users)
}
