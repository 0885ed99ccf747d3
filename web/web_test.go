//go:build !noweb

package web

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// client writes the files of a static client and returns its directory.
func client(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func handler(t *testing.T, dir string) http.Handler {
	t.Helper()
	h, err := New(inCloud(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// get sends a request as a browser does: navigation for pages, otherwise as a script or a stylesheet.
func get(h http.Handler, path string, navigation bool) *http.Response {
	r := httptest.NewRequest(http.MethodGet, "http://example.org/", nil)
	r.URL.Path = path
	r.Header.Set("Accept", "*/*")
	if navigation {
		r.Header.Set("Accept", "text/html,application/xhtml+xml")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestStaticClient(t *testing.T) {
	dir := client(t, map[string]string{
		"index.html": "start", "200.html": "shell", "about.html": "about", "docs/index.html": "docs", "_nuxt/entry.AbCd1234.js": "js",
		"_nuxt/builds/latest.json": "{}", "_nuxt/x.woff2": "font", "sw.js": "worker", ".env": "SECRET=1", ".git/config": "git",
		".well-known/security.txt": "contact", "empty/only.css": "css", "grüße.txt": "hello", "site.webmanifest": "{}",
	})
	if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "outside.txt"), []byte("outside"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("..", "outside.txt"), filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	h := handler(t, dir)
	const immutable, revalidate = "public, max-age=31536000, immutable", "no-cache"
	for _, tc := range []struct {
		path       string
		navigation bool
		status     int
		body       string
		mime       string
		cache      string
	}{
		{"/", true, 200, "start", "text/html", revalidate},
		{"/index.html", true, 200, "start", "text/html", revalidate},
		{"/about", true, 200, "about", "text/html", revalidate},
		{"/docs/", true, 200, "docs", "text/html", revalidate},
		{"/docs", true, 200, "docs", "text/html", revalidate},
		{"/chat/123", true, 200, "shell", "text/html", revalidate},
		{"/chat/123", false, 404, "Not Found", "text/plain", revalidate},
		{"/_nuxt/entry.AbCd1234.js", false, 200, "js", "text/javascript", immutable},
		{"/_nuxt/builds/latest.json", false, 200, "{}", "application/json", revalidate},
		{"/_nuxt/missing.js", false, 404, "Not Found", "text/plain", revalidate},
		{"/_nuxt/x.woff2", false, 200, "font", "font/woff2", immutable},
		{"/sw.js", false, 200, "worker", "text/javascript", revalidate},
		{"/site.webmanifest", false, 200, "{}", "application/manifest+json", revalidate},
		{"/grüße.txt", false, 200, "hello", "text/plain", revalidate},
		{"/.well-known/security.txt", false, 200, "contact", "text/plain", revalidate},
		{"/.env", false, 404, "Not Found", "", ""},
		{"/.git/config", false, 404, "Not Found", "", ""},
		{"/empty/", false, 404, "Not Found", "", ""}, // directories are not listed
		{"/link.txt", false, 404, "Not Found", "", ""},
		{"/../outside.txt", false, 404, "Not Found", "", ""},
		{"/..%2foutside.txt", false, 404, "Not Found", "", ""},
		{"/%2e%2e/outside.txt", false, 404, "Not Found", "", ""},
		{"/a\x00b", false, 404, "Not Found", "", ""},
		{`/..\outside.txt`, false, 404, "Not Found", "", ""},
	} {
		t.Run(tc.path, func(t *testing.T) {
			res := get(h, tc.path, tc.navigation)
			if got := strings.TrimSpace(body(t, res)); res.StatusCode != tc.status || got != tc.body {
				t.Errorf("%d %q, want %d %q", res.StatusCode, got, tc.status, tc.body)
			}
			if got := res.Header.Get("Content-Type"); !strings.HasPrefix(got, tc.mime) {
				t.Errorf("Content-Type %q", got)
			}
			if got := res.Header.Get("Cache-Control"); tc.cache != "" && got != tc.cache {
				t.Errorf("Cache-Control %q", got)
			}
			if res.StatusCode == 200 && (res.Header.Get("ETag") == "" || res.Header.Get("X-Content-Type-Options") != "nosniff") {
				t.Errorf("headers %v", res.Header)
			}
		})
	}
}

func TestUnchangedFilesAreNotSentAgain(t *testing.T) {
	for name, h := range map[string]http.Handler{
		"directory": handler(t, client(t, map[string]string{"index.html": "start"})), "page": handler(t, ""),
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("If-None-Match", get(h, "/", true).Header.Get("ETag"))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusNotModified || w.Body.Len() > 0 {
				t.Errorf("%d with %d bytes", w.Code, w.Body.Len())
			}
		})
	}
}

// compressed returns what gzip makes of a text.
func compressed(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestFilesAreCompressedForBrowsersThatAcceptIt(t *testing.T) {
	twin := compressed(t, "script")
	h := handler(t, client(t, map[string]string{
		"index.html": "start", "_nuxt/a.js": "script", "_nuxt/a.js.gz": twin, "backup.tar": "tar", "backup.tar.gz": "archive",
	}))
	request := func(path string, header ...string) *http.Response {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	for accept, want := range map[string]string{
		"": "", "identity": "", "br": "", "gzip;q=0": "", "gzip; q=0.0": "", "gzip;q=x": "", "*": "", "xgzip": "",
		"gzip": "gzip", "br, GZIP": "gzip", "deflate,gzip ;q=0.5": "gzip", "gzip;q=1, identity": "gzip",
	} {
		res := request("/_nuxt/a.js", "Accept-Encoding", accept)
		if got := res.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: %q, want %q", accept, got, want)
		}
		content := map[string]string{"": "script", "gzip": twin}[want]
		if got := body(t, res); got != content {
			t.Errorf("Accept-Encoding %q: body %q", accept, got)
		}
		if res.Header.Get("Vary") != "Accept-Encoding" || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/javascript") ||
			!strings.HasSuffix(res.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("Accept-Encoding %q: %v", accept, res.Header)
		}
	}

	plain, packed := request("/_nuxt/a.js").Header.Get("ETag"), request("/_nuxt/a.js", "Accept-Encoding", "gzip").Header.Get("ETag")
	if plain == packed {
		t.Errorf("both forms have the tag %s", plain)
	}
	if res := request("/_nuxt/a.js", "Accept-Encoding", "gzip", "If-None-Match", packed); res.StatusCode != http.StatusNotModified || res.Header.Get("Vary") == "" {
		t.Errorf("unchanged: %d %v", res.StatusCode, res.Header)
	}
	if res := request("/_nuxt/a.js", "Accept-Encoding", "gzip", "If-None-Match", plain); res.StatusCode != http.StatusOK {
		t.Errorf("the tag of the other form: %d", res.StatusCode)
	}
	res := request("/_nuxt/a.js", "Accept-Encoding", "gzip", "Range", "bytes=2-5", "If-Range", packed)
	if got := body(t, res); res.StatusCode != http.StatusPartialContent || got != twin[2:6] || res.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("range: %d %q %v", res.StatusCode, got, res.Header)
	}
	res = request("/_nuxt/a.js", "Accept-Encoding", "gzip", "Range", "bytes=2-5", "If-Range", plain)
	if got := body(t, res); res.StatusCode != http.StatusOK || got != twin {
		t.Errorf("range of the other form: %d %q", res.StatusCode, got)
	}
	if res := request("/_nuxt/a.js", "Accept-Encoding", "gzip", "Range", "bytes=9999-"); res.StatusCode != http.StatusRequestedRangeNotSatisfiable || res.Header.Get("Content-Encoding") != "" {
		t.Errorf("range beyond the end: %d %v", res.StatusCode, res.Header)
	}
	if got := body(t, request("/backup.tar", "Accept-Encoding", "gzip")); got != "tar" {
		t.Errorf("an archive that only has a similar name: %q", got)
	}
	if got := body(t, request("/backup.tar.gz", "Accept-Encoding", "gzip")); got != "archive" {
		t.Errorf("an archive: %q", got)
	}
}

func TestMethods(t *testing.T) {
	h := handler(t, "")
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "DELETE": 405, "OPTIONS": 405} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", method, w.Code, want)
		}
	}
}

func TestDirectoriesThatAreNotAClient(t *testing.T) {
	for name, dir := range map[string]string{
		"missing": filepath.Join(t.TempDir(), "none"), "empty": t.TempDir(), "a file": filepath.Join(client(t, map[string]string{"f": ""}), "f"),
	} {
		if _, err := New(inCloud(t, dir)); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestThePageNeedsNothingButItself keeps the policy strict and the page working under it: no inline script or style, no
// address of another origin.
func TestThePageNeedsNothingButItself(t *testing.T) {
	h := handler(t, "")
	res := get(h, "/", true)
	policy := res.Header.Get("Content-Security-Policy")
	if got := res.Header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy %q: the token of an invite goes with every file", got)
	}
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("%q is not in %q", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || strings.Contains(policy, "*") {
		t.Errorf("policy %q", policy)
	}
	page := body(t, res)
	if !strings.Contains(page, "<noscript>") {
		t.Error("without JavaScript the page says nothing")
	}
	for name, pattern := range map[string]string{
		"inline script": `<script[^>]*>[^<]`, "inline style": `<style|\sstyle=`, "event attribute": `\son[a-z]+=`, "other origin": `(?:src|href)="(?:https?:)?//`,
	} {
		if m := regexp.MustCompile(pattern).FindString(page); m != "" {
			t.Errorf("%s: %s", name, m)
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if res := get(h, "/"+m[1], false); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", m[1], res.StatusCode)
		}
	}
}

// TestThePageIsWholeInBothForms shows that what a browser gets unpacked is the file itself, and that what has a hash in
// its name is kept forever.
func TestThePageIsWholeInBothForms(t *testing.T) {
	h := handler(t, "")
	compressed := 0
	err := fs.WalkDir(pageFiles, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, ".gz") {
			return err
		}
		path := strings.TrimPrefix(name, "page")
		plain := get(h, path, false)
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		res := w.Result()
		for _, res := range []*http.Response{plain, res} {
			immutable := strings.Contains(res.Header.Get("Cache-Control"), "immutable")
			if res.StatusCode != http.StatusOK || res.Header.Get("ETag") == "" || immutable != strings.HasPrefix(path, "/assets/") {
				t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
			}
		}
		if res.Header.Get("Content-Encoding") != "gzip" {
			return nil
		}
		compressed++
		unpacked, err := gzip.NewReader(res.Body)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(unpacked)
		if err != nil {
			return err
		}
		if string(got) != body(t, plain) {
			t.Errorf("%s unpacked is not the file", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if compressed == 0 {
		t.Error("nothing is compressed")
	}
}

func FuzzPaths(f *testing.F) {
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("start"), 0o644); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".secret"), []byte("secret"), 0o644); err != nil {
		f.Fatal(err)
	}
	h, err := New(inCloud(f, dir))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{"/", "/../etc/passwd", "/.secret", "/a/../.secret", "//x", "/a/./b", "", "\\..\\x", "/index.html/"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		res := get(h, path, false)
		if got := body(t, res); res.StatusCode == http.StatusOK && got != "start" {
			t.Errorf("%q got %q", path, got)
		}
	})
}

// A server without accounts says so in the page itself, so that the page has no one to ask for.
func TestThePageKnowsWhereThereAreNoAccounts(t *testing.T) {
	for _, accounts := range []bool{true, false} {
		o := inCloud(t, "")
		if !accounts {
			o = withoutCloud(t, "")
		}
		h, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/", "/index.html", "/anywhere"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header.Set("Accept", "text/html")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if off := strings.Contains(w.Body.String(), `<html data-accounts="off" lang="en">`); w.Code != 200 || off == accounts {
				t.Errorf("accounts %t: GET %s: %d, marked %t", accounts, path, w.Code, off)
			}
			r.Header.Set("If-None-Match", w.Header().Get("ETag"))
			again := httptest.NewRecorder()
			if h.ServeHTTP(again, r); again.Code != http.StatusNotModified {
				t.Errorf("accounts %t: GET %s again: %d", accounts, path, again.Code)
			}
		}
	}
}
