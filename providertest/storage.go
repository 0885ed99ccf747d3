package providertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// StorageRetention is the retention that the provider must be configured with for TestStorage
// (OR3_STORAGE_GC_RETENTION_SECONDS).
const StorageRetention = 30 * 24 * time.Hour

// StorageFactory opens an empty storage provider. env has everything but Config, which the factory adds; what needs
// closing is closed with t.Cleanup.
type StorageFactory func(t *testing.T, env or3cloud.Env) *or3cloud.Instance

// TestStorage checks that a provider keeps the promises of or3cloud.StorageGatewayAdapter and, if it has the ability,
// of or3cloud.StorageCollector. Blobs are transferred through the signed URLs: through the provider's routes if these
// are relative, otherwise over the network. Every case gets a new provider.
func TestStorage(t *testing.T, open StorageFactory) {
	for name, test := range map[string]func(*testing.T, *storageRig){
		"content comes back as it went":              testStorageRoundTrip,
		"an absent blob shows on presign and commit": testStorageAbsence,
		"uploads and commits can be repeated":        testStorageRepeats,
		"wrong bytes never become a blob":            testStorageWrongBytes,
		"workspaces do not share blobs":              testStorageIsolation,
		"urls are short-lived":                       testStorageExpiry,
		"the storage id is a hint":                   testStorageHint,
		"unsafe keys are refused":                    testStorageUnsafeKeys,
		"active content is served as bytes":          testStorageActiveContent,
		"urls can be read":                           testStorageReadTransfer,
	} {
		t.Run(name, func(t *testing.T) { test(t, newStorageRig(t, open, true)) })
	}
	t.Run("collection", func(t *testing.T) { testStorageCollection(t, open) })
	t.Run("deletion", func(t *testing.T) { testStorageDeletion(t, open) })
}

func testStorageCollection(t *testing.T, open StorageFactory) {
	if _, ok := newStorageRig(t, open, true).inst.Storage.(or3cloud.StorageCollector); !ok {
		t.Skip("the provider does not collect")
	}
	for name, test := range map[string]func(*testing.T, *storageRig){
		"an unreferenced blob goes after the retention": testCollectUnreferenced,
		"a referenced blob stays":                       testCollectReferenced,
		"callers cannot shorten the retention":          testCollectShortRetention,
		"upload and commit restart the retention":       testCollectRestart,
		"collected content can be uploaded again":       testCollectUploadAgain,
		"a reference to a blob in transit saves it":     testCollectLateReference,
		"an upload during a claim survives it":          testCollectDuringUpload,
		"a commit during a claim survives it":           testCollectDuringCommit,
		"the limit bounds a run":                        testCollectLimit,
		"bytes are announced before they are destroyed": testCollectAnnounces,
		"a report says beforehand what will happen":     testCollectReport,
	} {
		t.Run(name, func(t *testing.T) { test(t, newStorageRig(t, open, true)) })
	}
	t.Run("is disabled without reference state", func(t *testing.T) {
		rig := newStorageRig(t, open, false)
		blob := rig.store("ws", "content")
		rig.Advance(10 * StorageRetention)
		report := rig.collect("ws", 0, 0)
		if report.Status != "disabled" || report.Reason != "canonical_reference_state_required" || report.DeletedCount != 0 {
			t.Errorf("report %+v", report)
		}
		rig.want(blob)
	})
}

func testStorageRoundTrip(t *testing.T, rig *storageRig) {
	for _, size := range []int{0, 1, 4096, 300_001} {
		content := make([]byte, size)
		rand.Read(content)
		rig.want(rig.store("ws", string(content)))
	}
}

// testStorageReadTransfer checks or3cloud.TransferReader.
func testStorageReadTransfer(t *testing.T, rig *storageRig) {
	reader, ok := rig.inst.Storage.(or3cloud.TransferReader)
	if !ok {
		t.Skip("the provider's urls lead elsewhere")
	}
	blob := rig.store("ws", "content")
	for _, upload := range []bool{true, false} {
		p, err := rig.presignDownload(blob)
		if upload {
			p, err = rig.presignUpload(blob)
		}
		if err != nil {
			t.Fatal(err)
		}
		signed, err := url.Parse(p.URL)
		if err != nil {
			t.Fatal(err)
		}
		token := signed.Query().Get("token")
		got, err := reader.ReadTransfer(t.Context(), token)
		if want := (or3cloud.Transfer{WorkspaceID: "ws", UserID: storageUser, Hash: blob.hash, Upload: upload}); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
		if _, err := reader.ReadTransfer(t.Context(), "x"+token); or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
			t.Errorf("a forged token: %v", err)
		}
		rig.Advance(25 * time.Hour)
		if _, err := reader.ReadTransfer(t.Context(), token); or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
			t.Errorf("an expired token: %v", err)
		}
	}
	if _, err := reader.ReadTransfer(t.Context(), ""); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
		t.Errorf("no token: %v", err)
	}
}

func testStorageAbsence(t *testing.T, rig *storageRig) {
	blob := newBlob("ws", "never uploaded")
	if _, err := rig.presignDownload(blob); or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
		t.Errorf("presign download: %v", err)
	}
	if err := rig.commit(blob); or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
		t.Errorf("commit: %v", err)
	}
	rig.store("ws", "another")
	if _, err := rig.presignDownload(blob); or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
		t.Errorf("presign download beside another blob: %v", err)
	}
}

func testStorageRepeats(t *testing.T, rig *storageRig) {
	blob := newBlob("ws", "content")
	for range 3 {
		rig.mustUpload(blob)
		for range 2 {
			if err := rig.commit(blob); err != nil {
				t.Fatalf("commit: %v", err)
			}
		}
		rig.want(blob)
	}
}

func testStorageWrongBytes(t *testing.T, rig *storageRig) {
	blob := newBlob("ws", "content")
	for _, wrong := range []string{"CONTENT", "content and more"} {
		url, err := rig.presignUpload(blob)
		if err != nil {
			t.Fatal(err)
		}
		if status, _, _ := rig.transfer(url, blob.mime, wrong); status < 300 {
			if err := rig.commit(blob); err == nil {
				t.Errorf("%q was taken for %q", wrong, blob.content)
			}
		} else if status >= 500 {
			t.Errorf("%q: status %d", wrong, status)
		}
		if _, err := rig.presignDownload(blob); or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
			t.Errorf("after %q: presign download: %v", wrong, err)
		}
	}
	rig.mustUpload(blob)
	rig.want(blob)
}

func testStorageIsolation(t *testing.T, rig *storageRig) {
	blob := rig.store("one", "content")
	other := newBlob("two", "content")
	if _, err := rig.presignDownload(other); or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
		t.Errorf("presign download in another workspace: %v", err)
	}
	if err := rig.commit(other); or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
		t.Errorf("commit in another workspace: %v", err)
	}
	rig.want(blob)
}

func testStorageExpiry(t *testing.T, rig *storageRig) {
	blob := rig.store("ws", "content")
	for name, presign := range map[string]func(storedBlob) (or3cloud.Presigned, error){
		"upload": rig.presignUpload, "download": rig.presignDownload,
	} {
		p, err := presign(blob)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p.URL == "" || p.Method == "" || p.StorageID == "" {
			t.Errorf("%s: incomplete: method %q, storage id %q", name, p.Method, p.StorageID)
		}
		if valid := p.ExpiresAt.Sub(rig.Now()); !p.ExpiresAt.IsZero() && (valid <= 0 || valid > 24*time.Hour) {
			t.Errorf("%s: valid for %v", name, valid)
		}
	}
}

func testStorageHint(t *testing.T, rig *storageRig) {
	blob := rig.store("ws", "content")
	for _, id := range []string{"", "kg2abc", "old-prefix/ws/" + string(blob.hash), "other:" + string(blob.hash)} {
		p, err := rig.inst.Storage.PresignDownload(t.Context(), or3cloud.PresignDownloadRequest{
			WorkspaceID: "ws", UserID: storageUser, Hash: blob.hash, StorageID: id,
		})
		if err != nil {
			t.Errorf("storage id %q: %v", id, err)
			continue
		}
		if status, _, body := rig.transfer(p, "", ""); status != http.StatusOK || body != blob.content {
			t.Errorf("storage id %q: status %d", id, status)
		}
	}
}

func testStorageUnsafeKeys(t *testing.T, rig *storageRig) {
	good := newBlob("ws", "content")
	for _, bad := range []storedBlob{
		{workspace: "", hash: good.hash}, {workspace: "..", hash: good.hash}, {workspace: "a/b", hash: good.hash},
		{workspace: `a\b`, hash: good.hash}, {workspace: "a\x00", hash: good.hash}, {workspace: "ä", hash: good.hash},
		{workspace: "ws", hash: ""}, {workspace: "ws", hash: "../../etc/passwd"}, {workspace: "ws", hash: "sha256:ab"},
		{workspace: "ws", hash: good.hash + "/.."}, {workspace: "ws", hash: "sha256:" + or3cloud.BlobHash(strings.Repeat("g", 64))},
	} {
		if _, err := rig.presignUpload(bad); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Errorf("presign upload of %q in %q: %v", bad.hash, bad.workspace, err)
		}
		if _, err := rig.presignDownload(bad); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Errorf("presign download of %q in %q: %v", bad.hash, bad.workspace, err)
		}
		if err := rig.commit(bad); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Errorf("commit of %q in %q: %v", bad.hash, bad.workspace, err)
		}
	}
}

func testStorageActiveContent(t *testing.T, rig *storageRig) {
	for _, mime := range []string{"text/html", "image/svg+xml", "application/xhtml+xml", "TEXT/HTML;charset=utf-8"} {
		blob := newBlob("ws", "<script>alert(1)</script>"+mime)
		blob.mime = mime
		rig.mustUpload(blob)
		if err := rig.commit(blob); err != nil {
			t.Fatal(err)
		}
		p, err := rig.inst.Storage.PresignDownload(t.Context(), or3cloud.PresignDownloadRequest{
			WorkspaceID: "ws", UserID: storageUser, Hash: blob.hash,
			Disposition: or3cloud.DispositionInline, MIMEType: mime, Filename: "x.html",
		})
		if err != nil {
			t.Fatal(err)
		}
		status, header, _ := rig.transfer(p, "", "")
		if status != http.StatusOK || strings.Contains(strings.ToLower(header.Get("Content-Type")), "html") ||
			strings.Contains(header.Get("Content-Type"), "xml") || !strings.HasPrefix(header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: status %d, served as %q, %q", mime, status, header.Get("Content-Type"), header.Get("Content-Disposition"))
		}
	}
}

func testCollectUnreferenced(t *testing.T, rig *storageRig) {
	blob, other := rig.store("ws", "content"), rig.store("two", "content")
	rig.Advance(StorageRetention - time.Hour)
	if report := rig.collect("ws", 0, 0); report.DeletedCount != 0 || report.Status != "completed" {
		t.Errorf("before the retention: %+v", report)
	}
	rig.Advance(2 * time.Hour)
	if report := rig.collect("ws", 0, 0); report.DeletedCount != 1 {
		t.Errorf("after the retention: %+v", report)
	}
	rig.collectAll("ws")
	rig.wantAbsent(blob)
	rig.want(other)
	if left, _ := rig.refs.RetiredGenerations(t.Context(), "ws"); len(left) != 0 {
		t.Errorf("%d retired generations are not forgotten", len(left))
	}
}

func testCollectReferenced(t *testing.T, rig *storageRig) {
	blob := rig.store("ws", "content")
	rig.refs.Add("ws", blob.hash)
	rig.Advance(10 * StorageRetention)
	rig.collectAll("ws")
	rig.want(blob)

	rig.refs.Remove("ws", blob.hash)
	rig.Advance(StorageRetention - 24*time.Hour)
	rig.collect("ws", 0, 0)
	rig.want(blob)
	rig.Advance(25 * time.Hour)
	rig.collectAll("ws")
	rig.wantAbsent(blob)
}

func testCollectShortRetention(t *testing.T, rig *storageRig) {
	blob := rig.store("ws", "content")
	rig.Advance(StorageRetention / 2)
	if report := rig.collect("ws", time.Second, 0); report.DeletedCount != 0 {
		t.Errorf("%+v", report)
	}
	rig.Advance(StorageRetention)
	if report := rig.collect("ws", 2*StorageRetention, 0); report.DeletedCount != 0 {
		t.Errorf("longer retention ignored: %+v", report)
	}
	rig.want(blob)
}

func testCollectRestart(t *testing.T, rig *storageRig) {
	for name, touch := range map[string]func(storedBlob) error{
		"upload": rig.upload, "commit": rig.commit,
	} {
		blob := rig.store("ws", "content "+name)
		rig.Advance(StorageRetention - time.Hour)
		if err := touch(blob); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rig.Advance(StorageRetention - time.Hour)
		if report := rig.collect("ws", 0, 0); report.DeletedCount != 0 {
			t.Errorf("%s: %+v", name, report)
		}
		rig.want(blob)
		rig.Advance(3 * time.Hour)
		rig.collectAll("ws")
	}
}

func testCollectUploadAgain(t *testing.T, rig *storageRig) {
	blob := rig.store("ws", "content")
	for range 3 {
		rig.Advance(StorageRetention + time.Hour)
		rig.collect("ws", 0, 0)
		rig.store("ws", "content")
		rig.want(blob)
		rig.refs.Add("ws", blob.hash)
		rig.collectAll("ws")
		rig.want(blob)
		rig.refs.Remove("ws", blob.hash)
	}
	rig.Advance(StorageRetention + time.Hour)
	rig.collectAll("ws")
	rig.wantAbsent(blob)
	rig.store("ws", "content")
	rig.want(blob)
}

// testCollectLateReference: a device refers to a blob again after it was retired, without an upload and without
// asking for it. Until the bytes are destroyed, that must be enough.
func testCollectLateReference(t *testing.T, rig *storageRig) {
	blob := rig.store("ws", "content")
	rig.Advance(StorageRetention + time.Hour)
	if report := rig.collect("ws", 0, 0); report.DeletedCount != 1 {
		t.Fatalf("%+v", report)
	}
	if _, err := rig.presignDownload(blob); err != nil {
		t.Skip("the provider destroys at once")
	}
	rig.refs.Add("ws", blob.hash)
	rig.collectAll("ws")
	rig.want(blob)
}

func testCollectDuringUpload(t *testing.T, rig *storageRig) {
	testCollectDuring(t, rig, rig.upload)
}

func testCollectDuringCommit(t *testing.T, rig *storageRig) {
	testCollectDuring(t, rig, rig.commit)
}

// testCollectDuring pauses the collector before and after the claim is decided, while act and then a reference come.
func testCollectDuring(t *testing.T, rig *storageRig, act func(storedBlob) error) {
	for name, hook := range map[string]*func(or3cloud.RetireRequest){
		"before the decision": &rig.refs.BeforeRetire, "after the decision": &rig.refs.AfterRetire,
	} {
		blob := rig.store("ws", "content "+name)
		rig.Advance(StorageRetention + time.Hour)
		asked, proceed, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		*hook = func(in or3cloud.RetireRequest) {
			if in.Hash == blob.hash {
				close(asked)
				<-proceed
			}
		}
		go func() {
			defer close(done)
			rig.collect("ws", 0, 0)
		}()
		<-asked
		*hook = nil
		if err := act(blob); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		rig.want(blob)
		if name == "after the decision" {
			rig.refs.Add("ws", blob.hash)
		}
		close(proceed)
		<-done
		rig.refs.Add("ws", blob.hash)
		rig.want(blob)
		rig.Advance(2 * StorageRetention)
		rig.collectAll("ws")
		rig.want(blob)
	}
}

func testCollectLimit(t *testing.T, rig *storageRig) {
	for _, content := range []string{"a", "b", "c"} {
		rig.store("ws", content)
	}
	rig.Advance(StorageRetention + time.Hour)
	total := 0
	for range 3 {
		report := rig.collect("ws", 0, 1)
		if report.DeletedCount > 1 {
			t.Errorf("limit 1: %+v", report)
		}
		total += report.DeletedCount
	}
	if total != 3 {
		t.Errorf("%d of 3 collected", total)
	}
}

// testCollectAnnounces: the sync provider must hear of a destruction before it happens, and of nothing less.
func testCollectAnnounces(t *testing.T, rig *storageRig) {
	blob := rig.store("ws", "content")
	rig.Advance(StorageRetention + time.Hour)
	for _, absent := rig.presignDownload(blob); absent == nil; _, absent = rig.presignDownload(blob) {
		if got := rig.refs.Destroyed(); len(got) != 0 {
			t.Fatalf("announced while the blob could still be had: %v", got)
		}
		rig.refs.Add("ws", blob.hash) // The call above has saved it, as if a device had shown it.
		rig.collectAll("ws")
		rig.refs.Remove("ws", blob.hash)
		rig.Advance(StorageRetention + time.Hour)
		rig.collectAll("ws")
	}
	if got := rig.refs.Destroyed(); len(got) != 1 || got[0] != blob.hash {
		t.Errorf("announced: %v", got)
	}
}

func testCollectReport(t *testing.T, rig *storageRig) {
	if _, ok := rig.inst.Storage.(or3cloud.StorageInspector); !ok {
		t.Skip("no StorageInspector")
	}
	rig.wantStored("nothing", map[or3cloud.StorageState]int{}, 0)
	wanted, unwanted := rig.store("ws", "wanted"), rig.store("ws", "unwanted")
	rig.store("two", "elsewhere")
	rig.refs.Add("ws", wanted.hash)
	rig.wantStored("fresh", map[or3cloud.StorageState]int{or3cloud.StorageLive: 1, or3cloud.StorageOrphaned: 1}, 0)
	rig.Advance(StorageRetention + time.Hour)
	rig.wantStored("aged", map[or3cloud.StorageState]int{or3cloud.StorageLive: 1, or3cloud.StorageOrphaned: 1}, 1)
	if report := rig.collect("ws", 0, 0); report.DeletedCount != 1 {
		t.Errorf("%+v", report)
	}
	rig.wantStored("retired", map[or3cloud.StorageState]int{or3cloud.StorageLive: 1, or3cloud.StorageTrash: 1}, 0)
	rig.Advance(3 * 24 * time.Hour)
	rig.wantStored("in the trash for long", map[or3cloud.StorageState]int{or3cloud.StorageLive: 1, or3cloud.StorageTrash: 1}, 1)
	rig.collectAll("ws")
	rig.wantStored("destroyed", map[or3cloud.StorageState]int{or3cloud.StorageLive: 1}, 0)
	rig.wantAbsent(unwanted)
}

// wantStored checks how many items of each state workspace ws has, and how many of them would be deleted.
func (r *storageRig) wantStored(when string, want map[or3cloud.StorageState]int, going int) {
	r.t.Helper()
	got, goes := map[or3cloud.StorageState]int{}, 0
	err := r.inst.Storage.(or3cloud.StorageInspector).InspectStorage(r.t.Context(), or3cloud.StorageGCRequest{WorkspaceID: "ws"},
		func(i or3cloud.StoredItem) error {
			got[i.State]++
			if i.Goes {
				goes++
			}
			if i.WorkspaceID != "ws" || i.Name == "" || i.Bytes == 0 || i.Reason == "" {
				r.t.Errorf("%s: incomplete item %+v", when, i)
			}
			return nil
		})
	if err != nil || !maps.Equal(got, want) || goes != going {
		r.t.Errorf("%s: %v, %d going, %v; want %v, %d", when, got, goes, err, want, going)
	}
}

// storageUser is the user on whose behalf the suite transfers.
const storageUser = "user-1"

// storedBlob is a content as the suite handles it.
type storedBlob struct {
	workspace, content, mime string
	hash                     or3cloud.BlobHash
}

func newBlob(workspace, content string) storedBlob {
	sum := sha256.Sum256([]byte(content))
	return storedBlob{workspace, content, "image/png", or3cloud.BlobHash("sha256:" + hex.EncodeToString(sum[:]))}
}

// storageRig is one opened provider with a clock and the reference state of a sync provider.
type storageRig struct {
	*Clock
	t    *testing.T
	inst *or3cloud.Instance
	refs *References
}

func newStorageRig(t *testing.T, open StorageFactory, withReferences bool) *storageRig {
	clock := NewClock(time.Date(2026, 2, 14, 12, 0, 0, 0, time.UTC))
	rig := &storageRig{Clock: clock, t: t, refs: NewReferences(clock.Now)}
	env := or3cloud.Env{
		DataDir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Now: clock.Now, Rand: rand.Reader,
		Secret: func(name string) (string, error) { return "secret of the conformance suite: " + name, nil },
		Host:   OneUserHost(storageUser),
	}
	if withReferences {
		env.References = rig.refs
	}
	rig.inst = open(t, env)
	return rig
}

func (r *storageRig) presignUpload(b storedBlob) (or3cloud.Presigned, error) {
	return r.inst.Storage.PresignUpload(r.t.Context(), or3cloud.PresignUploadRequest{
		WorkspaceID: b.workspace, UserID: storageUser, Hash: b.hash, MIMEType: b.mime, SizeBytes: int64(len(b.content)),
	})
}

func (r *storageRig) presignDownload(b storedBlob) (or3cloud.Presigned, error) {
	return r.inst.Storage.PresignDownload(r.t.Context(), or3cloud.PresignDownloadRequest{
		WorkspaceID: b.workspace, UserID: storageUser, Hash: b.hash,
	})
}

func (r *storageRig) commit(b storedBlob) error {
	size, err := r.inst.Storage.Commit(r.t.Context(), or3cloud.CommitRequest{
		WorkspaceID: b.workspace, UserID: storageUser, Hash: b.hash, StorageID: b.workspace + ":" + string(b.hash),
		StorageProviderID: "test", MIMEType: b.mime, SizeBytes: 1 << 40, Name: "file", Kind: "image",
	})
	if err == nil && size != int64(len(b.content)) {
		r.t.Errorf("commit of %d bytes says %d", len(b.content), size)
	}
	return err
}

func (r *storageRig) upload(b storedBlob) error {
	p, err := r.presignUpload(b)
	if err != nil {
		return err
	}
	if status, _, body := r.transfer(p, b.mime, b.content); status < 200 || status > 299 {
		return or3cloud.Errorf(or3cloud.CodeInternal, "upload: status %d: %s", status, body)
	}
	return nil
}

func (r *storageRig) mustUpload(b storedBlob) {
	r.t.Helper()
	if err := r.upload(b); err != nil {
		r.t.Fatal(err)
	}
}

// store uploads and commits a content.
func (r *storageRig) store(workspace, content string) storedBlob {
	r.t.Helper()
	b := newBlob(workspace, content)
	r.mustUpload(b)
	if err := r.commit(b); err != nil {
		r.t.Fatalf("commit: %v", err)
	}
	return b
}

// want checks that a blob can be downloaded.
func (r *storageRig) want(b storedBlob) {
	r.t.Helper()
	p, err := r.presignDownload(b)
	if err != nil {
		r.t.Errorf("presign download: %v", err)
		return
	}
	if status, _, body := r.transfer(p, "", ""); status != http.StatusOK || body != b.content {
		r.t.Errorf("download: status %d, %d bytes instead of %d", status, len(body), len(b.content))
	}
}

func (r *storageRig) wantAbsent(b storedBlob) {
	r.t.Helper()
	if _, err := r.presignDownload(b); or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
		r.t.Errorf("presign download of a collected blob: %v", err)
	}
}

func (r *storageRig) collect(workspace string, retention time.Duration, limit int) or3cloud.StorageGCReport {
	report, err := r.inst.Storage.(or3cloud.StorageCollector).GC(context.Background(), or3cloud.StorageGCRequest{
		WorkspaceID: workspace, Retention: retention, Limit: limit,
	})
	if err != nil {
		r.t.Errorf("GC: %v", err)
	}
	return report
}

// collectAll runs the collector until everything that it takes is destroyed: providers may need several runs over
// several days.
func (r *storageRig) collectAll(workspace string) {
	for range 4 {
		r.collect(workspace, 0, 0)
		r.Advance(3 * 24 * time.Hour)
	}
	r.collect(workspace, 0, 0)
}

// transfer sends content to an upload URL, or fetches from a download URL, as storageUser.
func (r *storageRig) transfer(p or3cloud.Presigned, contentType, content string) (int, http.Header, string) {
	r.t.Helper()
	var body io.Reader
	if p.Method != http.MethodGet {
		body = strings.NewReader(content)
	}
	req := httptest.NewRequest(p.Method, p.URL, body)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for name, value := range p.Headers {
		req.Header.Set(name, value)
	}
	if strings.HasPrefix(p.URL, "/") {
		rec := httptest.NewRecorder()
		ServeRoutes(r.inst.Routes).ServeHTTP(rec, req)
		return rec.Code, rec.Header(), rec.Body.String()
	}
	req.RequestURI = ""
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(res.Body); err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, res.Header, buf.String()
}
