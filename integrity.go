package or3cloud

import (
	"context"
	"time"
)

// IntegrityState is a storage provider's report on the integrity of its files. It is part of the public deep health
// answer, so it names no workspace and no content.
type IntegrityState struct {
	Enabled bool `json:"enabled"`
	// State is "idle", "running" or "failed".
	State string `json:"state"`
	// LastPass is the Unix time in milliseconds at which the last complete pass over all files ended, or 0 if there was
	// none. LastPassFiles and LastPassBytes are the numbers of files and bytes it read.
	LastPass      int64 `json:"lastPass,omitempty"`
	LastPassFiles int64 `json:"lastPassFiles,omitempty"`
	LastPassBytes int64 `json:"lastPassBytes,omitempty"`
	// PassStarted is when the current pass began. CheckedFiles and CheckedBytes are what it has read so far.
	PassStarted  int64 `json:"passStarted,omitempty"`
	CheckedFiles int64 `json:"checkedFiles"`
	CheckedBytes int64 `json:"checkedBytes"`
	// Damaged is the number of contents known to be damaged and not yet replaced.
	Damaged   int    `json:"damaged"`
	LastError string `json:"lastError,omitempty"`
}

// IntegrityReporter is the optional ability of a storage provider to report on the integrity of its files. It must
// answer at once.
type IntegrityReporter interface {
	IntegrityState() IntegrityState
}

// BlobCondition is the result of reading back a stored copy of a content.
type BlobCondition string

// The conditions.
const (
	BlobSound   BlobCondition = "sound"
	BlobCorrupt BlobCondition = "corrupt"
	// BlobUnreadable is a copy that the disk failed to return. It may be intact.
	BlobUnreadable BlobCondition = "unreadable"
)

// CheckedBlob is a stored copy that was read back.
type CheckedBlob struct {
	WorkspaceID string        `json:"workspaceId"`
	Hash        BlobHash      `json:"hash"`
	Generation  string        `json:"generation,omitempty"`
	SizeBytes   int64         `json:"sizeBytes"`
	InTrash     bool          `json:"inTrash,omitempty"`
	Condition   BlobCondition `json:"condition"`
	// Fault describes the fault to the operator.
	Fault string `json:"fault,omitempty"`
	// Quarantined reports that the copy was moved to quarantine.
	Quarantined bool `json:"quarantined,omitempty"`
}

// BlobCheckRequest asks for one stretch of a check.
type BlobCheckRequest struct {
	// WorkspaceID restricts the check to one workspace. Empty means all.
	WorkspaceID string
	// After is where the previous stretch ended. Empty starts from the beginning.
	After string
	// Rate limits the bytes read per second. 0 means no limit.
	Rate int64
	// Quarantine moves corrupt copies to quarantine.
	Quarantine bool
	// Files and Span limit the stretch, which ends with the file that exceeds one of them.
	Files int
	Span  time.Duration
}

// BlobChecker is the optional ability of a storage provider to read back what it stores.
type BlobChecker interface {
	// StoredVolume returns the number of copies to check and their total size in bytes.
	StoredVolume(ctx context.Context, workspaceID string) (files, bytes int64, err error)
	// CheckBlobs reads copies back in a fixed order. It returns the results and where the next stretch begins, "" after
	// the last. It skips a copy that has disappeared by its turn.
	CheckBlobs(ctx context.Context, in BlobCheckRequest) (checked []CheckedBlob, next string, err error)
	// HasBlob reports whether the content is present, damaged or not. A copy in quarantine does not count.
	HasBlob(ctx context.Context, workspaceID string, hash BlobHash) (bool, error)
}

// DatabaseState is a provider's report on the integrity of its database. It is part of the public deep health answer,
// so it names no workspace.
type DatabaseState struct {
	// State is "unchecked" before the first pass, "sound", or "damaged".
	State string `json:"state"`
	// LastPass is the Unix time in milliseconds at which the last complete pass over all pages ended, or 0 if there was
	// none since the start. Pages is the number of pages it read.
	LastPass int64 `json:"lastPass,omitempty"`
	Pages    int64 `json:"pages,omitempty"`
	// Faults is the number of known faults, and DamagedWorkspaces the number of workspaces with unreadable rows.
	Faults            int `json:"faults,omitempty"`
	DamagedWorkspaces int `json:"damagedWorkspaces,omitempty"`
	// RestoredAt is when an older copy of the database was last restored, in Unix milliseconds, or 0 if never.
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
	// WorkspaceID is the workspace whose rows cannot be read, or "" if the fault is not in rows.
	WorkspaceID string `json:"workspaceId,omitempty"`
	// Fault describes the fault to the operator.
	Fault string `json:"fault"`
}

// DatabaseCheckRequest asks for one stretch of a check.
type DatabaseCheckRequest struct {
	// After is where the previous stretch ended. Empty starts from the beginning.
	After string `json:"after"`
	// Damaged reports that an earlier stretch found a fault, so that the check examines rows one by one.
	Damaged bool `json:"damaged"`
	// Span limits how long the stretch reads pages.
	Span time.Duration `json:"span"`
}

// DatabaseStretch is the result of a stretch.
type DatabaseStretch struct {
	Pages  int64           `json:"pages"`
	Faults []DatabaseFault `json:"faults,omitempty"`
	// Next is where the next stretch begins, "" after the last.
	Next string `json:"next"`
}

// DatabaseIntegrity is the optional ability of a provider with a database of its own to report on its integrity and to
// check all of it.
type DatabaseIntegrity interface {
	// DatabaseState answers at once.
	DatabaseState() DatabaseState
	// CheckDatabase reads the pages of the database, then checks its structure, and then, if it found a fault, which
	// rows can still be read. None of this blocks readers or writers.
	CheckDatabase(ctx context.Context, in DatabaseCheckRequest) (DatabaseStretch, error)
}
