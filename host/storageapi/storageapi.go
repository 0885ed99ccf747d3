// Package storageapi serves /api/storage (contract, storage §1–§5, §8). It decides who may store what; the bytes are
// transferred on the URLs that the storage provider signs.
package storageapi

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/ratelimit"
)

// patience is how long a transfer is held back when its budget is used up, before it is refused: a client counts every
// refusal as one of five quick attempts and then gives the file up (contract, storage Pitfall 4).
const patience = 10 * time.Second

// defaultDownloadExpiry is what clients are told when the provider does not say when its URL expires.
const defaultDownloadExpiry = 15 * time.Minute

// maxDownloadExpiry is the latest expiry that clients are told, whatever the provider says.
const maxDownloadExpiry = time.Hour

// Options are the limits of the endpoints.
type Options struct {
	Host    or3cloud.Front
	Limits  *middleware.Limits
	Adapter or3cloud.StorageGatewayAdapter
	// Intents is the sync provider's; nil if it keeps none, and then there can be no quota.
	Intents or3cloud.UploadIntents
	// Canonical is the sync provider's; nil if it cannot report rows.
	Canonical or3cloud.CanonicalStorage
	Now       func() time.Time
	Rand      io.Reader
	// MaxFileSize is in bytes.
	MaxFileSize int64
	Quota       or3cloud.StorageQuota
	// MIMETypes is the allow-list, in lower case; image/* stands for a whole kind. AnyMIMEType accepts every type
	// instead; downloads of types that are not known to be harmless are only ever saved, whatever this says.
	MIMETypes   []string
	AnyMIMEType bool
	// GCRetention is used when a caller of gc/run names none; GCCooldown is the time between two runs.
	GCRetention, GCCooldown time.Duration
}

// API serves presigning, commit and collection.
type API struct {
	opt Options
}

// New returns the API.
func New(o Options) *API { return &API{opt: o} }

// Routes returns the endpoints.
func (a *API) Routes() []or3cloud.Route {
	return append([]or3cloud.Route{
		{Method: http.MethodPost, Path: "/api/storage/presign-upload", Handle: a.presignUpload},
		{Method: http.MethodPost, Path: "/api/storage/presign-download", Handle: a.presignDownload},
		{Method: http.MethodPost, Path: "/api/storage/commit", Handle: a.commit},
		{Method: http.MethodPost, Path: "/api/storage/delete", Handle: a.delete},
		{Method: http.MethodPost, Path: "/api/storage/gc/run", Handle: a.gc},
	}, a.resumableRoutes()...)
}

const invalidRequest = "Invalid request"

func errInvalid() error { return or3cloud.Errorf(or3cloud.CodeInvalid, invalidRequest) }

// Limits of the texts in bytes.
const (
	maxID   = 256
	maxMIME = 255
	maxName = 4096
)

// blob are the members that all transfer calls share.
type blob struct {
	WorkspaceID string       `json:"workspace_id"`
	Hash        string       `json:"hash"`
	Capability  *string      `json:"file_kind_capability"`
	ExpiresInMS *httpapi.Int `json:"expires_in_ms"`
	Disposition *string      `json:"disposition"`
}

// check validates the shared members. A blank workspace would be one nameless tenant for all (contract, sync §1.1).
func (b *blob) check() (or3cloud.BlobHash, error) {
	hash, ok := or3cloud.ParseBlobHash(strings.TrimSpace(b.Hash))
	switch {
	case strings.TrimSpace(b.WorkspaceID) == "" || len(b.WorkspaceID) > maxID || !ok:
		return "", errInvalid()
	case b.Capability != nil && *b.Capability != "v1":
		return "", errInvalid()
	case b.ExpiresInMS != nil && (*b.ExpiresInMS < 1 || *b.ExpiresInMS > 86_400_000):
		return "", errInvalid()
	}
	switch b.disposition() {
	case "", or3cloud.DispositionInline, or3cloud.DispositionAttachment:
		return hash, nil
	}
	return "", errInvalid()
}

func (b *blob) disposition() or3cloud.Disposition {
	if b.Disposition == nil {
		return ""
	}
	return or3cloud.Disposition(*b.Disposition)
}

func (b *blob) expiresIn() time.Duration {
	if b.ExpiresInMS == nil {
		return 0
	}
	return time.Duration(*b.ExpiresInMS) * time.Millisecond
}

type presigned struct {
	URL         string               `json:"url"`
	ExpiresAt   int64                `json:"expiresAt,omitempty"` // milliseconds
	Disposition or3cloud.Disposition `json:"disposition,omitempty"`
	Method      string               `json:"method,omitempty"`
	Headers     map[string]string    `json:"headers,omitempty"`
	StorageID   string               `json:"storageId,omitempty"`
	IntentID    string               `json:"intentId,omitempty"`
}

func wire(p or3cloud.Presigned) presigned {
	out := presigned{URL: p.URL, Method: p.Method, Headers: p.Headers, StorageID: p.StorageID, Disposition: p.Disposition}
	if !p.ExpiresAt.IsZero() {
		out.ExpiresAt = p.ExpiresAt.UnixMilli()
	}
	return out
}

func (a *API) presignDownload(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoCache(w)
	var in struct {
		blob
		StorageID *string `json:"storage_id"`
		MIMEType  *string `json:"mime_type"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	hash, err := in.check()
	if err != nil {
		return err
	}
	s, err := a.admit(r, or3cloud.PermWorkspaceRead, in.WorkspaceID, ratelimit.StorageDownload)
	if err != nil {
		return err
	}
	req := or3cloud.PresignDownloadRequest{
		WorkspaceID: in.WorkspaceID, UserID: s.User.ID, Hash: hash, StorageID: text(in.StorageID),
		ExpiresIn: in.expiresIn(), Disposition: in.disposition(), MIMEType: text(in.MIMEType),
	}
	described, err := a.serve(r.Context(), &req)
	if err != nil {
		return err
	}
	p, err := a.opt.Adapter.PresignDownload(r.Context(), req)
	if err != nil {
		return err
	}
	a.opt.Limits.Record(ratelimit.StorageDownload, s.User.ID)
	if described {
		p.Disposition = req.Disposition
	}
	now := a.opt.Now()
	if p.ExpiresAt.IsZero() {
		p.ExpiresAt = now.Add(defaultDownloadExpiry)
	}
	if latest := now.Add(maxDownloadExpiry); p.ExpiresAt.After(latest) {
		p.ExpiresAt = latest
	}
	return httpapi.WriteJSON(w, http.StatusOK, wire(p))
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// gc starts a collection. The run counts against the cooldown before the adapter is called, so that a failing one
// cannot be repeated without end.
func (a *API) gc(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		WorkspaceID      string       `json:"workspace_id"`
		RetentionSeconds *httpapi.Int `json:"retention_seconds"`
		Limit            *httpapi.Int `json:"limit"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(in.WorkspaceID) == "" || len(in.WorkspaceID) > maxID:
		return errInvalid()
	case in.RetentionSeconds != nil && *in.RetentionSeconds < 0, in.Limit != nil && *in.Limit < 1:
		return errInvalid()
	}
	if _, err := a.opt.Host.Authorize(r, or3cloud.PermAdminAccess, in.WorkspaceID); err != nil {
		return err
	}
	if a.opt.GCCooldown > 0 {
		if v := a.opt.Limits.TakeOf(ratelimit.StorageGCRun, in.WorkspaceID, ratelimit.Limit{Max: 1, Window: a.opt.GCCooldown}); !v.Allowed {
			return &or3cloud.Error{
				Code:       or3cloud.CodeRateLimited,
				Message:    "GC rate limited, wait " + strconv.FormatInt(httpapi.Seconds(v.RetryAfter), 10) + " seconds",
				RetryAfter: v.RetryAfter,
			}
		}
	}
	collector, ok := a.opt.Adapter.(or3cloud.StorageCollector)
	if !ok {
		return or3cloud.Errorf(or3cloud.CodeUnsupported, "GC not supported by adapter")
	}
	req := or3cloud.StorageGCRequest{WorkspaceID: in.WorkspaceID, Retention: a.opt.GCRetention}
	if in.RetentionSeconds != nil {
		req.Retention = httpapi.Duration(int64(*in.RetentionSeconds), time.Second)
	}
	if in.Limit != nil {
		req.Limit = int(*in.Limit)
	}
	rep, err := collector.GC(r.Context(), req)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, rep)
}
