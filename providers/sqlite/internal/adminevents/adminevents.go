// Package adminevents records events for administrators' webhooks, in the transactions in which they happen.
package adminevents

import (
	"context"
	"encoding/json"

	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// Add adds an event with data of package adminevent, and reports whether it was kept: without a webhook for it, it is
// not.
func Add(ctx context.Context, t *engine.Tx, name, workspaceID string, data any) (kept bool, err error) {
	text, err := json.Marshal(data)
	if err != nil {
		return false, err
	}
	added, err := t.Q.AddAdminEvent(ctx, db.AddAdminEventParams{Name: name, At: t.At, WorkspaceID: workspaceID, Data: string(text)})
	if err != nil || added == 0 {
		return false, err
	}
	return true, t.Q.TrimAdminEvents(ctx, db.TrimAdminEventsParams{Name: name, Keep: adminevent.KeptOfAKind})
}

// UserCreated records that a user was created.
func UserCreated(ctx context.Context, t *engine.Tx, userID, email, displayName string) error {
	_, err := Add(ctx, t, adminevent.UserCreated, "", adminevent.User{
		ID: userID, Email: adminevent.Optional(email), DisplayName: adminevent.Optional(displayName), CreatedAt: seconds(t.At),
	})
	return err
}

// RoleChanged records that a user's role has changed, in a workspace or, without one, in the deployment.
func RoleChanged(ctx context.Context, t *engine.Tx, workspaceID, userID, before, now string) error {
	if before == now {
		return nil
	}
	_, err := Add(ctx, t, adminevent.RoleChanged, workspaceID, adminevent.Role{
		ID: userID, WorkspaceID: adminevent.Optional(workspaceID), Role: adminevent.Optional(now), PreviousRole: adminevent.Optional(before),
		UpdatedAt: seconds(t.At),
	})
	return err
}

// WorkspaceCreated records that a workspace was created.
func WorkspaceCreated(ctx context.Context, t *engine.Tx, num int64) error {
	return workspace(ctx, t, adminevent.WorkspaceCreated, num, nil)
}

// WorkspaceDeleted records that a workspace was deleted.
func WorkspaceDeleted(ctx context.Context, t *engine.Tx, num int64) error {
	at := seconds(t.At)
	return workspace(ctx, t, adminevent.WorkspaceDeleted, num, &at)
}

func workspace(ctx context.Context, t *engine.Tx, name string, num int64, deleted *int64) error {
	w, err := t.Q.WorkspaceOfEvent(ctx, num)
	if err != nil {
		return err
	}
	_, err = Add(ctx, t, name, w.ID, adminevent.Workspace{
		ID: w.ID, Name: w.Name, CreatedBy: adminevent.Optional(w.CreatedBy), CreatedAt: seconds(w.CreatedAt), DeletedAt: deleted,
	})
	return err
}

func seconds(milliseconds int64) int64 { return milliseconds / 1000 }
