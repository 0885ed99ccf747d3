package web

import (
	"errors"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/web/internal/encoded"
)

// static serves the files of a client that was built ahead of time. Paths that name no file get the client's shell when
// a browser navigates there, because the client has routes of its own, and a 404 otherwise: a missing script must not
// become a page of HTML. In which coding a file goes out is decided by package encoded.
type static struct {
	files  fs.FS
	folder *encoded.Folder // the same files
	// shell is the file for the client's own routes; empty if there are none.
	shell string
	// hashed are the folders whose files carry a hash of their content in the name.
	hashed []string
	// header is added to every answer.
	header http.Header
}

// shells are the names under which generators write the shell, the better one first: 200.html is the bare shell of a
// client whose index.html was rendered for the start page.
var shells = []string{"200.html", "index.html"}

// newStatic returns a handler for the files. There must be a shell among them. What is compressed of them is kept in
// cache.
func newStatic(files fs.FS, cache *encoded.Cache) (*static, error) {
	s := &static{files: files, folder: cache.Folder(files), hashed: []string{"_nuxt/", "_fonts/"}}
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
	if !readsOnly(w, r) {
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
	notFound(w)
}

// readsOnly reports whether a request only wants to read, and refuses it otherwise.
func readsOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
	return false
}

func notFound(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-cache")
	http.Error(w, "Not Found", http.StatusNotFound)
}

// find returns the file for a path: the file itself, or the index of a directory. Directories are never listed, and
// names that begin with a dot are never served: they are version control and editor files that someone forgot.
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

// isHashed reports whether a file has a hash of its content in its name. Of those in the folders for them, the one that
// names the newest build has none.
func (s *static) isHashed(name string) bool {
	return slices.ContainsFunc(s.hashed, func(folder string) bool {
		return strings.HasPrefix(name, folder) && name != folder+"builds/latest.json"
	})
}

// cacheControl lets browsers keep what has a hash in its name, and makes them ask again for everything else.
func (s *static) cacheControl(name string) string {
	if s.isHashed(name) {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}

// headers sets what a file is sent with.
func (s *static) headers(w http.ResponseWriter, name string) {
	h := w.Header()
	for key, values := range s.header {
		h[key] = values
	}
	h.Set("Cache-Control", s.cacheControl(name))
	h.Set("X-Content-Type-Options", "nosniff")
	if contentType, ok := contentTypes[path.Ext(name)]; ok {
		h.Set("Content-Type", contentType)
	}
}

func (s *static) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	s.headers(w, name)
	h := w.Header()
	if err := s.folder.Serve(w, r, name); err != nil {
		h.Set("Cache-Control", "no-cache")
		if errors.Is(err, fs.ErrNotExist) {
			http.Error(w, "Not Found", http.StatusNotFound)
			return
		}
		httpapi.RecordOf(r).Err = err
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
	}
}

// contentTypes fixes the types that matter, because the machine's own table may lack or change them, and nosniff makes
// a wrong one fatal.
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
