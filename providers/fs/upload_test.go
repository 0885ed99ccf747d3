package fs

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"or3.chat/cloud/internal/signed"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/refuse"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// TestChecksComeInTheContractsOrder: each case breaks one check and, where it matters, later ones too.
func TestChecksComeInTheContractsOrder(t *testing.T) {
	r := newRig(t)
	const body = "content"
	good := uploadClaims(r, body)
	with := func(change func(*signed.Claims)) string {
		c := good
		change(&c)
		return r.target(uploadPath, c)
	}
	for _, tc := range []struct {
		name, target, user, contentType, body string
		status                                int
		message                               string
	}{
		{"no token", uploadPath, "", "", body, 400, "Missing token"},
		{"garbage", uploadPath + "?token=x", "", "", body, 403, "Invalid or expired token"},
		{"expired", with(func(c *signed.Claims) { c.Expires = r.clock.Now() }), "u", "image/png", body, 403, "Invalid or expired token"},
		{"download token", with(func(c *signed.Claims) { c.Operation = opDownload }), "", "", body, 403, "Invalid operation token"},
		{"signed out", with(func(c *signed.Claims) { c.User = "other" }), "", "", body, 401, "Unauthorized"},
		{"session store down", with(func(*signed.Claims) {}), "broken", "", body, 503, "Session store unavailable"},
		{"other user", with(func(c *signed.Claims) { c.Workspace = "foreign" }), "v", "", body, 403, "Invalid token subject"},
		{"no user in the token", with(func(c *signed.Claims) { c.User = "" }), "u", "", body, 403, "Invalid token subject"},
		{"no member", with(func(c *signed.Claims) { c.Workspace, c.Hash = "foreign", "bad" }), "u", "", body, 403, "Forbidden"},
		{"viewer", with(func(c *signed.Claims) { c.Workspace = "ws-viewer" }), "u", "", body, 403, "Forbidden"},
		{"workspace that is not a name", with(func(c *signed.Claims) { c.Workspace = "../x" }), "u", "", body, 400, "Invalid path parameters"},
		{"hash that is not a name", with(func(c *signed.Claims) { c.Hash = "../x" }), "u", "", body, 400, "Invalid path parameters"},
		{"other type", with(func(*signed.Claims) {}), "u", "text/html", body + "longer", 415, "Content type mismatch"},
		{"no type", with(func(*signed.Claims) {}), "u", "", body, 415, "Content type mismatch"},
		{"too long", with(func(*signed.Claims) {}), "u", "image/png", body + "!", 413, "Payload too large"},
		{"empty", with(func(*signed.Claims) {}), "u", "image/png", "", 400, "Missing upload body"},
		{"other bytes", with(func(*signed.Claims) {}), "u", "image/png", "CONTENT", 400, "Hash mismatch"},
		{"good", with(func(*signed.Claims) {}), "u", "IMAGE/PNG; x=y", body, 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req := httptest.NewRequest("PUT", tc.target, strings.NewReader(tc.body))
			req.Header.Set("X-User", tc.user)
			req.Header.Set("Content-Type", tc.contentType)
			before := len(r.files())
			rec := r.do(req)
			if rec.Code != tc.status || message(rec) != tc.message {
				t.Errorf("%d %q, want %d %q", rec.Code, message(rec), tc.status, tc.message)
			}
			if tc.status != 200 && len(r.files()) != before {
				t.Errorf("a refused upload left %v", r.files())
			}
		})
	}
}

// TestUploadAnswer compares with the captured exchange of storage-api.json.
func TestUploadAnswer(t *testing.T) {
	r := newRig(t)
	rec := r.put(uploadClaims(r, "content"), strings.NewReader("content"))
	want := `{"ok":true,"storage_id":"ws:` + string(hashOf("content")) + `"}`
	if got := strings.TrimSpace(rec.Body.String()); got != want || rec.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%s %s", rec.Header().Get("Content-Type"), got)
	}
}

func TestUploadOfUnknownLengthStopsAtTheLimit(t *testing.T) {
	r := newRig(t)
	endless := &countingReader{r: neverEnding{}}
	rec := r.put(uploadClaims(r, "content"), struct{ io.Reader }{endless})
	if rec.Code != 413 || message(rec) != "Payload too large" {
		t.Errorf("%d %q", rec.Code, message(rec))
	}
	if endless.n > 2*volume.BufferSize {
		t.Errorf("read %d bytes of a body that may have 7", endless.n)
	}
	if files := r.files(); len(files) != 0 {
		t.Errorf("left %v", files)
	}
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func TestFewerBytesThanAnnouncedAreAcceptedIfTheHashFits(t *testing.T) {
	r := newRig(t)
	c := uploadClaims(r, "content")
	c.Size = 1000
	if rec := r.put(c, strings.NewReader("content")); rec.Code != 200 {
		t.Errorf("%d %q", rec.Code, message(rec))
	}
}

func TestEmptyFileIsAcceptedIfTheTokenSaysSo(t *testing.T) {
	r := newRig(t)
	r.store("")
	if rec := r.get(downloadClaims(r, "")); rec.Code != 200 || rec.Body.Len() != 0 {
		t.Errorf("%d", rec.Code)
	}
}

func TestMD5HashesOfOldClientsWork(t *testing.T) {
	r := newRig(t)
	for _, hash := range []string{string(md5Of("content")), strings.ToUpper(md5Of("content").Digest())} {
		c := uploadClaims(r, "content")
		c.Hash = hash
		if rec := r.put(c, strings.NewReader("content")); rec.Code != 200 {
			t.Errorf("%s: %d %q", hash, rec.Code, message(rec))
		}
		if rec := r.put(c, strings.NewReader("CONTENT")); rec.Code != 400 {
			t.Errorf("%s: wrong bytes: %d", hash, rec.Code)
		}
	}
}

func TestRepeatedUploadDoesNotRewriteButVerifiesAndRestartsRetention(t *testing.T) {
	r := newRig(t)
	r.store("content")
	first := r.record("content")
	r.clock.Advance(time.Minute)
	if rec := r.put(uploadClaims(r, "content"), strings.NewReader("CONTENT")); rec.Code != 400 {
		t.Errorf("wrong bytes for a blob that is there: %d", rec.Code)
	}
	if code := r.upload("content"); code != 200 {
		t.Fatalf("repeated: %d", code)
	}
	second := r.record("content")
	if second.Generation != first.Generation || len(r.files()) != 3 {
		t.Errorf("rewritten: %v", r.files())
	}
	if !second.UploadedAt.Equal(r.clock.Now()) || second.CommittedAt == nil {
		t.Errorf("record %+v", second)
	}
}

func TestTruncatedBlobIsReplacedByTheNextUpload(t *testing.T) {
	r := newRig(t)
	r.store("content")
	if err := os.Truncate(r.path("content"), 3); err != nil {
		t.Fatal(err)
	}
	if rec := r.get(downloadClaims(r, "content")); rec.Code != 503 {
		t.Errorf("download of a truncated blob: %d", rec.Code)
	}
	r.store("content")
	if rec := r.get(downloadClaims(r, "content")); rec.Body.String() != "content" {
		t.Errorf("download after the next upload: %d %q", rec.Code, rec.Body)
	}
}

func TestAbortedUploadLeavesNothing(t *testing.T) {
	r := newRig(t)
	body := io.MultiReader(strings.NewReader("cont"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if rec := r.put(uploadClaims(r, "content"), struct{ io.Reader }{body}); rec.Code != 503 {
		t.Errorf("%d", rec.Code)
	}
	if files := r.files(); len(files) != 0 {
		t.Errorf("left %v", files)
	}
}

func TestParallelUploadsOfOneContentMakeOneBlob(t *testing.T) {
	r := newRig(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if code := r.upload("content"); code != 200 {
				t.Errorf("%d", code)
			}
			if err := r.commit("content"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if files := r.files(); len(files) != 3 {
		t.Errorf("files: %v", files)
	}
}

// TestDiskFaults: every step of an upload fails once, in each way. The answer never makes a client give the file up,
// nothing half-written shows, and the store works afterwards.
func TestDiskFaults(t *testing.T) {
	for _, fault := range []struct {
		err    error
		status int
	}{{syscall.ENOSPC, 507}, {syscall.EDQUOT, 507}, {syscall.EIO, 503}, {syscall.EROFS, 503}, {syscall.EMFILE, 503}} {
		for step := 1; ; step++ {
			r := newRig(t)
			n, failed := 0, ""
			r.disk.fault = func(op, name string) error {
				if op == "open" || op == "remove" {
					return nil
				}
				if n++; n == step {
					failed = op + " " + name
					return fault.err
				}
				return nil
			}
			code := r.upload("content")
			r.disk.fault = nil
			if failed == "" {
				break
			}
			if code != fault.status {
				t.Errorf("%v at %s: %d", fault.err, failed, code)
			}
			for _, name := range r.files() {
				if layout.IsTemp(name) {
					t.Errorf("%v at %s left %s", fault.err, failed, name)
				}
			}
			if r.store("content"); r.get(downloadClaims(r, "content")).Body.String() != "content" {
				t.Errorf("%v at %s: the store does not work afterwards", fault.err, failed)
			}
		}
	}
}

func TestShortWriteIsNotSuccess(t *testing.T) {
	r := newRig(t)
	r.disk.write = func(p []byte) (int, error) { return len(p) - 1, nil }
	if code := r.upload("content"); code != 503 {
		t.Errorf("%d", code)
	}
	if files := r.files(); len(files) != 0 {
		t.Errorf("left %v", files)
	}
}

// TestFailedFsyncIsNotTrustedLater: after a directory could not be made durable, the next upload does not build on
// what may have been lost.
func TestFailedFsyncIsNotTrustedLater(t *testing.T) {
	r := newRig(t)
	syncs := 0
	r.disk.fault = func(op, name string) error {
		if op == "syncdir" && name == "workspaces/ws" {
			if syncs++; syncs == 2 { // The one after the sidecar's rename.
				return syscall.EIO
			}
		}
		return nil
	}
	if code := r.upload("content"); code != 503 {
		t.Fatalf("%d", code)
	}
	doubtful := r.record("content").Generation
	if r.store("content"); r.record("content").Generation == doubtful {
		t.Error("the next upload relied on a name that may not be durable")
	}
}

func TestCreatedFilesAreForTheServerOnly(t *testing.T) {
	r := newRig(t)
	r.store("content")
	for name, want := range map[string]os.FileMode{
		r.path("content"): 0o600, r.dir + "/" + keyOf("content").Sidecar(): 0o600, r.dir + "/workspaces/ws": 0o700,
	} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestTransfersHoldOneBuffer(t *testing.T) {
	const size = 64 << 20
	r := newRig(t)
	content := strings.Repeat("0123456789abcdef", size/16)
	c := uploadClaims(r, content)
	req := httptest.NewRequest("PUT", r.target(uploadPath, c), strings.NewReader(content))
	req.Header.Set("X-User", "u")
	req.Header.Set("Content-Type", "image/png")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rec := r.do(req)
	runtime.ReadMemStats(&after)
	if rec.Code != 200 {
		t.Fatalf("%d %q", rec.Code, message(rec))
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20 {
		t.Errorf("upload of %d bytes allocated %d", size, used)
	}
}

// deadlines records the read deadlines that a handler sets.
type deadlines struct {
	http.ResponseWriter
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error { d.set = append(d.set, t); return nil }

func TestSlowClientsGetTimeWithEachRead(t *testing.T) {
	r := newRig(t)
	w := &deadlines{ResponseWriter: httptest.NewRecorder()}
	req := httptest.NewRequest("PUT", r.target(uploadPath, uploadClaims(r, "content")), iotest.OneByteReader(strings.NewReader("content")))
	req.Header.Set("X-User", "u")
	req.Header.Set("Content-Type", "image/png")
	if err := r.gateway.upload(w, req); err != nil {
		t.Fatal(err)
	}
	if len(w.set) < 8 || w.set[0].IsZero() {
		t.Errorf("deadlines %v", w.set)
	}
	if last := w.set[len(w.set)-1]; !last.IsZero() {
		t.Errorf("a deadline is left behind: %v", last)
	}
}

func TestDiskFaultKeepsCodes(t *testing.T) {
	if refuse.Disk(nil) != nil {
		t.Error("nil became an error")
	}
	var path = &os.PathError{Op: "open", Path: "/secret/place", Err: syscall.EIO}
	err := refuse.Disk(fmt.Errorf("x: %w", path))
	if !errors.Is(err, syscall.EIO) {
		t.Error("the cause is lost")
	}
}

// TestNearlyFullDisk: uploads are refused before anything is read or written, everything else works, and uploads resume
// when there is space.
func TestNearlyFullDisk(t *testing.T) {
	r := newRig(t)
	r.store("kept")
	r.isFull = true
	before := r.files()
	body, feed := newPipe()
	defer feed.Close()
	if rec := r.put(uploadClaims(r, "new"), body); rec.Code != 507 || message(rec) != "Insufficient storage" {
		t.Fatalf("upload: %d %s", rec.Code, rec.Body)
	}
	if got := r.files(); !slices.Equal(got, before) {
		t.Errorf("a refused upload left %v, want %v", got, before)
	}
	if rec := r.get(downloadClaims(r, "kept")); rec.Code != 200 || rec.Body.String() != "kept" {
		t.Errorf("download: %d %s", rec.Code, rec.Body)
	}
	if err := r.commit("kept"); err != nil {
		t.Errorf("commit: %v", err)
	}
	if _, err := r.gc(); err != nil {
		t.Errorf("collection, which frees room: %v", err)
	}
	r.isFull = false
	r.store("new")
}
