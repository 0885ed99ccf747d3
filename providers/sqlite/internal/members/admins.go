package members

import (
	"context"
	"errors"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/adminevents"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// Admins are the users who may administer the deployment. It implements or3cloud.DeploymentAdminStore and
// DeploymentAdminChecker.
type Admins struct{ w *Workspaces }

// NewAdmins returns the deployment admins among the users of all workspaces.
func NewAdmins(w *Workspaces) *Admins { return &Admins{w} }

// CheckDeploymentAdmin implements or3cloud.DeploymentAdminChecker. Each request asks.
func (a *Admins) CheckDeploymentAdmin(ctx context.Context, providerUserID, provider string) (bool, error) {
	id := or3cloud.ExternalIdentity{Provider: provider, ProviderUserID: providerUserID}
	return a.w.admins.Get(id, func() (bool, error) {
		yes, err := a.w.e.Q.IdentityIsAdmin(ctx, db.IdentityIsAdminParams{Provider: provider, ProviderUserID: providerUserID})
		return yes, sqlitex.Translate(err)
	})
}

// IsDeploymentAdmin implements or3cloud.DeploymentAdminStore.
func (a *Admins) IsDeploymentAdmin(ctx context.Context, userID string) (bool, error) {
	yes, err := a.w.e.Q.IsDeploymentAdmin(ctx, userID)
	return yes, sqlitex.Translate(err)
}

// ListDeploymentAdmins implements or3cloud.DeploymentAdminStore.
func (a *Admins) ListDeploymentAdmins(ctx context.Context) ([]or3cloud.DeploymentAdmin, error) {
	rows, err := a.w.e.Q.DeploymentAdmins(ctx)
	if err != nil {
		return nil, sqlitex.Translate(err)
	}
	out := make([]or3cloud.DeploymentAdmin, len(rows))
	for i, r := range rows {
		out[i] = or3cloud.DeploymentAdmin{
			User: or3cloud.User{ID: r.ID, Email: r.Email, DisplayName: r.DisplayName}, GrantedAt: time.UnixMilli(r.GrantedAt).UTC(),
		}
	}
	return out, nil
}

// GrantDeploymentAdmin implements or3cloud.DeploymentAdminStore.
func (a *Admins) GrantDeploymentAdmin(ctx context.Context, userID, by string) error {
	return a.w.write(ctx, func(ctx context.Context, t *engine.Tx) error {
		if err := userExists(ctx, t, userID); err != nil {
			return err
		}
		if err := userExists(ctx, t, by); errors.Is(err, errUserNotFound) {
			by = "" // a super admin of the host is not a user
		} else if err != nil {
			return err
		}
		return grant(ctx, t, userID, by)
	})
}

// grantFounder makes the new user of a founder a deployment admin, unless the identity was made one before.
func grantFounder(ctx context.Context, t *engine.Tx, id or3cloud.ExternalIdentity, userID string) error {
	n, err := t.Q.NoteFounder(ctx, db.NoteFounderParams{Provider: id.Provider, ProviderUserID: id.ProviderUserID})
	if err != nil || n == 0 {
		return err
	}
	return grant(ctx, t, userID, "")
}

// grant makes a user a deployment admin, and records the event for the others.
func grant(ctx context.Context, t *engine.Tx, userID, by string) error {
	before, err := deploymentRole(ctx, t, userID)
	if err != nil {
		return err
	}
	if err := t.Q.GrantDeploymentAdmin(ctx, db.GrantDeploymentAdminParams{UserID: userID, GrantedBy: by, GrantedAt: t.At}); err != nil {
		return err
	}
	return adminevents.RoleChanged(ctx, t, "", userID, before, adminevent.DeploymentAdmin)
}

// RevokeDeploymentAdmin implements or3cloud.DeploymentAdminStore.
func (a *Admins) RevokeDeploymentAdmin(ctx context.Context, userID string) error {
	return a.w.write(ctx, func(ctx context.Context, t *engine.Tx) error {
		before, err := deploymentRole(ctx, t, userID)
		if err != nil {
			return err
		}
		if err := t.Q.RevokeDeploymentAdmin(ctx, userID); err != nil {
			return err
		}
		return adminevents.RoleChanged(ctx, t, "", userID, before, "")
	})
}

// deploymentRole is the role that a user has in the deployment; empty for none.
func deploymentRole(ctx context.Context, t *engine.Tx, userID string) (string, error) {
	if yes, err := t.Q.IsDeploymentAdmin(ctx, userID); err != nil || !yes {
		return "", err
	}
	return adminevent.DeploymentAdmin, nil
}
