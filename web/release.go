package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"or3.chat/cloud/setting"
	"or3.chat/cloud/web/internal/encoded"
	"or3.chat/cloud/web/internal/icons"
	"or3.chat/cloud/web/internal/nuxt"
)

// release is one release of a client, as this server serves it: every navigation gets the one page, which is told of
// the server, and the service worker learns that the page is another one. Everything else are the files of the build.
// Where the server has no accounts, all bytes are the build's.
type release struct {
	*static
	found Found
	base  string
	// page is what the client begins with, in place of every page of the build that begins it.
	page   *document
	policy *policies
	wasm   bool // the client has programs in WebAssembly
	// head are the scripts that the client puts into its page, as sources of a policy.
	head []string
	// scripts are those that go out otherwise than they were built, by name: service workers with another list of
	// files, and what would ask an outside service for icons.
	scripts map[string]*encoded.Content
	// listed are the paths of pages that service workers fetch, whether they exist or not: one 404 and a worker is not
	// installed.
	listed map[string]bool
	// sources are the files that the above was made of, as they were then.
	sources map[string]fs.FileInfo
	cache   *encoded.Cache

	documents sync.Map   // of *document by name: the other pages
	reading   sync.Mutex // held while one of them is read
}

// largestFile is the size of the largest file that is read for what is in it, in bytes. Pages and scripts of clients
// are far smaller, and a film or a report that someone put beside them is not taken into memory.
const largestFile = 16 << 20

// document is an HTML file, with what it is sent with.
type document struct {
	info    fs.FileInfo
	begins  bool // it begins the client
	policy  string
	content *encoded.Content
	// revision names content and policy, for the list of a service worker.
	revision string
}

// newRelease reads a build.
func newRelease(files fs.FS, cache *encoded.Cache, o Options) (*release, error) {
	s, err := newStatic(files, cache)
	if err != nil {
		return nil, missing(files)
	}
	c := &release{
		static: s, found: Found{Cloud: o.Plan.Cloud()}, base: o.Config.String(setting.BasePath), scripts: map[string]*encoded.Content{},
		listed: map[string]bool{}, sources: map[string]fs.FileInfo{}, cache: cache,
	}
	if c.found.Cloud {
		if c.policy, err = newPolicies(o.Config); err != nil {
			return nil, err
		}
	}
	src, err := c.read(s.shell)
	if err != nil {
		return nil, err
	}
	built := nuxt.ReadPage(src)
	if to := built.Redirect(); isLocalHTTPS(to) {
		return nil, fmt.Errorf("was built with its HTTPS switch on: its pages do nothing but lead to %s. "+
			"Build the client again with OR3_FORCE_HTTPS=false; this server redirects to HTTPS by itself where that is asked for", to)
	}
	if err := c.begin(built, o); err != nil {
		return nil, err
	}
	if err := c.reviseWorkers(); err != nil {
		return nil, err
	}
	return c, nil
}

// isLocalHTTPS reports whether an address is that of the machine on which a client was built.
func isLocalHTTPS(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && slices.Contains([]string{"localhost", "127.0.0.1", "::1", "[::1]"}, u.Hostname())
}

// leadsHere reports whether an address is one of the site, "" excepted.
func leadsHere(address string) bool {
	u, err := url.Parse(address)
	return err == nil && address != "" && (u.Scheme == "" && u.Host == "" || isLocalHTTPS(address))
}

// begin makes the page with which the client begins.
func (c *release) begin(built *nuxt.Page, o Options) error {
	var values map[string]any
	if c.found.Cloud {
		values = public(o.Config, o.Plan)
	}
	shown, settings, err := built.Configure(values)
	c.found.Form = Plain
	if built.IsClient() {
		c.found.Form = Server
		if has(c.files, "index.html") {
			c.found.Form = Static
		}
		if settings.BaseURL != "" {
			if err := c.fits(settings.BaseURL); err != nil {
				return err
			}
		}
	}
	switch {
	case !c.found.Cloud: // there is nothing to tell
	case err != nil:
		c.found.Why = err.Error()
	default:
		c.found.Configured = true
	}
	if assets := strings.Trim(settings.Assets, "/") + "/"; assets != "/" && !slices.Contains(c.hashed, assets) {
		c.hashed = append(c.hashed, assets)
	}
	if c.found.Cloud {
		c.look(o.Plan.Auth.ID)
	}
	c.page = &document{begins: true, content: encoded.NewContent(shown.Bytes()), policy: c.policy.of(slices.Concat(shown.Hashes(), c.head), c.wasm, settings.OpenRouterURL)}
	c.page.revision = revision(shown.Bytes(), c.page.policy)
	return nil
}

// fits refuses a client that was built to live below another path than browsers see it at.
func (c *release) fits(built string) error {
	u, err := url.Parse(built)
	if err != nil || strings.TrimRight(u.Path, "/") == c.base {
		return nil
	}
	below := strings.TrimRight(u.Path, "/")
	if below == "" {
		return fmt.Errorf("was built for the path /, and %s is %s: build the client with NUXT_APP_BASE_URL=%s/, or leave %s out",
			setting.BasePath, c.base, c.base, setting.BasePath)
	}
	return fmt.Errorf("was built for the path %s/, and %s is %q: set %s=%s, or build the client with NUXT_APP_BASE_URL=%s/",
		below, setting.BasePath, c.base, setting.BasePath, below, c.base)
}

// accountEndpoints are those that the built-in page calls. A client's UI for the same accounts is known by them.
const accountEndpoints = "/api/basic-auth/"

// signsInHere reports whether the built-in page is one for the accounts of a provider.
func signsInHere(provider string) bool { return "/api/"+provider+"/" == accountEndpoints }

// look searches the scripts of the client for what it does: sign people in at the provider of accounts, run
// WebAssembly, and put scripts into its page. Nothing is known of the UI for another provider, and the built-in page is
// none for it: the client has to have one.
func (c *release) look(provider string) {
	c.found.AccountUI = !signsInHere(provider)
	visit := func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // what cannot be read is not found
		}
		if entry.IsDir() { // into which more may be put, where a client is copied into its place while the server runs
			if info, err := fs.Stat(c.files, name); err == nil {
				c.sources[name] = info
			}
			return nil
		}
		switch path.Ext(name) {
		case ".wasm":
			c.wasm = true
		case ".js", ".mjs":
			src, err := c.read(name)
			if err != nil {
				return nil
			}
			c.found.AccountUI = c.found.AccountUI || strings.Contains(string(src), accountEndpoints)
			c.wasm = c.wasm || strings.Contains(string(src), "WebAssembly.")
			if local, asks := icons.Local(src, c.base); asks {
				c.scripts[name] = encoded.NewContent(local)
			} else {
				delete(c.sources, name)
			}
			for _, source := range nuxt.HeadScripts(src) {
				if !slices.Contains(c.head, source) {
					c.head = append(c.head, source)
				}
			}
		}
		return nil
	}
	for _, folder := range c.hashed { // which may be a link, and beside which may be whatever else
		_ = fs.WalkDir(c.files, path.Clean(folder), visit)
	}
}

// largestWorker is the size of the largest script that is taken for a service worker, in bytes.
const largestWorker = 4 << 20

// reviseWorkers gives the service workers among the scripts of the build the revisions of the pages that they would
// get.
func (c *release) reviseWorkers() error {
	names, err := fs.Glob(c.files, "*.js")
	if err != nil {
		return err
	}
	for _, name := range names {
		if info, err := fs.Stat(c.files, name); err != nil || !info.Mode().IsRegular() || info.Size() > largestWorker {
			continue
		}
		src, err := c.read(name)
		if err != nil {
			return err
		}
		worker := nuxt.ReadWorker(src)
		if worker == nil {
			delete(c.sources, name)
			continue
		}
		for _, address := range worker.Files() {
			if file, ok := c.listedPage(address); ok {
				c.listed[file] = true
			}
		}
		if !c.found.Cloud {
			continue
		}
		c.found.Workers = append(c.found.Workers, name)
		c.scripts[name] = encoded.NewContent(worker.Revise(c.revision, func(a, b string) bool { return c.local(a) == c.local(b) }))
	}
	return nil
}

// local returns the path, without a slash in front, that an address of a worker's list has here; "" for addresses of
// elsewhere.
func (c *release) local(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "" || u.Host != "" {
		return ""
	}
	below := u.Path
	if rest, ok := strings.CutPrefix(below, c.base+"/"); ok && c.base != "" {
		below = rest
	}
	below = path.Clean("/" + below)
	if below == "/" || strings.HasSuffix(u.Path, "/") {
		below = path.Join(below, "index.html")
	}
	return strings.TrimPrefix(below, "/")
}

// listedPage returns the path of an address of a worker's list, if it is one of a page.
func (c *release) listedPage(address string) (file string, ok bool) {
	file = c.local(address)
	switch path.Ext(file) {
	case ".html":
		return file, true
	case "":
		return file, file != "" && !has(c.files, file)
	}
	return "", false
}

// revision returns that of an address of a worker's list, "" if it is not a page.
func (c *release) revision(address string) string {
	file, ok := c.listedPage(address)
	if !ok {
		return ""
	}
	if name, ok := c.find(file); ok {
		if d := c.document(name); d != nil && !d.begins {
			return d.revision
		}
	}
	return c.page.revision
}

// revision names a content with what it is sent with.
func revision(content []byte, policy string) string {
	sum := sha256.New()
	sum.Write(content)
	sum.Write([]byte("\n" + policy))
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// read returns a file, and remembers how it was.
func (c *release) read(name string) ([]byte, error) {
	info, err := fs.Stat(c.files, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > largestFile {
		return nil, fmt.Errorf("%s has more than %d MiB, which is not a page or script of a client", name, largestFile>>20)
	}
	c.sources[name] = info
	return fs.ReadFile(c.files, name)
}

// fresh reports whether the files that were changed here are still those of the build.
func (c *release) fresh() bool {
	for name, before := range c.sources {
		if info, err := fs.Stat(c.files, name); err == nil && !unchanged(before, info) || err != nil && name == c.shell {
			return false
		}
	}
	return true
}

// unchanged reports whether a file is the one that it was. Builds that can be reproduced give all files the same time,
// and their pages are often of the same size; then another file is still another one.
func unchanged(a, b fs.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && (a.Sys() == nil && b.Sys() == nil || os.SameFile(a, b))
}

// document reads an HTML file, once for each of its versions and one at a time; nil if it cannot be read. What begins
// the client, or leads to another page of it, as where its routes were when it was built, gives way to the one page.
// What is too large to be looked at may run no script that stands in it.
func (c *release) document(name string) *document {
	info, err := fs.Stat(c.files, name)
	if err != nil {
		return nil
	}
	known := func() *document {
		if d, ok := c.documents.Load(name); ok && unchanged(d.(*document).info, info) {
			return d.(*document)
		}
		return nil
	}
	if d := known(); d != nil {
		return d
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if d := known(); d != nil {
		return d
	}
	var src []byte
	if info.Size() > largestFile {
		src = fmt.Append(nil, info.Size(), info.ModTime().UnixNano()) // stands for it in the revision
	} else if src, err = fs.ReadFile(c.files, name); err != nil {
		return nil
	}
	read := nuxt.ReadPage(src)
	d := &document{info: info, begins: read.IsClient() || leadsHere(read.Redirect()), policy: c.policy.of(read.Hashes(), false, "")}
	d.revision = revision(src, d.policy)
	c.documents.Store(name, d)
	return d
}

// isPage reports whether a navigation to a path gets the page with which the client begins.
func (c *release) isPage(urlPath string) bool {
	name, ok := c.find(urlPath)
	if !ok {
		return true
	}
	if path.Ext(name) != ".html" {
		return false
	}
	d := c.document(name)
	return d != nil && d.begins
}

// has reports whether there is a file for a path.
func (c *release) has(urlPath string) bool {
	_, ok := c.find(urlPath)
	return ok
}

// keeps reports whether a path is that of a hashed file of this release, which is served after the release has been
// replaced.
func (c *release) keeps(urlPath string) bool {
	name, ok := c.find(urlPath)
	return ok && c.isHashed(name)
}

// ServeHTTP implements http.Handler.
func (c *release) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !readsOnly(w, r) {
		return
	}
	name, ok := c.find(r.URL.Path)
	wanted := isNavigation(r) || r.URL.Path == "/" || c.listed[c.local(r.URL.Path)]
	switch {
	case !ok && !wanted:
		notFound(w)
	case !c.found.Cloud:
		if !ok {
			name = c.shell
		}
		c.serveFile(w, r, name)
	case !ok:
		c.serveDocument(w, r, c.page)
	case c.scripts[name] != nil:
		c.headers(w, name)
		c.cache.Serve(w, r, c.scripts[name])
	case path.Ext(name) == ".html":
		d := c.document(name)
		if d != nil && d.begins || d == nil && name == c.shell {
			c.serveDocument(w, r, c.page)
			return
		}
		if d != nil && d.policy != "" {
			w.Header().Set("Content-Security-Policy", d.policy)
		}
		c.serveFile(w, r, name)
	default:
		c.serveFile(w, r, name)
	}
}

func (c *release) serveDocument(w http.ResponseWriter, r *http.Request, d *document) {
	c.headers(w, c.shell)
	if d.policy != "" {
		w.Header().Set("Content-Security-Policy", d.policy)
	}
	c.cache.Serve(w, r, d.content)
}
