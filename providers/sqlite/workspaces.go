package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
)

// defaultWorkspaceName is what a user's first workspace is called.
const defaultWorkspaceName = "My Workspace"

func noRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

var (
	errForbidden         = or3cloud.Errorf(or3cloud.CodeForbidden, "Forbidden")
	errWorkspaceNotFound = or3cloud.Errorf(or3cloud.CodeNotFound, "Workspace not found")
)

// identityKey is the part of an identity that identifies.
func identityKey(id or3cloud.ExternalIdentity) or3cloud.ExternalIdentity {
	return or3cloud.ExternalIdentity{Provider: id.Provider, ProviderUserID: id.ProviderUserID}
}

// GetUser implements or3cloud.AuthWorkspaceStore.
func (s *Store) GetUser(ctx context.Context, id or3cloud.ExternalIdentity) (string, error) {
	return s.users.get(identityKey(id), func() (string, error) {
		return optional(s.q.UserByIdentity(ctx, db.UserByIdentityParams{Provider: id.Provider, ProviderUserID: id.ProviderUserID}))
	})
}

// optional turns "no row" into the zero value.
func optional[T any](v T, err error) (T, error) {
	if noRows(err) {
		var zero T
		return zero, nil
	}
	return v, sqlitex.Translate(err)
}

// GetOrCreateUser implements or3cloud.AuthWorkspaceStore.
func (s *Store) GetOrCreateUser(ctx context.Context, id or3cloud.ExternalIdentity) (userID string, err error) {
	if userID, err = s.GetUser(ctx, id); err != nil || userID != "" {
		return userID, err
	}
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		userID, err = s.userOf(ctx, t, id)
		return err
	})
	return userID, err
}

// userOf finds or makes the user of an identity.
func (s *Store) userOf(ctx context.Context, t *tx, id or3cloud.ExternalIdentity) (userID string, err error) {
	key := db.UserByIdentityParams{Provider: id.Provider, ProviderUserID: id.ProviderUserID}
	if userID, err = optional(t.q.UserByIdentity(ctx, key)); err != nil || userID != "" {
		return userID, err // somebody else was faster
	}
	if userID, err = s.newID(); err != nil {
		return "", err
	}
	err = t.q.InsertUser(ctx, db.InsertUserParams{ID: userID, Email: id.Email, DisplayName: id.DisplayName, CreatedAt: t.at})
	if err != nil {
		return "", err
	}
	return userID, t.q.InsertAccount(ctx, db.InsertAccountParams{
		Provider: id.Provider, ProviderUserID: id.ProviderUserID, UserID: userID, CreatedAt: t.at,
	})
}

// GetOrCreateDefaultWorkspace implements or3cloud.AuthWorkspaceStore.
func (s *Store) GetOrCreateDefaultWorkspace(ctx context.Context, userID string) (or3cloud.Workspace, error) {
	return s.defaults.get(userID, func() (ws or3cloud.Workspace, err error) {
		row, err := s.q.ActiveWorkspace(ctx, userID)
		if !noRows(err) {
			return workspace(row), sqlitex.Translate(err)
		}
		err = s.write(ctx, func(ctx context.Context, t *tx) error {
			ws, err = s.chooseWorkspace(ctx, t, userID)
			return err
		})
		return ws, err
	})
}

// chooseWorkspace finds or makes a workspace for a user whose active one is missing or gone.
func (s *Store) chooseWorkspace(ctx context.Context, t *tx, userID string) (or3cloud.Workspace, error) {
	if row, err := t.q.ActiveWorkspace(ctx, userID); !noRows(err) {
		return workspace(row), err // somebody else was faster
	}
	num := int64(0)
	var ws or3cloud.Workspace
	row, err := t.q.OldestWorkspace(ctx, userID)
	switch {
	case err == nil:
		num, ws = row.Num, workspace(db.ActiveWorkspaceRow(row))
	case !noRows(err):
		return ws, err
	default:
		if _, err := t.q.UserExists(ctx, userID); noRows(err) {
			return ws, or3cloud.Errorf(or3cloud.CodeNotFound, "User not found")
		} else if err != nil {
			return ws, err
		}
		ws = or3cloud.Workspace{Name: defaultWorkspaceName, Role: or3cloud.RoleOwner, CreatedAt: time.UnixMilli(t.at), Active: true}
		if num, ws.ID, err = s.insertWorkspace(ctx, t, userID, defaultWorkspaceName, ""); err != nil {
			return ws, err
		}
	}
	return ws, t.q.SetActiveWorkspace(ctx, db.SetActiveWorkspaceParams{
		UserID: userID, Workspace: sql.NullInt64{Int64: num, Valid: true},
	})
}

func workspace(r db.ActiveWorkspaceRow) or3cloud.Workspace {
	return or3cloud.Workspace{
		ID: r.ID, Name: r.Name, Description: r.Description,
		Role: or3cloud.Role(r.Role), CreatedAt: time.UnixMilli(r.CreatedAt), Active: true,
	}
}

// GetWorkspaceRole implements or3cloud.AuthWorkspaceStore.
func (s *Store) GetWorkspaceRole(ctx context.Context, userID, workspaceID string) (or3cloud.Role, error) {
	return s.roles.get(membership{userID, workspaceID}, func() (or3cloud.Role, error) {
		role, err := optional(s.q.MemberRole(ctx, db.MemberRoleParams{WorkspaceID: workspaceID, UserID: userID}))
		return or3cloud.Role(role), err
	})
}

// ListUserWorkspaces implements or3cloud.AuthWorkspaceStore.
func (s *Store) ListUserWorkspaces(ctx context.Context, userID string) ([]or3cloud.Workspace, error) {
	rows, err := s.q.ListWorkspaces(ctx, userID)
	if err != nil {
		return nil, sqlitex.Translate(err)
	}
	out := make([]or3cloud.Workspace, len(rows))
	for i, r := range rows {
		out[i] = or3cloud.Workspace{
			ID: r.ID, Name: r.Name, Description: r.Description,
			Role: or3cloud.Role(r.Role), CreatedAt: time.UnixMilli(r.CreatedAt), Active: r.Active,
		}
	}
	return out, nil
}

// CreateWorkspace implements or3cloud.AuthWorkspaceStore.
func (s *Store) CreateWorkspace(ctx context.Context, userID, name, description string) (id string, err error) {
	if err := s.checkRoom(); err != nil {
		return "", err
	}
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.q.UserExists(ctx, userID); noRows(err) {
			return errForbidden
		} else if err != nil {
			return err
		}
		if err := s.mayMakeWorkspace(ctx, t, userID); err != nil {
			return err
		}
		_, id, err = s.insertWorkspace(ctx, t, userID, name, description)
		return err
	})
	return id, err
}

// deletedFor is for how long a deleted workspace counts against its maker: until the collectors have taken what was in it.
func (s *Store) deletedFor() time.Duration {
	const trashAndCollection = 3 * 24 * time.Hour
	return max(s.opts.Retention, s.opts.FileRetention) + trashAndCollection
}

// mayMakeWorkspace refuses a user who has made as many workspaces as one may have. The one that a user without any gets at
// the next sign-in is never refused, so the last one is not deleted where it could not be replaced.
func (s *Store) mayMakeWorkspace(ctx context.Context, t *tx, userID string) error {
	if s.opts.WorkspacesPerUser == 0 {
		return nil
	}
	span := s.deletedFor().Milliseconds()
	made, err := t.q.MadeBy(ctx, db.MadeByParams{UserID: userID, Since: sql.NullInt64{Int64: t.at - span, Valid: true}})
	if err != nil || made.Made < int64(s.opts.WorkspacesPerUser) {
		return err
	}
	wait := time.Hour // nothing but a deletion helps
	if made.FirstDeleted > 0 {
		wait = max(time.Duration(made.FirstDeleted+span-t.at)*time.Millisecond, time.Second)
	}
	return &or3cloud.Error{
		Code: or3cloud.CodeRateLimited, RetryAfter: wait,
		Message: fmt.Sprintf("You have made %d workspaces, which is the most that this server allows; deleted ones count until their files are gone",
			made.Made),
	}
}

func (s *Store) insertWorkspace(ctx context.Context, t *tx, userID, name, description string) (num int64, id string, err error) {
	if id, err = s.newID(); err != nil {
		return 0, "", err
	}
	num, err = t.q.InsertWorkspace(ctx, db.InsertWorkspaceParams{
		ID: id, Name: name, Description: description, CreatedBy: userID, CreatedAt: t.at,
	})
	if err != nil {
		return 0, "", err
	}
	if err := t.q.InsertCounter(ctx, num); err != nil {
		return 0, "", err
	}
	err = t.q.UpsertMember(ctx, db.UpsertMemberParams{
		Workspace: num, UserID: userID, Role: string(or3cloud.RoleOwner), CreatedAt: t.at,
	})
	return num, id, err
}

// UpdateWorkspace implements or3cloud.AuthWorkspaceStore.
func (s *Store) UpdateWorkspace(ctx context.Context, userID, workspaceID, name, description string) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		num, role, err := memberOf(ctx, t, userID, workspaceID)
		if err != nil {
			return err
		}
		if role == or3cloud.RoleViewer {
			return errForbidden
		}
		return t.q.UpdateWorkspace(ctx, db.UpdateWorkspaceParams{Name: name, Description: description, Num: num})
	})
}

// RemoveWorkspace implements or3cloud.AuthWorkspaceStore.
func (s *Store) RemoveWorkspace(ctx context.Context, userID, workspaceID string) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		num, role, err := memberOf(ctx, t, userID, workspaceID)
		if err != nil {
			return err
		}
		if role != or3cloud.RoleOwner {
			return errForbidden
		}
		if err := deleteWorkspace(ctx, t, num); err != nil {
			return err
		}
		if _, err := t.q.OldestWorkspace(ctx, userID); !noRows(err) {
			return err
		}
		return s.mayMakeWorkspace(ctx, t, userID) // the next sign-in makes another one
	})
}

// SetActiveWorkspace implements or3cloud.AuthWorkspaceStore.
func (s *Store) SetActiveWorkspace(ctx context.Context, userID, workspaceID string) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		num, _, err := memberOf(ctx, t, userID, workspaceID)
		if err != nil {
			return err
		}
		return t.q.SetActiveWorkspace(ctx, db.SetActiveWorkspaceParams{
			UserID: userID, Workspace: sql.NullInt64{Int64: num, Valid: true},
		})
	})
}

// permit asks again, in the transaction of a write, whether a user may do p in a live workspace: the write may have waited
// long enough for the membership to end.
func (t *tx) permit(userID string, workspace int64, p or3cloud.Permission) error {
	who := or3cloud.SessionContext{Authenticated: true, User: or3cloud.SessionUser{ID: userID}}
	_, err := one(t.st.role, func(s *sqlite3.Stmt) { who.Role = or3cloud.Role(s.ColumnText(0)) }, userID, workspace)
	if err != nil {
		return err
	}
	return or3cloud.Can(&who, p, or3cloud.Resource{}).Err()
}

// memberOf returns a live workspace's number and the user's role in it. That a workspace exists is told to its
// members only.
func memberOf(ctx context.Context, t *tx, userID, workspaceID string) (int64, or3cloud.Role, error) {
	row, err := t.q.WorkspaceForMember(ctx, db.WorkspaceForMemberParams{WorkspaceID: workspaceID, UserID: userID})
	switch {
	case noRows(err):
		return 0, "", errForbidden
	case err != nil:
		return 0, "", err
	case row.DeletedAt.Valid:
		return 0, "", errWorkspaceNotFound
	}
	return row.Num, or3cloud.Role(row.Role), nil
}

// ListMembers implements or3cloud.WorkspaceAccessStore.
func (s *Store) ListMembers(ctx context.Context, workspaceID string) ([]or3cloud.Member, error) {
	num, err := s.number(ctx, workspaceID)
	if err != nil {
		return nil, err
	}
	rows, err := s.q.ListMembers(ctx, num)
	if err != nil {
		return nil, sqlitex.Translate(err)
	}
	out := make([]or3cloud.Member, len(rows))
	for i, r := range rows {
		out[i] = or3cloud.Member{UserID: r.UserID, Email: r.Email, Role: or3cloud.Role(r.Role)}
	}
	return out, nil
}

var errUnknownRole = or3cloud.Errorf(or3cloud.CodeInvalid, "Unknown role")

// SetMemberRole implements or3cloud.WorkspaceAccessStore.
func (s *Store) SetMemberRole(ctx context.Context, workspaceID, userID string, role or3cloud.Role) error {
	if !role.Valid() {
		return errUnknownRole
	}
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		num, err := liveWorkspace(ctx, t, workspaceID)
		if err != nil {
			return err
		}
		if _, err := t.q.UserExists(ctx, userID); noRows(err) {
			return or3cloud.Errorf(or3cloud.CodeNotFound, "User not found")
		} else if err != nil {
			return err
		}
		return setRole(ctx, t, num, workspaceID, userID, role)
	})
}

// setRole gives a user a role, unless that would leave the workspace without an owner.
func setRole(ctx context.Context, t *tx, num int64, workspaceID, userID string, role or3cloud.Role) error {
	if role != or3cloud.RoleOwner {
		if err := keepAnOwner(ctx, t, num, workspaceID, userID); err != nil {
			return err
		}
	}
	return t.q.UpsertMember(ctx, db.UpsertMemberParams{Workspace: num, UserID: userID, Role: string(role), CreatedAt: t.at})
}

// RemoveMember implements or3cloud.WorkspaceAccessStore.
func (s *Store) RemoveMember(ctx context.Context, workspaceID, userID string) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		num, err := liveWorkspace(ctx, t, workspaceID)
		if err != nil {
			return err
		}
		return removeMember(ctx, t, num, workspaceID, userID)
	})
}

// removeMember ends a membership, with the cursors of its devices and as the active workspace.
func removeMember(ctx context.Context, t *tx, num int64, workspaceID, userID string) error {
	if err := keepAnOwner(ctx, t, num, workspaceID, userID); err != nil {
		return err
	}
	if err := t.q.DeleteMember(ctx, db.DeleteMemberParams{Workspace: num, UserID: userID}); err != nil {
		return err
	}
	if err := t.q.DropCursorsOf(ctx, db.DropCursorsOfParams{Workspace: num, UserID: userID}); err != nil {
		return err
	}
	return t.q.ClearActiveWorkspace(ctx, db.ClearActiveWorkspaceParams{
		UserID: userID, Workspace: sql.NullInt64{Int64: num, Valid: true},
	})
}

func liveWorkspace(ctx context.Context, t *tx, workspaceID string) (int64, error) {
	num, err := t.q.LiveWorkspace(ctx, workspaceID)
	if noRows(err) {
		return 0, errWorkspaceNotFound
	}
	return num, err
}

// keepAnOwner refuses to take the role from the last owner of a workspace.
func keepAnOwner(ctx context.Context, t *tx, num int64, workspaceID, userID string) error {
	role, err := optional(t.q.MemberRole(ctx, db.MemberRoleParams{WorkspaceID: workspaceID, UserID: userID}))
	if err != nil || or3cloud.Role(role) != or3cloud.RoleOwner {
		return err
	}
	others, err := t.q.OtherOwners(ctx, db.OtherOwnersParams{Workspace: num, UserID: userID})
	if err == nil && others == 0 {
		return or3cloud.Errorf(or3cloud.CodeConflict, "A workspace needs an owner. Make another member its owner first.")
	}
	return err
}

// write runs f in a transaction and makes sure that reads which begin after it see its outcome.
func (s *Store) write(ctx context.Context, f func(context.Context, *tx) error) error {
	return s.w.do(ctx, func(ctx context.Context, t *tx) error {
		t.afterCommit(func() {
			s.users.forget()
			s.defaults.forget()
			s.roles.forget()
		})
		return f(ctx, t)
	})
}

// newID returns a random UUID.
func (s *Store) newID() (string, error) {
	id, err := uuid.NewRandomFromReader(s.opts.Rand)
	return id.String(), err
}
