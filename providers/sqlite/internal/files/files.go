// Package files answers the storage provider's and the host's questions about files: how much space a workspace has
// left, whether a stored content may be destroyed, and which rows name files (contract, storage). It reads what the log
// has derived from its winners.
package files

import (
	"time"

	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/members"
)

// Options configure a Files.
type Options struct {
	// Retention is how long the log keeps superseded entries, FileRetention how long the storage provider keeps files
	// that nothing references.
	Retention, FileRetention time.Duration
}

// Files implements or3cloud.ReferenceClaimer, UploadIntents, StorageUsage and CanonicalStorage.
type Files struct {
	e    *engine.Engine
	ws   *members.Workspaces
	log  *changelog.Log
	opts Options
}

// New returns the files of a database.
func New(e *engine.Engine, ws *members.Workspaces, log *changelog.Log, opts Options) *Files {
	return &Files{e: e, ws: ws, log: log, opts: opts}
}
