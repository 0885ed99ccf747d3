package or3cloud

import (
	"context"
	"time"
)

// Disposition tells a browser how to treat a downloaded file.
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
	// UserID is the internal id of the user who may use the URL.
	UserID string
	// Hash is a content hash in one of the forms of contract storage §7.3. ParseBlobHash accepts them all.
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
	// StorageID is a hint that clients send back; the pair (workspace, hash) decides (contract, storage Pitfall 14).
	StorageID   string
	ExpiresIn   time.Duration
	Disposition Disposition
	// MIMEType and Filename, if set, apply to the download.
	MIMEType string
	Filename string
}

// Presigned is a short-lived, authorised transfer URL.
type Presigned struct {
	// URL is absolute or relative to the host's origin.
	URL string
	// ExpiresAt may be zero if the provider does not know it.
	ExpiresAt time.Time
	Method    string
	Headers   map[string]string
	StorageID string
	// Disposition, if set, is the disposition of the download.
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

// StorageGatewayAdapter stores blobs (requirement 4.1). Transfers do not pass through it. They go to the URLs that it
// signs, which are either routes of the provider (RouteProvider) or another server.
type StorageGatewayAdapter interface {
	// PresignUpload returns a URL that accepts the blob.
	PresignUpload(ctx context.Context, in PresignUploadRequest) (Presigned, error)
	// PresignDownload returns a URL that serves the blob, or CodeNotFound if there is none. The host offers a download
	// only after this call. So a blob that is really absent shows up here and not at the URL, where it would make
	// clients delete the file for every member (contract, storage Pitfall 2).
	PresignDownload(ctx context.Context, in PresignDownloadRequest) (Presigned, error)
	// Commit records that an upload is complete and returns the actual size of the blob, or CodeNotFound if it is
	// absent. It restarts the blob's retention (contract, storage Pitfall 12) and may be repeated.
	Commit(ctx context.Context, in CommitRequest) (size int64, err error)
}

// StorageGCRequest sets the limits of a collection run.
type StorageGCRequest struct {
	WorkspaceID string
	// Retention is how long a blob must have been unreferenced and untouched.
	Retention time.Duration
	// Limit is the largest number of deletions. 0 means no limit.
	Limit int
}

// StorageGCReport is the result of a run, and the answer of the GC endpoint (contract, storage §7.8).
type StorageGCReport struct {
	DeletedCount int    `json:"deleted_count"`
	ScannedCount int    `json:"scanned_count"`
	Status       string `json:"status"` // "completed" or "disabled"
	Reason       string `json:"reason,omitempty"`
}

// StorageCollector is the optional ability of a storage provider to delete blobs that are no longer needed (requirement
// 4.3). It must delete a blob's bytes only after a ReferenceClaimer has retired that very generation.
type StorageCollector interface {
	GC(ctx context.Context, in StorageGCRequest) (StorageGCReport, error)
}

// ObjectDeleter is the optional ability of a storage provider to delete a blob on request, without waiting for the
// retention (contract, storage §8).
type ObjectDeleter interface {
	// DeleteObject marks a blob for deletion. It returns CodeConflict while anything references its hash, and nil if
	// the blob is absent. The bytes may stay for a while, and a new reference or upload rescues them. Until then, the
	// provider signs no more downloads.
	DeleteObject(ctx context.Context, workspaceID string, hash BlobHash) error
}

// StorageState is the reason why something is stored.
type StorageState string

// The states.
const (
	StorageLive      StorageState = "live"      // referenced
	StorageOrphaned  StorageState = "orphaned"  // complete but unreferenced, within its retention or due for collection
	StorageTrash     StorageState = "trash"     // retired, still served, deleted after a grace period
	StorageTemporary StorageState = "temporary" // an unfinished upload
	StorageStray     StorageState = "stray"     // not a blob in use: an older copy, debris of a crash, a foreign file
)

// StoredItem is one item that a storage provider keeps.
type StoredItem struct {
	WorkspaceID string `json:"workspaceId"`
	// Hash is empty if the item belongs to no blob.
	Hash BlobHash `json:"hash,omitempty"`
	// Name is the provider's own name for the item, such as a path in its directory.
	Name  string       `json:"name"`
	Bytes int64        `json:"bytes"`
	State StorageState `json:"state"`
	// Goes reports whether a collection would now move the item on, into the trash or out of it for good. Reason
	// explains why or why not.
	Goes   bool   `json:"goes"`
	Reason string `json:"reason"`
}

// StorageInspector is the optional ability of a storage provider to list what it keeps. It changes nothing.
type StorageInspector interface {
	// StorageWorkspaces lists the workspaces that have anything in storage.
	StorageWorkspaces(ctx context.Context) ([]string, error)
	// InspectStorage calls each for everything stored for a workspace, as a collection with the same request would find
	// it. If each returns an error, InspectStorage returns it.
	InspectStorage(ctx context.Context, in StorageGCRequest, each func(StoredItem) error) error
}

// RetireRequest names one immutable generation of a blob that a storage provider wants to delete.
type RetireRequest struct {
	WorkspaceID string
	Hash        BlobHash
	// Generation is the storage provider's name for this copy. It is never reused.
	Generation string
	// UnreferencedSince is the latest time at which the last reference may have disappeared for the claim to succeed.
	UnreferencedSince time.Time
	// Destroy means that the bytes will be gone for good, not just moved to the trash. Rows that still name them then
	// lose their storage_id in the same transaction, by a put that syncs, so that a device that attaches the content
	// again uploads it again (contract, storage Pitfall 13).
	Destroy bool
}

// ReferenceState counts the references to a hash.
type ReferenceState struct {
	// Files, Messages and Posts count live rows, and Uploads open intents.
	Files, Messages, Posts, Uploads int64
	// LostAt is when the last row that referenced the hash disappeared. It is zero if there never was one, or if there
	// still is.
	LostAt time.Time
}

// Referenced reports whether anything references the hash.
func (r ReferenceState) Referenced() bool { return r.Files+r.Messages+r.Posts+r.Uploads > 0 }

// ReferenceClaimer is the optional ability of a sync provider to release blobs for deletion. It is the sync side of the
// claim protocol in docs/architecture.md: the sync provider knows which rows reference which hashes.
type ReferenceClaimer interface {
	// RetireGeneration checks in one write transaction that no live file_meta row, no live message or post and no open
	// upload intent references the hash, and that this has been so since before UnreferencedSince. In a deleted
	// workspace, everything counts as unreferenced since the deletion. If the check succeeds, it records the generation
	// as retired, irrevocably and durably, and returns true. Repeated calls for a retired generation return true.
	RetireGeneration(ctx context.Context, in RetireRequest) (bool, error)
	// RetiredGenerations returns the retired generations of a workspace, so that interrupted deletions can be
	// completed.
	RetiredGenerations(ctx context.Context, workspaceID string) ([]RetireRequest, error)
	// ForgetRetired deletes the record of a generation whose bytes are gone.
	ForgetRetired(ctx context.Context, in RetireRequest) error
	// ReferenceState returns the references that a claim would find at this moment, for reports. Only a claim decides.
	// A workspace unknown to the provider is CodeNotFound; its claims are all refused.
	ReferenceState(ctx context.Context, workspaceID string, hash BlobHash) (ReferenceState, error)
}

// StorageQuota limits what may be stored. 0 means no limit.
type StorageQuota struct {
	// Bytes and Files are the limits of the workspace.
	Bytes, Files int64
	// UserBytes is the limit of all workspaces whose files count against one user, together. Files count against the
	// owner who has been a member the longest. Deleted workspaces count until their files are gone.
	UserBytes int64
}

// UploadIntent reserves space for one content before its bytes are sent (contract, storage §8).
type UploadIntent struct {
	// ID is unique in the workspace. A commit may omit it, as clients do that know nothing of intents.
	ID          string
	WorkspaceID string
	// UserID is the internal id of the uploading user. If they may no longer write to the workspace, the result is
	// CodeForbidden.
	UserID    string
	Hash      BlobHash
	SizeBytes int64
	// ExpiresAt is when the reservation expires. At a commit, it is how long the content counts even if no file_meta
	// row names it yet.
	ExpiresAt time.Time
	Quota     StorageQuota
}

// Transfer is what a signed URL permits: the transfer of one content by one user.
type Transfer struct {
	WorkspaceID string   `json:"workspaceId"`
	UserID      string   `json:"userId"`
	Hash        BlobHash `json:"hash"`
	// Upload is true for an upload and false for a download.
	Upload bool `json:"upload"`
}

// TransferReader is the optional ability of a storage provider whose URLs lead to its own routes to tell what a URL
// permits. A host with workspace rules of its own asks before it passes a request on to such a route.
type TransferReader interface {
	// ReadTransfer reads the token parameter of a signed URL. It returns CodeInvalid if the token is empty, and
	// CodeForbidden if it is forged or has expired. It does not identify who presents it.
	ReadTransfer(ctx context.Context, token string) (Transfer, error)
}

// UploadIntents is the optional ability of a sync provider to reserve space. Each content counts once: as a live
// file_meta row, or as an intent while no row names it. The provider decides and records in one transaction, so that
// parallel uploads cannot exceed a quota together.
type UploadIntents interface {
	// ReserveUploadIntent records an intent. It fails with CodeTooLarge, and a message that names the quota, if the
	// intent adds to what counts and exceeds a quota. While the intent is open, no generation of the hash is retired.
	ReserveUploadIntent(ctx context.Context, in UploadIntent) error
	// ConsumeUploadIntent closes the intents of a hash after a commit. Their space stays reserved until a row counts or
	// until ExpiresAt. The call may be repeated. If no intent is open any more, it tries to reserve the space again. An
	// id that belongs to another hash is CodeConflict.
	ConsumeUploadIntent(ctx context.Context, in UploadIntent) error
	// CancelUploadIntent releases the space of an open intent. It returns CodeConflict if no open intent has the id.
	CancelUploadIntent(ctx context.Context, workspaceID, id string) error
}

// StorageUse is how much a workspace stores, as quotas count it.
type StorageUse struct {
	// Bytes and Files count live file_meta rows. ReservedBytes and ReservedFiles are what intents add to them.
	Bytes, Files                 int64
	ReservedBytes, ReservedFiles int64
}

// StorageUsage is the optional ability of a sync provider to tell administrators how much a workspace stores, deleted
// or not.
type StorageUsage interface {
	StorageUsage(ctx context.Context, workspaceID string) (StorageUse, error)
}
