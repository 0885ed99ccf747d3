package members

import (
	"context"
	"math"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// Directory is what operators see of all users and workspaces, and what they do to them. It implements
// or3cloud.WorkspaceDirectory, UserDirectory, UserFinder, WorkspaceAdministrator and WorkspaceLister.
type Directory struct{ w *Workspaces }

// NewDirectory returns the directory of all workspaces.
func NewDirectory(w *Workspaces) *Directory { return &Directory{w} }

// page is how many rows are read at once where all are looked at.
const page = 1000

// FindWorkspaces implements or3cloud.WorkspaceDirectory.
func (d *Directory) FindWorkspaces(ctx context.Context, idOrName string, limit int) ([]or3cloud.WorkspaceSummary, error) {
	rows, err := d.w.e.Q.FindWorkspaces(ctx, db.FindWorkspacesParams{Name: idOrName, Max: int64(limit)})
	if err != nil {
		return nil, sqlitex.Translate(err)
	}
	out := make([]or3cloud.WorkspaceSummary, len(rows))
	for i, r := range rows {
		out[i] = summary(db.DescribeWorkspaceRow(r))
	}
	return out, nil
}

func summary(r db.DescribeWorkspaceRow) or3cloud.WorkspaceSummary {
	s := or3cloud.WorkspaceSummary{
		ID: r.ID, Name: r.Name, Description: r.Description, CreatedAt: time.UnixMilli(r.CreatedAt).UTC(), Members: int(r.Members),
		Owner: r.Owner, OwnerUserID: r.OwnerID,
	}
	if r.DeletedAt.Valid {
		s.DeletedAt = time.UnixMilli(r.DeletedAt.Int64).UTC()
	}
	return s
}

// contains reports whether any of some texts contains text, which is in lower case.
func contains(text string, in ...string) bool {
	for _, s := range in {
		if strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	return false
}

// eachUser calls f for all users until it returns false. SQLite ignores case only in ASCII, so it cannot compare them.
func (d *Directory) eachUser(ctx context.Context, f func(or3cloud.User) bool) error {
	for after := ""; ; {
		rows, err := d.w.e.Q.UserPage(ctx, db.UserPageParams{After: after, Max: page})
		if err != nil {
			return sqlitex.Translate(err)
		}
		for _, r := range rows {
			after = r.ID
			if !f(or3cloud.User(r)) {
				return nil
			}
		}
		if len(rows) < page {
			return nil
		}
	}
}

// SearchUsers implements or3cloud.UserDirectory.
func (d *Directory) SearchUsers(ctx context.Context, text string, limit int) (out []or3cloud.User, err error) {
	text = strings.ToLower(text)
	err = d.eachUser(ctx, func(u or3cloud.User) bool {
		if len(out) < limit && contains(text, u.Email, u.DisplayName, u.ID) {
			out = append(out, u)
		}
		return len(out) < limit
	})
	return out, err
}

// namesakes is how many users UsersNamed returns at most; more than one cannot be told apart.
const namesakes = 10

// UsersNamed implements or3cloud.UserFinder.
func (d *Directory) UsersNamed(ctx context.Context, name, provider string) (out []or3cloud.User, err error) {
	if strings.Contains(name, "@") {
		err = d.eachUser(ctx, func(u or3cloud.User) bool {
			if strings.EqualFold(u.Email, name) {
				out = append(out, u)
			}
			return len(out) < namesakes
		})
		return out, err
	}
	rows, err := d.w.e.Q.UsersByIdentity(ctx, db.UsersByIdentityParams{ProviderUserID: name, Provider: provider, Max: namesakes})
	for _, r := range rows {
		out = append(out, or3cloud.User(r))
	}
	if err != nil || len(out) > 0 || provider != "" {
		return out, sqlitex.Translate(err)
	}
	own, err := d.w.e.Q.UserByID(ctx, name)
	for _, r := range own {
		out = append(out, or3cloud.User(r))
	}
	return out, sqlitex.Translate(err)
}

// SearchWorkspaces implements or3cloud.WorkspaceAdministrator.
func (d *Directory) SearchWorkspaces(ctx context.Context, in or3cloud.WorkspaceSearch) (out []or3cloud.WorkspaceSummary, total int, err error) {
	text := strings.ToLower(in.Text)
	var found []int64
	for before := int64(math.MaxInt64); ; {
		rows, err := d.w.e.Q.WorkspacePage(ctx, db.WorkspacePageParams{Before: before, Max: page})
		if err != nil {
			return nil, 0, sqlitex.Translate(err)
		}
		for _, r := range rows {
			before = r.Num
			if r.Deleted && !in.IncludeDeleted || !contains(text, r.Name, r.Description) {
				continue
			}
			if total >= in.Offset && len(found) < in.Limit {
				found = append(found, r.Num)
			}
			total++
		}
		if len(rows) < page {
			break
		}
	}
	for _, num := range found {
		row, err := d.w.e.Q.DescribeWorkspace(ctx, num)
		if err != nil {
			return nil, 0, sqlitex.Translate(err)
		}
		out = append(out, summary(row))
	}
	return out, total, nil
}

// DescribeWorkspace implements or3cloud.WorkspaceAdministrator.
func (d *Directory) DescribeWorkspace(ctx context.Context, workspaceID string) (or3cloud.WorkspaceSummary, error) {
	num, err := d.w.Number(ctx, workspaceID)
	if err != nil {
		return or3cloud.WorkspaceSummary{}, unknown(err)
	}
	row, err := d.w.e.Q.DescribeWorkspace(ctx, num)
	return summary(row), sqlitex.Translate(err)
}

// unknown tells an operator that there is no such workspace, which others may not know.
func unknown(err error) error {
	if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
		return errWorkspaceNotFound
	}
	return err
}

// SoftDeleteWorkspace implements or3cloud.WorkspaceAdministrator.
func (d *Directory) SoftDeleteWorkspace(ctx context.Context, workspaceID string) error {
	return d.change(ctx, workspaceID, func(ctx context.Context, t *engine.Tx, num int64, deleted bool) error {
		if deleted {
			return nil
		}
		return deleteWorkspace(ctx, t, num)
	})
}

// RestoreWorkspace implements or3cloud.WorkspaceAdministrator.
func (d *Directory) RestoreWorkspace(ctx context.Context, workspaceID string) error {
	return d.change(ctx, workspaceID, func(ctx context.Context, t *engine.Tx, num int64, deleted bool) error {
		if !deleted {
			return nil
		}
		owners, err := t.Q.OtherOwners(ctx, db.OtherOwnersParams{Workspace: num})
		if err != nil {
			return err
		}
		if owners == 0 {
			return or3cloud.Errorf(or3cloud.CodeConflict, "The owners of this workspace were removed, along with their content")
		}
		return t.Q.RestoreWorkspace(ctx, num)
	})
}

// change lets f change a workspace that exists or was deleted.
func (d *Directory) change(ctx context.Context, workspaceID string, f func(context.Context, *engine.Tx, int64, bool) error) error {
	num, err := d.w.Number(ctx, workspaceID)
	if err != nil {
		return unknown(err)
	}
	return d.w.write(ctx, func(ctx context.Context, t *engine.Tx) error {
		gone, err := t.Q.WorkspaceDeletedAt(ctx, num)
		if err != nil {
			return err
		}
		return f(ctx, t, num, gone.Valid)
	})
}

// ListWorkspaceIDs implements or3cloud.WorkspaceLister.
func (d *Directory) ListWorkspaceIDs(ctx context.Context, after string, limit int) ([]string, error) {
	ids, err := d.w.e.Q.WorkspaceIDs(ctx, db.WorkspaceIDsParams{After: after, Max: int64(limit)})
	return ids, sqlitex.Translate(err)
}
