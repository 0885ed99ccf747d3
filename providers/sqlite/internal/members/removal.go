package members

import (
	"context"
	"database/sql"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/adminevents"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// IdentitiesOf implements or3cloud.IdentityLister.
func (w *Workspaces) IdentitiesOf(ctx context.Context, userID string) ([]or3cloud.ExternalIdentity, error) {
	rows, err := w.e.Q.IdentitiesOf(ctx, userID)
	if err != nil {
		return nil, sqlitex.Translate(err)
	}
	out := make([]or3cloud.ExternalIdentity, len(rows))
	for i, r := range rows {
		out[i] = or3cloud.ExternalIdentity{Provider: r.Provider, ProviderUserID: r.ProviderUserID}
	}
	return out, nil
}

// UserRemoval implements or3cloud.UserRemover.
func (w *Workspaces) UserRemoval(ctx context.Context, id or3cloud.ExternalIdentity) ([]or3cloud.WorkspaceFate, error) {
	userID, err := w.GetUser(ctx, id)
	if err != nil || userID == "" {
		return nil, err
	}
	rows, err := w.e.Q.MembershipsOf(ctx, userID)
	if err != nil {
		return nil, sqlitex.Translate(err)
	}
	out := make([]or3cloud.WorkspaceFate, len(rows))
	for i, r := range rows {
		out[i] = or3cloud.WorkspaceFate{ID: r.ID, Name: r.Name, Members: int(r.OtherMembers), Fate: fate(r)}
		if out[i].Fate == or3cloud.FateDeleted {
			out[i].FilesKeptUntil = w.e.Now().Add(w.opts.FileRetention).UTC().Truncate(time.Second)
		}
	}
	return out, nil
}

// fate is what happens to a workspace without this member.
func fate(m db.MembershipsOfRow) or3cloud.Fate {
	switch {
	case m.OtherMembers == 0:
		return or3cloud.FateDeleted
	case m.Role == string(or3cloud.RoleOwner) && m.OtherOwners == 0:
		return or3cloud.FateBlocked
	}
	return or3cloud.FateLeft
}

// RemoveUser implements or3cloud.UserRemover. What the user wrote into workspaces that others keep stays there.
func (w *Workspaces) RemoveUser(ctx context.Context, id or3cloud.ExternalIdentity) error {
	return w.write(ctx, func(ctx context.Context, t *engine.Tx) error {
		userID, err := engine.Optional(t.Q.UserByIdentity(ctx, db.UserByIdentityParams{Provider: id.Provider, ProviderUserID: id.ProviderUserID}))
		if err != nil || userID == "" {
			return err
		}
		workspaces, err := t.Q.MembershipsOf(ctx, userID)
		if err != nil {
			return err
		}
		if err := lastOwner(workspaces); err != nil {
			return err
		}
		for _, ws := range workspaces {
			if fate(ws) != or3cloud.FateDeleted {
				continue
			}
			if err := deleteWorkspace(ctx, t, ws.Num); err != nil {
				return err
			}
		}
		for _, remove := range []func(context.Context, string) error{
			t.Q.DropAllCursorsOf, t.Q.DeleteWebhooksOf, t.Q.DeleteMemberships, t.Q.DeleteInvitesOf, t.Q.ForgetInviter, t.Q.RevokeDeploymentAdmin,
			t.Q.ForgetAdmins, t.Q.DropJobsOf, t.Q.DropCancellationsOf, t.Q.DeleteIdentities, t.Q.DeleteUser,
		} {
			if err := remove(ctx, userID); err != nil {
				return err
			}
		}
		return nil
	})
}

// lastOwner refuses to leave a workspace that others use without an owner.
func lastOwner(workspaces []db.MembershipsOfRow) error {
	for _, ws := range workspaces {
		if fate(ws) == or3cloud.FateBlocked {
			return or3cloud.Errorf(or3cloud.CodeConflict,
				"Others use the workspace %q, and no one else owns it. Make another member its owner first: or3-cloud workspace members role %s EMAIL owner",
				ws.Name, ws.ID)
		}
	}
	return nil
}

// deleteWorkspace deletes a workspace softly, ends its webhooks and background jobs, and moves everyone who had it
// active to another one.
func deleteWorkspace(ctx context.Context, t *engine.Tx, num int64) error {
	if err := t.Q.DeleteWebhooksIn(ctx, num); err != nil {
		return err
	}
	if err := t.Q.DropJobsIn(ctx, num); err != nil {
		return err
	}
	err := t.Q.SoftDeleteWorkspace(ctx, db.SoftDeleteWorkspaceParams{DeletedAt: sql.NullInt64{Int64: t.At, Valid: true}, Num: num})
	if err != nil {
		return err
	}
	if err := t.Q.RehomeUsers(ctx, sql.NullInt64{Int64: num, Valid: true}); err != nil {
		return err
	}
	return adminevents.WorkspaceDeleted(ctx, t, num)
}
