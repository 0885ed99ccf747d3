package fs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/signed"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/refuse"
	"or3.chat/cloud/providers/fs/internal/room"
	"or3.chat/cloud/providers/fs/internal/traffic"
	"or3.chat/cloud/providers/fs/internal/uploads"
	"or3.chat/cloud/providers/fs/internal/volume"
)

const (
	uploadPath   = "/api/storage/fs/upload"
	downloadPath = "/api/storage/fs/download"
)

// The operations that a signed URL can allow.
const (
	opUpload   = "upload"
	opDownload = "download"
)

// gateway is what browsers and the host use for a single content: signed URLs, the transfers behind them, and commits.
type gateway struct {
	signer     *signed.Signer
	ttl        time.Duration
	host       or3cloud.HostServices
	copies     *copies.Copies
	room       *room.Room
	uploads    *uploads.Uploads
	traffic    *traffic.Traffic
	references or3cloud.ReferenceClaimer
	full       func() bool
	now        func() time.Time
	log        *slog.Logger
}

var _ or3cloud.StorageGatewayAdapter = (*gateway)(nil)

// PresignUpload implements or3cloud.StorageGatewayAdapter. The validity is the configured one; clients ask for an
// hour and are content with less (contract, storage §7.1).
func (g *gateway) PresignUpload(_ context.Context, in or3cloud.PresignUploadRequest) (or3cloud.Presigned, error) {
	k, err := presignKey(in.WorkspaceID, in.UserID, in.Hash)
	if err != nil {
		return or3cloud.Presigned{}, err
	}
	if in.SizeBytes < 0 {
		return or3cloud.Presigned{}, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid size_bytes")
	}
	if err := g.room.Check(k, in.SizeBytes); err != nil {
		return or3cloud.Presigned{}, refuse.Disk(err)
	}
	return g.presign("PUT", uploadPath, k, signed.Claims{
		Operation: opUpload, User: in.UserID, Size: in.SizeBytes, MIME: in.MIMEType,
	})
}

// PresignDownload implements or3cloud.StorageGatewayAdapter. A blob in the trash is taken out again, because someone
// evidently shows it; the storage id is not looked at (contract, storage Pitfall 14).
func (g *gateway) PresignDownload(ctx context.Context, in or3cloud.PresignDownloadRequest) (or3cloud.Presigned, error) {
	k, err := presignKey(in.WorkspaceID, in.UserID, in.Hash)
	if err != nil {
		return or3cloud.Presigned{}, err
	}
	f, rec, err := g.copies.Find(k)
	if errors.Is(err, copies.ErrAbsent) {
		return or3cloud.Presigned{}, or3cloud.Errorf(or3cloud.CodeNotFound, "File not found")
	}
	if err != nil {
		return or3cloud.Presigned{}, refuse.Disk(err)
	}
	size := rec.SizeBytes
	f.Close()
	if rec.TrashedAt != nil {
		if gone, err := g.deleted(ctx, k, rec); err != nil {
			return or3cloud.Presigned{}, refuse.Disk(err)
		} else if gone {
			return or3cloud.Presigned{}, or3cloud.Errorf(or3cloud.CodeNotFound, "File not found")
		}
		if err := g.copies.Untrash(ctx, k); err != nil {
			g.log.WarnContext(ctx, "blob stays in the trash, from which it is still served", "err", err)
		}
	}
	return g.presign("GET", downloadPath, k, signed.Claims{
		Operation: opDownload, User: in.UserID, Size: size, MIME: in.MIMEType,
		Disposition: string(in.Disposition), Filename: safeFilename(in.Filename),
	})
}

// deleted reports whether someone has deleted the content and nothing has referred to it since.
func (g *gateway) deleted(ctx context.Context, k layout.Key, rec copies.Record) (bool, error) {
	if rec.DeletedAt == nil || g.references == nil {
		return false, nil
	}
	state, err := g.references.ReferenceState(ctx, k.Workspace, k.Hash)
	return !state.Referenced(), err
}

// Commit implements or3cloud.StorageGatewayAdapter. It restarts the blob's retention, and takes back a blob that is
// being collected.
func (g *gateway) Commit(ctx context.Context, in or3cloud.CommitRequest) (size int64, err error) {
	if in.WorkspaceID == "" || in.Hash == "" {
		return 0, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid commit input")
	}
	k, ok := layout.NewKey(in.WorkspaceID, string(in.Hash))
	if !ok {
		return 0, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid path parameters")
	}
	size, err = g.copies.Commit(ctx, k, in.MIMEType)
	if errors.Is(err, copies.ErrAbsent) {
		return 0, or3cloud.Errorf(or3cloud.CodeNotFound, "Uploaded file not found")
	}
	return size, refuse.Disk(err)
}

func presignKey(workspace, user string, hash or3cloud.BlobHash) (layout.Key, error) {
	k, ok := layout.NewKey(workspace, string(hash))
	switch {
	case ok && user != "":
		return k, nil
	case !layout.ValidWorkspaceID(workspace):
		return k, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid workspace_id")
	case user == "":
		return k, or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized")
	default:
		return k, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid hash")
	}
}

// presign completes the claims and makes the URL.
func (g *gateway) presign(method, path string, k layout.Key, c signed.Claims) (or3cloud.Presigned, error) {
	c.Workspace, c.Hash, c.Expires = k.Workspace, string(k.Hash), g.now().Add(g.ttl)
	token, err := g.signer.Sign(c)
	if err != nil {
		return or3cloud.Presigned{}, or3cloud.WrapError(err, or3cloud.CodeInvalid, "Invalid request")
	}
	return or3cloud.Presigned{
		URL: path + "?token=" + url.QueryEscape(token), ExpiresAt: c.Expires, Method: method, StorageID: k.StorageID(),
	}, nil
}

// Routes returns the endpoints behind the signed URLs.
func (g *gateway) Routes() []or3cloud.Route {
	return []or3cloud.Route{
		{Method: http.MethodPut, Path: uploadPath, MaxBody: -1, Buffer: volume.BufferSize, Handle: g.upload},
		{Method: http.MethodGet, Path: downloadPath, Buffer: volume.BufferSize, Handle: g.download},
		{Method: http.MethodHead, Path: downloadPath, Handle: g.download},
	}
}

// verify reads a token, regardless of who presents it.
func (g *gateway) verify(token string) (signed.Claims, error) {
	if token == "" {
		return signed.Claims{}, or3cloud.Errorf(or3cloud.CodeInvalid, "Missing token")
	}
	c, err := g.signer.Verify(token)
	if err != nil {
		return c, or3cloud.WrapError(err, or3cloud.CodeForbidden, "Invalid or expired token")
	}
	return c, nil
}

// ReadTransfer implements or3cloud.TransferReader.
func (g *gateway) ReadTransfer(_ context.Context, token string) (or3cloud.Transfer, error) {
	c, err := g.verify(token)
	if err != nil {
		return or3cloud.Transfer{}, err
	}
	return or3cloud.Transfer{
		WorkspaceID: c.Workspace, UserID: c.User, Hash: or3cloud.BlobHash(c.Hash), Upload: c.Operation == opUpload,
	}, nil
}

// admit makes the checks that both directions share, in the contract's order (storage §7.4, 1–8): token, operation,
// session, subject, permission. The disk is not touched before all of them have passed.
func (g *gateway) admit(r *http.Request, operation string, p or3cloud.Permission) (signed.Claims, layout.Key, error) {
	c, err := g.verify(r.URL.Query().Get("token"))
	if err != nil {
		return c, layout.Key{}, err
	}
	if c.Operation != operation {
		return c, layout.Key{}, or3cloud.Errorf(or3cloud.CodeForbidden, "Invalid operation token")
	}
	session, err := g.host.Session(r)
	if err != nil {
		return c, layout.Key{}, err
	}
	if session == nil || !session.Authenticated {
		return c, layout.Key{}, or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized")
	}
	if c.User == "" || session.User.ID != c.User {
		return c, layout.Key{}, or3cloud.Errorf(or3cloud.CodeForbidden, "Invalid token subject")
	}
	if _, err := g.host.Authorize(r, p, c.Workspace); err != nil {
		return c, layout.Key{}, err
	}
	k, ok := layout.NewKey(c.Workspace, c.Hash)
	if !ok {
		return c, layout.Key{}, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid path parameters")
	}
	return c, k, nil
}

// upload is PUT /api/storage/fs/upload (contract, storage §7.4).
func (g *gateway) upload(w http.ResponseWriter, r *http.Request) error {
	c, k, err := g.admit(r, opUpload, or3cloud.PermWorkspaceWrite)
	if err != nil {
		return err
	}
	if c.MIME != "" && essence(r.Header.Get("Content-Type")) != essence(c.MIME) {
		return or3cloud.Errorf(or3cloud.CodeUnsupportedMedia, "Content type mismatch")
	}
	if r.ContentLength > c.Size {
		return or3cloud.Errorf(or3cloud.CodeTooLarge, "Payload too large")
	}
	defer g.traffic.Transfer()()
	if g.full != nil && g.full() {
		// Refused before it is read: an upload that fails half-way would take the space that others need to free some.
		return or3cloud.Errorf(or3cloud.CodeInsufficientStorage, "Insufficient storage")
	}
	end, err := g.traffic.Begin(r.Context(), k, c.User)
	if err != nil {
		return err
	}
	defer end()
	permitted := func() error {
		_, err := g.host.Authorize(r, or3cloud.PermWorkspaceWrite, c.Workspace)
		return err
	}
	if err := g.uploads.Receive(r.Context(), k, c.Size, c.MIME, newBodyReader(w, r, c.Size), permitted); err != nil {
		return refuse.Disk(err)
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(struct {
		OK        bool   `json:"ok"`
		StorageID string `json:"storage_id"`
	}{true, k.StorageID()})
}
