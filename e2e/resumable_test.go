package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const resumablePath = "/api/storage/resumable"

// tusMetadata writes the header in which an upload is described.
func tusMetadata(values map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, name+" "+base64.StdEncoding.EncodeToString([]byte(values[name])))
	}
	return strings.Join(parts, ",")
}

func describe(workspace string, content []byte) map[string]string {
	return map[string]string{"workspace_id": workspace, "hash": hashOf(content), "mime_type": png, "name": "big.png", "kind": "image"}
}

// createResumable begins an upload and returns the answer.
func (d *device) createResumable(size int, meta map[string]string) *reply {
	d.t.Helper()
	return d.do("POST", resumablePath, nil, http.Header{
		"Tus-Resumable": {"1.0.0"}, "Upload-Length": {strconv.Itoa(size)}, "Upload-Metadata": {tusMetadata(meta)},
	})
}

// sendPiece sends bytes at an offset. With a limit of time or bytes the connection is cut in between.
func (d *device) sendPiece(ctx context.Context, location string, offset int, body []byte) (*reply, error) {
	return d.send(ctx, "PATCH", location, body, http.Header{
		"Tus-Resumable": {"1.0.0"}, "Upload-Offset": {strconv.Itoa(offset)}, "Content-Type": {"application/offset+octet-stream"},
	})
}

// offset asks how far an upload has come.
func (d *device) offset(location string) int {
	d.t.Helper()
	r := d.do("HEAD", location, nil, http.Header{"Tus-Resumable": {"1.0.0"}})
	n, err := strconv.Atoi(r.header.Get("Upload-Offset"))
	if r.status != 200 || err != nil {
		d.t.Fatalf("HEAD: %s %v", r, r.header)
	}
	return n
}

// cutPiece sends the head of a request and a part of its body, and then closes the connection.
func (d *device) cutPiece(location string, offset int, body []byte, cut int) {
	d.t.Helper()
	pipe, feed := io.Pipe()
	req, err := http.NewRequest("PATCH", d.srv.url+location, pipe)
	if err != nil {
		d.t.Fatal(err)
	}
	req.ContentLength = int64(len(body))
	req.Header = http.Header{
		"Tus-Resumable": {"1.0.0"}, "Upload-Offset": {strconv.Itoa(offset)}, "Content-Type": {"application/offset+octet-stream"},
		"Origin": {d.srv.url}, "Cookie": {d.jar.header(location)},
	}
	go func() {
		feed.Write(body[:cut])
		feed.CloseWithError(io.ErrUnexpectedEOF) // the client is gone
	}()
	res, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err == nil {
		res.Body.Close()
		d.t.Fatalf("a request that was cut is answered %d", res.StatusCode)
	}
}

// TestResumableUpload takes a large file through broken connections, restarts and kills, and ends with the same file as
// an upload in one piece.
func TestResumableUpload(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	d, other := newDevice(t, srv, "A"), newDevice(t, srv, "B")
	workspace := d.register("resumable@example.test").Workspace.ID
	content := blobFor("resumable", 60<<20+12345)
	r := d.createResumable(len(content), describe(workspace, content))
	location := r.header.Get("Location")
	if r.status != 201 || !strings.HasPrefix(location, resumablePath+"/") || r.header.Get("Upload-Expires") == "" {
		t.Fatalf("create: %s %v", r, r.header)
	}
	random := rand.New(rand.NewPCG(1, 2))
	offset := 0
	for round := 0; offset < len(content); round++ {
		size := min(len(content)-offset, 1+random.IntN(20<<20))
		switch round % 4 {
		case 0: // a piece that arrives
			r, err := d.sendPiece(t.Context(), location, offset, content[offset:offset+size])
			if err != nil || r.status != 204 || r.header.Get("Upload-Offset") != strconv.Itoa(offset+size) {
				t.Fatalf("PATCH: %v %v", r, err)
			}
		case 1: // a connection that is cut
			d.cutPiece(location, offset, content[offset:offset+size], random.IntN(size))
		case 2: // a server that is stopped
			srv.stop()
			srv.start()
		case 3: // a server that is killed under way
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				d.sendPiece(ctx, location, offset, content[offset:])
			}()
			time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond) // anywhere in the middle
			if err := srv.cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-srv.exited
			cancel()
			<-done
			srv.start()
		}
		was := offset
		if offset = d.offset(location); offset < was {
			t.Fatalf("round %d: %d bytes were acknowledged, %d are there", round, was, offset)
		}
	}
	if got := d.offset(location); got != len(content) {
		t.Errorf("at %d", got)
	}
	d.push(workspace, fileRow(content, workspace+":"+hashOf(content)))
	d.download(workspace, content)
	// It is committed already; a client that commits as after an upload in one piece is right too.
	if r := d.post("/api/storage/commit", commitBody(workspace, content, workspace+":"+hashOf(content), png)); r.status != 200 {
		t.Errorf("commit: %s", r)
	}
	if r, err := d.sendPiece(t.Context(), location, len(content), nil); err != nil || r.status != 204 {
		t.Errorf("a repeated last request: %v %v", r, err)
	}
	other.register("other-resumable@example.test")
	if r := other.do("HEAD", location, nil, nil); r.status != 404 {
		t.Errorf("someone else's upload: %s", r)
	}
	for name := range srv.files() {
		if strings.HasPrefix(name, "blobs/partial/") && !strings.HasSuffix(name, ".json") {
			t.Errorf("%s is left", name)
		}
	}
}

// TestResumableUploadIsAuthorised goes through the reasons to refuse a request, and checks that nothing changes.
func TestResumableUploadIsAuthorised(t *testing.T) {
	t.Parallel()
	srv := startServer(t, withEnv("OR3_MAX_CLOUD_FILE_SIZE_BYTES", "100000"), withEnv("OR3_STORAGE_WORKSPACE_QUOTA_BYTES", "150000"))
	d, stranger, nobody := newDevice(t, srv, "A"), newDevice(t, srv, "stranger"), newDevice(t, srv, "nobody")
	workspace := d.register("owner@example.test").Workspace.ID
	stranger.register("stranger-resumable@example.test")
	content := blobFor("authorised", 90_000)

	change := func(name, value string) map[string]string {
		meta := describe(workspace, content)
		meta[name] = value
		return meta
	}
	for name, c := range map[string]struct {
		device *device
		size   int
		meta   map[string]string
		status int
	}{
		"signed out":           {nobody, len(content), describe(workspace, content), 401},
		"a stranger":           {stranger, len(content), describe(workspace, content), 403},
		"a foreign workspace":  {d, len(content), change("workspace_id", "another"), 403},
		"no workspace":         {d, len(content), change("workspace_id", ""), 400},
		"no hash":              {d, len(content), change("hash", ""), 400},
		"a path for a hash":    {d, len(content), change("hash", "../../x"), 400},
		"an unknown kind":      {d, len(content), change("kind", "folder"), 400},
		"a type not allowed":   {d, len(content), change("mime_type", "text/html"), 415},
		"more than is allowed": {d, 100_001, describe(workspace, content), 413},
		"no size":              {d, -1, describe(workspace, content), 400},
	} {
		if r := c.device.createResumable(c.size, c.meta); r.status != c.status {
			t.Errorf("%s: %s, want %d", name, r, c.status)
		}
	}
	if slices.ContainsFunc(slices.Collect(maps.Keys(srv.files())), func(name string) bool { return strings.HasPrefix(name, "blobs/partial/") }) {
		t.Errorf("refused requests have left %v", srv.files())
	}

	location := d.createResumable(len(content), describe(workspace, content)).header.Get("Location")
	for name, c := range map[string]struct {
		device *device
		status int
	}{"signed out": {nobody, 401}, "a stranger": {stranger, 404}} {
		if r, err := c.device.sendPiece(t.Context(), location, 0, content[:100]); err != nil || r.status != c.status {
			t.Errorf("%s sends: %v %v", name, r, err)
		}
		for _, method := range []string{"HEAD", "DELETE"} {
			if r := c.device.do(method, location, nil, http.Header{"Tus-Resumable": {"1.0.0"}}); r.status != c.status {
				t.Errorf("%s %s: %s", name, method, r)
			}
		}
	}
	if got := d.offset(location); got != 0 {
		t.Errorf("others have sent %d bytes", got)
	}
	if r, err := d.sendPiece(t.Context(), location, 5, content[5:]); err != nil || r.status != 409 {
		t.Errorf("a wrong offset: %v %v", r, err)
	}
	if r, err := d.sendPiece(t.Context(), resumablePath+"/00000000000000000000000000000000", 0, content); err != nil || r.status != 404 {
		t.Errorf("an unknown upload: %v %v", r, err)
	}
	// Its space is taken as long as it is open, and free again when it is dropped.
	second := blobFor("a second one", 90_000)
	if r := d.createResumable(len(second), describe(workspace, second)); r.status != 413 {
		t.Errorf("beyond the quota: %s", r)
	}
	if r := d.do("DELETE", location, nil, http.Header{"Tus-Resumable": {"1.0.0"}}); r.status != 204 {
		t.Errorf("DELETE: %s", r)
	}
	r := d.createResumable(len(second), describe(workspace, second))
	if r.status != 201 {
		t.Fatalf("after the first was dropped: %s", r)
	}
	// Other bytes than announced are refused, and their upload is gone.
	location = r.header.Get("Location")
	wrong := bytes.Clone(second)
	wrong[500] ^= 1
	if r, err := d.sendPiece(t.Context(), location, 0, wrong); err != nil || r.status != 400 || r.message() != "Hash mismatch" {
		t.Errorf("other bytes: %v %v", r, err)
	}
	if r := d.do("HEAD", location, nil, nil); r.status != 404 {
		t.Errorf("the upload of other bytes: %s", r)
	}
	if r := d.post("/api/storage/presign-download", obj{"workspace_id": workspace, "hash": hashOf(second)}); r.status != 404 {
		t.Errorf("other bytes became a file: %s", r)
	}
}
