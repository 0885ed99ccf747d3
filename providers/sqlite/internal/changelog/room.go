package changelog

import (
	"errors"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// What a workspace may keep in the database is one sum: its entries and the names of its kv rows. Everything else that
// grows with a push (marks, the index, files, references) comes and goes with an entry.

const (
	// EntryOverhead is what an entry counts besides its text: its head, the index, what is derived from it. A kv name
	// counts as much.
	EntryOverhead = 256
	// DeletionRoom is the fraction of the quota by which deletions may exceed it, since they are what frees space.
	DeletionRoom = 10
)

// EntrySize is how much an entry counts whose unpacked text has this many bytes. The collector computes the same from
// its block.
func EntrySize(text int) int64 { return EntryOverhead + int64(text) }

var errWorkspaceFull = errors.New("the workspace is full")

// checkWorkspaceRoom refuses a batch for a workspace that is full. Clients keep their edits on a 503, and go on when
// there is space again.
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
