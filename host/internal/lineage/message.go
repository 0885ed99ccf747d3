package lineage

import (
	"context"
	"encoding/json"
	"slices"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/syncrule"
)

// The limits of get_message: characters of the message and of each neighbour, bytes in total, and how many messages are
// searched for a neighbour, and for the replacement of a message.
const (
	messageText   = 8000
	neighbourText = 2000
	messageSize   = 24 << 10
	lookFor       = 100
	maxReplaced   = 16
)

// found is the result of get_message.
type found struct {
	Status       string      `json:"status"`
	Requested    string      `json:"requested_message_id"`
	Replacements []string    `json:"replacement_message_ids"`
	Message      described   `json:"message"`
	Neighbours   []described `json:"neighbors"`
	// Incomplete says that a neighbour was not found nearby.
	Incomplete bool `json:"neighbors_incomplete"`
}

func (t *Tools) message(ctx context.Context, by who, arguments string) (any, error) {
	var in struct {
		MessageID string `json:"message_id"`
		Beyond    bool   `json:"include_after_compaction"`
	}
	if json.Unmarshal([]byte(arguments), &in) != nil || in.MessageID == "" || len(in.MessageID) > or3cloud.MaxChatID {
		return nil, errArguments
	}
	s, err := t.scope(ctx, by)
	if err != nil {
		return nil, err
	}
	no := func(status string) (any, error) { return refused{Status: status, Requested: in.MessageID}, nil }
	if !in.Beyond && !s.has(in.MessageID) {
		return no("out_of_scope")
	}
	m, err := t.one(ctx, by, in.MessageID)
	switch {
	case err != nil:
		return nil, err
	case m == nil && in.Beyond, m != nil && !s.permits(m, in.Beyond): // outside the scope, the tool does not even say whether a message exists
		return no("out_of_scope")
	case m == nil:
		return no("unavailable")
	case bool(m.Deleted):
		return no("deleted")
	}
	out := found{Status: "ok", Requested: in.MessageID, Replacements: []string{}, Neighbours: []described{}}
	for m.Data.Superseded != "" {
		if len(out.Replacements) == maxReplaced || slices.Contains(out.Replacements, m.Data.Superseded) {
			return nil, incomplete("The message was replaced again and again.")
		}
		out.Status, out.Replacements = "superseded", append(out.Replacements, m.Data.Superseded)
		next, err := t.one(ctx, by, m.Data.Superseded)
		switch {
		case err != nil:
			return nil, err
		case next == nil, !s.permits(next, in.Beyond):
			return no("superseded")
		case bool(next.Deleted):
			return no("deleted")
		}
		m = next
	}
	out.Message = s.describe(m, messageText)
	for _, back := range []bool{true, false} {
		next, complete, err := t.neighbour(ctx, s, m, back, in.Beyond)
		if err != nil {
			return nil, err
		}
		if next != nil {
			out.Neighbours = append(out.Neighbours, s.describe(next, neighbourText))
		}
		out.Incomplete = out.Incomplete || !complete
	}
	for n := messageText; size(out) > messageSize; n -= 500 {
		if len(out.Neighbours) > 0 {
			out.Neighbours, out.Incomplete = out.Neighbours[:len(out.Neighbours)-1], true
			continue
		}
		out.Message.Text, _ = excerpt(out.Message.Text, max(n, 0))
		if out.Message.Truncated = true; out.Message.Text == "" {
			return nil, incomplete("The message cannot be read.")
		}
	}
	return out, t.unchanged(ctx, s)
}

func size(v any) int {
	text, err := json.Marshal(v)
	if err != nil {
		return 0
	}
	return len(text)
}

// neighbour returns the message before or after another one; if it is nil, none says whether there is none.
func (t *Tools) neighbour(ctx context.Context, s *scope, m *message, back, beyond bool) (next *message, complete bool, err error) {
	fits := func(other *message) bool {
		return next == nil && other.ID != m.ID && !bool(other.Deleted) && other.Data.Superseded == "" && s.permits(other, beyond)
	}
	if beyond {
		from := syncrule.ChatSeek{ThreadID: m.ThreadID, Backward: back, Index: m.Index, OrderKey: m.OrderKey, ID: m.ID, Begun: true}
		cursor := from.Cursor()
		if cursor == "" {
			return nil, false, nil
		}
		page, err := t.page(ctx, s, m.ThreadID, cursor, lookFor, func(other *message) {
			if fits(other) {
				next = other
			}
		})
		return next, page.NextCursor == "", err
	}
	step := 1
	if back {
		step = -1
	}
	at := slices.Index(s.refs, ref{m.ThreadID, m.ID})
	var ids []string
	for i := at + step; at >= 0 && i >= 0 && i < len(s.refs) && len(ids) < lookFor; i += step {
		ids = append(ids, s.refs[i].messageID)
	}
	const few = 5 // usually there is one among them
	for chunk := range slices.Chunk(ids, few) {
		err := t.messages(ctx, s.by, chunk, func(other *message) {
			if fits(other) {
				next = other
			}
		})
		if err != nil || next != nil {
			return next, true, err
		}
	}
	return nil, len(ids) < lookFor, nil
}

// page reads a page of a chat of the line.
func (t *Tools) page(ctx context.Context, s *scope, threadID, cursor string, limit int, do func(m *message)) (or3cloud.ChatPage, error) {
	return t.reader.ReadChatHistory(ctx, or3cloud.ChatQuery{
		WorkspaceID: s.by.workspaceID, UserID: s.by.userID, Kind: or3cloud.ChatThreadPage, ThreadID: threadID, Cursor: cursor, Limit: limit,
	}, each(do))
}
