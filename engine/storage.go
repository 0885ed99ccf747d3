package engine

import (
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
)

type (
	presignUploadRequest struct {
		WorkspaceID string               `json:"workspaceId"`
		Hash        string               `json:"hash"`
		MIMEType    string               `json:"mimeType"`
		SizeBytes   httpapi.Int          `json:"sizeBytes"`
		ExpiresInMS httpapi.Int          `json:"expiresInMs,omitempty"`
		Disposition or3cloud.Disposition `json:"disposition,omitempty"`
	}
	presignDownloadRequest struct {
		WorkspaceID string               `json:"workspaceId"`
		Hash        string               `json:"hash"`
		StorageID   string               `json:"storageId,omitempty"`
		ExpiresInMS httpapi.Int          `json:"expiresInMs,omitempty"`
		Disposition or3cloud.Disposition `json:"disposition,omitempty"`
		MIMEType    string               `json:"mimeType,omitempty"`
		Filename    string               `json:"filename,omitempty"`
	}
	presigned struct {
		// URL is relative to the host's origin, or absolute.
		URL string `json:"url"`
		// ExpiresAt is in Unix milliseconds.
		ExpiresAt   int64                `json:"expiresAt,omitempty"`
		Method      string               `json:"method,omitempty"`
		Headers     map[string]string    `json:"headers,omitempty"`
		StorageID   string               `json:"storageId,omitempty"`
		Disposition or3cloud.Disposition `json:"disposition,omitempty"`
	}
	// commitRequest has the names of the wire, because the host passes on the body of its endpoint.
	commitRequest struct {
		WorkspaceID       string      `json:"workspace_id"`
		Hash              string      `json:"hash"`
		StorageID         string      `json:"storage_id,omitempty"`
		StorageProviderID string      `json:"storage_provider_id,omitempty"`
		MIMEType          string      `json:"mime_type,omitempty"`
		SizeBytes         httpapi.Int `json:"size_bytes"`
		Name              string      `json:"name,omitempty"`
		Kind              string      `json:"kind,omitempty"`
	}
	commitAnswer struct {
		// SizeBytes is the actual size of the content.
		SizeBytes int64 `json:"sizeBytes"`
	}
	storageCollectRequest struct {
		WorkspaceID      string      `json:"workspace_id"`
		RetentionSeconds httpapi.Int `json:"retention_seconds"`
		Limit            httpapi.Int `json:"limit,omitempty"`
	}
	transferRequest struct {
		Token string `json:"token,omitempty"` // the parameter of that name of a signed URL
	}
	objectRequest struct {
		WorkspaceID string `json:"workspaceId"`
		Hash        string `json:"hash"`
	}
)

// longestExpiry is the longest lifetime of a URL that may be requested, in milliseconds (contract, storage §2).
const longestExpiry = 86_400_000

// transfer checks the parameters of URLs, and of commits.
func transfer(c call, hash string, size, expiresInMS httpapi.Int, d or3cloud.Disposition) (user string, h or3cloud.BlobHash, err error) {
	if user, err = c.user(); err != nil {
		return "", "", err
	}
	if h, err = blobHash(hash); err != nil {
		return "", "", err
	}
	if size < 0 {
		return "", "", or3cloud.Errorf(or3cloud.CodeInvalid, "A size must not be negative")
	}
	if expiresInMS < 0 || expiresInMS > longestExpiry {
		return "", "", or3cloud.Errorf(or3cloud.CodeInvalid, "expiresInMs must be at most %d", longestExpiry)
	}
	switch d {
	case "", or3cloud.DispositionInline, or3cloud.DispositionAttachment:
		return user, h, nil
	}
	return "", "", or3cloud.Errorf(or3cloud.CodeInvalid, "The disposition must be inline or attachment")
}

func wirePresigned(p or3cloud.Presigned) presigned {
	out := presigned{URL: p.URL, Method: p.Method, Headers: p.Headers, StorageID: p.StorageID, Disposition: p.Disposition}
	if !p.ExpiresAt.IsZero() {
		out.ExpiresAt = p.ExpiresAt.UnixMilli()
	}
	return out
}

func storageMethods() []method {
	type store = or3cloud.StorageGatewayAdapter
	files := by[store](or3cloud.ProviderStorage)
	return []method{
		does("storage/presign-upload", "StorageGatewayAdapter.presignUpload.", files, func(c call, s store, in presignUploadRequest) (out presigned, err error) {
			user, hash, err := transfer(c, in.Hash, in.SizeBytes, in.ExpiresInMS, in.Disposition)
			if err != nil {
				return out, err
			}
			p, err := s.PresignUpload(c, or3cloud.PresignUploadRequest{
				WorkspaceID: in.WorkspaceID, UserID: user, Hash: hash, MIMEType: in.MIMEType, SizeBytes: int64(in.SizeBytes),
				ExpiresIn: time.Duration(in.ExpiresInMS) * time.Millisecond, Disposition: in.Disposition,
			})
			return wirePresigned(p), err
		}).asUser(),
		does("storage/presign-download", "StorageGatewayAdapter.presignDownload.", files, func(c call, s store, in presignDownloadRequest) (out presigned, err error) {
			user, hash, err := transfer(c, in.Hash, 0, in.ExpiresInMS, in.Disposition)
			if err != nil {
				return out, err
			}
			p, err := s.PresignDownload(c, or3cloud.PresignDownloadRequest{
				WorkspaceID: in.WorkspaceID, UserID: user, Hash: hash, StorageID: in.StorageID, MIMEType: in.MIMEType, Filename: in.Filename,
				ExpiresIn: time.Duration(in.ExpiresInMS) * time.Millisecond, Disposition: in.Disposition,
			})
			return wirePresigned(p), err
		}).asUser(),
		does("storage/read-transfer", "What a signed URL of the provider's routes allows, regardless of who presents it.",
			by[or3cloud.TransferReader](or3cloud.ProviderStorage), func(c call, s or3cloud.TransferReader, in transferRequest) (or3cloud.Transfer, error) {
				return s.ReadTransfer(c, in.Token)
			}),
		does("storage/commit", "StorageGatewayAdapter.commit.", files, func(c call, s store, in commitRequest) (out commitAnswer, err error) {
			user, hash, err := transfer(c, in.Hash, in.SizeBytes, 0, "")
			if err != nil {
				return out, err
			}
			out.SizeBytes, err = s.Commit(c, or3cloud.CommitRequest{
				WorkspaceID: in.WorkspaceID, UserID: user, Hash: hash, StorageID: in.StorageID, StorageProviderID: in.StorageProviderID,
				MIMEType: in.MIMEType, SizeBytes: int64(in.SizeBytes), Name: in.Name, Kind: in.Kind,
			})
			return out, err
		}).asUser(),
		does("storage/gc", "StorageGatewayAdapter.gc.", by[or3cloud.StorageCollector](or3cloud.ProviderStorage),
			func(c call, s or3cloud.StorageCollector, in storageCollectRequest) (out or3cloud.StorageGCReport, err error) {
				if in.RetentionSeconds < 0 || in.Limit < 0 {
					return out, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid GC input")
				}
				return s.GC(c, or3cloud.StorageGCRequest{
					WorkspaceID: in.WorkspaceID, Retention: httpapi.Duration(int64(in.RetentionSeconds), time.Second), Limit: int(min(in.Limit, 1<<30)),
				})
			}),
		does("storage/delete-object", "StorageGatewayAdapter.deleteObject.", by[or3cloud.ObjectDeleter](or3cloud.ProviderStorage),
			func(c call, s or3cloud.ObjectDeleter, in objectRequest) (nothing, error) {
				hash, err := blobHash(in.Hash)
				if err == nil {
					err = s.DeleteObject(c, in.WorkspaceID, hash)
				}
				return nothing{}, err
			}),
	}
}
