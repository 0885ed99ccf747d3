package or3cloud

import (
	"context"
	"time"
)

// Limits on queries of a chat's history (contract, sync §10.8). Ids and cursors are counted in bytes.
const (
	MaxChatMessages = 100
	MaxChatID       = 200
	MaxChatCursor   = 2048
)

// ChatAnswerBytes is the limit on the size of an answer with messages requested by id: MaxChatMessages of the largest
// size that the newest clients write. AnswerBytes limits a page of a thread.
const ChatAnswerBytes = MaxChatMessages * (256 << 10)

// ChatQueryKind is the kind of a query of a chat's history.
type ChatQueryKind string

// The kinds of queries.
const (
	ChatThread     ChatQueryKind = "thread"
	ChatMessages   ChatQueryKind = "messages"
	ChatThreadPage ChatQueryKind = "thread_page"
)

// ChatQuery asks for a thread, for messages by their ids, or for a page of a thread's messages.
type ChatQuery struct {
	WorkspaceID string
	// UserID is the internal id of the reader.
	UserID string
	Kind   ChatQueryKind
	// ThreadID is for ChatThread and ChatThreadPage.
	ThreadID string
	// MessageIDs are for ChatMessages, at most MaxChatMessages.
	MessageIDs []string
	// Cursor is where the page begins: empty, the previous ChatPage.NextCursor, or a seek of the host ("chat-seek-v1:"
	// and JSON), which may go backwards.
	Cursor string
	// Limit is the largest number of messages in a page, 1..MaxChatMessages.
	Limit int
}

// ProjectOwnership tells whether the project of a thread is known.
type ProjectOwnership string

// The values of ProjectOwnership. Empty means unknown: the answer would have to read more than it may.
const (
	ProjectResolved ProjectOwnership = "resolved"
	ProjectConflict ProjectOwnership = "conflict" // several projects list the thread
)

// ChatPage closes an answer about a chat's history.
type ChatPage struct {
	// Incomplete reports that the answer does not cover everything requested ("scope_incomplete").
	Incomplete bool
	// Thread is the payload of the thread, for ChatThread. It is nil if there is none or it was deleted permanently. If
	// the thread names no project, its project_id is the project that lists it.
	Thread           []byte
	ProjectOwnership ProjectOwnership
	// NextCursor is where the next page begins. It is empty after the last one.
	NextCursor string
	// Examined is the number of rows that the page looked at.
	Examined int
	// Revision changes whenever the thread or one of its messages changes, and never repeats. It is empty if there is
	// no such thread, and for ChatMessages.
	Revision string
}

// ChatHistoryReader is the optional ability of a sync provider to read chats from the winners of the log, for
// background answers and their history tools (contract, sync §10.8: capability canonicalChatHistory).
type ChatHistoryReader interface {
	// ReadChatHistory calls emit with the payload of each message that it finds; the payload is valid only during the
	// call. Messages of a page come in the order of index, order_key and id, and messages requested by id in the order
	// of the ids. A message that is marked as deleted comes as it is; one that an op deleted does not. It returns
	// CodeForbidden if the user may not read the workspace, CodeInvalid if the query exceeds the limits, and the error
	// of emit if emit fails.
	ReadChatHistory(ctx context.Context, q ChatQuery, emit func(message []byte) error) (ChatPage, error)
}

// GenerationKind tells whether an answer begins a turn or continues one.
type GenerationKind string

// The kinds of generations.
const (
	NewTurn      GenerationKind = "new-turn"
	Continuation GenerationKind = "continuation"
)

// MaxGenerationBytes is the limit on the total size of a generation's records, and on that of its answer. The stored
// form of a record is smaller, because images inside a message stay on the device.
const MaxGenerationBytes = 16 << 20

// ChatGeneration is an answer that a model writes in the background, as the client announced it (contract, sync §10.8:
// the envelope of an admission). Its records are rows of the client's database as JSON objects, stamped with id, clock
// and perhaps hlc. They are written as the client would push them: without device-only fields, with the fields that
// every row needs, and with everything else kept byte for byte.
type ChatGeneration struct {
	Kind        GenerationKind
	WorkspaceID string
	// UserID is the internal id of the user whose job it is.
	UserID string
	// GenerationID makes admission and finalization idempotent. AdmissionID is chosen by the client.
	AdmissionID, GenerationID string
	ThreadID, MessageID       string
	// Thread and UserMessage may be nil for a Continuation.
	Thread, UserMessage []byte
	// AssistantMessage is the message that the answer becomes. Its id is MessageID and its thread_id is ThreadID.
	AssistantMessage []byte
	// Expected is the state of the message that a Continuation starts from. It is nil for a NewTurn.
	Expected *ExpectedAssistant
}

// ExpectedAssistant is the state of a message as a client knows it.
type ExpectedAssistant struct {
	Clock int64
	// GenerationID is the generation that wrote the message. It is empty if it does not matter.
	GenerationID string
}

// GenerationStatus tells how a generation ended.
type GenerationStatus string

// The statuses.
const (
	GenerationComplete GenerationStatus = "complete"
	GenerationError    GenerationStatus = "error"
	GenerationAborted  GenerationStatus = "aborted"
)

// GenerationSnapshot is the final answer of a generation. Its texts and values are JSON, kept byte for byte, because a
// model's text may be cut in the middle of a character (contract, sync Pitfall 17).
type GenerationSnapshot struct {
	Status GenerationStatus
	// Content and Reasoning are JSON strings.
	Content, Reasoning []byte
	// ToolCalls is a JSON array, Usage an object and Error a string. Each is nil if absent.
	ToolCalls, Usage, Error []byte
	CompletedAt             time.Time
}

// SupersededReason is the reason why an answer was not written.
type SupersededReason string

// The reasons.
const (
	SupersededDeleted         SupersededReason = "deleted"
	SupersededNewerGeneration SupersededReason = "newer_generation"
	SupersededEdited          SupersededReason = "edited"
	SupersededMissing         SupersededReason = "missing"
)

// GenerationReceipt is the outcome of a stage of a generation.
type GenerationReceipt struct {
	// Replayed reports that the stage had been written before, with this ServerVersion, and that this call wrote
	// nothing.
	Replayed bool
	// ServerVersion is the version of the message's op.
	ServerVersion int64
	// Superseded is set if the message has changed course since the admission, so that the answer was not written.
	Superseded SupersededReason
}

// GenerationHistory is the optional ability of a sync provider to write the messages of background answers as ordinary
// ops that every device pulls (contract, sync §10.8: capability backgroundGenerationHistory). Each call is one
// transaction and checks again that the user may write; it returns CodeForbidden if not. A malformed generation is
// CodeInvalid or CodeTooLarge, and one that contradicts what was written is CodeConflict. CodeUnavailable is temporary,
// as with a push.
type GenerationHistory interface {
	// AdmitChatGeneration writes the records of a generation before its model is asked. It fails with CodeConflict if
	// the message or its thread has changed course, or if the records differ from an earlier admission of the same
	// generation.
	AdmitChatGeneration(ctx context.Context, g ChatGeneration) (GenerationReceipt, error)
	// FinalizeChatGeneration makes the answer the content of the message, unless the message belongs to another
	// generation, or was edited or deleted since the admission. The first snapshot of a generation is final.
	FinalizeChatGeneration(ctx context.Context, g ChatGeneration, s GenerationSnapshot) (GenerationReceipt, error)
}
