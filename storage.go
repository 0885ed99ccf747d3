package or3cloud

import (
	"context"
	"time"
)

// Disposition says how a browser should treat a downloaded file.
type Disposition string

// The dispositions.
const (
	DispositionInline     Disposition = "inline"
	DispositionAttachment Disposition = "attachment"
)

// PresignUploadRequest asks for a URL that accepts one blob (contract, storage §2). The host has checked session,
// permission, size limit, MIME list and quota.
type PresignUploadRequest struct {
	WorkspaceID string
	// UserID is the internal id of the user that may use the URL.
	UserID string
	// Hash is a content hash in one of the forms of contract storage §7.3; ParseBlobHash accepts them all.
	Hash        BlobHash
	MIMEType    string
	SizeBytes   int64
	ExpiresIn   time.Duration // 0: the provider's default
	Disposition Disposition
}

// PresignDownloadRequest asks for a URL that returns one blob (contract, storage §3).
type PresignDownloadRequest struct {
	WorkspaceID string
	UserID      string
	Hash        BlobHash
	// StorageID is a hint that clients send back; (workspace, hash) decides (contract, storage Pitfall 14).
	StorageID   string
	ExpiresIn   time.Duration
	Disposition Disposition
	// MIMEType and Filename, if set, are how the file is to be served.
	MIMEType string
	Filename string
}

// Presigned is a short-lived, authorised transfer URL.
type Presigned struct {
	// URL is absolute or relative to the host's origin.
	URL string
	// ExpiresAt may be zero when the provider does not know it.
	ExpiresAt time.Time
	Method    string
	Headers   map[string]string
	StorageID string
	// Disposition, if set, is how the URL will be answered.
	Disposition Disposition
}

// CommitRequest ties an uploaded blob to its workspace (contract, storage §4).
type CommitRequest struct {
	WorkspaceID       string
	UserID            string
	Hash              BlobHash
	StorageID         string
	StorageProviderID string
	MIMEType          string
	SizeBytes         int64
	Name              string
	Kind              string
}

// StorageGatewayAdapter stores blobs (requirement 4.1). Transfers themselves do not pass through it: they go to the
// URLs that it signs, which are either routes of the provider (RouteProvider) or another server.
type StorageGatewayAdapter interface {
	// PresignUpload returns a URL that takes the blob.
	PresignUpload(ctx context.Context, in PresignUploadRequest) (Presigned, error)
	// PresignDownload returns a URL that returns the blob, or CodeNotFound when there is none. The host offers a
	// download only after this call, so that a blob's real absence shows here and not on the URL, where it makes
	// clients delete the file for everybody (contract, storage Pitfall 2).
	PresignDownload(ctx context.Context, in PresignDownloadRequest) (Presigned, error)
	// Commit records that an upload is complete and returns how large the blob really is: CodeNotFound when it is not
	// there. It restarts the blob's retention (contract, storage Pitfall 12) and may be repeated.
	Commit(ctx context.Context, in CommitRequest) (size int64, err error)
}

// StorageGCRequest bounds one collection run.
type StorageGCRequest struct {
	WorkspaceID string
	// Retention is how long a blob must have been unreferenced and untouched.
	Retention time.Duration
	// Limit caps the number of deletions; 0 means no cap.
	Limit int
}

// StorageGCReport is what a run did; it is the answer of the GC endpoint (contract, storage §7.8).
type StorageGCReport struct {
	DeletedCount int    `json:"deleted_count"`
	ScannedCount int    `json:"scanned_count"`
	Status       string `json:"status"` // "completed" or "disabled"
	Reason       string `json:"reason,omitempty"`
}

// StorageCollector is the optional ability of a storage provider to delete blobs that nothing needs (requirement
// 4.3). It must delete a blob's bytes only after a ReferenceClaimer has retired that very generation.
type StorageCollector interface {
	GC(ctx context.Context, in StorageGCRequest) (StorageGCReport, error)
}

// ObjectDeleter is the optional ability of a storage provider to delete a blob because somebody wants it gone, without
// waiting for the retention (contract, storage §8).
type ObjectDeleter interface {
	// DeleteObject gives a blob up for deletion: CodeConflict while something references its hash. An absent blob is no
	// error. The bytes may stay for a while, and a reference or upload that comes meanwhile saves them; unless one
	// does, no download is signed any more.
	DeleteObject(ctx context.Context, workspaceID string, hash BlobHash) error
}

// StorageState is why something is stored.
type StorageState string

// The states.
const (
	StorageLive      StorageState = "live"      // referenced
	StorageOrphaned  StorageState = "orphaned"  // complete and named by nothing, within its retention or due for collection
	StorageTrash     StorageState = "trash"     // retired, still served, destroyed after a grace period
	StorageTemporary StorageState = "temporary" // an upload that has not ended, or never will
	StorageStray     StorageState = "stray"     // no blob in use: an older copy, what a crash has left, a foreign file
)

// StoredItem is one thing that a storage provider keeps.
type StoredItem struct {
	WorkspaceID string `json:"workspaceId"`
	// Hash is empty for what belongs to no blob.
	Hash BlobHash `json:"hash,omitempty"`
	// Name is the provider's own, such as a path in its directory.
	Name  string       `json:"name"`
	Bytes int64        `json:"bytes"`
	State StorageState `json:"state"`
	// Goes says whether a collection would now take it a step further: into the trash, or out of the world. Reason says
	// why, or why not.
	Goes   bool   `json:"goes"`
	Reason string `json:"reason"`
}

// StorageInspector is the optional ability of a storage provider to say what it keeps. It changes nothing.
type StorageInspector interface {
	// StorageWorkspaces lists the workspaces of which anything is stored.
	StorageWorkspaces(ctx context.Context) ([]string, error)
	// InspectStorage calls each for everything that is stored of a workspace, as a collection with the same request
	// would find it. If each returns an error, InspectStorage returns it.
	InspectStorage(ctx context.Context, in StorageGCRequest, each func(StoredItem) error) error
}

// RetireRequest names one immutable generation of a blob that a storage provider wants to delete.
type RetireRequest struct {
	WorkspaceID string
	Hash        BlobHash
	// Generation is the storage provider's name for this copy; it is never used again.
	Generation string
	// UnreferencedSince is the latest moment at which the last reference may have gone for the claim to succeed.
	UnreferencedSince time.Time
	// Destroy says that the bytes will be gone for good, not only put aside. Rows that still name them then lose their
	// storage_id in the same transaction, by a put that syncs, so that a device which attaches the content again uploads
	// it again (contract, storage Pitfall 13).
	Destroy bool
}

// ReferenceState is what keeps a hash.
type ReferenceState struct {
	// Files, Messages and Posts are numbers of live rows, Uploads is that of open intents.
	Files, Messages, Posts, Uploads int64
	// LostAt is when the last row that referenced the hash went; zero if none ever did, or one does.
	LostAt time.Time
}

// Referenced reports whether anything keeps the hash.
func (r ReferenceState) Referenced() bool { return r.Files+r.Messages+r.Posts+r.Uploads > 0 }

// ReferenceClaimer is the optional ability of a sync provider to hand blobs over for deletion. It is the sync side
// of the claim protocol in docs/architecture.md: it knows which rows reference which hashes.
type ReferenceClaimer interface {
	// RetireGeneration checks, in one write transaction, that no live file_meta row, no live message or post and no open
	// upload intent references the hash and that this has been so since before UnreferencedSince. In a deleted workspace
	// nothing references anything since its deletion. If so it records the generation as retired, irrevocably and durably,
	// and returns true; repeated calls for a retired generation return true.
	RetireGeneration(ctx context.Context, in RetireRequest) (bool, error)
	// RetiredGenerations returns those of the given workspace, so that interrupted deletions can be finished.
	RetiredGenerations(ctx context.Context, workspaceID string) ([]RetireRequest, error)
	// ForgetRetired drops the record of a generation whose bytes are gone.
	ForgetRetired(ctx context.Context, in RetireRequest) error
	// ReferenceState says what a claim would meet at this moment, for reports. Only a claim decides. A workspace that the
	// provider does not know is CodeNotFound: its claims are all refused.
	ReferenceState(ctx context.Context, workspaceID string, hash BlobHash) (ReferenceState, error)
}

// StorageQuota bounds what is stored; 0 is no bound.
type StorageQuota struct {
	// Bytes and Files are those of the workspace.
	Bytes, Files int64
	// UserBytes are those of all workspaces together whose files count against one user: the owner who has been in them the
	// longest. Deleted ones count until their files are gone.
	UserBytes int64
}

// UploadIntent is room for one content that is promised before its bytes are sent (contract, storage §8).
type UploadIntent struct {
	// ID is unique in the workspace. A commit may leave it out, as clients do that know of no intents.
	ID          string
	WorkspaceID string
	// UserID is the internal id of the user who uploads. CodeForbidden if they may not write to the workspace any more.
	UserID    string
	Hash      BlobHash
	SizeBytes int64
	// ExpiresAt is when the promise ends by itself; at a commit, until when the content counts although no file_meta
	// row names it yet.
	ExpiresAt time.Time
	Quota     StorageQuota
}

// Transfer is what a signed URL is good for: the transfer of one content, by one user.
type Transfer struct {
	WorkspaceID string   `json:"workspaceId"`
	UserID      string   `json:"userId"`
	Hash        BlobHash `json:"hash"`
	// Upload says that it goes up.
	Upload bool `json:"upload"`
}

// TransferReader is the optional ability of a storage provider whose URLs lead to routes of its own to say what one is good
// for. A host with rules of its own about workspaces asks before it passes a request on to such a route.
type TransferReader interface {
	// ReadTransfer reads the parameter token of a signed URL: CodeInvalid if it is empty, CodeForbidden if it is not genuine
	// or has expired. It says nothing about who shows it.
	ReadTransfer(ctx context.Context, token string) (Transfer, error)
}

// UploadIntents is the optional ability of a sync provider to promise room. What counts is each content once: that of
// a live file_meta row, and that of an intent as long as no row does. Deciding and writing down is one transaction,
// so that no number of parallel uploads exceeds a quota.
type UploadIntents interface {
	// ReserveUploadIntent records an intent, or refuses it with CodeTooLarge, and a message that names the quota, if it adds
	// to what counts and exceeds a quota. While it is open, no generation of the hash is retired.
	ReserveUploadIntent(ctx context.Context, in UploadIntent) error
	// ConsumeUploadIntent closes the intents of a hash that has been committed; its room stays taken until a row counts
	// or ExpiresAt comes. It may be repeated. If none is open any more it asks for the room anew, as a reservation
	// does. An id that belongs to another hash is CodeConflict.
	ConsumeUploadIntent(ctx context.Context, in UploadIntent) error
	// CancelUploadIntent gives the room of an open intent back: CodeConflict if there is none with the id.
	CancelUploadIntent(ctx context.Context, workspaceID, id string) error
}

// StorageUse is what a workspace stores by the count of quotas.
type StorageUse struct {
	// Bytes and Files are those of live file_meta rows, ReservedBytes and ReservedFiles what intents add to them.
	Bytes, Files                 int64
	ReservedBytes, ReservedFiles int64
}

// StorageUsage is the optional ability of a sync provider to say how much a workspace stores, deleted or not, for administrators.
type StorageUsage interface {
	StorageUsage(ctx context.Context, workspaceID string) (StorageUse, error)
}
