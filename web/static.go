package web

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// static serves the files of a client that was built ahead of time. Paths that name no file get the client's shell when a
// browser navigates there, because the client has routes of its own, and a 404 otherwise: a missing script must not
// become a page of HTML. A file beside which the build put one of the same name and ".gz" goes out compressed to whoever
// takes that; nothing is compressed while people wait.
type static struct {
	files fs.FS
	// shell is the file for the client's own routes.
	shell string
	// hashed are the folders whose files carry a hash of their content in the name.
	hashed []string
	// etag identifies the content of a file for caches; empty means none.
	etag func(name string, info fs.FileInfo) string
	// header is added to every answer.
	header http.Header
}

// shells are the names under which generators write the shell, the better one first: 200.html is the bare shell of a client
// whose index.html was rendered for the start page.
var shells = []string{"200.html", "index.html"}

// newStatic returns a handler for the files. There must be a shell among them.
func newStatic(files fs.FS) (*static, error) {
	s := &static{files: files, hashed: []string{"_nuxt/", "_fonts/"}, etag: func(_ string, info fs.FileInfo) string {
		return fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size())
	}}
	for _, name := range shells {
		if has(files, name) {
			s.shell = name
			return s, nil
		}
	}
	return nil, errors.New("has no index.html; give the directory that the client's build wrote")
}

// ServeHTTP implements http.Handler.
func (s *static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	if name, ok := s.find(r.URL.Path); ok {
		s.serveFile(w, r, name)
		return
	}
	if isNavigation(r) {
		s.serveFile(w, r, s.shell)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	http.Error(w, "Not Found", http.StatusNotFound)
}

// find returns the file for a path: the file itself, or the index of a directory. Directories are never listed, and names that begin
// with a dot are never served: they are version control and editor files that someone forgot.
func (s *static) find(urlPath string) (name string, ok bool) {
	name = strings.TrimPrefix(path.Clean("/"+urlPath), "/")
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != ".well-known" {
			return "", false
		}
	}
	for _, candidate := range []string{name, path.Join(name, "index.html"), name + ".html"} {
		if fs.ValidPath(candidate) && has(s.files, candidate) {
			return candidate, true
		}
	}
	return "", false
}

// isNavigation reports whether a browser wants a page, and not a script, an image or data.
func isNavigation(r *http.Request) bool {
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" {
		return dest == "document" || dest == "iframe"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// cacheControl lets browsers keep what has a hash in its name, and makes them ask again for everything else.
func (s *static) cacheControl(name string) string {
	hashed := slices.ContainsFunc(s.hashed, func(folder string) bool { return strings.HasPrefix(name, folder) })
	if hashed && name != "_nuxt/builds/latest.json" {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}

// representation returns the file to send for a name: itself, or its compressed twin. Types that we do not name are sent as they
// are, because they would be guessed from the content.
func (s *static) representation(w http.ResponseWriter, r *http.Request, name string) string {
	compressed := name + ".gz"
	if contentTypes[path.Ext(name)] == "" || !has(s.files, compressed) {
		return name
	}
	w.Header().Add("Vary", "Accept-Encoding") // also when the plain one goes out: a cache must keep the two apart
	if !acceptsGzip(r.Header) {
		return name
	}
	w.Header().Set("Content-Encoding", "gzip")
	return compressed
}

// acceptsGzip reports whether a client takes gzip. It must say so by name, and "gzip;q=0" says no.
func acceptsGzip(h http.Header) bool {
	for _, field := range h.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(field, ",") {
			name, weight, weighted := strings.Cut(coding, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			_, value, _ := strings.Cut(weight, "=")
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return !weighted || err == nil && q > 0
		}
	}
	return false
}

func (s *static) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	sent := s.representation(w, r, name)
	f, err := s.files.Open(sent)
	if err != nil {
		http.Error(w, "Not Found", http.StatusNotFound)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	content, seekable := f.(io.ReadSeeker)
	if err != nil || !seekable {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	for key, values := range s.header {
		h[key] = values
	}
	h.Set("Cache-Control", s.cacheControl(name))
	h.Set("X-Content-Type-Options", "nosniff")
	if tag := s.etag(sent, info); tag != "" {
		h.Set("ETag", tag)
	}
	if contentType, ok := contentTypes[path.Ext(name)]; ok {
		h.Set("Content-Type", contentType)
	}
	http.ServeContent(w, r, name, info.ModTime(), content)
}

// contentTypes fixes the types that matter, because the machine's own table may lack or change them, and nosniff makes a
// wrong one fatal.
var contentTypes = map[string]string{
	".css":         "text/css; charset=utf-8",
	".html":        "text/html; charset=utf-8",
	".ico":         "image/x-icon",
	".js":          "text/javascript; charset=utf-8",
	".json":        "application/json",
	".map":         "application/json",
	".mjs":         "text/javascript; charset=utf-8",
	".svg":         "image/svg+xml",
	".wasm":        "application/wasm",
	".webmanifest": "application/manifest+json",
	".woff2":       "font/woff2",
}
