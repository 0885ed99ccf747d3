package web

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/web/internal/encoded"
	"or3.chat/cloud/web/internal/icons"
)

// directory serves the client in a directory, and follows its path: deployments point a link at the next release, or put
// another directory in its place, while the server runs.
type directory struct {
	path  string
	cache *encoded.Cache // of all that path has led to
	icons *icons.Icons

	mu   sync.Mutex
	info os.FileInfo // of the directory that now is open
	now  *static
}

// newDirectory opens a directory. There must be a client in it.
func newDirectory(path string) (*directory, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open the web directory: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("the web directory %s is a file; give the directory that the client's build wrote", path)
	}
	d := &directory{path: path, cache: newCache(), icons: icons.New()}
	if d.now, err = d.open(); err != nil {
		return nil, err
	}
	d.info = info
	return d, nil
}

// open opens what path leads to at this moment.
func (d *directory) open() (*static, error) {
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return nil, fmt.Errorf("open the web directory: %w", err)
	}
	s, err := newStatic(root.FS(), d.cache)
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("the web directory %s: %w", d.path, err)
	}
	return s, nil
}

// ServeHTTP implements http.Handler.
func (d *directory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := d.current()
	if strings.HasPrefix(r.URL.Path, icons.Path) {
		httpapi.Respond(w, r, func(w http.ResponseWriter, r *http.Request) error { return d.icons.Serve(w, r, s.files) })
		return
	}
	s.ServeHTTP(w, r)
}

// current returns the client that path leads to. While there is none, as between two steps of a deployment, it is the one
// from before. A directory that was left closes itself when no request uses it any more.
func (d *directory) current() *static {
	info, err := os.Stat(d.path)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || os.SameFile(info, d.info) {
		return d.now
	}
	if next, err := d.open(); err == nil {
		d.now, d.info = next, info
	}
	return d.now
}
