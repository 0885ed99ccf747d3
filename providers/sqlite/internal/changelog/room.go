package changelog

import (
	"errors"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// What a workspace may keep in the database is one sum: its entries and the names of its kv rows. Everything else that a
// push makes grow (marks, the index, files, references) comes and goes with an entry.

const (
	// EntryOverhead is what an entry counts beside its text: its head, the index, what is derived from it. A kv name counts as much.
	EntryOverhead = 256
	// DeletionRoom is the part of the quota by which deletions may exceed it, since they are what makes room.
	DeletionRoom = 10
)

// EntrySize is what an entry counts whose text has so many bytes, not packed. The collector computes the same from its block.
func EntrySize(text int) int64 { return EntryOverhead + int64(text) }

var errWorkspaceFull = errors.New("the workspace is full")

// checkWorkspaceRoom refuses a batch for a workspace that keeps as much as it may already. Clients keep their edits on a
// 503, and go on when there is room again.
func checkWorkspaceRoom(bytes, quota int64, ops []preparedOp) error {
	if quota <= 0 || bytes < quota {
		return nil
	}
	if bytes < quota+quota/DeletionRoom && onlyDeletes(ops) {
		return nil
	}
	return or3cloud.Unavailable(errWorkspaceFull, "The workspace is full", engine.FullRetryAfter)
}

func onlyDeletes(ops []preparedOp) bool {
	for i := range ops {
		if ops[i].Operation != or3cloud.OpDelete && !ops[i].Facts.Deleted {
			return false
		}
	}
	return true
}
