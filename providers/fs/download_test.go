package fs

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"

	"or3.chat/cloud/internal/signed"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/volume"
	"or3.chat/cloud/providertest"
)

func TestDownloadChecksComeInTheContractsOrder(t *testing.T) {
	r := newRig(t)
	r.store("content")
	for _, tc := range []struct {
		name    string
		change  func(*signed.Claims)
		user    string
		status  int
		message string
	}{
		{"expired", func(c *signed.Claims) { c.Expires = r.clock.Now() }, "u", 403, "Invalid or expired token"},
		{"upload token", func(c *signed.Claims) { c.Operation = opUpload }, "u", 403, "Invalid operation token"},
		{"signed out", func(c *signed.Claims) { c.User = "other" }, "", 401, "Unauthorized"},
		{"other user", func(c *signed.Claims) {}, "other", 403, "Invalid token subject"},
		{"no member", func(c *signed.Claims) { c.Workspace = "foreign" }, "u", 403, "Forbidden"},
		{"traversal", func(c *signed.Claims) { c.Workspace = "..%2f.." }, "u", 400, "Invalid path parameters"},
		{"absent", func(c *signed.Claims) { c.Hash = string(hashOf("other")) }, "u", 404, "File not found"},
		{"absent in that workspace", func(c *signed.Claims) { c.Workspace = "ws-viewer" }, "u", 404, "File not found"},
		{"there", func(c *signed.Claims) {}, "u", 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := downloadClaims(r, "content")
			tc.change(&c)
			rec := r.get(c, "X-User", tc.user)
			if rec.Code != tc.status || tc.status != 200 && message(rec) != tc.message {
				t.Errorf("%d %q, want %d %q", rec.Code, message(rec), tc.status, tc.message)
			}
		})
	}
}

// TestTransientFaultIsNever404: contract, storage Pitfall 2.
func TestTransientFaultIsNever404(t *testing.T) {
	for _, fault := range []error{syscall.EIO, syscall.EMFILE, syscall.ESTALE, os.ErrPermission} {
		for _, suffix := range []string{layout.SidecarSuffix, ""} {
			r := newRig(t)
			r.store("content")
			r.disk.fault = func(op, name string) error {
				if op == "open" && (suffix == "" || strings.HasSuffix(name, suffix)) {
					return fault
				}
				return nil
			}
			rec := r.get(downloadClaims(r, "content"))
			if rec.Code != 503 {
				t.Errorf("%v at %q: %d", fault, suffix, rec.Code)
			}
			if err := r.presignDownload("content"); err == nil || strings.Contains(err.Error(), "not_found") {
				t.Errorf("%v at %q: presign: %v", fault, suffix, err)
			}
		}
	}
}

func TestCorruptSidecarIsNever404(t *testing.T) {
	for _, text := range []string{"", "{", "null", `{"workspace_id":"other","hash":"x"}`, strings.Repeat("x", copies.MaxSidecar+1)} {
		r := newRig(t)
		r.store("content")
		r.writeFile(keyOf("content").Sidecar(), text)
		if rec := r.get(downloadClaims(r, "content")); rec.Code != 503 {
			t.Errorf("%.10q: %d", text, rec.Code)
		}
		if report := r.mustGC(); report.DeletedCount != 0 {
			t.Errorf("%.10q: collected %+v", text, report)
		}
	}
}

func TestCorruptSidecarIsReplacedByAnUpload(t *testing.T) {
	r := newRig(t)
	r.store("content")
	r.writeFile(keyOf("content").Sidecar(), "{")
	r.store("content")
	if rec := r.get(downloadClaims(r, "content")); rec.Body.String() != "content" {
		t.Errorf("%d %q", rec.Code, rec.Body)
	}
}

func TestVanishedMountIs503(t *testing.T) {
	r := newRig(t)
	r.store("content")
	if err := os.RemoveAll(r.dir + "/workspaces"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(r.dir + "/" + volume.IdentityFile); err != nil {
		t.Fatal(err)
	}
	if rec := r.get(downloadClaims(r, "content")); rec.Code != 503 || rec.Body.Len() == 0 {
		t.Errorf("download: %d", rec.Code)
	}
	if err := r.presignDownload("content"); err == nil || strings.Contains(err.Error(), "not_found") {
		t.Errorf("presign: %v", err)
	}
	if err := r.commit("content"); err == nil || strings.Contains(err.Error(), "not_found") {
		t.Errorf("commit: %v", err)
	}
	if _, err := r.gc(); err == nil {
		t.Error("collected a store that is not there")
	}
}

func TestDownloadHeaders(t *testing.T) {
	r := newRig(t)
	for _, tc := range []struct {
		stored, claimed, disposition, filename string
		wantType, wantDisposition              string
	}{
		{"image/png", "", "", "", "image/png", "inline"},
		{"image/png", "image/jpeg", "inline", "a.jpg", "image/jpeg", `inline; filename=a.jpg; filename*=UTF-8''a.jpg`},
		{"image/png", "image/png", "attachment", "a b.png", "image/png", `attachment; filename="a b.png"; filename*=UTF-8''a%20b.png`},
		{"image/png", "application/pdf", "", "é\"\r\n/;.pdf", "application/pdf", `inline; filename=____.pdf; filename*=UTF-8''%C3%A9%22%3B.pdf`},
		{"image/png", "text/html", "inline", "x.html", "application/octet-stream", `attachment; filename=x.html; filename*=UTF-8''x.html`},
		{"image/png", "image/svg+xml", "inline", "", "application/octet-stream", "attachment"},
		{"image/png", "text/plain", "inline", "", "application/octet-stream", "attachment"},
		{"image/png", "IMAGE/PNG; a=b", "inline", "", "image/png", "inline"},
	} {
		content := heads[tc.wantType] + tc.claimed + tc.filename + "|"
		r.store(content)
		c := downloadClaims(r, content)
		c.MIME, c.Disposition, c.Filename = tc.claimed, tc.disposition, tc.filename
		rec := r.get(c)
		want := map[string]string{
			"Content-Type": tc.wantType, "Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": contentPolicy, "Accept-Ranges": "bytes",
			"Etag": `"` + keyOf(content).Base() + `"`, "Last-Modified": "",
		}
		for name, value := range want {
			if got := rec.Header().Get(name); got != value {
				t.Errorf("%q: %s: %q, want %q", tc.claimed, name, got, value)
			}
		}
		got := rec.Header().Get("Content-Disposition")
		if _, _, err := mime.ParseMediaType(got); err != nil {
			t.Errorf("%q: %v", got, err)
		}
		if tc.filename != "é\"\r\n/;.pdf" && got != tc.wantDisposition {
			t.Errorf("%q: disposition %q, want %q", tc.claimed, got, tc.wantDisposition)
		}
		if strings.ContainsAny(got, "\r\n/") {
			t.Errorf("unsafe disposition %q", got)
		}
	}
}

func TestRangesAndConditions(t *testing.T) {
	r := newRig(t)
	const content = "0123456789"
	r.store(content)
	etag := `"` + keyOf(content).Base() + `"`
	for _, tc := range []struct {
		name         string
		header       []string
		status       int
		body         string
		contentRange string
	}{
		{"whole", nil, 200, content, ""},
		{"from", []string{"Range", "bytes=4-"}, 206, "456789", "bytes 4-9/10"},
		{"part", []string{"Range", "bytes=2-4"}, 206, "234", "bytes 2-4/10"},
		{"suffix", []string{"Range", "bytes=-3"}, 206, "789", "bytes 7-9/10"},
		{"past the end", []string{"Range", "bytes=8-99"}, 206, "89", "bytes 8-9/10"},
		{"unsatisfiable", []string{"Range", "bytes=10-"}, 416, "", "bytes */10"},
		{"malformed", []string{"Range", "bytes=x"}, 416, "", ""},
		{"matching if-range", []string{"Range", "bytes=2-4", "If-Range", etag}, 206, "234", "bytes 2-4/10"},
		{"other if-range", []string{"Range", "bytes=20-", "If-Range", `"x"`}, 200, content, ""},
		{"if-none-match", []string{"If-None-Match", etag}, 304, "", ""},
		{"if-none-match of another", []string{"If-None-Match", `"x"`}, 200, content, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := r.get(downloadClaims(r, content), tc.header...)
			if rec.Code != tc.status || rec.Header().Get("Content-Range") != tc.contentRange {
				t.Errorf("%d %q", rec.Code, rec.Header().Get("Content-Range"))
			}
			if tc.status == 416 {
				if message(rec) != "Requested range not satisfiable" || rec.Header().Get("Content-Type") != "application/json" {
					t.Errorf("%q %s", rec.Header().Get("Content-Type"), rec.Body)
				}
			} else if rec.Body.String() != tc.body {
				t.Errorf("body %q", rec.Body)
			}
		})
	}
}

func TestMultipleRanges(t *testing.T) {
	r := newRig(t)
	r.store("0123456789")
	rec := r.get(downloadClaims(r, "0123456789"), "Range", "bytes=0-1,5-6")
	kind, params, err := mime.ParseMediaType(rec.Header().Get("Content-Type"))
	if rec.Code != 206 || kind != "multipart/byteranges" || err != nil {
		t.Fatalf("%d %s", rec.Code, rec.Header().Get("Content-Type"))
	}
	parts := multipart.NewReader(rec.Body, params["boundary"])
	for _, want := range []string{"01", "56"} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(part); string(b) != want {
			t.Errorf("%q, want %q", b, want)
		}
	}
}

// TestDownloadOverTheNetwork: a blob without digests is sent by the kernel, so over a real connection the file itself
// must reach the connection's ReadFrom.
func TestDownloadOverTheNetwork(t *testing.T) {
	r := newRig(t)
	content := strings.Repeat("0123456789abcdef", 1<<16)
	r.store(content)
	if err := os.Remove(r.path(content) + layout.SumsSuffix); err != nil {
		t.Fatal(err)
	}
	var source io.Reader
	handler := providertest.ServeRoutes(r.Routes())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		handler.ServeHTTP(&sourceSpy{w, &source}, req)
	}))
	defer server.Close()
	for _, method := range []string{"HEAD", "GET"} {
		req, _ := http.NewRequest(method, server.URL+r.target(downloadPath, downloadClaims(r, content)), nil)
		req.Header.Set("X-User", "u")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || res.ContentLength != int64(len(content)) {
			t.Errorf("%s: %d, length %d, %v", method, res.StatusCode, res.ContentLength, err)
		}
		if method == "GET" && string(body) != content {
			t.Errorf("%d bytes differ", len(body))
		}
	}
	limited, ok := source.(*io.LimitedReader)
	if !ok {
		t.Fatalf("the response was fed from a %T", source)
	}
	if _, ok := limited.R.(*os.File); !ok {
		t.Errorf("the response was fed from a %T", limited.R)
	}
}

type sourceSpy struct {
	http.ResponseWriter
	source *io.Reader
}

func (s *sourceSpy) ReadFrom(r io.Reader) (int64, error) {
	*s.source = r
	return io.Copy(s.ResponseWriter, r)
}

func (s *sourceSpy) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func FuzzRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-1", "bytes=-1", "bytes=1-0,2-", "bytes=0-0,0-0,0-0", "x", ""} {
		f.Add(seed)
	}
	r := newRig(f)
	r.store("0123456789")
	f.Fuzz(func(t *testing.T, value string) {
		r.t = t
		rec := r.get(downloadClaims(r, "0123456789"), "Range", value)
		switch rec.Code {
		case 200, 206, 416:
		default:
			t.Errorf("%q: %d", value, rec.Code)
		}
	})
}

func FuzzFilename(f *testing.F) {
	for _, seed := range []string{"a.png", "../../x", "a\x00b", "\u202egnp.exe", `"; filename=x`, "é.pdf", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		header := contentDisposition("attachment", name)
		kind, _, err := mime.ParseMediaType(header)
		if err != nil || kind != "attachment" || strings.ContainsAny(header, "\r\n\x00/\\") {
			t.Errorf("%q: %q, %v", name, header, err)
		}
	})
}
