package or3cloud

import (
	"context"
	"time"
)

// MaxSafeInteger is the largest integer of the wire (JavaScript's 2^53 − 1).
const MaxSafeInteger = 1<<53 - 1

// The synced tables, in the order of their names, which is also the order of a snapshot.
const (
	TableFileMeta      = "file_meta"
	TableKV            = "kv"
	TableMessages      = "messages"
	TableNotifications = "notifications"
	TablePosts         = "posts"
	TableProjects      = "projects"
	TableThreads       = "threads"
)

// SyncTables lists the seven synced tables in order. A change of any other table stops a client for good (contract,
// sync Pitfall 15), so none is ever accepted.
var SyncTables = [...]string{
	TableFileMeta, TableKV, TableMessages, TableNotifications, TablePosts, TableProjects, TableThreads,
}

// Scope says which workspace a sync call is about.
type Scope struct {
	WorkspaceID string
	// ProjectID is accepted and never used.
	ProjectID string
}

// Operation is what an op does to its row.
type Operation string

// The operations.
const (
	OpPut    Operation = "put"
	OpDelete Operation = "delete"
)

// Stamp identifies and orders one captured write (contract, sync §2, §8). Servers keep it as it came.
type Stamp struct {
	DeviceID string
	// OpID is a UUID in text form.
	OpID string
	// HLC is opaque and compared bytewise.
	HLC string
	// Clock is the record's revision, 0..MaxSafeInteger; nothing else bounds it.
	Clock int64
}

// Revision is the part of a Stamp that decides conflicts: the greater (Clock, HLC, OpID) wins.
type Revision struct {
	Clock int64
	HLC   string
	OpID  string
}

// Revision returns the stamp's revision.
func (s Stamp) Revision() Revision { return Revision{Clock: s.Clock, HLC: s.HLC, OpID: s.OpID} }

// Less reports whether r loses against o. It is a total order over distinct op ids.
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
	// Payload is the JSON text as it arrived, or nil when absent. It is stored and returned byte for byte: it may
	// contain lone surrogates and duplicate keys (contract, sync Pitfall 17).
	Payload []byte
	Stamp   Stamp
	// Facts is what the check at the door (package syncschema) found in Payload.
	Facts PayloadFacts
}

// PayloadFacts are the few things that a server must know of a payload. They are extracted once, by the validation
// that every op passes before it reaches an adapter.
type PayloadFacts struct {
	// Deleted is payload.deleted === true: a soft delete (contract, sync Pitfall 13).
	Deleted bool
	// Name is the name of a kv row.
	Name string
	// UserID is the owner of a notification.
	UserID string
	// FileHashes are the digests that a message or post references, lower-case hex without prefix.
	FileHashes []string
	// File describes a file_meta row.
	File FileFacts
}

// FileFacts are the columns of a file_meta row that quota, authorisation and collection need.
type FileFacts struct {
	StorageID string
	MIMEType  string
	Name      string
	Kind      string
	SizeBytes int64
}

// PushRequest is one batch of ops. The caller has validated every op with package syncschema: known table, known
// operation, non-empty pk of well-formed text, payload schema, UUID op id, clock in range.
type PushRequest struct {
	Scope Scope
	// UserID is the internal id of the signed-in user.
	UserID string
	Ops    []Op
}

// OpErrorCode classifies the refusal of a single op (contract, sync §2).
type OpErrorCode string

// The codes that this server uses. VALIDATION_ERROR, OVERSIZED and UNAUTHORIZED make a client drop the edit.
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
	// ServerVersion is the version that the op has in the log; 0 when it was refused.
	ServerVersion int64
	// Replayed says that the op was already in the log: nothing was written.
	Replayed bool
	// Applied says that the op is the winner of its record. If it is false and Success is true, Winner is set.
	Applied bool
	Winner  *Winner
	// Error and ErrorCode are set when Success is false.
	Error     string
	ErrorCode OpErrorCode
}

// Winner is the revision of a record that an op lost against (contract, sync §10.3).
type Winner struct {
	Operation Operation
	// Payload is the winning put's JSON text; nil for a delete.
	Payload  []byte
	Revision Revision
	// DeletedAt is when a winning delete was accepted; zero for a put.
	DeletedAt time.Time
}

// PushResult is the outcome of a batch: one result per op, in the order of the request.
type PushResult struct {
	Results []OpResult
	// ServerVersion is the workspace's version counter after the batch, also when every op was a replay.
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
	// Tables restricts the changes; empty means all seven.
	Tables []string
}

// Change is one entry of the log. Its byte slices are valid only during the call that delivers it.
type Change struct {
	ServerVersion int64
	Table         string
	PK            string
	Operation     Operation
	// Payload is nil when the op had none.
	Payload []byte
	Stamp   Stamp
}

// PullPage closes a pull.
type PullPage struct {
	// NextCursor is the version of the last change while HasMore, else the newest version visible to the query.
	// It is never below the request's cursor.
	NextCursor int64
	HasMore    bool
	// OldestRetainedVersion and RequiresSnapshot tell newer clients whether deletes that they have not seen were
	// dropped (contract, sync §10.6).
	OldestRetainedVersion int64
	RequiresSnapshot      bool
}

// CursorUpdate is a device's report of what it has applied.
type CursorUpdate struct {
	Scope    Scope
	UserID   string
	DeviceID string
	Version  int64
}

// SyncGatewayAdapter is a workspace's change log (requirements 3.1, 3.2; contract, sync). All methods are scoped to
// one workspace; the caller has authorised the user for it.
type SyncGatewayAdapter interface {
	// Push applies ops in order. Each new op id gets the next version of the workspace, gapless, also when it loses;
	// an op id that the workspace has seen is answered with its first version and changes nothing. A refused op
	// consumes no version and does not touch its neighbours. Push returns only after the commit is durable.
	// An error means that nothing of the batch was acknowledged and that the whole batch may be repeated.
	Push(ctx context.Context, in PushRequest) (PushResult, error)
	// Pull calls emit for the winning entries after the cursor, in version order, at most in.Limit of them, and
	// fills the page past entries that have lost (contract, sync §5). A page may end early by size with HasMore.
	// If emit returns an error, Pull returns it.
	Pull(ctx context.Context, in PullRequest, emit func(*Change) error) (PullPage, error)
	// UpdateCursor keeps the maximum of what a device reports, clamped to the counter. It never refuses a version
	// or device (contract, sync Pitfall 12).
	UpdateCursor(ctx context.Context, in CursorUpdate) error
}

// SyncGCRequest bounds a collection of the log.
type SyncGCRequest struct {
	Scope Scope
	// Retention is the caller's wish; the configured retention is used when it is longer (contract, sync §7).
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

// SnapshotRequest asks for one page of the state of a workspace at one version.
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

// Snapshotter is the ability to bootstrap a device without the log (contract, sync §10.5). Newer clients have no
// other way to start.
type Snapshotter interface {
	// Snapshot delivers one page, ordered strictly by table and pk (UTF-16 order) across all pages. It answers
	// CodeInvalid for a token that it did not make, CodeForbidden for another workspace's, CodeGone for one that
	// has expired.
	Snapshot(ctx context.Context, in SnapshotRequest, emit func(*SnapshotItem) error) (SnapshotPage, error)
}
