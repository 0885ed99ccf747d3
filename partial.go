package or3cloud

import (
	"context"
	"io"
	"time"
)

// PartialUpload is a content that is uploaded in pieces, over any number of connections.
type PartialUpload struct {
	// ID is chosen by the provider. It is not a secret, and knowing it grants nothing.
	ID          string
	WorkspaceID string
	// UserID is the internal id of the user who began the upload. Only this user may continue it.
	UserID    string
	Hash      BlobHash
	SizeBytes int64
	MIMEType  string
	Name      string
	Kind      string
	// IntentID is the upload intent that reserves its space, or "" if there is none.
	IntentID string
	// ExpiresAt is when the pieces may be removed.
	ExpiresAt time.Time
	// Offset is the number of durable bytes.
	Offset int64
	// Stored reports that the content was verified and is now a blob.
	Stored bool
}

// PartialUploads is the optional ability of a storage provider to accept a content in pieces. The caller must not
// append to the same upload twice at a time.
type PartialUploads interface {
	// BeginPartial records an upload and assigns its id.
	BeginPartial(ctx context.Context, in PartialUpload) (PartialUpload, error)
	// Partial returns an upload that has not expired, or CodeNotFound.
	Partial(ctx context.Context, id string) (PartialUpload, error)
	// AppendPartial reads body until it ends or fails, and returns the number of bytes of it that are durable. offset
	// must match the upload's. Bytes that arrived before body failed count. The exception is a failure with
	// CodeUnauthenticated or CodeForbidden, which means that the sender has lost permission: AppendPartial then
	// discards the last piece and returns the error.
	AppendPartial(ctx context.Context, p PartialUpload, offset int64, body io.Reader) (n int64, err error)
	// StorePartial verifies the content of a complete upload and makes it a blob, as after an upload in one piece. It
	// may be repeated. It returns CodeInvalid if the content does not match its hash.
	StorePartial(ctx context.Context, p PartialUpload) error
	// DropPartial deletes an upload and its pieces.
	DropPartial(ctx context.Context, p PartialUpload) error
}
