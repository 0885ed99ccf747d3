package or3cloud

import (
	"context"
	"time"
)

// The bounds of what is asked of a chat's history (contract, sync §10.8). Ids and cursors are counted in bytes.
const (
	MaxChatMessages = 100
	MaxChatID       = 200
	MaxChatCursor   = 2048
)

// ChatAnswerBytes is how many bytes of messages that are asked for by id one answer carries: MaxChatMessages of the largest that
// the newest clients write. A page of a thread ends at AnswerBytes.
const ChatAnswerBytes = MaxChatMessages * (256 << 10)

// ChatQueryKind is what is asked of a chat's history.
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
	// UserID is the internal id of who reads.
	UserID string
	Kind   ChatQueryKind
	// ThreadID is for ChatThread and ChatThreadPage.
	ThreadID string
	// MessageIDs are for ChatMessages, at most MaxChatMessages.
	MessageIDs []string
	// Cursor is where a page begins: empty, what ChatPage.NextCursor was, or a seek of the host ("chat-seek-v1:" and JSON), which
	// may go backwards.
	Cursor string
	// Limit is the largest number of messages of a page, 1..MaxChatMessages.
	Limit int
}

// ProjectOwnership says whether it is known which project a thread belongs to.
type ProjectOwnership string

// The values of ProjectOwnership. An empty one is not known: there is more to look at than one answer may read.
const (
	ProjectResolved ProjectOwnership = "resolved"
	ProjectConflict ProjectOwnership = "conflict" // several projects have the thread
)

// ChatPage closes an answer about a chat's history.
type ChatPage struct {
	// Incomplete says that not everything that was asked for could be told ("scope_incomplete").
	Incomplete bool
	// Thread is the payload of the thread, for ChatThread; nil if there is none, or it is deleted for good. Its project_id is the
	// project that lists it if it names none.
	Thread           []byte
	ProjectOwnership ProjectOwnership
	// NextCursor is where the next page begins; empty after the last one.
	NextCursor string
	// Examined is how many rows a page has looked at.
	Examined int
	// Revision changes whenever the thread or one of its messages does, and never comes back; empty if there is no such thread,
	// and for ChatMessages.
	Revision string
}

// ChatHistoryReader is the optional ability of a sync provider to read chats from the winners of the log, for background answers
// and their history tools (contract, sync §10.8: capability canonicalChatHistory).
type ChatHistoryReader interface {
	// ReadChatHistory calls emit for the payload of each message that it finds, which is valid only during the call: those of a
	// page in the order of index, order_key and id, those asked for by id in the order of the ids. Messages that are marked deleted
	// come as they are; those deleted by an op do not. Who may not read the workspace is CodeForbidden, a query outside of the
	// bounds CodeInvalid. If emit returns an error, ReadChatHistory returns it.
	ReadChatHistory(ctx context.Context, q ChatQuery, emit func(message []byte) error) (ChatPage, error)
}

// GenerationKind says whether an answer begins a turn or goes on.
type GenerationKind string

// The kinds of generations.
const (
	NewTurn      GenerationKind = "new-turn"
	Continuation GenerationKind = "continuation"
)

// MaxGenerationBytes is how many bytes the records of a generation may have together, and its answer. What is written of a record is
// less: images that are part of a message stay on the device.
const MaxGenerationBytes = 16 << 20

// ChatGeneration is an answer of a model that is written in the background, as the client has announced it (contract, sync §10.8:
// the envelope of an admission). Its records are rows of the client's database as JSON objects, with id, clock and perhaps hlc, which
// are their stamps. They are written as the client would push them: what is only for the device goes, what every row needs is
// added, and all else is kept byte for byte.
type ChatGeneration struct {
	Kind        GenerationKind
	WorkspaceID string
	// UserID is the internal id of whose job it is.
	UserID string
	// GenerationID is what makes admission and finalization idempotent. AdmissionID is the client's.
	AdmissionID, GenerationID string
	ThreadID, MessageID       string
	// Thread and UserMessage may be nil for a Continuation.
	Thread, UserMessage []byte
	// AssistantMessage is the message that the answer becomes: its id is MessageID, its thread_id ThreadID.
	AssistantMessage []byte
	// Expected is the state of the message that a Continuation goes on from; nil for a NewTurn.
	Expected *ExpectedAssistant
}

// ExpectedAssistant is the state of a message as a client knows it.
type ExpectedAssistant struct {
	Clock int64
	// GenerationID is the generation that has written the message; empty if it does not matter.
	GenerationID string
}

// GenerationStatus is how a generation has ended.
type GenerationStatus string

// The ends of generations.
const (
	GenerationComplete GenerationStatus = "complete"
	GenerationError    GenerationStatus = "error"
	GenerationAborted  GenerationStatus = "aborted"
)

// GenerationSnapshot is the answer that a generation has ended with. Its texts and values are JSON, kept byte for byte: a model's
// text may be cut in the middle of a character (contract, sync Pitfall 17).
type GenerationSnapshot struct {
	Status GenerationStatus
	// Content and Reasoning are JSON strings.
	Content, Reasoning []byte
	// ToolCalls is a JSON array, Usage an object and Error a string; nil if there is none.
	ToolCalls, Usage, Error []byte
	CompletedAt             time.Time
}

// SupersededReason is why an answer was not written.
type SupersededReason string

// The reasons.
const (
	SupersededDeleted         SupersededReason = "deleted"
	SupersededNewerGeneration SupersededReason = "newer_generation"
	SupersededEdited          SupersededReason = "edited"
	SupersededMissing         SupersededReason = "missing"
)

// GenerationReceipt is what has become of a stage of a generation.
type GenerationReceipt struct {
	// Replayed says that the stage was written before, with the version that is told: nothing has happened now.
	Replayed bool
	// ServerVersion is the version of the message's op.
	ServerVersion int64
	// Superseded is set when the message has gone another way since the admission, and the answer was not written.
	Superseded SupersededReason
}

// GenerationHistory is the optional ability of a sync provider to write the messages of background answers, as ordinary ops that
// every device pulls (contract, sync §10.8: capability backgroundGenerationHistory). Each call is one transaction, in which the
// user's permission to write is asked again: CodeForbidden if it is gone. A generation that makes no sense is CodeInvalid, or
// CodeTooLarge; one that contradicts what was written is CodeConflict. CodeUnavailable is passing, as with a push.
type GenerationHistory interface {
	// AdmitChatGeneration writes the records of a generation down before its model is asked. It refuses with CodeConflict if the
	// message, or its thread, has gone another way, and what differs from an earlier admission of the generation.
	AdmitChatGeneration(ctx context.Context, g ChatGeneration) (GenerationReceipt, error)
	// FinalizeChatGeneration makes the answer the content of the message, unless that has another generation, was edited or deleted
	// since the admission. The first snapshot of a generation stays.
	FinalizeChatGeneration(ctx context.Context, g ChatGeneration, s GenerationSnapshot) (GenerationReceipt, error)
}
