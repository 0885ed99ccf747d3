// Package history reads chats from the winners of the log, and writes the messages of background answers (contract,
// sync §10.8).
package history

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/members"
)

// Noticed is called with the error of each request for a workspace, nil included.
type Noticed = func(workspaceID string, err error)

// History implements or3cloud.ChatHistoryReader and GenerationHistory.
type History struct {
	e       *engine.Engine
	ws      *members.Workspaces
	log     *changelog.Log
	noticed Noticed
}

// New returns the history of the chats of a log.
func New(e *engine.Engine, ws *members.Workspaces, log *changelog.Log, noticed Noticed) *History {
	return &History{e: e, ws: ws, log: log, noticed: noticed}
}

// view runs f in a read transaction, for a user who may do p in the workspace.
func (h *History) view(
	ctx context.Context, workspaceID, userID string, p or3cloud.Permission, f func(r *changelog.Reader, num int64) error,
) error {
	num, err := h.ws.Number(ctx, workspaceID)
	if err != nil {
		return err
	}
	err = h.log.View(ctx, func(r *changelog.Reader) error {
		if err := members.PermitRead(r.Reader, userID, num, p); err != nil {
			return err
		}
		return f(r, num)
	})
	h.noticed(workspaceID, err)
	return err
}
