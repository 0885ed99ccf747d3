// Package lineage lets models read what a compacted chat has left out: the messages of the chats that it was made from
// (contract, sync §10.8, client-behaviour §15: get_message and search_parent). A compacted chat begins with a summary,
// which says which messages it was made from. Only these are read, and on demand the rest of the same chats: whatever a
// model asks for, it gets nothing outside the line of parents, and nothing that the user may not read, which the store
// checks again with each query.
//
//	lineage.go   the tools      scope.go   which messages there are
//	message.go   get_message    search.go  search_parent
package lineage

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/answers"
	"or3.chat/cloud/internal/sealed"
)

// The names of the tools.
const (
	getMessage   = "get_message"
	searchParent = "search_parent"
)

// Tools are the tools. They are safe for concurrent use.
type Tools struct {
	reader or3cloud.ChatHistoryReader
	sealer *sealed.Sealer // of the places where searches continue
	now    func() time.Time
}

// New returns the tools of a sync provider. Searches of one process do not continue in another.
func New(reader or3cloud.ChatHistoryReader, rand io.Reader, now func() time.Time) (*Tools, error) {
	key := make([]byte, 32)
	if _, err := io.ReadFull(rand, key); err != nil {
		return nil, fmt.Errorf("make a key for searches in chats: %w", err)
	}
	sealer, err := sealed.New(rand, "searches in chats", hex.EncodeToString(key))
	if err != nil {
		return nil, err
	}
	return &Tools{reader, sealer, now}, nil
}

// Has implements answers.Tools.
func (*Tools) Has(name string) bool { return name == getMessage || name == searchParent }

// Ready reports whether a user's chat was compacted, and everything is there that the tools need to read its origin.
func (t *Tools) Ready(ctx context.Context, userID, workspaceID, threadID string) bool {
	_, err := t.scope(ctx, who{userID, workspaceID, threadID})
	return err == nil
}

// who is the reader, and the chat they read from.
type who struct{ userID, workspaceID, threadID string }

// incomplete is why the past of a chat cannot be read, in the words for the model.
type incomplete string

// Error implements error.
func (i incomplete) Error() string { return string(i) }

// unread stands for what the store does not say.
const unread incomplete = "The history of this chat cannot be read here."

// refused is what a model is told instead of a result.
type refused struct {
	Status    string `json:"status"`
	Reason    string `json:"reason,omitempty"`
	Requested string `json:"requested_message_id,omitempty"`
}

// maxArguments is how many bytes the arguments of these tools have at most.
const maxArguments = 8 << 10

// Call implements answers.Tools.
func (t *Tools) Call(ctx context.Context, c answers.ToolCall) (string, error) {
	by := who{c.UserID, c.WorkspaceID, c.ThreadID}
	if len(c.Arguments) > maxArguments {
		return "", errArguments
	}
	var out any
	var err error
	switch c.Name {
	case getMessage:
		out, err = t.message(ctx, by, c.Arguments)
	case searchParent:
		out, err = t.search(ctx, by, c.Arguments)
	default:
		return "", or3cloud.Errorf(or3cloud.CodeNotFound, "There is no such tool")
	}
	var why incomplete
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.As(err, &why):
		out = refused{Status: "scope_incomplete", Reason: why.Error()}
	case err == errArguments:
		return "", err
	case err != nil:
		out = refused{Status: "scope_incomplete", Reason: unread.Error()}
	}
	text, err := json.Marshal(out)
	return string(text), err
}

var errArguments = or3cloud.Errorf(or3cloud.CodeInvalid, "The arguments do not fit the tool")

// thread reads a thread, and returns its revision.
func (t *Tools) thread(ctx context.Context, by who, id string) (out thread, revision string, err error) {
	if len(id) > or3cloud.MaxChatID {
		return out, "", incomplete("A chat of this line cannot be read.")
	}
	page, err := t.reader.ReadChatHistory(ctx, or3cloud.ChatQuery{
		WorkspaceID: by.workspaceID, UserID: by.userID, Kind: or3cloud.ChatThread, ThreadID: id,
	}, func([]byte) error { return nil })
	if err != nil {
		return out, "", err
	}
	if page.Thread == nil || json.Unmarshal(page.Thread, &out) != nil || out.ID != id || bool(out.Deleted) {
		return out, "", incomplete("A chat that this one was made from is gone, or not here yet.")
	}
	return out, page.Revision, nil
}

// messages calls do for messages of the workspace that exist.
func (t *Tools) messages(ctx context.Context, by who, ids []string, do func(m *message)) error {
	for _, id := range ids {
		if id == "" || len(id) > or3cloud.MaxChatID {
			return incomplete("A message of this line cannot be read.")
		}
	}
	_, err := t.reader.ReadChatHistory(ctx, or3cloud.ChatQuery{
		WorkspaceID: by.workspaceID, UserID: by.userID, Kind: or3cloud.ChatMessages, MessageIDs: ids,
	}, each(do))
	return err
}

// each reads the messages of an answer of the store. What is not a message is skipped.
func each(do func(m *message)) func(payload []byte) error {
	return func(payload []byte) error {
		var m message
		if json.Unmarshal(payload, &m) == nil && m.ID != "" {
			do(&m)
		}
		return nil
	}
}

// one returns a message; nil if it is not there.
func (t *Tools) one(ctx context.Context, by who, id string) (out *message, err error) {
	err = t.messages(ctx, by, []string{id}, func(m *message) {
		if m.ID == id {
			out = m
		}
	})
	return out, err
}
