package or3cloud

import (
	"context"
	"io"
	"time"
)

// PartialUpload is a content that comes in pieces, over as many connections as it takes.
type PartialUpload struct {
	// ID is made by the provider. It is no secret, and no permission by itself.
	ID          string
	WorkspaceID string
	// UserID is the internal id of the user that began the upload. Nobody else may go on with it.
	UserID    string
	Hash      BlobHash
	SizeBytes int64
	MIMEType  string
	Name      string
	Kind      string
	// IntentID is the upload intent that keeps its room; "" if there is none.
	IntentID string
	// ExpiresAt is when the pieces may be removed.
	ExpiresAt time.Time
	// Offset is how many bytes are durable.
	Offset int64
	// Stored says that the content has been verified and is a blob now.
	Stored bool
}

// PartialUploads is the optional ability of a storage provider to take a content in pieces. The caller sees to it that
// one upload is not appended to twice at a time.
type PartialUploads interface {
	// BeginPartial remembers an upload and gives it its id.
	BeginPartial(ctx context.Context, in PartialUpload) (PartialUpload, error)
	// Partial returns an upload that has not expired; else CodeNotFound.
	Partial(ctx context.Context, id string) (PartialUpload, error)
	// AppendPartial takes bytes from body until it ends or fails, and returns how many of them are durable. What came
	// before a failure of body counts, but for the last piece when the failure is CodeUnauthenticated or CodeForbidden, which
	// is returned: then the sender has lost the permission to send it. offset must be the upload's.
	AppendPartial(ctx context.Context, p PartialUpload, offset int64, body io.Reader) (n int64, err error)
	// StorePartial verifies the content of a complete upload and makes it a blob, as an upload in one piece is. It may be
	// repeated. Content that does not have its hash is CodeInvalid.
	StorePartial(ctx context.Context, p PartialUpload) error
	// DropPartial forgets an upload and removes its pieces.
	DropPartial(ctx context.Context, p PartialUpload) error
}
