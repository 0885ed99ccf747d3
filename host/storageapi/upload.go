package storageapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/ratelimit"
)

// admit asks can() and then waits for budget.
func (a *API) admit(r *http.Request, p or3cloud.Permission, workspaceID string, op ratelimit.Operation) (*or3cloud.SessionContext, error) {
	s, err := a.opt.Host.Authorize(r, p, workspaceID)
	if err != nil {
		return nil, err
	}
	return s, a.opt.Limits.Hold(r.Context(), op, s.User.ID, patience)
}

// presignUpload reserves space and returns a URL to send the content to.
func (a *API) presignUpload(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoCache(w)
	var in struct {
		blob
		MIMEType  *string      `json:"mime_type"`
		SizeBytes *httpapi.Int `json:"size_bytes"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	hash, err := in.check()
	switch {
	case err != nil:
		return err
	case in.MIMEType == nil || len(*in.MIMEType) > maxMIME || in.SizeBytes == nil || *in.SizeBytes < 0:
		return errInvalid()
	}
	s, err := a.admit(r, or3cloud.PermWorkspaceWrite, in.WorkspaceID, ratelimit.StorageUpload)
	if err != nil {
		return err
	}
	size := int64(*in.SizeBytes)
	if size > a.opt.MaxFileSize {
		return or3cloud.Errorf(or3cloud.CodeTooLarge, "File size exceeds maximum of %d bytes", a.opt.MaxFileSize)
	}
	if err := a.takes(*in.MIMEType); err != nil {
		return err
	}
	intent, err := a.reserve(r.Context(), s.User.ID, in.WorkspaceID, hash, size)
	if err != nil {
		return err
	}
	p, err := a.opt.Adapter.PresignUpload(r.Context(), or3cloud.PresignUploadRequest{
		WorkspaceID: in.WorkspaceID, UserID: s.User.ID, Hash: hash, MIMEType: *in.MIMEType, SizeBytes: size,
		ExpiresIn: in.expiresIn(), Disposition: in.disposition(),
	})
	if err != nil {
		return errors.Join(err, a.cancel(r.Context(), in.WorkspaceID, intent))
	}
	a.opt.Limits.Record(ratelimit.StorageUpload, s.User.ID)
	out := wire(p)
	out.IntentID = intent
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// takes says whether files of a type may be uploaded. A type without a name is never accepted: the upload could not be
// held to it.
func (a *API) takes(mime string) error {
	t := mediaType(mime)
	if t != "" && a.opt.AnyMIMEType || slices.ContainsFunc(a.opt.MIMETypes, func(entry string) bool { return covers(entry, t) }) {
		return nil
	}
	return or3cloud.Errorf(or3cloud.CodeUnsupportedMedia, "MIME type %s not allowed", mime)
}

// covers reports whether an entry of the allow-list means a media type: it is the type itself, a range such as image/*,
// or */* (RFC 9110 §12.5.1).
func covers(entry, t string) bool {
	kind, ok := strings.CutSuffix(entry, "/*")
	if !ok {
		return entry == t
	}
	return strings.Contains(t, "/") && (kind == "*" || strings.HasPrefix(t, kind+"/"))
}

func mediaType(mime string) string {
	t, _, _ := strings.Cut(mime, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// commit says that the content has arrived, and closes the reservation of space for it.
func (a *API) commit(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		blob
		StorageID         *string      `json:"storage_id"`
		StorageProviderID *string      `json:"storage_provider_id"`
		MIMEType          *string      `json:"mime_type"`
		SizeBytes         *httpapi.Int `json:"size_bytes"`
		Name              *string      `json:"name"`
		Kind              string       `json:"kind"`
		Width             *float64     `json:"width"`
		Height            *float64     `json:"height"`
		PageCount         *float64     `json:"page_count"`
		IntentID          *string      `json:"intent_id"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	hash, err := in.check()
	switch {
	case err != nil:
		return err
	case in.StorageID == nil, in.StorageProviderID == nil, in.MIMEType == nil, in.Name == nil, in.SizeBytes == nil:
		return errInvalid()
	case *in.SizeBytes < 0 || len(*in.MIMEType) > maxMIME || len(*in.Name) > maxName || len(text(in.IntentID)) > maxID:
		return errInvalid()
	case in.Kind != "image" && in.Kind != "pdf" && in.Kind != "file":
		return errInvalid()
	}
	s, err := a.admit(r, or3cloud.PermWorkspaceWrite, in.WorkspaceID, ratelimit.StorageCommit)
	if err != nil {
		return err
	}
	size, err := a.opt.Adapter.Commit(r.Context(), or3cloud.CommitRequest{
		WorkspaceID: in.WorkspaceID, UserID: s.User.ID, Hash: hash, StorageID: *in.StorageID,
		StorageProviderID: *in.StorageProviderID, MIMEType: *in.MIMEType, SizeBytes: int64(*in.SizeBytes),
		Name: *in.Name, Kind: in.Kind,
	})
	if err == nil {
		err = a.consume(r.Context(), s.User.ID, in.WorkspaceID, text(in.IntentID), hash, size)
	}
	if err != nil {
		return err
	}
	a.opt.Limits.Record(ratelimit.StorageCommit, s.User.ID)
	return httpapi.WriteJSON(w, http.StatusOK, map[string]bool{"ok": true})
}

// intentLife is how long space is reserved for an upload that does not end: the longest validity of a URL, and as much
// again for the bytes to arrive.
const intentLife = 2 * time.Hour

var errNoReservations = errors.New("a storage quota is set, but the sync provider cannot reserve space")

// reserve asks the sync provider for space and returns the id of the reservation, "" if the provider makes none.
func (a *API) reserve(ctx context.Context, userID, workspaceID string, hash or3cloud.BlobHash, size int64) (id string, err error) {
	return a.reserveFor(ctx, userID, workspaceID, hash, size, intentLife)
}

// reserveFor is reserve for an upload that may take longer.
func (a *API) reserveFor(ctx context.Context, userID, workspaceID string, hash or3cloud.BlobHash, size int64, life time.Duration) (id string, err error) {
	if a.opt.Intents == nil {
		if a.opt.Quota != (or3cloud.StorageQuota{}) {
			return "", errNoReservations
		}
		return "", nil
	}
	random, err := uuid.NewRandomFromReader(a.opt.Rand)
	if err != nil {
		return "", err
	}
	return random.String(), a.opt.Intents.ReserveUploadIntent(ctx, or3cloud.UploadIntent{
		ID: random.String(), WorkspaceID: workspaceID, UserID: userID, Hash: hash, SizeBytes: size,
		ExpiresAt: a.opt.Now().Add(life), Quota: a.opt.Quota,
	})
}

// cancel returns the space of an upload that got no URL.
func (a *API) cancel(ctx context.Context, workspaceID, id string) error {
	if id == "" {
		return nil
	}
	return a.opt.Intents.CancelUploadIntent(context.WithoutCancel(ctx), workspaceID, id)
}

// consume closes the intents of a committed content. Its space stays taken until its file_meta row has come, or until
// the collector may take it because none ever came.
func (a *API) consume(ctx context.Context, userID, workspaceID, id string, hash or3cloud.BlobHash, size int64) error {
	if a.opt.Intents == nil {
		return nil
	}
	return a.opt.Intents.ConsumeUploadIntent(ctx, or3cloud.UploadIntent{
		ID: id, WorkspaceID: workspaceID, UserID: userID, Hash: hash, SizeBytes: size,
		ExpiresAt: a.opt.Now().Add(a.opt.GCRetention), Quota: a.opt.Quota,
	})
}
