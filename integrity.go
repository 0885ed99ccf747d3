package or3cloud

import (
	"context"
	"time"
)

// IntegrityState is what a storage provider knows of the soundness of its files. It is part of the deep health answer,
// which everybody may read, so it names no workspace and no content.
type IntegrityState struct {
	Enabled bool `json:"enabled"`
	// State is "idle", "running" or "failed".
	State string `json:"state"`
	// LastPass is the Unix time in milliseconds at which the last complete pass over all files ended; 0 if there was
	// none. LastPassFiles and LastPassBytes are what it read.
	LastPass      int64 `json:"lastPass,omitempty"`
	LastPassFiles int64 `json:"lastPassFiles,omitempty"`
	LastPassBytes int64 `json:"lastPassBytes,omitempty"`
	// PassStarted is when the pass under way began, CheckedFiles and CheckedBytes what it has read so far.
	PassStarted  int64 `json:"passStarted,omitempty"`
	CheckedFiles int64 `json:"checkedFiles"`
	CheckedBytes int64 `json:"checkedBytes"`
	// Damaged is how many contents are known to be damaged and not replaced yet.
	Damaged   int    `json:"damaged"`
	LastError string `json:"lastError,omitempty"`
}

// IntegrityReporter is the optional ability of a storage provider to say how sound its files are. It answers at once.
type IntegrityReporter interface {
	IntegrityState() IntegrityState
}

// BlobCondition says what was found when a stored copy of a content was read back.
type BlobCondition string

// The conditions.
const (
	BlobSound   BlobCondition = "sound"
	BlobCorrupt BlobCondition = "corrupt"
	// BlobUnreadable is a copy that the disk would not hand out. It may be sound.
	BlobUnreadable BlobCondition = "unreadable"
)

// CheckedBlob is a stored copy of a content that has been read back.
type CheckedBlob struct {
	WorkspaceID string        `json:"workspaceId"`
	Hash        BlobHash      `json:"hash"`
	Generation  string        `json:"generation,omitempty"`
	SizeBytes   int64         `json:"sizeBytes"`
	InTrash     bool          `json:"inTrash,omitempty"`
	Condition   BlobCondition `json:"condition"`
	// Fault says what is wrong, for the operator.
	Fault string `json:"fault,omitempty"`
	// Quarantined says that the copy has been moved aside.
	Quarantined bool `json:"quarantined,omitempty"`
}

// BlobCheckRequest asks for a stretch of a check.
type BlobCheckRequest struct {
	// WorkspaceID restricts the check to one workspace; "" is all.
	WorkspaceID string
	// After is where the stretch before this one ended; "" begins.
	After string
	// Rate bounds how many bytes are read per second; 0 is no bound.
	Rate int64
	// Quarantine moves corrupt copies aside.
	Quarantine bool
	// Files and Span bound the stretch: it ends with the file that exceeds one of them.
	Files int
	Span  time.Duration
}

// BlobChecker is the optional ability of a storage provider to read back what it stores.
type BlobChecker interface {
	// StoredVolume returns how many copies there are to be checked and how many bytes they have.
	StoredVolume(ctx context.Context, workspaceID string) (files, bytes int64, err error)
	// CheckBlobs reads copies back, in an order that does not change, and returns them and where the next stretch goes
	// on, "" after the last. A copy that is gone when its turn comes is left out.
	CheckBlobs(ctx context.Context, in BlobCheckRequest) (checked []CheckedBlob, next string, err error)
	// HasBlob reports whether the content is there, damaged or not. A copy in quarantine is not there.
	HasBlob(ctx context.Context, workspaceID string, hash BlobHash) (bool, error)
}

// DatabaseState is what a provider knows of the soundness of its database. It is part of the deep health answer, which
// everybody may read, so it names no workspace.
type DatabaseState struct {
	// State is "unchecked" before the first pass, "sound", or "damaged".
	State string `json:"state"`
	// LastPass is the Unix time in milliseconds at which the last complete pass over all pages ended; 0 if there was
	// none since the start. Pages is what it read.
	LastPass int64 `json:"lastPass,omitempty"`
	Pages    int64 `json:"pages,omitempty"`
	// Faults is how many faults are known, DamagedWorkspaces in how many workspaces rows cannot be read.
	Faults            int `json:"faults,omitempty"`
	DamagedWorkspaces int `json:"damagedWorkspaces,omitempty"`
	// RestoredAt is when an older copy of the database was last put back, Unix milliseconds; 0 if never.
	RestoredAt int64 `json:"restoredAt,omitempty"`
}

// The values of DatabaseState.State.
const (
	DatabaseUnchecked = "unchecked"
	DatabaseSound     = "sound"
	DatabaseDamaged   = "damaged"
)

// DatabaseFault is damage in a database.
type DatabaseFault struct {
	// Database is the path of the file.
	Database string `json:"database"`
	// WorkspaceID is the workspace whose rows cannot be read; "" if the fault is not one of rows.
	WorkspaceID string `json:"workspaceId,omitempty"`
	// Fault says what was found, for the operator.
	Fault string `json:"fault"`
}

// DatabaseCheckRequest asks for a stretch of a check.
type DatabaseCheckRequest struct {
	// After is where the stretch before this one ended; "" begins.
	After string `json:"after"`
	// Damaged says that an earlier stretch has found something, so that rows are looked at one by one.
	Damaged bool `json:"damaged"`
	// Span bounds how long the stretch reads pages.
	Span time.Duration `json:"span"`
}

// DatabaseStretch is what a stretch found.
type DatabaseStretch struct {
	Pages  int64           `json:"pages"`
	Faults []DatabaseFault `json:"faults,omitempty"`
	// Next is where the next stretch goes on, "" after the last.
	Next string `json:"next"`
}

// DatabaseIntegrity is the optional ability of a provider that keeps its rows in a database of its own to say how sound
// that is, and to read all of it.
type DatabaseIntegrity interface {
	// DatabaseState answers at once.
	DatabaseState() DatabaseState
	// CheckDatabase reads the pages of the database, then checks how they hang together, then, if anything was
	// found, which rows can still be read. Neither holds up those who read and write.
	CheckDatabase(ctx context.Context, in DatabaseCheckRequest) (DatabaseStretch, error)
}
