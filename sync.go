package or3cloud

import (
	"context"
	"time"
)

// MaxSafeInteger is the largest integer on the wire (JavaScript's 2^53 − 1).
const MaxSafeInteger = 1<<53 - 1

// AnswerBytes is the size, in bytes of rows, at which an answer ends: a page of changes or of a snapshot, and the
// winners of a push, end with the row that reaches it. Adapters check it after each row and read none beyond, so an
// answer holds at least one row and exceeds AnswerBytes by at most one row.
const AnswerBytes = 4 << 20

// The synced tables, sorted by name, which is also the order of a snapshot.
const (
	TableFileMeta      = "file_meta"
	TableKV            = "kv"
	TableMessages      = "messages"
	TableNotifications = "notifications"
	TablePosts         = "posts"
	TableProjects      = "projects"
	TableThreads       = "threads"
)

// SyncTables lists the seven synced tables in order. A change in any other table would stop a client permanently
// (contract, sync Pitfall 15), so the server never accepts one.
var SyncTables = [...]string{
	TableFileMeta, TableKV, TableMessages, TableNotifications, TablePosts, TableProjects, TableThreads,
}

// Scope is the workspace of a sync call.
type Scope struct {
	WorkspaceID string
	// ProjectID is accepted but not used.
	ProjectID string
}

// Operation is what an op does to its row.
type Operation string

// The operations.
const (
	OpPut    Operation = "put"
	OpDelete Operation = "delete"
)

// Stamp identifies and orders one captured write (contract, sync §2, §8). Servers keep it unchanged.
type Stamp struct {
	DeviceID string
	// OpID is a UUID in text form.
	OpID string
	// HLC is opaque and compared bytewise.
	HLC string
	// Clock is the record's revision, 0..MaxSafeInteger. An adapter refuses an op whose clock is above 2^41 and more
	// than 2^20 above its record's. Otherwise a single op could make the record unchangeable for every member.
	Clock int64
}

// Revision is the part of a Stamp that resolves conflicts: the greater (Clock, HLC, OpID) wins.
type Revision struct {
	Clock int64
	HLC   string
	OpID  string
}

// Revision returns the stamp's revision.
func (s Stamp) Revision() Revision { return Revision{Clock: s.Clock, HLC: s.HLC, OpID: s.OpID} }

// Less reports whether r loses to o. It is a total order over distinct op ids.
func (r Revision) Less(o Revision) bool {
	if r.Clock != o.Clock {
		return r.Clock < o.Clock
	}
	if r.HLC != o.HLC {
		return r.HLC < o.HLC
	}
	return r.OpID < o.OpID
}

// Op is one captured write of a client.
type Op struct {
	Table     string
	Operation Operation
	PK        string
	// Payload is the JSON text as it arrived, or nil if absent. It is stored and returned byte for byte, because it may
	// contain lone surrogates and duplicate keys (contract, sync Pitfall 17).
	Payload []byte
	Stamp   Stamp
	// Facts is what validation (package syncschema) extracted from Payload.
	Facts PayloadFacts
}

// PayloadFacts are the few facts about a payload that a server needs. The validation that every op passes before it
// reaches an adapter extracts them once.
type PayloadFacts struct {
	// Deleted is payload.deleted === true: a soft delete (contract, sync Pitfall 13).
	Deleted bool
	// Name is the name of a kv row.
	Name string
	// UserID is the owner of a notification.
	UserID string
	// FileHashes are the digests that a message or post references, in lower-case hex without prefix.
	FileHashes []string
	// File describes a file_meta row.
	File FileFacts
	// WorkspaceItem reports that the row belongs to workspace Files and Trash (contract, sync §10.9).
	WorkspaceItem bool
}

// FileFacts are the columns of a file_meta row that quotas, authorisation and collection need.
type FileFacts struct {
	StorageID string
	MIMEType  string
	Name      string
	Kind      string
	SizeBytes int64
	UpdatedAt float64 // as sent: a number, usually Unix seconds
}

// PushRequest is one batch of ops. The caller has validated every op with package syncschema: known table, known
// operation, non-empty pk of well-formed text, payload schema, UUID op id, clock in range.
type PushRequest struct {
	Scope Scope
	// UserID is the internal id of the signed-in user.
	UserID string
	// WorkspaceItems reports that the client knows the rows of workspace Files and Trash (contract, sync §10.9). Other
	// clients may not overwrite such a row, because they would damage it.
	WorkspaceItems bool
	Ops            []Op
}

// OpErrorCode is the reason for refusing a single op (contract, sync §2).
type OpErrorCode string

// The codes that this server uses. VALIDATION_ERROR, OVERSIZED and UNAUTHORIZED make a client discard the edit.
const (
	OpErrorValidation   OpErrorCode = "VALIDATION_ERROR"
	OpErrorUnauthorized OpErrorCode = "UNAUTHORIZED"
	OpErrorConflict     OpErrorCode = "CONFLICT"
	OpErrorOversized    OpErrorCode = "OVERSIZED"
	OpErrorServer       OpErrorCode = "SERVER_ERROR"
)

// OpResult is the outcome of one op.
type OpResult struct {
	OpID    string
	Success bool
	// ServerVersion is the op's version in the log, or 0 if it was refused.
	ServerVersion int64
	// Replayed reports that the op was already in the log and that nothing was written.
	Replayed bool
	// Applied reports that the op is the winner of its record.
	Applied bool
	// Winner is what the op lost to, if Applied is false and Success is true. Results may share one. It is nil for ops
	// that come after AnswerBytes of winning payloads, each counted as often as it is named. Clients take such ops for
	// applied and get the winner with their next pull (contract, sync §10.3).
	Winner *Winner
	// Error and ErrorCode are set if Success is false.
	Error     string
	ErrorCode OpErrorCode
}

// Winner is the revision of a record that an op lost to (contract, sync §10.3).
type Winner struct {
	Operation Operation
	// Payload is the winning put's JSON text, or nil for a delete.
	Payload  []byte
	Revision Revision
	// DeletedAt is when a winning delete was accepted. It is zero for a put.
	DeletedAt time.Time
}

// PushResult is the outcome of a batch: one result per op, in the order of the request.
type PushResult struct {
	Results []OpResult
	// ServerVersion is the workspace's version counter after the batch, even if every op was a replay.
	ServerVersion int64
}

// PullRequest asks for the changes after a cursor.
type PullRequest struct {
	Scope Scope
	// UserID is the internal id of the signed-in user.
	UserID string
	// Cursor is the highest version that the device has seen.
	Cursor int64
	// Limit is the largest number of changes wanted, 1..1000.
	Limit int
	// Tables restricts the changes. Empty means all seven.
	Tables []string
}

// Change is one entry of the log. It and its byte slices are valid only during the call that delivers it.
type Change struct {
	ServerVersion int64
	Table         string
	PK            string
	Operation     Operation
	// Payload is nil if the op had none.
	Payload []byte
	Stamp   Stamp
}

// PullPage closes a pull.
type PullPage struct {
	// NextCursor is the version of the last change while HasMore, and otherwise the newest version visible to the
	// query. It is never below the request's cursor.
	NextCursor int64
	HasMore    bool
	// OldestRetainedVersion and RequiresSnapshot tell newer clients whether deletes that they have not seen were
	// removed from the log (contract, sync §10.6).
	OldestRetainedVersion int64
	RequiresSnapshot      bool
}

// TextPuller is the optional ability of a SyncGatewayAdapter that stores changes in wire format, so that a pull only
// copies them. Hosts call it instead of Pull.
type TextPuller interface {
	// PullText is like Pull, but changes may also come as texts. It calls text with n consecutive changes of the page,
	// as JSON objects separated by commas, as package syncwire writes them. White space may stand where JSON allows it.
	// The text is valid only during the call. The provider vouches for these changes. One that not every client may be
	// able to take (package syncschema, Unfit) goes to emit, which leaves it out and reports it.
	PullText(ctx context.Context, in PullRequest, emit func(*Change) error, text func(json []byte, n int) error) (PullPage, error)
}

// CursorUpdate is a device's report of how far it has applied changes.
type CursorUpdate struct {
	Scope    Scope
	UserID   string
	DeviceID string
	Version  int64
}

// SyncGatewayAdapter is a workspace's change log (requirements 3.1, 3.2; contract, sync). All methods are scoped to one
// workspace; the caller has authorised the user for it.
type SyncGatewayAdapter interface {
	// Push applies ops in order. Each new op id gets the next version of the workspace, without gaps, even if it loses.
	// An op id that the workspace has seen is answered with its first version and changes nothing. A refused op
	// consumes no version and does not affect the other ops. Push returns only after the commit is durable. An error
	// means that nothing in the batch was acknowledged and that the whole batch may be repeated. Because the
	// transaction may have waited, it checks again whether the user may write: CodeForbidden if the membership has
	// ended.
	Push(ctx context.Context, in PushRequest) (PushResult, error)
	// Pull calls emit for the winning entries after the cursor, in version order, at most in.Limit of them. It skips
	// losing entries and fills the page beyond them (contract, sync §5). A page ends early at AnswerBytes, with
	// HasMore. If emit returns an error, Pull returns it.
	Pull(ctx context.Context, in PullRequest, emit func(*Change) error) (PullPage, error)
	// UpdateCursor keeps the highest version that a device reported, clamped to the counter. It never refuses a version
	// or a device (contract, sync Pitfall 12). It returns CodeForbidden only if the user is no longer a member.
	UpdateCursor(ctx context.Context, in CursorUpdate) error
}

// SyncGCRequest sets the limits of a collection of the log.
type SyncGCRequest struct {
	Scope Scope
	// Retention is what the caller asks for. A longer configured retention takes precedence (contract, sync §7).
	Retention time.Duration
}

// SyncCollector is the optional ability to compact the change log (requirement 3.3).
type SyncCollector interface {
	// GCChangeLog removes superseded and losing entries that every live device has passed and that are older than
	// the retention. The winning entry of a record is never removed.
	GCChangeLog(ctx context.Context, in SyncGCRequest) error
	// GCTombstones removes winning deletes under the much stricter rule of contract sync §7.
	GCTombstones(ctx context.Context, in SyncGCRequest) error
}

// SnapshotRequest asks for one page of a workspace's state at one version.
type SnapshotRequest struct {
	Scope    Scope
	UserID   string
	PageSize int // 1..1000
	// PageToken is empty for the first page.
	PageToken string
	Tables    []string
}

// SnapshotItem is one record of a snapshot: a row, or a tombstone if Operation is OpDelete. Its byte slices are
// valid only during the call that delivers it.
type SnapshotItem struct {
	Table     string
	PK        string
	Operation Operation
	Payload   []byte
	Revision  Revision
	// DeletedAt is when the server accepted a delete.
	DeletedAt time.Time
}

// SnapshotPage closes a page of a snapshot.
type SnapshotPage struct {
	// SnapshotID and HighWatermark are the same on all pages of a snapshot.
	SnapshotID    string
	HighWatermark int64
	// NextPageToken is empty on the last page.
	NextPageToken string
}

// Snapshotter is the ability to bootstrap a device without the log (contract, sync §10.5). Newer clients cannot start
// in any other way.
type Snapshotter interface {
	// Snapshot delivers one page, ordered strictly by table and pk (UTF-16 order) across all pages. A page ends early
	// at AnswerBytes. It returns CodeInvalid for a token that it did not issue, CodeForbidden for another workspace's,
	// and CodeGone for an expired one.
	Snapshot(ctx context.Context, in SnapshotRequest, emit func(*SnapshotItem) error) (SnapshotPage, error)
}

// TextSnapshotter is the optional ability of a Snapshotter that stores its items in wire format. Hosts call it instead
// of Snapshot.
type TextSnapshotter interface {
	// SnapshotText is like Snapshot, but items may also come as texts, under the rules of TextPuller.
	SnapshotText(ctx context.Context, in SnapshotRequest, emit func(*SnapshotItem) error, text func(json []byte, n int) error) (SnapshotPage, error)
}

// KVNameFreer is the optional ability to free the name of a kv row for an operator. Clients keep names in a unique
// index that includes deleted rows, so a name stays with the first row that had it (contract, sync Pitfall 15).
type KVNameFreer interface {
	// FreeKVName renames the row that holds a name, by a put that all devices get, and returns the row's pk. pk is
	// empty if no row holds the name.
	FreeKVName(ctx context.Context, workspaceID, name string) (pk string, err error)
}

// Watcher is the optional ability to report changes of a workspace at once.
type Watcher interface {
	// Watch returns the workspace's counter and a channel that holds the newest counter after each later commit. A
	// newer value replaces an unread one, so a slow reader costs nothing and misses only intermediate values. The
	// channel closes when ctx ends or the provider closes.
	Watch(ctx context.Context, workspaceID string) (current int64, updates <-chan int64, err error)
}

// MaintenanceState is what a provider's background maintenance is doing (contract, sync §10.8). It is part of the
// deep health answer.
type MaintenanceState struct {
	Enabled bool `json:"enabled"`
	// State is "idle", "running" or "failed".
	State string `json:"state"`
	// LastRun is the Unix time in milliseconds at which the last complete run ended, or 0 if there was none.
	LastRun int64 `json:"lastRun,omitempty"`
	// Backlog is the number of workspaces that the current or last run has left.
	Backlog   int    `json:"backlog"`
	LastError string `json:"lastError,omitempty"`
}

// MaintenanceReporter is the optional ability to report on background maintenance. Any error text in the report is fit
// for the public.
type MaintenanceReporter interface {
	MaintenanceState() MaintenanceState
}

// MaintenanceRecorder is the optional ability of a MaintenanceReporter to include the runs of a host that maintains the
// provider on its own schedule (contract, sync §10.8).
type MaintenanceRecorder interface {
	// BeginMaintenanceRun records that a run has begun. A run that has not ended after an hour counts as failed.
	BeginMaintenanceRun()
	// CompleteMaintenanceRun records that the run succeeded at a time.
	CompleteMaintenanceRun(at time.Time)
	// FailMaintenanceRun records that the run failed. The host's reason goes only into the log.
	FailMaintenanceRun(reason string)
}

// SyncCapabilities are flags that tell a host what an adapter supports (contract, sync §10.5, §10.8).
type SyncCapabilities struct {
	SnapshotBootstrap string `json:"snapshotBootstrap,omitempty"` // "snapshot-v1"
	HistoryRetention  string `json:"historyRetention,omitempty"`  // "snapshot-v1"
	WorkspaceItems    string `json:"workspaceItems,omitempty"`    // "v1"
	// CanonicalChatHistory is "v1" for a ChatHistoryReader, and BackgroundGenerationHistory for a GenerationHistory.
	CanonicalChatHistory        string `json:"canonicalChatHistory,omitempty"`
	BackgroundGenerationHistory string `json:"backgroundGenerationHistory,omitempty"`
}

// CapabilityReporter is the optional ability of a sync provider to declare capabilities. A provider without it has
// none.
type CapabilityReporter interface {
	SyncCapabilities() SyncCapabilities
}

// The kinds of canonical storage queries (contract, storage §8).
const (
	CanonicalLiveMetadata   = "live_metadata"
	CanonicalReferenceEdges = "reference_edges"
)

// CanonicalStorageQuery asks a sync provider for what it knows about files.
type CanonicalStorageQuery struct {
	Scope Scope
	// Kind is one of the Canonical constants.
	Kind string
	// Hash, if set, restricts the result to one hash, compared by digest.
	Hash string
	// Cursor is empty for the first page. A cursor that was not made for this query is CodeInvalid "Invalid canonical
	// storage cursor".
	Cursor string
	Limit  int // 1..500
}

// CanonicalStorageItem is a live file_meta row, or a reference from a live message or post.
type CanonicalStorageItem struct {
	// Hash is the file_meta row's hash, or the digest that a reference names.
	Hash string
	// File is set for metadata.
	File FileFacts
	// SourceTable and SourceID are set for references.
	SourceTable string
	SourceID    string
}

// CanonicalStorage is the optional ability to tell from the winners of the log which files a workspace has and what
// references them. A host needs it to authorise downloads and to protect referenced files from deletion.
type CanonicalStorage interface {
	// QueryCanonicalStorage returns one page and the cursor of the next, "" after the last.
	QueryCanonicalStorage(ctx context.Context, q CanonicalStorageQuery) (items []CanonicalStorageItem, nextCursor string, err error)
}
