package syncrule

import (
	"encoding/json"
	"math"
	"strings"

	or3cloud "or3.chat/cloud"
)

// CheckChatQuery checks a query of a chat's history on its own (contract, sync §10.8), and returns where its page
// begins.
func CheckChatQuery(q *or3cloud.ChatQuery) (from ChatSeek, err error) {
	ok := false
	switch q.Kind {
	case or3cloud.ChatThread:
		ok = isChatID(q.ThreadID)
	case or3cloud.ChatMessages:
		ok = len(q.MessageIDs) <= or3cloud.MaxChatMessages
		for _, id := range q.MessageIDs {
			ok = ok && isChatID(id)
		}
	case or3cloud.ChatThreadPage:
		ok = isChatID(q.ThreadID) && q.Limit >= 1 && q.Limit <= or3cloud.MaxChatMessages
		if ok {
			return seek(q)
		}
	}
	if !ok {
		return from, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid chat history query")
	}
	return from, nil
}

func isChatID(id string) bool { return id != "" && len(id) <= or3cloud.MaxChatID }

// ChatSeek is a position between two messages of a thread, and a direction. It is the host's form of a cursor, which we
// use too.
type ChatSeek struct {
	ThreadID string
	Backward bool
	// Index, OrderKey and ID belong to the last message passed. Begun is false at the beginning.
	Index    float64
	OrderKey string
	ID       string
	Begun    bool
}

const seekPrefix = "chat-seek-v1:"

// wireSeek is the JSON of a seek. Key holds the index, the order key and the id.
type wireSeek struct {
	ThreadID *string            `json:"thread_id"`
	Backward *bool              `json:"backward"`
	Key      *[]json.RawMessage `json:"key,omitempty"`
}

var errChatCursor = or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid chat history cursor")

func seek(q *or3cloud.ChatQuery) (s ChatSeek, err error) {
	s.ThreadID = q.ThreadID
	if q.Cursor == "" {
		return s, nil
	}
	var wire wireSeek
	text, ours := strings.CutPrefix(q.Cursor, seekPrefix)
	if !ours || len(q.Cursor) > or3cloud.MaxChatCursor || json.Unmarshal([]byte(text), &wire) != nil ||
		wire.ThreadID == nil || *wire.ThreadID != q.ThreadID || wire.Backward == nil {
		return s, errChatCursor
	}
	s.Backward = *wire.Backward
	if wire.Key == nil {
		return s, nil
	}
	s.Begun = true
	key := *wire.Key
	if len(key) != 3 || len(key[0]) == 0 || key[0][0] == 'n' || json.Unmarshal(key[0], &s.Index) != nil || math.IsInf(s.Index, 0) ||
		!readText(key[1], &s.OrderKey) || !readText(key[2], &s.ID) {
		return s, errChatCursor
	}
	return s, nil
}

// readText reads a JSON string. null is not one.
func readText(text json.RawMessage, s *string) bool {
	return len(text) > 0 && text[0] == '"' && json.Unmarshal(text, s) == nil
}

// Cursor returns the seek's text as a cursor to the position after a message. It is empty if the text would exceed the
// limit on cursors.
func (s *ChatSeek) Cursor() string {
	key := make([]json.RawMessage, 3)
	for i, v := range []any{s.Index, s.OrderKey, s.ID} {
		text, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		key[i] = text
	}
	text, err := json.Marshal(wireSeek{&s.ThreadID, &s.Backward, &key})
	if err != nil || len(seekPrefix)+len(text) > or3cloud.MaxChatCursor {
		return ""
	}
	return seekPrefix + string(text)
}
