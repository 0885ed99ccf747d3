package storageapi

import (
	"context"
	"strings"
	"unicode"

	or3cloud "or3.chat/cloud"
)

// The file_meta row of a file, which syncs and which its workspace can see, decides how it is served, and not the
// person who downloads it.

// inert has the types that a browser may show: none of them runs script.
var inert = map[string]bool{
	"image/png": true, "image/jpeg": true, "image/webp": true, "image/gif": true, "application/pdf": true,
}

// maxFilename is the longest file name offered, in characters.
const maxFilename = 180

// rowsOfHash is how many rows of one content are looked at: one for each spelling of its hash.
const rowsOfHash = 4

// serve completes a download by the policy of the content's live row (contract, storage §3). Without such a row the
// request stays as it is, and the provider knows the type of the upload: a message may well refer to a file whose row a
// base client has marked deleted, or whose row has not come yet, and a refusal would only cost its attempts.
func (a *API) serve(ctx context.Context, in *or3cloud.PresignDownloadRequest) (described bool, err error) {
	row, found, err := a.liveRow(ctx, in.WorkspaceID, in.Hash)
	if err != nil || !found {
		return false, err
	}
	in.Filename = filename(row.Name)
	if in.MIMEType = mediaType(row.MIMEType); !inert[in.MIMEType] {
		in.MIMEType, in.Disposition = "application/octet-stream", or3cloud.DispositionAttachment
	}
	if in.Disposition == "" {
		in.Disposition = or3cloud.DispositionInline
	}
	return true, nil
}

// liveRow returns the live file_meta row of a content, one that names a storage if there are several.
func (a *API) liveRow(ctx context.Context, workspaceID string, hash or3cloud.BlobHash) (row or3cloud.FileFacts, found bool, err error) {
	if a.opt.Canonical == nil {
		return row, false, nil
	}
	items, _, err := a.opt.Canonical.QueryCanonicalStorage(ctx, or3cloud.CanonicalStorageQuery{
		Scope: or3cloud.Scope{WorkspaceID: workspaceID}, Kind: or3cloud.CanonicalLiveMetadata, Hash: string(hash), Limit: rowsOfHash,
	})
	for _, item := range items {
		if !found || row.StorageID == "" && item.File.StorageID != "" {
			row, found = item.File, true
		}
	}
	return row, found, err
}

// filename returns a name without control characters and slashes, "download" if nothing else is left.
func filename(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '/' || r == '\\' {
			return -1
		}
		return r
	}, name)
	if runes := []rune(name); len(runes) > maxFilename {
		name = string(runes[:maxFilename])
	}
	if strings.Trim(name, ". ") == "" {
		return "download"
	}
	return name
}
