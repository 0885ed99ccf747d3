package storageapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/tus"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/ratelimit"
)

// Uploads over several connections are an alternative to the signed URLs. Every request is authorised again, before
// anything else looks at it; the last one ends like an upload and its commit.
const (
	resumablePath = "/api/storage/resumable"
	// pieceBuffer is how much memory receiving a piece takes, in bytes.
	pieceBuffer = 128 << 10
	// partialLife is how long an upload can be resumed.
	partialLife = 24 * time.Hour
)

// resumableRoutes returns the endpoints; none if the storage provider takes no pieces.
func (a *API) resumableRoutes() []or3cloud.Route {
	partials, ok := a.opt.Adapter.(or3cloud.PartialUploads)
	if !ok {
		return nil
	}
	r := &resumable{API: a, partials: partials, tus: tus.New(resumablePath)}
	routes := []or3cloud.Route{
		{Method: http.MethodPost, Path: resumablePath, MaxBody: -1, Buffer: pieceBuffer, Handle: r.create},
		{Method: http.MethodOptions, Path: resumablePath, Handle: r.discover},
		{Method: http.MethodOptions, Path: resumablePath + "/:id", Handle: r.discover},
	}
	for _, method := range []string{http.MethodHead, http.MethodPatch, http.MethodDelete, http.MethodPost} {
		// HEAD interrupts another request on the upload, and does what is left to do at its end. POST stands for one of
		// the others.
		routes = append(routes, or3cloud.Route{Method: method, Path: resumablePath + "/:id", MaxBody: -1, Buffer: pieceBuffer, Effects: true, Handle: r.goOn})
	}
	return routes
}

type resumable struct {
	*API
	partials or3cloud.PartialUploads
	tus      *tus.Handler
}

// discover is OPTIONS. Anyone may ask what is supported here.
func (r *resumable) discover(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Access-Control-Expose-Headers", "Tus-Version, Tus-Extension, Tus-Max-Size")
	tus.Discover(w, r.opt.MaxFileSize)
	return nil
}

// create is POST /api/storage/resumable. The headers say what a presign-upload and a commit say otherwise.
func (r *resumable) create(w http.ResponseWriter, req *http.Request) error {
	if tus.Method(req) != http.MethodPost {
		return httpapi.NotFound(w, req)
	}
	w.Header().Set("Tus-Resumable", tus.Version)
	if err := unread(w, req, http.MethodPost); err != nil {
		return err
	}
	meta := tus.Metadata(req)
	in := blob{WorkspaceID: meta["workspace_id"], Hash: meta["hash"]}
	hash, err := in.check()
	size, ok := tus.Size(req)
	kind := meta["kind"]
	switch {
	case err != nil:
		return err
	case !ok || len(meta["mime_type"]) > maxMIME || len(meta["name"]) > maxName:
		return errInvalid()
	case kind != "image" && kind != "pdf" && kind != "file":
		return errInvalid()
	}
	s, err := r.admit(req, or3cloud.PermWorkspaceWrite, in.WorkspaceID, ratelimit.StorageUpload)
	if err != nil {
		return err
	}
	if size > r.opt.MaxFileSize {
		return or3cloud.Errorf(or3cloud.CodeTooLarge, "File size exceeds maximum of %d bytes", r.opt.MaxFileSize)
	}
	if err := r.takes(meta["mime_type"]); err != nil {
		return err
	}
	p := or3cloud.PartialUpload{
		WorkspaceID: in.WorkspaceID, UserID: s.User.ID, Hash: hash, SizeBytes: size, MIMEType: meta["mime_type"],
		Name: meta["name"], Kind: kind, ExpiresAt: r.opt.Now().Add(partialLife).UTC(),
	}
	r.opt.Limits.Record(ratelimit.StorageUpload, s.User.ID)
	announce(w, p)
	return r.tus.Serve(w, req, "", &partialStore{r, req, p})
}

// goOn is HEAD, PATCH and DELETE /api/storage/resumable/:id, or a POST that stands for one of them. An upload concerns
// only its owner, so that of another user is not found.
func (r *resumable) goOn(w http.ResponseWriter, req *http.Request) error {
	method := tus.Method(req)
	switch method {
	case http.MethodHead, http.MethodPatch, http.MethodDelete:
	default:
		return httpapi.NotFound(w, req)
	}
	w.Header().Set("Tus-Resumable", tus.Version)
	if err := unread(w, req, method); err != nil {
		return err
	}
	if method != req.Method {
		other := *req
		other.Method = method
		req = &other
	}
	s, err := r.opt.Host.Session(req)
	if err != nil {
		return err
	}
	if s == nil || !s.Authenticated {
		return or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized")
	}
	p, err := r.partials.Partial(req.Context(), req.PathValue("id"))
	if err != nil {
		return err
	}
	if p.UserID != s.User.ID {
		return or3cloud.Errorf(or3cloud.CodeNotFound, "Upload not found")
	}
	if _, err := r.opt.Host.Authorize(req, or3cloud.PermWorkspaceWrite, p.WorkspaceID); err != nil {
		return err
	}
	// A client that did not hear of the end asks how far it has come, and takes the full size for success.
	if req.Method != http.MethodDelete && p.Offset == p.SizeBytes {
		if err := r.finish(context.WithoutCancel(req.Context()), p); err != nil {
			return err
		}
	}
	announce(w, p)
	return r.tus.Serve(w, req, p.ID, &partialStore{r, req, p})
}

// unread reads the body of a request that needs none, so that a malformed one is refused before anything is done.
func unread(w http.ResponseWriter, req *http.Request, method string) error {
	if method == http.MethodPatch || method == http.MethodPost && req.Header.Get("Content-Type") == tus.ContentType {
		return nil
	}
	httpapi.LimitBody(w, req, httpapi.SmallBody)
	_, err := httpapi.ReadBody(req)
	var tooLarge *http.MaxBytesError
	if err == nil || errors.As(err, &tooLarge) {
		return nil
	}
	return httpapi.BodyError(req, err, "The request body is cut off.")
}

// announce says until when an upload can be resumed, and lets pages of other origins read the answers of the protocol.
func announce(w http.ResponseWriter, p or3cloud.PartialUpload) {
	w.Header().Set("Upload-Expires", p.ExpiresAt.UTC().Format(http.TimeFormat))
	w.Header().Set("Access-Control-Expose-Headers", "Location, Tus-Resumable, Upload-Expires, Upload-Length, Upload-Offset")
}

// finish does what the end of a single upload and its commit do. It may be repeated.
func (r *resumable) finish(ctx context.Context, p or3cloud.PartialUpload) error {
	if err := r.partials.StorePartial(ctx, p); err != nil {
		var e *or3cloud.Error
		if errors.As(err, &e) && e.Code == or3cloud.CodeInvalid { // these bytes will never be the right ones
			return errors.Join(err, r.drop(ctx, p))
		}
		return err
	}
	size, err := r.opt.Adapter.Commit(ctx, or3cloud.CommitRequest{
		WorkspaceID: p.WorkspaceID, UserID: p.UserID, Hash: p.Hash, MIMEType: p.MIMEType, SizeBytes: p.SizeBytes, Name: p.Name, Kind: p.Kind,
	})
	if err != nil {
		return err
	}
	return r.consume(ctx, p.UserID, p.WorkspaceID, p.IntentID, p.Hash, size)
}

// drop deletes an upload and returns its space.
func (r *resumable) drop(ctx context.Context, p or3cloud.PartialUpload) error {
	if err := r.partials.DropPartial(ctx, p); err != nil || p.Stored {
		return err
	}
	err := r.cancel(ctx, p.WorkspaceID, p.IntentID)
	var e *or3cloud.Error
	if errors.As(err, &e) && e.Code == or3cloud.CodeConflict {
		return nil // It has expired.
	}
	return err
}

// partialStore is the upload of one request.
type partialStore struct {
	*resumable
	req *http.Request
	p   or3cloud.PartialUpload
}

var _ tus.Store = (*partialStore)(nil)

// Create implements tus.Store: it reserves space and begins the upload.
func (s *partialStore) Create(ctx context.Context) (string, error) {
	intent, err := s.reserveFor(ctx, s.p.UserID, s.p.WorkspaceID, s.p.Hash, s.p.SizeBytes, partialLife)
	if err != nil {
		return "", err
	}
	s.p.IntentID = intent
	begun, err := s.partials.BeginPartial(ctx, s.p)
	if err != nil {
		return "", errors.Join(err, s.cancel(ctx, s.p.WorkspaceID, intent))
	}
	s.p = begun
	return begun.ID, nil
}

// Find implements tus.Store. It looks again, because another request may have been under way until now.
func (s *partialStore) Find(ctx context.Context, id string) (size, offset int64, err error) {
	p, err := s.partials.Partial(ctx, id)
	if err == nil {
		s.p = p
	}
	return p.SizeBytes, p.Offset, err
}

// Append implements tus.Store.
func (s *partialStore) Append(ctx context.Context, _ string, offset int64, body io.Reader) (int64, error) {
	return s.partials.AppendPartial(ctx, s.p, offset, body)
}

// Finish implements tus.Store. The last piece may have been on its way for long.
func (s *partialStore) Finish(ctx context.Context, _ string) error {
	if _, err := s.opt.Host.Authorize(s.req, or3cloud.PermWorkspaceWrite, s.p.WorkspaceID); err != nil {
		return err
	}
	return s.finish(ctx, s.p)
}

// Drop implements tus.Store.
func (s *partialStore) Drop(ctx context.Context, _ string) error { return s.drop(ctx, s.p) }
