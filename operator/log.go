package operator

import (
	"context"

	or3cloud "or3.chat/cloud"
)

// The questions about the log of a workspace, and the answer.
type (
	// LogQuery asks for entries.
	LogQuery struct {
		WorkspaceID string `json:"workspaceId"`
		// From is the first version that may be among them.
		From int64 `json:"from"`
		// Limit is how many there are at most; 0 means a full page.
		Limit int `json:"limit,omitempty"`
	}
	// LogEntries are entries in order; an empty list means that there are no more.
	LogEntries struct {
		Entries []or3cloud.LogEntry `json:"entries"`
	}
)

// logPage is the most entries of a page. It ends early at or3cloud.AnswerBytes.
const logPage = 1000

// ReadLog returns entries of a workspace as they are stored.
var ReadLog = onStore("log/read", "Change log", func(ctx context.Context, _ *Desk, store or3cloud.LogReader, in LogQuery) (LogEntries, error) {
	if in.Limit < 1 || in.Limit > logPage {
		in.Limit = logPage
	}
	entries, err := store.ReadLog(ctx, in.WorkspaceID, in.From, in.Limit)
	return LogEntries{append([]or3cloud.LogEntry{}, entries...)}, err
})
