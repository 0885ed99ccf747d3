package storageapi

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/hosttest"
	"or3.chat/cloud/host/middleware"
)

// adapter answers as told; real adapters are tested with the real host.
type adapter struct {
	up     or3cloud.PresignUploadRequest
	down   or3cloud.PresignDownloadRequest
	done   or3cloud.CommitRequest
	answer or3cloud.Presigned
	err    error
	calls  int
}

func (a *adapter) PresignUpload(_ context.Context, in or3cloud.PresignUploadRequest) (or3cloud.Presigned, error) {
	a.up, a.calls = in, a.calls+1
	return a.answer, a.err
}

func (a *adapter) PresignDownload(_ context.Context, in or3cloud.PresignDownloadRequest) (or3cloud.Presigned, error) {
	a.down, a.calls = in, a.calls+1
	return a.answer, a.err
}

func (a *adapter) Commit(_ context.Context, in or3cloud.CommitRequest) (int64, error) {
	a.done, a.calls = in, a.calls+1
	return 7, a.err
}

type collectingAdapter struct {
	adapter
	gc []or3cloud.StorageGCRequest
}

func (a *collectingAdapter) GC(_ context.Context, in or3cloud.StorageGCRequest) (or3cloud.StorageGCReport, error) {
	a.gc = append(a.gc, in)
	return or3cloud.StorageGCReport{DeletedCount: 2, ScannedCount: 5, Status: "completed"}, a.err
}

// intents records the requests for intents.
type intents struct {
	reserved, consumed or3cloud.UploadIntent
	cancelled          string
	err                error
}

func (i *intents) ReserveUploadIntent(_ context.Context, in or3cloud.UploadIntent) error {
	i.reserved = in
	return i.err
}

func (i *intents) ConsumeUploadIntent(_ context.Context, in or3cloud.UploadIntent) error {
	i.consumed = in
	return i.err
}

func (i *intents) CancelUploadIntent(_ context.Context, _, id string) error {
	i.cancelled = id
	return i.err
}

func options(h *hosttest.Host, a or3cloud.StorageGatewayAdapter) Options {
	return Options{
		Host: h, Limits: middleware.NewLimits(time.Now, "", false), Adapter: a, Now: time.Now, Rand: rand.Reader,
		MaxFileSize: 1000, MIMETypes: []string{"image/png", "text/plain"}, GCRetention: 720 * time.Hour, GCCooldown: time.Minute,
	}
}

const digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func upload(changes ...string) string {
	return strings.NewReplacer(changes...).Replace(`{"workspace_id":"ws","hash":"sha256:` + digest +
		`","mime_type":"image/png","size_bytes":10,"expires_in_ms":3600000,"disposition":"inline","file_kind_capability":"v1","x":1}`)
}

func commitBody(changes ...string) string {
	return strings.NewReplacer(changes...).Replace(`{"workspace_id":"ws","hash":"sha256:` + digest +
		`","storage_id":"sid","storage_provider_id":"fs","mime_type":"image/png","size_bytes":10,"name":"n.png","kind":"image","file_kind_capability":"v1","width":1.5}`)
}

func TestPresignUpload(t *testing.T) {
	a := &adapter{answer: or3cloud.Presigned{URL: "/api/storage/fs/upload?token=a&b", Method: "PUT", ExpiresAt: time.UnixMilli(1771000900123), StorageID: "ws:h"}}
	w := hosttest.Do(t, New(options(hosttest.Member(or3cloud.RoleEditor), a)).Routes(), "POST", "/api/storage/presign-upload",
		upload("sha256:", "SHA256:", digest, strings.ToUpper(digest)))
	want := `{"url":"/api/storage/fs/upload?token=a&b","expiresAt":1771000900123,"method":"PUT","storageId":"ws:h"}`
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if h := w.Header(); h.Get("Cache-Control") != "no-store, no-cache, must-revalidate" || h.Get("Pragma") != "no-cache" || h.Get("X-RateLimit-Limit") != "" {
		t.Error(h)
	}
	if want := (or3cloud.PresignUploadRequest{
		WorkspaceID: "ws", UserID: "user", Hash: "sha256:" + digest, MIMEType: "image/png", SizeBytes: 10,
		ExpiresIn: time.Hour, Disposition: or3cloud.DispositionInline,
	}); a.up != want {
		t.Errorf("%+v", a.up)
	}
}

// Contract, storage §2: OR3_STORAGE_ALLOW_ANY_FILE_TYPE skips the list, and empty files are valid.
func TestPresignUploadOfAnyType(t *testing.T) {
	for _, c := range []struct {
		mime            string
		listed, anyType int
	}{
		{"image/png", 200, 200},
		{"IMAGE/PNG; q=1", 200, 200},
		{"text/html", 415, 200},
		{"application/octet-stream", 415, 200},
		{"x", 415, 200},
		{"", 415, 415},
		{" ;charset=utf-8", 415, 415},
		{strings.Repeat("x", maxMIME+1), 400, 400},
	} {
		for _, anyType := range []bool{false, true} {
			o := options(hosttest.Member(or3cloud.RoleEditor), &adapter{answer: or3cloud.Presigned{URL: "/u"}})
			o.AnyMIMEType = anyType
			want := c.listed
			if anyType {
				want = c.anyType
			}
			for _, size := range []string{`"size_bytes":10`, `"size_bytes":0`} {
				w := hosttest.Do(t, New(o).Routes(), "POST", "/api/storage/presign-upload", upload("image/png", c.mime, `"size_bytes":10`, size))
				if w.Code != want {
					t.Errorf("%q, any type %v, %s: %d %s, want %d", c.mime, anyType, size, w.Code, w.Body, want)
				}
			}
		}
	}
}

func TestPresignDownloadAlwaysTellsAnExpiry(t *testing.T) {
	a := &adapter{answer: or3cloud.Presigned{URL: "/d", Method: "GET"}}
	o := options(hosttest.Member(or3cloud.RoleViewer), a)
	o.Now = func() time.Time { return time.UnixMilli(1_000_000) }
	w := hosttest.Do(t, New(o).Routes(), "POST", "/api/storage/presign-download",
		`{"workspace_id":"ws","hash":"`+digest+`","storage_id":"old provider's","mime_type":"image/png"}`)
	if w.Code != 200 || w.Body.String() != `{"url":"/d","expiresAt":1900000,"method":"GET"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if a.down.Hash != "sha256:"+digest || a.down.StorageID != "old provider's" || a.down.MIMEType != "image/png" || a.down.UserID != "user" {
		t.Errorf("%+v", a.down)
	}
}

// rows answers a canonical query.
type rows []or3cloud.FileFacts

func (r rows) QueryCanonicalStorage(_ context.Context, q or3cloud.CanonicalStorageQuery) (items []or3cloud.CanonicalStorageItem, next string, err error) {
	if q.Scope.WorkspaceID != "ws" || q.Kind != or3cloud.CanonicalLiveMetadata || q.Hash != "sha256:"+digest {
		return nil, "", errors.New("another question than expected")
	}
	for _, f := range r {
		items = append(items, or3cloud.CanonicalStorageItem{Hash: q.Hash, File: f})
	}
	return items, "", nil
}

// TestTheRowDecidesHowAFileIsServed: contract, storage §3. The client's wish is honoured for inert types only.
func TestTheRowDecidesHowAFileIsServed(t *testing.T) {
	for name, c := range map[string]struct {
		rows                     rows
		asked, mime, disposition string
		filename, answered       string
	}{
		"an image": {rows{{MIMEType: "Image/PNG; x=y", Name: "a/b\\c\x00.png", StorageID: "s"}}, "inline", "image/png", "inline", "abc.png", `,"disposition":"inline"`},
		"to save":  {rows{{MIMEType: "application/pdf", Name: "a.pdf"}}, "attachment", "application/pdf", "attachment", "a.pdf", `,"disposition":"attachment"`},
		"no wish":  {rows{{MIMEType: "image/gif", Name: "..."}}, "", "image/gif", "inline", "download", `,"disposition":"inline"`},
		"a page":   {rows{{MIMEType: "text/html", Name: "a.html", Kind: "file"}}, "inline", "application/octet-stream", "attachment", "a.html", `,"disposition":"attachment"`},
		"no type":  {rows{{}}, "inline", "application/octet-stream", "attachment", "download", `,"disposition":"attachment"`},
		"the row with a storage": {
			rows{{MIMEType: "text/html", Name: "x"}, {MIMEType: "image/png", Name: "y", StorageID: "s"}, {MIMEType: "text/html", Name: "z", StorageID: "t"}},
			"inline", "image/png", "inline", "y", `,"disposition":"inline"`,
		},
		"a long name": {rows{{MIMEType: "image/png", Name: strings.Repeat("ä", 200)}}, "", "image/png", "inline", strings.Repeat("ä", 180), `,"disposition":"inline"`},
		// A message can refer to a file whose row is marked deleted, or has not come yet (storage Pitfalls 2 and 11).
		"no live row": {rows{}, "inline", "image/webp", "inline", "", ""},
	} {
		a := &adapter{answer: or3cloud.Presigned{URL: "/d", ExpiresAt: time.UnixMilli(1)}}
		o := options(hosttest.Member(or3cloud.RoleViewer), a)
		o.Canonical = c.rows
		body := `{"workspace_id":"ws","hash":"` + digest + `","mime_type":"image/webp"`
		if c.asked != "" {
			body += `,"disposition":"` + c.asked + `"`
		}
		w := hosttest.Do(t, New(o).Routes(), "POST", "/api/storage/presign-download", body+"}")
		if w.Code != 200 || w.Body.String() != `{"url":"/d","expiresAt":1`+c.answered+`}` {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if a.down.MIMEType != c.mime || string(a.down.Disposition) != c.disposition || a.down.Filename != c.filename {
			t.Errorf("%s: %+v", name, a.down)
		}
	}
}

func TestDownloadsExpireWithinTheHour(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	a := &adapter{answer: or3cloud.Presigned{URL: "/d", ExpiresAt: now.Add(2 * time.Hour)}}
	o := options(hosttest.Member(or3cloud.RoleViewer), a)
	o.Now = func() time.Time { return now }
	w := hosttest.Do(t, New(o).Routes(), "POST", "/api/storage/presign-download", `{"workspace_id":"ws","hash":"`+digest+`"}`)
	if w.Body.String() != `{"url":"/d","expiresAt":4600000}` {
		t.Error(w.Body)
	}
}

type deletingAdapter struct {
	adapter
	deleted []string
}

func (a *deletingAdapter) DeleteObject(_ context.Context, workspaceID string, hash or3cloud.BlobHash) error {
	a.deleted = append(a.deleted, workspaceID+" "+string(hash))
	return a.err
}

func TestDelete(t *testing.T) {
	good := `{"workspace_id":"ws","hash":"` + digest + `","storage_id":"anything"}`
	for _, c := range []struct {
		name, body string
		host       *hosttest.Host
		err        error
		status     int
		answer     string
	}{
		{"an editor", good, hosttest.Member(or3cloud.RoleEditor), nil, 200, `{"ok":true}`},
		{"a viewer", good, hosttest.Member(or3cloud.RoleViewer), nil, 403, "Forbidden"},
		{"signed out", good, &hosttest.Host{}, nil, 401, "Unauthorized"},
		{"unknown keys", `{"workspace_id":"ws","hash":"` + digest + `","force":true}`, hosttest.Member(or3cloud.RoleEditor), nil, 400, "Invalid request"},
		{"no hash", `{"workspace_id":"ws","hash":"../x"}`, hosttest.Member(or3cloud.RoleEditor), nil, 400, "Invalid request"},
		{"blank workspace", `{"workspace_id":" ","hash":"` + digest + `"}`, hosttest.Member(or3cloud.RoleEditor), nil, 400, "Invalid request"},
		{"retained", good, hosttest.Member(or3cloud.RoleEditor), or3cloud.Errorf(or3cloud.CodeConflict, "Cannot delete a retained file"), 409, "Cannot delete a retained file"},
	} {
		a := &deletingAdapter{adapter: adapter{err: c.err}}
		w := hosttest.Do(t, New(options(c.host, a)).Routes(), "POST", "/api/storage/delete", c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if asked := len(a.deleted) > 0; asked != (c.status == 200 || c.status == 409) || asked && a.deleted[0] != "ws sha256:"+digest {
			t.Errorf("%s: deleted %v", c.name, a.deleted)
		}
	}
	w := hosttest.Do(t, New(options(hosttest.Member(or3cloud.RoleEditor), &adapter{})).Routes(), "POST", "/api/storage/delete", good)
	if w.Code != 501 || !strings.Contains(w.Body.String(), "Delete not supported by adapter") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestCommit(t *testing.T) {
	a := &adapter{}
	w := hosttest.Do(t, New(options(hosttest.Member(or3cloud.RoleEditor), a)).Routes(), "POST", "/api/storage/commit", commitBody())
	if w.Code != 200 || w.Body.String() != `{"ok":true}` || w.Header().Get("Cache-Control") != "" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if want := (or3cloud.CommitRequest{
		WorkspaceID: "ws", UserID: "user", Hash: "sha256:" + digest, StorageID: "sid", StorageProviderID: "fs",
		MIMEType: "image/png", SizeBytes: 10, Name: "n.png", Kind: "image",
	}); a.done != want {
		t.Errorf("%+v", a.done)
	}
}

func TestRefusals(t *testing.T) {
	editor, viewer, signedOut := hosttest.Member(or3cloud.RoleEditor), hosttest.Member(or3cloud.RoleViewer), &hosttest.Host{}
	for _, c := range []struct {
		name, path, body string
		host             *hosttest.Host
		status           int
		message          string
	}{
		{"invalid before signed out", "presign-upload", `{}`, signedOut, 400, "Invalid request"},
		{"signed out", "presign-upload", upload(), signedOut, 401, "Unauthorized"},
		{"signed out", "presign-download", upload(), signedOut, 401, "Unauthorized"},
		{"signed out", "commit", commitBody(), signedOut, 401, "Unauthorized"},
		{"viewers may not upload", "presign-upload", upload(), viewer, 403, "Forbidden"},
		{"viewers may not commit", "commit", commitBody(), viewer, 403, "Forbidden"},
		{"foreign workspace", "presign-download", upload(`"ws"`, `"foreign"`), editor, 403, "Forbidden"},
		{"blank workspace", "presign-upload", upload(`"ws"`, `" "`), editor, 400, "Invalid request"},
		{"blank workspace", "presign-download", upload(`"ws"`, `""`), editor, 400, "Invalid request"},
		{"blank workspace", "commit", commitBody(`"ws"`, `""`), editor, 400, "Invalid request"},
		{"bad hash", "presign-upload", upload("sha256:", "sha256:../"), editor, 400, "Invalid request"},
		{"bad hash", "presign-download", upload("sha256:", "sha1:"), editor, 400, "Invalid request"},
		{"bad hash", "commit", commitBody(digest, "nope"), editor, 400, "Invalid request"},
		{"negative size", "presign-upload", upload(":10,", ":-1,"), editor, 400, "Invalid request"},
		{"fractional size", "presign-upload", upload(":10,", ":1.5,"), editor, 400, "Invalid request"},
		{"size of another type", "presign-upload", upload(":10,", `:"10",`), editor, 400, "Invalid request"},
		{"no size", "presign-upload", upload(`"size_bytes":10,`, ``), editor, 400, "Invalid request"},
		{"expiry too long", "presign-upload", upload("3600000", "86400001"), editor, 400, "Invalid request"},
		{"expiry zero", "presign-upload", upload("3600000", "0"), editor, 400, "Invalid request"},
		{"unknown disposition", "presign-upload", upload("inline", "inlined"), editor, 400, "Invalid request"},
		{"unknown capability", "presign-upload", upload(`"v1"`, `"v2"`), editor, 400, "Invalid request"},
		{"unknown capability", "commit", commitBody(`"width":1.5`, `"file_kind_capability":"v2"`), editor, 400, "Invalid request"},
		{"no MIME type", "presign-upload", upload(`"mime_type":"image/png",`, ``), editor, 400, "Invalid request"},
		{"malformed", "presign-upload", `{`, editor, 400, "Invalid JSON body"},
		{"too large a body", "commit", `{"x":"` + strings.Repeat("x", 16<<10) + `"}`, editor, 413, "The request body is too large."},
		{"too large a file", "presign-upload", upload(":10,", ":1001,"), editor, 413, "File size exceeds maximum of 1000 bytes"},
		{"size is looked at before the type", "presign-upload", upload(":10,", ":1001,", "image/png", "text/html"), editor, 413, "File size exceeds maximum of 1000 bytes"},
		{"MIME type as sent", "presign-upload", upload("image/png", "Text/HTML; a=b"), editor, 415, "MIME type Text/HTML; a=b not allowed"},
		{"unknown kind", "commit", commitBody(`"kind":"image"`, `"kind":"movie"`), editor, 400, "Invalid request"},
		{"no name", "commit", commitBody(`"name":"n.png",`, ``), editor, 400, "Invalid request"},
		{"no storage id", "commit", commitBody(`"storage_id":"sid",`, ``), editor, 400, "Invalid request"},
		{"width of another type", "commit", commitBody(`1.5`, `"1"`), editor, 400, "Invalid request"},
		{"collection is for deployment admins", "gc/run", `{"workspace_id":"ws"}`, hosttest.Member(or3cloud.RoleOwner), 403, "Forbidden"},
		{"blank workspace", "gc/run", `{"workspace_id":" "}`, editor, 400, "Invalid request"},
		{"retention of another type", "gc/run", `{"workspace_id":"ws","retention_seconds":"1"}`, editor, 400, "Invalid request"},
		{"negative limit", "gc/run", `{"workspace_id":"ws","limit":-1}`, editor, 400, "Invalid request"},
	} {
		t.Run(c.path+" "+c.name, func(t *testing.T) {
			a := &adapter{}
			w := hosttest.Do(t, New(options(c.host, a)).Routes(), "POST", "/api/storage/"+c.path, c.body)
			if w.Code != c.status || !strings.Contains(w.Body.String(), `"message": "`+c.message+`"`) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if a.calls != 0 {
				t.Error("the adapter was called")
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	for name, body := range map[string]string{
		"an empty file":            upload(":10,", ":0,"),
		"the largest file":         upload(":10,", ":1000,"),
		"an integer in other form": upload(":10,", ":1e1,"),
		"a MIME type with case":    upload("image/png", "Image/PNG ; a=b"),
		"an older client":          `{"workspace_id":"ws","hash":"` + digest[:32] + `","mime_type":"image/png","size_bytes":10}`,
	} {
		if w := hosttest.Do(t, New(options(hosttest.Member(or3cloud.RoleEditor), &adapter{})).Routes(), "POST", "/api/storage/presign-upload", body); w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for _, kind := range []string{"image", "pdf", "file"} {
		body := commitBody(`"kind":"image"`, `"kind":"`+kind+`"`)
		if w := hosttest.Do(t, New(options(hosttest.Member(or3cloud.RoleEditor), &adapter{})).Routes(), "POST", "/api/storage/commit", body); w.Code != 200 {
			t.Errorf("%s: %d %s", kind, w.Code, w.Body)
		}
	}
}

func TestIntents(t *testing.T) {
	now := time.Unix(1_771_000_000, 0)
	kept, a := &intents{}, &adapter{answer: or3cloud.Presigned{URL: "/u"}}
	o := options(hosttest.Member(or3cloud.RoleEditor), a)
	o.Intents, o.Quota, o.Now = kept, or3cloud.StorageQuota{Bytes: 100, Files: 5}, func() time.Time { return now }
	api := New(o)

	w := hosttest.Do(t, api.Routes(), "POST", "/api/storage/presign-upload", upload())
	id := kept.reserved.ID
	if want := `{"url":"/u","intentId":"` + id + `"}`; w.Code != 200 || w.Body.String() != want || len(id) != 36 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	want := or3cloud.UploadIntent{
		ID: id, WorkspaceID: "ws", UserID: "user", Hash: "sha256:" + digest, SizeBytes: 10, ExpiresAt: now.Add(2 * time.Hour), Quota: o.Quota,
	}
	if kept.reserved != want {
		t.Errorf("reserved %+v", kept.reserved)
	}
	// The stored content decides, not what the client says about it.
	want.SizeBytes, want.ExpiresAt = 7, now.Add(o.GCRetention)
	for _, sent := range []string{id, ""} {
		want.ID = sent
		body := commitBody(`"width":1.5`, `"intent_id":"`+sent+`"`)
		if sent == "" {
			body = commitBody()
		}
		w := hosttest.Do(t, api.Routes(), "POST", "/api/storage/commit", body)
		if w.Code != 200 || w.Body.String() != `{"ok":true}` || kept.consumed != want {
			t.Errorf("%q: %d %s, consumed %+v", sent, w.Code, w.Body, kept.consumed)
		}
	}
	a.err = or3cloud.Errorf(or3cloud.CodeInsufficientStorage, "Insufficient storage")
	if w := hosttest.Do(t, api.Routes(), "POST", "/api/storage/presign-upload", upload()); w.Code != 507 || kept.cancelled != kept.reserved.ID {
		t.Errorf("%d, cancelled %q of %q", w.Code, kept.cancelled, kept.reserved.ID)
	}
	a.err = nil
	for err, status := range map[error]int{
		or3cloud.Errorf(or3cloud.CodeTooLarge, "Workspace storage quota exceeded (101 > 100 bytes)"):     413,
		or3cloud.Errorf(or3cloud.CodeConflict, "Upload intent expired, mismatched, or already consumed"): 409,
		or3cloud.Unavailable(nil, "Service Unavailable", 1e9):                                            503,
	} {
		kept.err = err
		calls := a.calls
		if w := hosttest.Do(t, api.Routes(), "POST", "/api/storage/presign-upload", upload()); w.Code != status || a.calls != calls {
			t.Errorf("presign: %d %s, %d calls", w.Code, w.Body, a.calls-calls)
		}
		if w := hosttest.Do(t, api.Routes(), "POST", "/api/storage/commit", commitBody()); w.Code != status {
			t.Errorf("commit: %d %s", w.Code, w.Body)
		}
	}
	o.Intents = nil
	if w := hosttest.Do(t, New(o).Routes(), "POST", "/api/storage/presign-upload", upload()); w.Code != 500 {
		t.Errorf("a quota that no one counts: %d", w.Code)
	}
}

func TestAdapterErrorsBecomeTheAnswerAndAreFree(t *testing.T) {
	for err, status := range map[error]int{
		or3cloud.Errorf(or3cloud.CodeNotFound, "File not found"):          404,
		or3cloud.Errorf(or3cloud.CodeInsufficientStorage, "Disk full"):    507,
		or3cloud.Unavailable(errors.New("x"), "Service Unavailable", 1e9): 503,
	} {
		o := options(hosttest.Member(or3cloud.RoleEditor), &adapter{err: err})
		o.Limits = middleware.NewLimits(time.Now, `{"storage:upload":{"maxRequests":1},"storage:download":{"maxRequests":1},"storage:commit":{"maxRequests":1}}`, false)
		api := New(o)
		for range 2 {
			for path, body := range map[string]string{"presign-upload": upload(), "presign-download": upload(), "commit": commitBody()} {
				if w := hosttest.Do(t, api.Routes(), "POST", "/api/storage/"+path, body); w.Code != status {
					t.Errorf("%s: %d %s", path, w.Code, w.Body)
				}
			}
		}
	}
}

// Storage Pitfall 4: a refusal is one of five attempts.
func TestTransfersAreHeldBackBeforeTheyAreRefusedPitfall4(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(hosttest.Member(or3cloud.RoleEditor), &adapter{})
		o.Limits = middleware.NewLimits(time.Now, `{"storage:upload":{"windowMs":9000,"maxRequests":1}}`, false)
		api, start := New(o), time.Now()
		for range 2 {
			if w := hosttest.Do(t, api.Routes(), "POST", "/api/storage/presign-upload", upload()); w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		if waited := time.Since(start); waited != 9*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestTransfersAreRefusedWhenTheWaitIsTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(hosttest.Member(or3cloud.RoleEditor), &adapter{})
		o.Limits = middleware.NewLimits(time.Now, `{"storage:upload":{"windowMs":60000,"maxRequests":1}}`, false)
		api := New(o)
		hosttest.Do(t, api.Routes(), "POST", "/api/storage/presign-upload", upload())
		w := hosttest.Do(t, api.Routes(), "POST", "/api/storage/presign-upload", upload())
		if w.Code != 429 || w.Header().Get("Retry-After") != "60" || !strings.Contains(w.Body.String(), "Rate limit exceeded. Retry after 60s") {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
	})
}

func TestCollectionRunsAndCoolsDown(t *testing.T) {
	admin := hosttest.Member(or3cloud.RoleViewer)
	admin.Current.DeploymentAdmin = true
	now := time.Unix(1_771_000_000, 0)
	a := &collectingAdapter{}
	o := options(admin, a)
	o.Now = func() time.Time { return now }
	o.Limits = middleware.NewLimits(o.Now, "", true) // which none of these switches off
	api := New(o)
	run := func(body string) (int, string) {
		w := hosttest.Do(t, api.Routes(), "POST", "/api/storage/gc/run", body)
		return w.Code, w.Body.String()
	}
	if code, body := run(`{"workspace_id":"ws"}`); code != 200 || body != `{"deleted_count":2,"scanned_count":5,"status":"completed"}` {
		t.Errorf("%d %s", code, body)
	}
	now = now.Add(20500 * time.Millisecond)
	if code, body := run(`{"workspace_id":"ws"}`); code != 429 || !strings.Contains(body, "GC rate limited, wait 40 seconds") {
		t.Errorf("%d %s", code, body)
	}
	now = now.Add(time.Minute)
	a.err = errors.New("broken")
	if code, _ := run(`{"workspace_id":"ws","retention_seconds":60,"limit":3}`); code != 500 {
		t.Errorf("%d", code)
	}
	if code, _ := run(`{"workspace_id":"ws"}`); code != 429 {
		t.Errorf("a failed run does not count: %d", code)
	}
	want := []or3cloud.StorageGCRequest{{WorkspaceID: "ws", Retention: 720 * time.Hour}, {WorkspaceID: "ws", Retention: time.Minute, Limit: 3}}
	if len(a.gc) != 2 || a.gc[0] != want[0] || a.gc[1] != want[1] {
		t.Errorf("%+v", a.gc)
	}
	if w := hosttest.Do(t, New(options(admin, &adapter{})).Routes(), "POST", "/api/storage/gc/run", `{"workspace_id":"ws"}`); w.Code != 501 ||
		!strings.Contains(w.Body.String(), "GC not supported by adapter") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestRangesOfMediaTypes(t *testing.T) {
	for _, c := range []struct {
		list, mime string
		want       bool
	}{
		{"image/*", "image/png", true},
		{"image/*", "IMAGE/SVG+xml; charset=utf-8", true},
		{"image/*", "imagery/png", false},
		{"image/*", "text/plain", false},
		{"image/*", "image", false},
		{"image/*", "", false},
		{"*/*", "application/zip", true},
		{"*/*", "", false},
		{"image/png", "image/pngx", false},
	} {
		o := options(hosttest.Member(or3cloud.RoleEditor), &adapter{})
		o.MIMETypes = []string{"text/markdown", c.list}
		if got := New(o).takes(c.mime) == nil; got != c.want {
			t.Errorf("%s takes %q: %v", c.list, c.mime, got)
		}
	}
}
