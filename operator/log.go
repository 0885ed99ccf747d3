package operator

import (
	"context"

	or3cloud "or3.chat/cloud"
)

// What is asked about the log of a workspace, and the answer.
type (
	// LogQuery asks for entries.
	LogQuery struct {
		WorkspaceID string `json:"workspaceId"`
		// From is the first version that may be among them.
		From int64 `json:"from"`
		// Limit is how many there are at most; 0 is as many as a page has.
		Limit int `json:"limit,omitempty"`
	}
	// LogEntries are entries in order; there are none behind the last one.
	LogEntries struct {
		Entries []or3cloud.LogEntry `json:"entries"`
	}
)

// logPage is how many entries a page has at most. It ends early at or3cloud.AnswerBytes.
const logPage = 1000

// ReadLog returns entries of a workspace as they are stored.
var ReadLog = onStore("log/read", "Change log", func(ctx context.Context, _ *Desk, store or3cloud.LogReader, in LogQuery) (LogEntries, error) {
	if in.Limit < 1 || in.Limit > logPage {
		in.Limit = logPage
	}
	entries, err := store.ReadLog(ctx, in.WorkspaceID, in.From, in.Limit)
	return LogEntries{append([]or3cloud.LogEntry{}, entries...)}, err
})
