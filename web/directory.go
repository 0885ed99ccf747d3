package web

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/web/internal/encoded"
	"or3.chat/cloud/web/internal/icons"
)

// directory serves the client in a directory, and follows its path: deployments point a link at the next release, or
// put another directory in its place, while the server runs. Every request is answered out of one release, except that
// tabs which were opened before the last change still get the hashed files of the release that they belong to.
type directory struct {
	options Options
	cache   *encoded.Cache // of all that the path has led to
	icons   *icons.Icons

	served  atomic.Pointer[served]
	mu      sync.Mutex // held while another release is opened
	refused refusal
}

// refusal says why what the path leads to is not served.
type refusal struct {
	why  string
	info os.FileInfo // of the directory
	at   time.Time
}

// again is how long a directory that was refused is not looked at while nothing was put into it or taken out: every
// request would have it read.
const again = time.Second

// holds reports whether there is no use in looking at a directory.
func (r refusal) holds(info os.FileInfo) bool {
	return r.info != nil && info != nil && unchanged(r.info, info) && time.Since(r.at) < again
}

// served is what a directory serves at a moment.
type served struct {
	info os.FileInfo // of the directory of now
	now  *release
	// before is the release that now has replaced; nil at first.
	before *release
}

// newDirectory opens a directory. There must be a client in it.
func newDirectory(o Options) (*directory, error) {
	info, err := os.Stat(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the web directory: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("the web directory %s is a file; give the directory that the client's build wrote", o.Dir)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &directory{options: o, cache: newCache(), icons: icons.New()}
	first, err := d.open()
	if err != nil {
		return nil, err
	}
	d.served.Store(first)
	first.now.found.log(o.Log, o.Dir)
	return d, nil
}

// open opens what the path leads to at this moment.
func (d *directory) open() (*served, error) {
	root, err := os.OpenRoot(d.options.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the web directory: %w", err)
	}
	info, err := root.Stat(".")
	var c *release
	if err == nil {
		c, err = newRelease(root.FS(), d.cache, d.options)
	}
	if err != nil {
		root.Close()
		var file *fs.PathError
		if errors.As(err, &file) { // it names the file from the directory
			file.Path = filepath.Join(d.options.Dir, file.Path)
		}
		return nil, fmt.Errorf("the web directory %s: %w", d.options.Dir, err)
	}
	return &served{info: info, now: c}, nil
}

// ServeHTTP implements http.Handler.
func (d *directory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := d.current()
	if strings.HasPrefix(r.URL.Path, icons.Path) {
		httpapi.Respond(w, r, func(w http.ResponseWriter, r *http.Request) error { return d.icons.Serve(w, r, s.now.files) })
		return
	}
	if s.before != nil && !s.now.has(r.URL.Path) && s.before.keeps(r.URL.Path) {
		s.before.ServeHTTP(w, r)
		return
	}
	s.now.ServeHTTP(w, r)
}

// current returns what the path leads to. While there is no client, as between two steps of a deployment, it is what
// was there before. A directory that was left closes itself when nothing uses it any more.
func (d *directory) current() *served {
	s := d.served.Load()
	if d.holds(s) {
		return s
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s = d.served.Load(); d.holds(s) {
		return s
	}
	info, _ := os.Stat(d.options.Dir) // open says what is wrong with it
	if d.refused.holds(info) {
		return s
	}
	next, err := d.open()
	if err != nil {
		if err.Error() != d.refused.why {
			d.options.Log.Warn("the client that was there before is served on", "error", err)
		}
		d.refused = refusal{err.Error(), info, time.Now()}
		return s
	}
	next.before = s.before
	if !os.SameFile(s.info, next.info) {
		next.before = s.now
	}
	d.refused = refusal{}
	d.served.Store(next)
	next.now.found.log(d.options.Log, d.options.Dir)
	return next
}

// holds reports whether s is still what the path leads to, or the best that there is.
func (d *directory) holds(s *served) bool {
	info, err := os.Stat(d.options.Dir)
	return err != nil || os.SameFile(info, s.info) && s.now.fresh()
}
