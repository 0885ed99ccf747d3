package e2e

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const png = "image/png"

// TestAnyFileType uploads files of types that are not on the list, including empty ones, all the way where the operator
// allows it, and is refused at both steps where not (contract, storage §2, §4). They are never shown inline.
func TestAnyFileType(t *testing.T) {
	t.Parallel()
	types := []string{"text/html", "application/zip", "application/octet-stream", "x-other/thing; charset=utf-8"}
	presign := func(d *device, workspace string, content []byte, mime string) *reply {
		return d.post("/api/storage/presign-upload", obj{
			"workspace_id": workspace, "hash": hashOf(content), "mime_type": mime, "size_bytes": len(content), "file_kind_capability": "v1"})
	}
	pieces := func(workspace string, content []byte, mime string) map[string]string {
		meta := describe(workspace, content)
		meta["mime_type"], meta["kind"], meta["name"] = mime, "file", "thing"
		return meta
	}
	t.Run("not allowed", func(t *testing.T) {
		d := newDevice(t, startServer(t), "A")
		workspace := d.register("listed@example.test").Workspace.ID
		for _, mime := range types {
			content := []byte(mime)
			if r := presign(d, workspace, content, mime); r.status != 415 || r.message() != "MIME type "+mime+" not allowed" {
				t.Errorf("presign of %s: %s", mime, r)
			}
			if r := d.createResumable(len(content), pieces(workspace, content, mime)); r.status != 415 {
				t.Errorf("resumable upload of %s: %s", mime, r)
			}
		}
	})
	t.Run("allowed", func(t *testing.T) {
		d := newDevice(t, startServer(t, withEnv("OR3_STORAGE_ALLOW_ANY_FILE_TYPE", "true")), "A")
		workspace := d.register("any@example.test").Workspace.ID
		check := func(content []byte, mime string) {
			t.Helper()
			r := d.download(workspace, content)
			if h := r.header; h.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") {
				t.Errorf("%s, %d bytes, is served as %q, %q", mime, len(content), h.Get("Content-Type"), h.Get("Content-Disposition"))
			}
		}
		for _, mime := range types {
			for _, content := range [][]byte{nil, []byte("in one piece: " + mime)} {
				r := presign(d, workspace, content, mime)
				var p presigned
				if r.decode(t, &p); r.status != 200 {
					t.Fatalf("presign of %s: %s", mime, r)
				}
				if r := d.put(p.URL, content, mime); r.status != 200 {
					t.Fatalf("PUT of %s: %s", mime, r)
				}
				body := commitBody(workspace, content, p.StorageID, mime)
				body["kind"], body["file_kind_capability"], body["intent_id"] = "file", "v1", p.IntentID
				if r := d.post("/api/storage/commit", body); r.status != 200 {
					t.Fatalf("commit of %s: %s", mime, r)
				}
				check(content, mime)
			}
			for _, content := range [][]byte{nil, []byte("in pieces: " + mime)} {
				r := d.createResumable(len(content), pieces(workspace, content, mime))
				if r.status != 201 {
					t.Fatalf("resumable upload of %s: %s", mime, r)
				}
				location := r.header.Get("Location")
				if len(content) > 0 {
					if r, err := d.sendPiece(t.Context(), location, 0, content); err != nil || r.status != 204 {
						t.Fatalf("PATCH of %s: %s %v", mime, r, err)
					}
				}
				if d.offset(location) != len(content) {
					t.Errorf("%s is not complete", mime)
				}
				check(content, mime)
			}
		}
	})
}

// TestFilesBetweenDevices uploads on one device and downloads on the other.
func TestFilesBetweenDevices(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	a, b := newDevice(t, srv, "A"), newDevice(t, srv, "B")
	workspace := a.register("files@example.test").Workspace.ID
	b.signIn("files@example.test")

	for _, size := range []int{1, 4096, 128<<10 + 1, 8 << 20} {
		content := blobFor("between devices", size)
		wantType := "application/octet-stream" // content that does not look like an image is not served as one
		if n := copy(content, "\x89PNG\r\n\x1a\n"); n == 8 {
			wantType = png
		}
		id := a.upload(workspace, content, png)
		if want := workspace + ":" + hashOf(content); id != want {
			t.Errorf("storage id %q, want %q", id, want)
		}
		r := b.download(workspace, content)
		for name, want := range map[string]string{"Content-Type": wantType, "X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%d bytes: %s: %q, want %q", size, name, got, want)
			}
		}
	}

	content := blobFor("ranges", 100_000)
	p := a.presignUpload(workspace, content, png)
	t.Run("a repeated PUT is taken", func(t *testing.T) {
		for range 3 {
			if r := a.put(p.URL, content, png); r.status != 200 {
				t.Fatalf("upload: %s", r)
			}
		}
		before := blobs(srv)
		if r := a.put(p.URL, content, png); r.status != 200 {
			t.Fatalf("upload: %s", r)
		}
		// The metadata beside a blob changes, as it holds the time of the upload; the files stay the same.
		if after := blobs(srv); !slices.Equal(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after))) {
			t.Errorf("a repeated upload left %v, before %v", after, before)
		}
	})
	if r := a.post("/api/storage/commit", commitBody(workspace, content, p.StorageID, png)); r.status != 200 {
		t.Fatalf("commit: %s", r)
	}
	url := b.presignDownload(workspace, hashOf(content)).URL
	t.Run("ranges", func(t *testing.T) {
		for _, c := range []struct {
			header string
			status int
			want   []byte
		}{
			{"bytes=0-0", 206, content[:1]},
			{"bytes=100-199", 206, content[100:200]},
			{"bytes=99990-", 206, content[99990:]},
			{"bytes=-10", 206, content[len(content)-10:]},
			{"bytes=50000-999999", 206, content[50000:]},
			{"bytes=oops", 416, nil},
			{"bytes=100000-", 416, nil},
		} {
			r := b.do("GET", url, nil, http.Header{"Range": {c.header}})
			if r.status != c.status || c.want != nil && !bytes.Equal(r.body, c.want) {
				t.Errorf("%s: status %d with %d bytes", c.header, r.status, len(r.body))
			}
		}
	})
	t.Run("HEAD", func(t *testing.T) {
		if r := b.do("HEAD", url, nil, nil); r.status != 200 || r.header.Get("Content-Length") != "100000" {
			t.Errorf("HEAD: %d, Content-Length %q", r.status, r.header.Get("Content-Length"))
		}
	})
	t.Run("an old md5 name is served under every spelling", func(t *testing.T) {
		content := []byte("a file of an old client")
		sum := md5.Sum(content)
		name := hex.EncodeToString(sum[:])
		var p presigned
		r := a.post("/api/storage/presign-upload", obj{"workspace_id": workspace, "hash": "md5:" + name, "mime_type": "text/plain", "size_bytes": len(content)})
		r.decode(t, &p)
		if r := a.put(p.URL, content, "text/plain; charset=utf-8"); r.status != 200 {
			t.Fatalf("upload: %s", r)
		}
		body := commitBody(workspace, content, p.StorageID, "text/plain")
		body["hash"] = strings.ToUpper(name)
		if r := a.post("/api/storage/commit", body); r.status != 200 {
			t.Fatalf("commit: %s", r)
		}
		got := b.do("GET", b.presignDownload(workspace, name).URL, nil, nil)
		if got.status != 200 || !bytes.Equal(got.body, content) {
			t.Errorf("download: %s", got)
		}
		if d := got.header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment") {
			t.Errorf("text is served %q, want as an attachment", d)
		}
	})
	t.Run("after a restart", func(t *testing.T) {
		srv.stop()
		srv.start()
		b.download(workspace, content)
		if r := b.do("GET", url, nil, nil); r.status != 200 {
			t.Errorf("a URL from before the restart: %s", r)
		}
	})
}

// blobs lists the stored files of a server with their sizes, apart from its own book-keeping. A sidecar is listed
// without its size: it holds times, whose text has no fixed length.
func blobs(s *server) map[string]int64 {
	all := s.files()
	maps.DeleteFunc(all, func(name string, _ int64) bool { return !strings.HasPrefix(name, "blobs/workspaces/") })
	for name := range all {
		if strings.HasSuffix(name, ".meta.json") {
			all[name] = 0
		}
	}
	return all
}

// TestRefusedTransfersLeaveNothing sends uploads with everything that they can be refused for and looks at the disk
// afterwards.
func TestRefusedTransfersLeaveNothing(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	a, stranger, nobody := newDevice(t, srv, "A"), newDevice(t, srv, "stranger"), newDevice(t, srv, "nobody")
	workspace := a.register("refused@example.test").Workspace.ID
	stranger.register("stranger@example.test")

	content := blobFor("refused", 5000)
	cut := a.presignUpload(workspace, content, png)
	if r := a.put(cut.URL, content[:4999], png); r.status != 400 || r.message() != "Hash mismatch" {
		t.Errorf("too few bytes: %s", r)
	}
	for _, c := range []struct {
		name    string
		device  *device
		method  string
		path    func(p presigned) string
		content []byte
		mime    string
		status  int
		text    string
	}{
		{"wrong bytes", a, "PUT", nil, blobFor("others", 5000), png, 400, "Hash mismatch"},
		{"too many bytes", a, "PUT", nil, blobFor("others", 5001), png, 413, "Payload too large"},
		{"no bytes", a, "PUT", nil, []byte{}, png, 400, "Missing upload body"},
		{"another type", a, "PUT", nil, content, "text/html", 415, "Content type mismatch"},
		{"no type", a, "PUT", nil, content, "", 415, "Content type mismatch"},
		{"someone else", stranger, "PUT", nil, content, png, 403, "Invalid token subject"},
		{"nobody", nobody, "PUT", nil, content, png, 401, "Unauthorized"},
		{"no token", a, "PUT", func(presigned) string { return "/api/storage/fs/upload" }, content, png, 400, "Missing token"},
		{"an empty token", a, "PUT", func(presigned) string { return "/api/storage/fs/upload?token=" }, content, png, 400, "Missing token"},
		{"no token at all", a, "PUT", func(presigned) string { return "/api/storage/fs/upload?token=../../etc/passwd" }, content, png, 403, "Invalid or expired token"},
		{"a changed token", a, "PUT", func(p presigned) string { return flip(p.URL) }, content, png, 403, "Invalid or expired token"},
		{"an upload token to download", a, "GET", func(p presigned) string { return strings.Replace(p.URL, "/upload?", "/download?", 1) }, nil, "", 403, "Invalid operation token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := a.presignUpload(workspace, content, png)
			path := p.URL
			if c.path != nil {
				path = c.path(p)
			}
			h := http.Header{}
			if c.mime != "" {
				h.Set("Content-Type", c.mime)
			}
			if r := c.device.do(c.method, path, c.content, h); r.status != c.status || r.message() != c.text {
				t.Errorf("got %d %q, want %d %q", r.status, r.message(), c.status, c.text)
			}
		})
	}
	t.Run("an expired token", func(t *testing.T) {
		srv := startServer(t, withEnv("OR3_STORAGE_FS_URL_TTL_SECONDS", "1"))
		a := newDevice(t, srv, "A")
		p := a.presignUpload(a.register("refused@example.test").Workspace.ID, content, png)
		time.Sleep(time.Until(time.UnixMilli(p.ExpiresAt).Add(1100 * time.Millisecond))) // the clock of a process cannot be moved
		if r := a.put(p.URL, content, png); r.status != 403 || r.message() != "Invalid or expired token" {
			t.Errorf("got %s", r)
		}
		if left := blobs(srv); len(left) > 0 {
			t.Errorf("a refused upload left %v", slices.Sorted(maps.Keys(left)))
		}
	})
	for _, hash := range []string{"nope", "../../etc/passwd", "sha256:../../x", "sha256:" + strings.Repeat("g", 64), strings.Repeat("a", 63), "sha1:" + strings.Repeat("a", 40), ""} {
		if r := a.post("/api/storage/presign-upload", obj{"workspace_id": workspace, "hash": hash, "mime_type": png, "size_bytes": 1}); r.status != 400 {
			t.Errorf("presign of hash %q: %s", hash, r)
		}
		if r := a.post("/api/storage/presign-download", obj{"workspace_id": workspace, "hash": hash}); r.status != 400 {
			t.Errorf("presign of hash %q: %s", hash, r)
		}
	}
	for _, id := range []string{"..", "../" + workspace, workspace + "/..", ".", "a/b", `a\b`, "\x00"} {
		r := a.post("/api/storage/presign-upload", obj{"workspace_id": id, "hash": hashOf(content), "mime_type": png, "size_bytes": 1})
		if r.status != 400 && r.status != 403 {
			t.Errorf("presign in workspace %q: %s", id, r)
		}
	}
	if r := a.post("/api/storage/commit", commitBody(workspace, content, cut.StorageID, png)); r.status != 404 || r.message() != "Uploaded file not found" {
		t.Errorf("commit without upload: %s", r)
	}
	if left := blobs(srv); len(left) > 0 {
		t.Errorf("refused uploads left %v", slices.Sorted(maps.Keys(left)))
	}
}

// flip changes one character in the middle of a URL's token.
func flip(url string) string {
	b := []byte(url)
	i := len(b) - 20
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}
