package members

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
)

// FindWorkspaces implements or3cloud.WorkspaceDirectory.
func (w *Workspaces) FindWorkspaces(ctx context.Context, idOrName string, limit int) ([]or3cloud.WorkspaceSummary, error) {
	rows, err := w.e.Q.FindWorkspaces(ctx, db.FindWorkspacesParams{Name: idOrName, Max: int64(limit)})
	if err != nil {
		return nil, sqlitex.Translate(err)
	}
	out := make([]or3cloud.WorkspaceSummary, len(rows))
	for i, r := range rows {
		out[i] = or3cloud.WorkspaceSummary{
			ID: r.ID, Name: r.Name, CreatedAt: time.UnixMilli(r.CreatedAt).UTC(), Members: int(r.Members), Owner: r.Owner,
		}
	}
	return out, nil
}
