package fs

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/signed"
)

const (
	uploadPath   = "/api/storage/fs/upload"
	downloadPath = "/api/storage/fs/download"
)

// The operations that a signed URL can be good for.
const (
	opUpload   = "upload"
	opDownload = "download"
)

// PresignUpload implements or3cloud.StorageGatewayAdapter. The validity is the configured one; clients ask for an
// hour and are content with less (contract, storage §7.1).
func (s *Storage) PresignUpload(_ context.Context, in or3cloud.PresignUploadRequest) (or3cloud.Presigned, error) {
	k, err := presignKey(in.WorkspaceID, in.UserID, in.Hash)
	if err != nil {
		return or3cloud.Presigned{}, err
	}
	if in.SizeBytes < 0 {
		return or3cloud.Presigned{}, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid size_bytes")
	}
	if err := s.checkRoom(k, in.SizeBytes); err != nil {
		return or3cloud.Presigned{}, diskFault(err)
	}
	return s.presign("PUT", uploadPath, k, signed.Claims{
		Operation: opUpload, User: in.UserID, Size: in.SizeBytes, MIME: in.MIMEType,
	})
}

// PresignDownload implements or3cloud.StorageGatewayAdapter. A blob in the trash is taken out again, because somebody
// evidently shows it; the storage id is not looked at (contract, storage Pitfall 14).
func (s *Storage) PresignDownload(ctx context.Context, in or3cloud.PresignDownloadRequest) (or3cloud.Presigned, error) {
	k, err := presignKey(in.WorkspaceID, in.UserID, in.Hash)
	if err != nil {
		return or3cloud.Presigned{}, err
	}
	f, rec, err := s.find(k)
	if errors.Is(err, errAbsent) {
		return or3cloud.Presigned{}, or3cloud.Errorf(or3cloud.CodeNotFound, "File not found")
	}
	if err != nil {
		return or3cloud.Presigned{}, diskFault(err)
	}
	size := rec.SizeBytes
	f.Close()
	if rec.TrashedAt != nil {
		if gone, err := s.deleted(ctx, k, rec); err != nil {
			return or3cloud.Presigned{}, diskFault(err)
		} else if gone {
			return or3cloud.Presigned{}, or3cloud.Errorf(or3cloud.CodeNotFound, "File not found")
		}
		if err := s.untrash(ctx, k); err != nil {
			s.Log.WarnContext(ctx, "blob stays in the trash, from which it is still served", "err", err)
		}
	}
	return s.presign("GET", downloadPath, k, signed.Claims{
		Operation: opDownload, User: in.UserID, Size: size, MIME: in.MIMEType,
		Disposition: string(in.Disposition), Filename: safeFilename(in.Filename),
	})
}

// deleted reports whether somebody has deleted the content and nothing has referred to it since.
func (s *Storage) deleted(ctx context.Context, k blobKey, rec record) (bool, error) {
	if rec.DeletedAt == nil || s.References == nil {
		return false, nil
	}
	state, err := s.References.ReferenceState(ctx, k.workspace, k.hash)
	return !state.Referenced(), err
}

// untrash rescues a blob that is in the trash.
func (s *Storage) untrash(ctx context.Context, k blobKey) error {
	if err := s.loadRetired(ctx, k.workspace); err != nil {
		return err
	}
	defer s.locks.lock(k)()
	rec, err := readRecord(s.Disk, k)
	if err != nil || s.reliable(k, rec) {
		return err
	}
	return s.rescue(k, rec)
}

// Commit implements or3cloud.StorageGatewayAdapter. It restarts the blob's retention, and takes a blob that is being
// collected back.
func (s *Storage) Commit(ctx context.Context, in or3cloud.CommitRequest) (size int64, err error) {
	if in.WorkspaceID == "" || in.Hash == "" {
		return 0, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid commit input")
	}
	k, ok := newKey(in.WorkspaceID, string(in.Hash))
	if !ok {
		return 0, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid path parameters")
	}
	if err := s.loadRetired(ctx, k.workspace); err != nil {
		return 0, diskFault(err)
	}
	defer s.locks.lock(k)()
	f, rec, err := s.find(k)
	if errors.Is(err, errAbsent) {
		return 0, or3cloud.Errorf(or3cloud.CodeNotFound, "Uploaded file not found")
	}
	if err != nil {
		return 0, diskFault(err)
	}
	f.Close()
	now := s.Now().UTC()
	rec.CommittedAt = &now
	if rec.MIMEType == "" {
		rec.MIMEType = in.MIMEType // A blob of the npm package has no type yet.
	}
	if s.reliable(k, rec) {
		return rec.SizeBytes, diskFault(s.writeRecord(k, rec))
	}
	return rec.SizeBytes, diskFault(s.rescue(k, rec))
}

func presignKey(workspace, user string, hash or3cloud.BlobHash) (blobKey, error) {
	k, ok := newKey(workspace, string(hash))
	switch {
	case ok && user != "":
		return k, nil
	case !validWorkspaceID(workspace):
		return k, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid workspace_id")
	case user == "":
		return k, or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized")
	default:
		return k, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid hash")
	}
}

// presign completes the claims and makes the URL.
func (s *Storage) presign(method, path string, k blobKey, c signed.Claims) (or3cloud.Presigned, error) {
	c.Workspace, c.Hash, c.Expires = k.workspace, string(k.hash), s.Now().Add(s.TTL)
	token, err := s.Signer.Sign(c)
	if err != nil {
		return or3cloud.Presigned{}, or3cloud.WrapError(err, or3cloud.CodeInvalid, "Invalid request")
	}
	return or3cloud.Presigned{
		URL: path + "?token=" + url.QueryEscape(token), ExpiresAt: c.Expires, Method: method, StorageID: k.storageID(),
	}, nil
}

// Routes returns the endpoints that signed URLs lead to.
func (s *Storage) Routes() []or3cloud.Route {
	return []or3cloud.Route{
		{Method: http.MethodPut, Path: uploadPath, MaxBody: -1, Buffer: bufferSize, Handle: s.upload},
		{Method: http.MethodGet, Path: downloadPath, Buffer: bufferSize, Handle: s.download},
		{Method: http.MethodHead, Path: downloadPath, Handle: s.download},
	}
}

// admit makes the checks that both directions share, in the contract's order (storage §7.4, 1–8): token, operation,
// session, subject, permission. The disk is not touched before all of them have passed.
func (s *Storage) admit(r *http.Request, operation string, p or3cloud.Permission) (signed.Claims, blobKey, error) {
	token := r.URL.Query().Get("token")
	if token == "" {
		return signed.Claims{}, blobKey{}, or3cloud.Errorf(or3cloud.CodeInvalid, "Missing token")
	}
	c, err := s.Signer.Verify(token)
	if err != nil {
		return c, blobKey{}, or3cloud.WrapError(err, or3cloud.CodeForbidden, "Invalid or expired token")
	}
	if c.Operation != operation {
		return c, blobKey{}, or3cloud.Errorf(or3cloud.CodeForbidden, "Invalid operation token")
	}
	session, err := s.Host.Session(r)
	if err != nil {
		return c, blobKey{}, err
	}
	if session == nil || !session.Authenticated {
		return c, blobKey{}, or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized")
	}
	if c.User == "" || session.User.ID != c.User {
		return c, blobKey{}, or3cloud.Errorf(or3cloud.CodeForbidden, "Invalid token subject")
	}
	if _, err := s.Host.Authorize(r, p, c.Workspace); err != nil {
		return c, blobKey{}, err
	}
	k, ok := newKey(c.Workspace, c.Hash)
	if !ok {
		return c, blobKey{}, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid path parameters")
	}
	return c, k, nil
}
