package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
)

// gcReport is what "or3-cloud gc --json" prints.
type gcReport struct {
	DryRun    bool `json:"dryRun"`
	IntoTrash int  `json:"intoTrash"`
	Going     []struct {
		Hash   string `json:"hash"`
		State  string `json:"state"`
		Reason string `json:"reason"`
	} `json:"going"`
	Stored map[string]struct {
		Items int64 `json:"items"`
		Bytes int64 `json:"bytes"`
	} `json:"stored"`
}

func (s *server) gc(args ...string) (report gcReport) {
	s.t.Helper()
	cmd := s.command(append([]string{"gc", "--json"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &report)
	}
	if err != nil {
		s.t.Fatalf("gc: %v\n%s\n%s", err, out, &stderr)
	}
	return report
}

// changed is a later put of a row, with some of its members replaced.
func (o op) changed(clock int64, members obj) op {
	row := obj{}
	_ = json.Unmarshal(o.Payload, &row) // it was made by us
	for name, value := range members {
		row[name] = value
	}
	row["clock"] = clock
	o.Payload, _ = json.Marshal(row)
	o.ID, o.Stamp.OpID, o.Stamp.Clock = uuid.NewString(), uuid.NewString(), clock
	return o
}

// TestFilesGoInTheEnd follows files out of the store: what nothing names is collected, what someone deletes goes at
// once, and what something names stays.
func TestFilesGoInTheEnd(t *testing.T) {
	t.Parallel()
	srv := startServer(t, withEnv("OR3_STORAGE_GC_RETENTION_SECONDS", "0"))
	d := newDevice(t, srv, "A")
	workspace := d.register("gc@example.test").Workspace.ID
	wanted, unwanted := blobFor("wanted", 3000), blobFor("unwanted", 5000)
	row := fileRow(wanted, d.upload(workspace, wanted, png))
	d.push(workspace, row)
	d.upload(workspace, unwanted, png)

	report := srv.gc("--dry-run")
	if !report.DryRun || len(report.Going) != 1 || report.Going[0].Hash != hashOf(unwanted) || report.Going[0].State != "orphaned" {
		t.Fatalf("a dry run: %+v", report)
	}
	if s := report.Stored; s["live"].Items != 1 || s["live"].Bytes < 3000 || s["orphaned"].Items != 1 || s["orphaned"].Bytes < 5000 {
		t.Errorf("stored: %+v", s)
	}
	d.download(workspace, unwanted)
	if report = srv.gc("--workspace", workspace); report.IntoTrash != 1 || report.Stored["trash"].Items != 1 || report.Stored["live"].Items != 1 {
		t.Errorf("a collection: %+v", report)
	}
	d.download(workspace, unwanted) // a request for it takes it out of the trash
	d.download(workspace, wanted)

	remove := func(content []byte) *reply {
		return d.post("/api/storage/delete", obj{"workspace_id": workspace, "hash": hashOf(content), "storage_id": "of another provider"})
	}
	if r := remove(wanted); r.status != 409 || r.message() != "Cannot delete a retained file" {
		t.Errorf("deleting a file with a row: %s", r)
	}
	for range 2 {
		if r := remove(unwanted); r.status != 200 || strings.TrimSpace(string(r.body)) != `{"ok":true}` {
			t.Errorf("deleting: %s", r)
		}
	}
	presign := obj{"workspace_id": workspace, "hash": hashOf(unwanted)}
	if r := d.post("/api/storage/presign-download", presign); r.status != 404 {
		t.Errorf("a deleted file is still offered: %s", r)
	}
	d.push(workspace, row.changed(2, obj{"deleted": true}))
	if r := remove(wanted); r.status != 200 {
		t.Errorf("deleting a file whose row is deleted: %s", r)
	}
	// Someone restores the row: the bytes are still in the trash, and come back.
	d.push(workspace, row.changed(3, obj{"deleted": false}))
	d.download(workspace, wanted)
	srv.stop()
	if report = srv.gc("--dry-run"); report.Stored["live"].Items != 1 || report.Stored["trash"].Items < 1 {
		t.Errorf("with the server stopped: %+v", report)
	}
	srv.start()
	d.download(workspace, wanted)
	d.upload(workspace, unwanted, png)
	d.download(workspace, unwanted)
}

// TestQuotaHoldsAgainstAHundredUploads lets base clients, which do not know intents, race for a quota.
func TestQuotaHoldsAgainstAHundredUploads(t *testing.T) {
	t.Parallel()
	srv := startServer(t, withEnv("OR3_STORAGE_WORKSPACE_QUOTA_BYTES", "10500"), withEnv("OR3_STORAGE_WORKSPACE_QUOTA_FILES", "50"))
	d := newDevice(t, srv, "A")
	workspace := d.register("quota@example.test").Workspace.ID
	contents := make([][]byte, 100)
	for i := range contents {
		contents[i] = blobFor(fmt.Sprint("quota ", i), 1000)
	}
	var stored, refused atomic.Int64
	var wg sync.WaitGroup
	for _, content := range contents {
		wg.Go(func() {
			r := d.do("POST", "/api/storage/presign-upload", encode(t, obj{"workspace_id": workspace, "hash": hashOf(content), "mime_type": png, "size_bytes": len(content)}), jsonHeader)
			if r.status == http.StatusRequestEntityTooLarge && strings.HasPrefix(r.message(), "Workspace storage quota exceeded (") {
				refused.Add(1)
				return
			}
			var p presigned
			if err := json.Unmarshal(r.body, &p); r.status != 200 || err != nil {
				t.Errorf("presign: %s", r)
				return
			}
			if r := d.put(p.URL, content, png); r.status != 200 {
				t.Errorf("put: %s", r)
			}
			if r := d.do("POST", "/api/storage/commit", encode(t, commitBody(workspace, content, p.StorageID, png)), jsonHeader); r.status != 200 {
				t.Errorf("commit: %s", r)
			}
			stored.Add(1)
		})
	}
	wg.Wait()
	if stored.Load() != 10 || refused.Load() != 90 {
		t.Errorf("%d stored and %d refused, want 10 and 90", stored.Load(), refused.Load())
	}
}

// TestDamagedFileIsHeldBack: a client that is told to try again does not delete the file (contract, storage Pitfall 2).
func TestDamagedFileIsHeldBack(t *testing.T) {
	t.Parallel()
	srv := startServer(t, withEnv("OR3_LOG_FORMAT", "text")) // damage is logged as an error, rightly
	d := newDevice(t, srv, "A")
	workspace := d.register("held@example.test").Workspace.ID
	content := blobFor("damaged", 5000)
	d.upload(workspace, content, png)
	url := d.presignDownload(workspace, hashOf(content)).URL
	damaged := bytes.Clone(content)
	damaged[7] ^= 4
	if err := os.WriteFile(srv.blobFile(workspace, content), damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, header := range []http.Header{nil, {"Range": {"bytes=4000-4010"}}} {
		r := d.do("GET", url, nil, header)
		if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); r.status != 503 || err != nil || seconds < 1 {
			t.Errorf("%v: %s, Retry-After %q", header, r, r.header.Get("Retry-After"))
		}
		if bytes.Contains(r.body, damaged[4000:4010]) {
			t.Errorf("%v: damaged bytes were served", header)
		}
	}
}
