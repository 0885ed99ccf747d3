// Package members keeps the canonical users, workspaces, memberships and invites of the sync database, and answers
// other packages' questions about them: the number of a workspace, and whether a user may write.
package members

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/adminevents"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// defaultWorkspaceName is the name of a user's first workspace.
const defaultWorkspaceName = "My Workspace"

var (
	ErrForbidden         = or3cloud.Errorf(or3cloud.CodeForbidden, "Forbidden")
	errWorkspaceNotFound = or3cloud.Errorf(or3cloud.CodeNotFound, "Workspace not found")
	errUserNotFound      = or3cloud.Errorf(or3cloud.CodeNotFound, "User not found")
)

// Options configure a Workspaces.
type Options struct {
	// WorkspacesPerUser is how many workspaces a user may create; 0 means no limit.
	WorkspacesPerUser int
	// Retention is how long the log keeps superseded entries, FileRetention how long the storage provider keeps files
	// that nothing references: a deleted workspace takes space for that long.
	Retention, FileRetention time.Duration
}

// Workspaces are the users, their workspaces and their memberships. It implements or3cloud.AuthWorkspaceStore,
// WorkspaceAccessStore, RoleChanger, MemberManager but for invites, and UserRemover.
type Workspaces struct {
	e    *engine.Engine
	opts Options

	numbers  engine.Memo[string, int64]                     // id → number; never changes
	users    engine.Memo[or3cloud.ExternalIdentity, string] // keyed without e-mail and name
	defaults engine.Memo[string, or3cloud.Workspace]        // by user
	roles    engine.Memo[membership, or3cloud.Role]
	admins   engine.Memo[or3cloud.ExternalIdentity, bool] // keyed without e-mail and name
}

// membership is the key of a role.
type membership struct{ user, workspace string }

// New returns the workspaces of a database.
func New(e *engine.Engine, opts Options) *Workspaces { return &Workspaces{e: e, opts: opts} }

// Number returns the number of a workspace, deleted or not. Callers have authorised the user, so the answer to an
// unknown id, which belongs to someone else or to no one, is "forbidden".
func (w *Workspaces) Number(ctx context.Context, workspaceID string) (int64, error) {
	return w.numbers.Get(workspaceID, func() (int64, error) {
		num, err := w.e.Q.AnyWorkspace(ctx, workspaceID)
		if engine.NoRows(err) {
			return 0, ErrForbidden
		}
		return num, sqlitex.Translate(err)
	})
}

// identityKey is the part of an identity that identifies.
func identityKey(id or3cloud.ExternalIdentity) or3cloud.ExternalIdentity {
	return or3cloud.ExternalIdentity{Provider: id.Provider, ProviderUserID: id.ProviderUserID}
}

// GetUser implements or3cloud.AuthWorkspaceStore.
func (w *Workspaces) GetUser(ctx context.Context, id or3cloud.ExternalIdentity) (string, error) {
	return w.users.Get(identityKey(id), func() (string, error) {
		return engine.Optional(w.e.Q.UserByIdentity(ctx, db.UserByIdentityParams{Provider: id.Provider, ProviderUserID: id.ProviderUserID}))
	})
}

// GetOrCreateUser implements or3cloud.AuthWorkspaceStore.
func (w *Workspaces) GetOrCreateUser(ctx context.Context, id or3cloud.ExternalIdentity) (userID string, err error) {
	if userID, err = w.GetUser(ctx, id); err != nil || userID != "" {
		return userID, err
	}
	err = w.write(ctx, func(ctx context.Context, t *engine.Tx) error {
		userID, err = w.userOf(ctx, t, id)
		return err
	})
	return userID, err
}

// userOf finds or makes the user of an identity.
func (w *Workspaces) userOf(ctx context.Context, t *engine.Tx, id or3cloud.ExternalIdentity) (userID string, err error) {
	key := db.UserByIdentityParams{Provider: id.Provider, ProviderUserID: id.ProviderUserID}
	if userID, err = engine.Optional(t.Q.UserByIdentity(ctx, key)); err != nil || userID != "" {
		return userID, err // someone else was faster
	}
	if userID, err = w.e.NewID(); err != nil {
		return "", err
	}
	err = t.Q.InsertUser(ctx, db.InsertUserParams{ID: userID, Email: id.Email, DisplayName: id.DisplayName, CreatedAt: t.At})
	if err != nil {
		return "", err
	}
	err = t.Q.InsertAccount(ctx, db.InsertAccountParams{
		Provider: id.Provider, ProviderUserID: id.ProviderUserID, UserID: userID, CreatedAt: t.At,
	})
	if err != nil {
		return "", err
	}
	if err := adminevents.UserCreated(ctx, t, userID, id.Email, id.DisplayName); err != nil {
		return "", err
	}
	if id.Founder {
		err = grantFounder(ctx, t, id, userID)
	}
	return userID, err
}

// GetOrCreateDefaultWorkspace implements or3cloud.AuthWorkspaceStore.
func (w *Workspaces) GetOrCreateDefaultWorkspace(ctx context.Context, userID string) (or3cloud.Workspace, error) {
	created := false // others did not create what is remembered
	ws, err := w.defaults.Get(userID, func() (ws or3cloud.Workspace, err error) {
		row, err := w.e.Q.ActiveWorkspace(ctx, userID)
		if !engine.NoRows(err) {
			return workspace(row), sqlitex.Translate(err)
		}
		err = w.write(ctx, func(ctx context.Context, t *engine.Tx) error {
			ws, created, err = w.chooseWorkspace(ctx, t, userID)
			return err
		})
		return ws, err
	})
	ws.Created = created && err == nil
	return ws, err
}

// chooseWorkspace finds or creates a workspace for a user whose active one is missing or gone.
func (w *Workspaces) chooseWorkspace(ctx context.Context, t *engine.Tx, userID string) (ws or3cloud.Workspace, created bool, err error) {
	if row, err := t.Q.ActiveWorkspace(ctx, userID); !engine.NoRows(err) {
		return workspace(row), false, err // someone else was faster
	}
	num := int64(0)
	row, err := t.Q.OldestWorkspace(ctx, userID)
	switch {
	case err == nil:
		num, ws = row.Num, workspace(db.ActiveWorkspaceRow(row))
	case !engine.NoRows(err):
		return ws, false, err
	default:
		if err := userExists(ctx, t, userID); err != nil {
			return ws, false, err
		}
		created = true
		ws = or3cloud.Workspace{Name: defaultWorkspaceName, Role: or3cloud.RoleOwner, CreatedAt: time.UnixMilli(t.At), Active: true}
		if num, ws.ID, err = w.insertWorkspace(ctx, t, userID, defaultWorkspaceName, ""); err != nil {
			return ws, false, err
		}
	}
	return ws, created, t.Q.SetActiveWorkspace(ctx, db.SetActiveWorkspaceParams{
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
func (w *Workspaces) GetWorkspaceRole(ctx context.Context, userID, workspaceID string) (or3cloud.Role, error) {
	return w.roles.Get(membership{userID, workspaceID}, func() (or3cloud.Role, error) {
		role, err := engine.Optional(w.e.Q.MemberRole(ctx, db.MemberRoleParams{WorkspaceID: workspaceID, UserID: userID}))
		return or3cloud.Role(role), err
	})
}

// ListUserWorkspaces implements or3cloud.AuthWorkspaceStore.
func (w *Workspaces) ListUserWorkspaces(ctx context.Context, userID string) ([]or3cloud.Workspace, error) {
	rows, err := w.e.Q.ListWorkspaces(ctx, userID)
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
func (w *Workspaces) CreateWorkspace(ctx context.Context, userID, name, description string) (id string, err error) {
	if err := w.e.CheckRoom(); err != nil {
		return "", err
	}
	err = w.write(ctx, func(ctx context.Context, t *engine.Tx) error {
		if _, err := t.Q.UserExists(ctx, userID); engine.NoRows(err) {
			return ErrForbidden
		} else if err != nil {
			return err
		}
		if err := w.mayMakeWorkspace(ctx, t, userID); err != nil {
			return err
		}
		_, id, err = w.insertWorkspace(ctx, t, userID, name, description)
		return err
	})
	return id, err
}

// DeletedFor is how long a deleted workspace counts against its creator: until the collectors have removed its content.
func (w *Workspaces) DeletedFor() time.Duration {
	const trashAndCollection = 3 * 24 * time.Hour
	return max(w.opts.Retention, w.opts.FileRetention) + trashAndCollection
}

// mayMakeWorkspace refuses a user who has created as many workspaces as allowed. The one that a user without any gets
// at the next sign-in is never refused, so the last one is not deleted if it could not be replaced.
func (w *Workspaces) mayMakeWorkspace(ctx context.Context, t *engine.Tx, userID string) error {
	if w.opts.WorkspacesPerUser == 0 {
		return nil
	}
	span := w.DeletedFor().Milliseconds()
	made, err := t.Q.MadeBy(ctx, db.MadeByParams{UserID: userID, Since: sql.NullInt64{Int64: t.At - span, Valid: true}})
	if err != nil || made.Made < int64(w.opts.WorkspacesPerUser) {
		return err
	}
	wait := time.Hour // only a deletion helps
	if made.FirstDeleted > 0 {
		wait = max(time.Duration(made.FirstDeleted+span-t.At)*time.Millisecond, time.Second)
	}
	return &or3cloud.Error{
		Code: or3cloud.CodeRateLimited, RetryAfter: wait,
		Message: fmt.Sprintf("You have made %d workspaces, which is the most that this server allows; deleted ones count until their files are gone",
			made.Made),
	}
}

func (w *Workspaces) insertWorkspace(ctx context.Context, t *engine.Tx, userID, name, description string) (num int64, id string, err error) {
	if id, err = w.e.NewID(); err != nil {
		return 0, "", err
	}
	num, err = t.Q.InsertWorkspace(ctx, db.InsertWorkspaceParams{
		ID: id, Name: name, Description: description, CreatedBy: userID, CreatedAt: t.At,
	})
	if err != nil {
		return 0, "", err
	}
	if err := t.Q.InsertCounter(ctx, num); err != nil {
		return 0, "", err
	}
	err = t.Q.UpsertMember(ctx, db.UpsertMemberParams{
		Workspace: num, UserID: userID, Role: string(or3cloud.RoleOwner), CreatedAt: t.At,
	})
	if err != nil {
		return 0, "", err
	}
	return num, id, adminevents.WorkspaceCreated(ctx, t, num)
}

// UpdateWorkspace implements or3cloud.AuthWorkspaceStore.
func (w *Workspaces) UpdateWorkspace(ctx context.Context, userID, workspaceID, name, description string) error {
	return w.write(ctx, func(ctx context.Context, t *engine.Tx) error {
		num, role, err := memberOf(ctx, t, userID, workspaceID)
		if err != nil {
			return err
		}
		if role == or3cloud.RoleViewer {
			return ErrForbidden
		}
		return t.Q.UpdateWorkspace(ctx, db.UpdateWorkspaceParams{Name: name, Description: description, Num: num})
	})
}

// RemoveWorkspace implements or3cloud.AuthWorkspaceStore.
func (w *Workspaces) RemoveWorkspace(ctx context.Context, userID, workspaceID string) error {
	return w.write(ctx, func(ctx context.Context, t *engine.Tx) error {
		num, role, err := memberOf(ctx, t, userID, workspaceID)
		if err != nil {
			return err
		}
		if role != or3cloud.RoleOwner {
			return ErrForbidden
		}
		if err := deleteWorkspace(ctx, t, num); err != nil {
			return err
		}
		if _, err := t.Q.OldestWorkspace(ctx, userID); !engine.NoRows(err) {
			return err
		}
		return w.mayMakeWorkspace(ctx, t, userID) // the next sign-in makes another one
	})
}

// SetActiveWorkspace implements or3cloud.AuthWorkspaceStore.
func (w *Workspaces) SetActiveWorkspace(ctx context.Context, userID, workspaceID string) error {
	return w.write(ctx, func(ctx context.Context, t *engine.Tx) error {
		num, _, err := memberOf(ctx, t, userID, workspaceID)
		if err != nil {
			return err
		}
		return t.Q.SetActiveWorkspace(ctx, db.SetActiveWorkspaceParams{
			UserID: userID, Workspace: sql.NullInt64{Int64: num, Valid: true},
		})
	})
}

// Permit checks again, in the transaction of a write, whether a user may do p in a live workspace: the write may have
// waited so long that the membership has ended.
func Permit(t *engine.Tx, userID string, workspace int64, p or3cloud.Permission) error {
	return permit(t.St.Role, userID, workspace, p)
}

// PermitRead checks the same in the transaction of a read.
func PermitRead(r *engine.Reader, userID string, workspace int64, p or3cloud.Permission) error {
	return permit(r.St.Role, userID, workspace, p)
}

func permit(role *sqlite3.Stmt, userID string, workspace int64, p or3cloud.Permission) error {
	who := or3cloud.SessionContext{Authenticated: true, User: or3cloud.SessionUser{ID: userID}}
	_, err := engine.One(role, func(s *sqlite3.Stmt) { who.Role = or3cloud.Role(s.ColumnText(0)) }, userID, workspace)
	if err != nil {
		return err
	}
	return or3cloud.Can(&who, p, or3cloud.Resource{}).Err()
}

// memberOf returns a live workspace's number and the user's role in it. Only its members are told that a workspace
// exists.
func memberOf(ctx context.Context, t *engine.Tx, userID, workspaceID string) (int64, or3cloud.Role, error) {
	row, err := t.Q.WorkspaceForMember(ctx, db.WorkspaceForMemberParams{WorkspaceID: workspaceID, UserID: userID})
	switch {
	case engine.NoRows(err):
		return 0, "", ErrForbidden
	case err != nil:
		return 0, "", err
	case row.DeletedAt.Valid:
		return 0, "", errWorkspaceNotFound
	}
	return row.Num, or3cloud.Role(row.Role), nil
}

// ListMembers implements or3cloud.WorkspaceAccessStore.
func (w *Workspaces) ListMembers(ctx context.Context, workspaceID string) ([]or3cloud.Member, error) {
	num, err := w.Number(ctx, workspaceID)
	if err != nil {
		return nil, err
	}
	rows, err := w.e.Q.ListMembers(ctx, num)
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
func (w *Workspaces) SetMemberRole(ctx context.Context, workspaceID, userID string, role or3cloud.Role) error {
	if !role.Valid() {
		return errUnknownRole
	}
	return w.in(ctx, workspaceID, func(ctx context.Context, t *engine.Tx, num int64) error {
		return admit(ctx, t, num, workspaceID, userID, role)
	})
}

// admit makes an existing user a member, or gives a member another role.
func admit(ctx context.Context, t *engine.Tx, num int64, workspaceID, userID string, role or3cloud.Role) error {
	if err := userExists(ctx, t, userID); err != nil {
		return err
	}
	return setRole(ctx, t, num, workspaceID, userID, role)
}

// userExists returns errUserNotFound if there is no such user.
func userExists(ctx context.Context, t *engine.Tx, userID string) error {
	_, err := t.Q.UserExists(ctx, userID)
	if engine.NoRows(err) {
		return errUserNotFound
	}
	return err
}

// setRole gives a user a role, unless that would leave the workspace without an owner.
func setRole(ctx context.Context, t *engine.Tx, num int64, workspaceID, userID string, role or3cloud.Role) error {
	if role != or3cloud.RoleOwner {
		if err := keepAnOwner(ctx, t, num, workspaceID, userID); err != nil {
			return err
		}
	}
	return putRole(ctx, t, num, workspaceID, userID, string(role))
}

// putRole gives a user a role, and records the event for administrators if it is another one than before.
func putRole(ctx context.Context, t *engine.Tx, num int64, workspaceID, userID, role string) error {
	before, err := engine.Optional(t.Q.MemberRole(ctx, db.MemberRoleParams{WorkspaceID: workspaceID, UserID: userID}))
	if err != nil {
		return err
	}
	if err := t.Q.UpsertMember(ctx, db.UpsertMemberParams{Workspace: num, UserID: userID, Role: role, CreatedAt: t.At}); err != nil {
		return err
	}
	return adminevents.RoleChanged(ctx, t, workspaceID, userID, before, role)
}

// ChangeRole implements or3cloud.RoleChanger.
func (w *Workspaces) ChangeRole(ctx context.Context, workspaceID, userID string, role or3cloud.Role) error {
	if !role.Valid() {
		return errUnknownRole
	}
	return w.in(ctx, workspaceID, func(ctx context.Context, t *engine.Tx, num int64) error {
		if err := isMember(ctx, t, workspaceID, userID); err != nil {
			return err
		}
		return setRole(ctx, t, num, workspaceID, userID, role)
	})
}

// RemoveMember implements or3cloud.WorkspaceAccessStore.
func (w *Workspaces) RemoveMember(ctx context.Context, workspaceID, userID string) error {
	return w.in(ctx, workspaceID, func(ctx context.Context, t *engine.Tx, num int64) error {
		return removeMember(ctx, t, num, workspaceID, userID)
	})
}

// removeMember ends a membership, with the cursors of its devices and as the active workspace.
func removeMember(ctx context.Context, t *engine.Tx, num int64, workspaceID, userID string) error {
	if err := keepAnOwner(ctx, t, num, workspaceID, userID); err != nil {
		return err
	}
	role, err := engine.Optional(t.Q.MemberRole(ctx, db.MemberRoleParams{WorkspaceID: workspaceID, UserID: userID}))
	if err != nil {
		return err
	}
	if err := t.Q.DeleteMember(ctx, db.DeleteMemberParams{Workspace: num, UserID: userID}); err != nil {
		return err
	}
	if err := adminevents.RoleChanged(ctx, t, workspaceID, userID, role, ""); err != nil {
		return err
	}
	if err := t.Q.DropCursorsOf(ctx, db.DropCursorsOfParams{Workspace: num, UserID: userID}); err != nil {
		return err
	}
	if err := t.Q.DeleteWebhooksOfMember(ctx, db.DeleteWebhooksOfMemberParams{UserID: userID, Workspace: num}); err != nil {
		return err
	}
	return t.Q.ClearActiveWorkspace(ctx, db.ClearActiveWorkspaceParams{
		UserID: userID, Workspace: sql.NullInt64{Int64: num, Valid: true},
	})
}

func liveWorkspace(ctx context.Context, t *engine.Tx, workspaceID string) (int64, error) {
	num, err := t.Q.LiveWorkspace(ctx, workspaceID)
	if engine.NoRows(err) {
		return 0, errWorkspaceNotFound
	}
	return num, err
}

// keepAnOwner refuses to take the role from the last owner of a workspace.
func keepAnOwner(ctx context.Context, t *engine.Tx, num int64, workspaceID, userID string) error {
	role, err := engine.Optional(t.Q.MemberRole(ctx, db.MemberRoleParams{WorkspaceID: workspaceID, UserID: userID}))
	if err != nil || or3cloud.Role(role) != or3cloud.RoleOwner {
		return err
	}
	others, err := t.Q.OtherOwners(ctx, db.OtherOwnersParams{Workspace: num, UserID: userID})
	if err == nil && others == 0 {
		return or3cloud.Errorf(or3cloud.CodeConflict, "A workspace needs an owner. Make another member its owner first.")
	}
	return err
}

// write runs f in a transaction and makes sure that reads that begin after it see its outcome.
func (w *Workspaces) write(ctx context.Context, f func(context.Context, *engine.Tx) error) error {
	return w.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		t.AfterCommit(func() {
			w.users.Forget()
			w.defaults.Forget()
			w.roles.Forget()
			w.admins.Forget()
		})
		return f(ctx, t)
	})
}

// in is write for a change in an existing workspace; f gets its number.
func (w *Workspaces) in(ctx context.Context, workspaceID string, f func(ctx context.Context, t *engine.Tx, num int64) error) error {
	return w.write(ctx, func(ctx context.Context, t *engine.Tx) error {
		num, err := liveWorkspace(ctx, t, workspaceID)
		if err != nil {
			return err
		}
		return f(ctx, t, num)
	})
}
