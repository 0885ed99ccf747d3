package or3cloud

import (
	"context"
	"encoding/json"
	"time"
)

// LogMark tells what has happened to a log entry.
type LogMark string

// The marks.
const (
	LogWinner LogMark = "winner"
	// LogLost marks an entry that never won its record.
	LogLost LogMark = "lost"
	// LogReplaced marks an entry that was replaced, and LogPinned one that was replaced but that pulls still deliver.
	LogReplaced LogMark = "replaced"
	LogPinned   LogMark = "pinned"
	// LogCollected marks an entry that was deleted but whose bytes are still there.
	LogCollected LogMark = "collected"
)

// LogEntry is an entry in the log of a workspace, as stored.
type LogEntry struct {
	Version    int64     `json:"version"`
	Mark       LogMark   `json:"mark"`
	AcceptedAt time.Time `json:"acceptedAt"`
	// Replaced is the version of the entry that this one replaced as the winner of its record, or 0 if there was none.
	Replaced int64 `json:"replaced,omitempty"`
	// OwnerID is the only user who may see the record. Empty means all members.
	OwnerID string `json:"ownerId,omitempty"`
	// Place tells where the provider keeps the entry, for an operator who inspects the data by hand.
	Place string `json:"place"`
	// Change is the entry as pulls send it (contract, sync §5), or a JSON string if the stored text is not valid JSON.
	// It is nil if only the op id was kept.
	Change json.RawMessage `json:"change,omitempty"`
}

// LogReader is the optional ability to show an operator the log of a workspace, as stored.
type LogReader interface {
	// ReadLog returns at most limit entries from a version on, in order, including those that only single users may
	// see. It stops after the entry that reaches AnswerBytes. It returns none beyond the last version written.
	ReadLog(ctx context.Context, workspaceID string, from int64, limit int) ([]LogEntry, error)
}
