package or3cloud

import (
	"context"
	"encoding/json"
	"time"
)

// LogMark says what has become of an entry of the log.
type LogMark string

// The marks.
const (
	LogWinner LogMark = "winner"
	// LogLost is that of an entry that never was the winner of its record.
	LogLost LogMark = "lost"
	// LogReplaced is that of one that was replaced, and LogPinned of one that pulls deliver all the same.
	LogReplaced LogMark = "replaced"
	LogPinned   LogMark = "pinned"
	// LogCollected is that of one that is there no more, although its bytes are.
	LogCollected LogMark = "collected"
)

// LogEntry is an entry of the log of a workspace as it is stored.
type LogEntry struct {
	Version    int64     `json:"version"`
	Mark       LogMark   `json:"mark"`
	AcceptedAt time.Time `json:"acceptedAt"`
	// Replaced is the version of the entry that it has replaced as the winner of its record; 0 if there was none.
	Replaced int64 `json:"replaced,omitempty"`
	// OwnerID is the user to whom alone the record is shown; empty for all members.
	OwnerID string `json:"ownerId,omitempty"`
	// Place says where the provider keeps it, for who looks there by hand.
	Place string `json:"place"`
	// Change is the entry as pulls send it (contract, sync §5), or as a JSON string if it is no JSON; nil if nothing but its op id is kept.
	Change json.RawMessage `json:"change,omitempty"`
}

// LogReader is the optional ability to show an operator the log of a workspace as it is stored.
type LogReader interface {
	// ReadLog returns the entries from a version on, in order, what single users see among them: limit of them at most, and none behind the one that
	// reaches AnswerBytes. There are none beyond the last one that was written.
	ReadLog(ctx context.Context, workspaceID string, from int64, limit int) ([]LogEntry, error)
}
