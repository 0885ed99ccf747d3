package storageapi

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/hosttest"
)

// pieces is an adapter that keeps one upload in memory; the real one is tested with the real host.
type pieces struct {
	adapter
	p       or3cloud.PartialUpload
	begun   bool
	content string
	// refuse, if set, is the error of StorePartial.
	refuse  error
	dropped bool
}

func (a *pieces) BeginPartial(_ context.Context, in or3cloud.PartialUpload) (or3cloud.PartialUpload, error) {
	if a.err != nil {
		return in, a.err
	}
	in.ID = "upload"
	a.p, a.begun = in, true
	return in, nil
}

func (a *pieces) Partial(_ context.Context, id string) (or3cloud.PartialUpload, error) {
	if !a.begun || a.dropped || id != a.p.ID {
		return or3cloud.PartialUpload{}, or3cloud.Errorf(or3cloud.CodeNotFound, "Upload not found")
	}
	a.p.Offset = int64(len(a.content))
	return a.p, nil
}

func (a *pieces) AppendPartial(_ context.Context, _ or3cloud.PartialUpload, _ int64, body io.Reader) (int64, error) {
	b, err := io.ReadAll(body)
	a.content += string(b)
	return int64(len(b)), err
}

func (a *pieces) StorePartial(context.Context, or3cloud.PartialUpload) error {
	a.p.Stored = a.refuse == nil
	return a.refuse
}

func (a *pieces) DropPartial(context.Context, or3cloud.PartialUpload) error {
	a.dropped = true
	return nil
}

// resume is a rig of a host, an adapter and intents.
type resume struct {
	t       *testing.T
	host    *hosttest.Host
	adapter *pieces
	intents *intents
	api     *API
}

func newResume(t *testing.T) *resume {
	r := &resume{t: t, host: hosttest.Member(or3cloud.RoleEditor), adapter: &pieces{}, intents: &intents{}}
	o := options(r.host, r.adapter)
	o.Intents = r.intents
	r.api = New(o)
	return r
}

func (r *resume) do(method, id, body string, header ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	req := hosttest.NewRequest(method, resumablePath+id, "")
	if body != "" {
		req = httptest.NewRequest(method, resumablePath+id, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/offset+octet-stream")
	}
	req.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return hosttest.Send(r.t, r.api.Routes(), req)
}

func (r *resume) create(size int, changes ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	meta := map[string]string{"workspace_id": "ws", "hash": "sha256:" + digest, "mime_type": "image/png", "name": "n.png", "kind": "image"}
	for i := 0; i < len(changes); i += 2 {
		meta[changes[i]] = changes[i+1]
	}
	var parts []string
	for name, value := range meta {
		parts = append(parts, name+" "+base64.StdEncoding.EncodeToString([]byte(value)))
	}
	return r.do("POST", "", "", "Upload-Length", strconv.Itoa(size), "Upload-Metadata", strings.Join(parts, ","))
}

func (r *resume) patch(offset int, body string) *httptest.ResponseRecorder {
	r.t.Helper()
	return r.do("PATCH", "/upload", body, "Upload-Offset", strconv.Itoa(offset), "Content-Type", "application/offset+octet-stream")
}

func (r *resume) want(w *httptest.ResponseRecorder, status int, what string) {
	r.t.Helper()
	if w.Code != status {
		r.t.Fatalf("%s: %d %s %v", what, w.Code, w.Body, w.Header())
	}
}

func TestResumableUploadEndsLikeAnyOther(t *testing.T) {
	r := newResume(t)
	w := r.create(7)
	r.want(w, 201, "create")
	if h := w.Header(); h.Get("Location") != resumablePath+"/upload" || h.Get("Tus-Resumable") != "1.0.0" || h.Get("Upload-Expires") == "" {
		t.Errorf("%v", h)
	}
	if i := r.intents.reserved; i.ID == "" || i.SizeBytes != 7 || i.Hash != "sha256:"+digest || time.Until(i.ExpiresAt) < 23*time.Hour {
		t.Errorf("reserved %+v", i)
	}
	r.want(r.patch(0, "con"), 204, "a piece")
	w = r.do("HEAD", "/upload", "")
	if w.Code != 200 || w.Header().Get("Upload-Offset") != "3" || w.Header().Get("Upload-Length") != "7" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if r.adapter.calls != 0 {
		t.Error("committed before the end")
	}
	r.want(r.patch(2, "tent"), 409, "a piece at a wrong offset")
	r.want(r.patch(3, "tents"), 413, "more than announced")
	r.want(r.patch(3, "tent"), 204, "the last piece")
	if d := r.adapter.done; d.WorkspaceID != "ws" || d.UserID != "user" || d.Hash != "sha256:"+digest || d.MIMEType != "image/png" || d.Kind != "image" || d.Name != "n.png" {
		t.Errorf("committed %+v", d)
	}
	if r.intents.consumed.ID != r.intents.reserved.ID || r.intents.cancelled != "" {
		t.Errorf("consumed %+v, cancelled %q", r.intents.consumed, r.intents.cancelled)
	}
}

// TestResumableEndIsTriedAgain: an end that meets an error of the store reports it, and the next request repeats it.
func TestResumableEndIsTriedAgain(t *testing.T) {
	r := newResume(t)
	r.want(r.create(7), 201, "create")
	r.adapter.refuse = or3cloud.Unavailable(errors.New("I/O error"), "Storage unavailable", time.Second)
	w := r.patch(0, "content")
	r.want(w, 503, "with a failing disk")
	if !strings.Contains(w.Body.String(), "Storage unavailable") || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "ERR_") {
		t.Errorf("%s %v", w.Body, w.Header())
	}
	r.want(r.do("HEAD", "/upload", ""), 503, "HEAD with a failing disk")
	r.adapter.refuse = nil
	r.intents.err = or3cloud.Unavailable(nil, "Sync unavailable", time.Second)
	r.want(r.patch(7, ""), 503, "with a failing sync store")
	r.intents.err = nil
	r.want(r.do("HEAD", "/upload", ""), 200, "HEAD when all is well")
	if r.intents.consumed.ID != r.intents.reserved.ID || r.adapter.done.Hash == "" || r.adapter.dropped {
		t.Errorf("%+v %+v", r.intents, r.adapter)
	}
}

func TestResumableUploadOfOtherBytesIsGone(t *testing.T) {
	r := newResume(t)
	r.want(r.create(7), 201, "create")
	r.adapter.refuse = or3cloud.Errorf(or3cloud.CodeInvalid, "Hash mismatch")
	r.want(r.patch(0, "content"), 400, "other bytes")
	if !r.adapter.dropped || r.intents.cancelled != r.intents.reserved.ID || r.adapter.calls != 0 {
		t.Errorf("%+v %+v", r.intents, r.adapter)
	}
	r.want(r.do("HEAD", "/upload", ""), 404, "afterwards")
}

// TestResumableRequestsAreAuthorisedOneByOne takes rights away in the middle of an upload.
func TestResumableRequestsAreAuthorisedOneByOne(t *testing.T) {
	r := newResume(t)
	r.want(r.create(7), 201, "create")
	r.want(r.patch(0, "con"), 204, "an editor")
	for name, c := range map[string]struct {
		change func()
		status int
	}{
		"a viewer":       {func() { r.host.Current.Role = or3cloud.RoleViewer }, 403},
		"no member":      {func() { r.host.Current.Role = "" }, 403},
		"another editor": {func() { r.host.Current.User.ID = "another" }, 404},
		"signed out":     {func() { r.host.Current = or3cloud.SessionContext{} }, 401},
		"a broken store": {func() { r.host.Err = or3cloud.Unavailable(nil, "Session store unavailable", time.Second) }, 503},
	} {
		r.host.Current, r.host.Err = hosttest.Member(or3cloud.RoleEditor).Current, nil
		c.change()
		r.want(r.patch(3, "tent"), c.status, name+" sends")
		r.want(r.do("HEAD", "/upload", ""), c.status, name+" asks")
		r.want(r.do("DELETE", "/upload", ""), c.status, name+" deletes")
		if name != "another editor" {
			r.want(r.create(7), c.status, name+" begins")
		}
	}
	if r.adapter.content != "con" || r.adapter.dropped {
		t.Errorf("%q %v", r.adapter.content, r.adapter.dropped)
	}
}

func TestResumableCreationIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		size    int
		changes []string
		status  int
	}{
		"no workspace":  {7, []string{"workspace_id", " "}, 400},
		"no hash":       {7, []string{"hash", "x"}, 400},
		"no kind":       {7, []string{"kind", ""}, 400},
		"a long name":   {7, []string{"name", strings.Repeat("n", maxName+1)}, 400},
		"negative size": {-1, nil, 400},
		"too large":     {1001, nil, 413},
		"of other type": {7, []string{"mime_type", "text/html"}, 415},
	} {
		r := newResume(t)
		r.want(r.create(c.size, c.changes...), c.status, name)
		if r.adapter.begun || r.intents.reserved.ID != "" {
			t.Errorf("%s has begun", name)
		}
	}
	r := newResume(t)
	r.api.opt.AnyMIMEType = true
	r.want(r.create(0, "mime_type", "text/html", "kind", "file"), 201, "of any type, where that is allowed")
	r.want(r.create(7, "mime_type", " "), 415, "of no type")
	r = newResume(t)
	r.adapter.err = or3cloud.Errorf(or3cloud.CodeInsufficientStorage, "Insufficient storage")
	r.want(r.create(7), 507, "on a full disk")
	if r.intents.cancelled != r.intents.reserved.ID {
		t.Error("the room of an upload that was not begun is kept")
	}
	r = newResume(t)
	r.intents.err = or3cloud.Errorf(or3cloud.CodeTooLarge, "Workspace storage quota exceeded")
	r.want(r.create(7), 413, "beyond the quota")
}

// TestResumableUploadIsDropped returns the space, even when the intent has expired.
func TestResumableUploadIsDropped(t *testing.T) {
	r := newResume(t)
	r.want(r.create(7), 201, "create")
	r.intents.err = or3cloud.Errorf(or3cloud.CodeConflict, "Upload intent is not active")
	r.want(r.do("DELETE", "/upload", ""), 204, "DELETE")
	if !r.adapter.dropped || r.intents.cancelled != r.intents.reserved.ID {
		t.Errorf("%+v", r.intents)
	}
	// No header turns a request into another one than the route says.
	r = newResume(t)
	r.want(r.create(7), 201, "create")
	w := r.do("POST", "", "", "X-HTTP-Method-Override", "DELETE", "Upload-Length", "7")
	if w.Code < 400 || r.adapter.dropped {
		t.Errorf("%d", w.Code)
	}
}

func TestWithoutPiecesThereIsNoResumableUpload(t *testing.T) {
	w := hosttest.Do(t, New(options(hosttest.Member(or3cloud.RoleEditor), &adapter{})).Routes(), "POST", resumablePath, "")
	if w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
}
