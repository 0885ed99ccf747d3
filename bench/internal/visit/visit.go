// Package visit does what a browser does that comes to a client for the first time: it loads the page, what the page
// names, and then what the service worker stores for later.
package visit

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"time"

	"github.com/andybalholm/brotli"
)

// Result is what a visit came to.
type Result struct {
	// Page is the time until the page and what it names are there, All the time until the worker has its files as well.
	Page, All time.Duration
	// Files is how many were loaded, and Codings how many of them in each content coding.
	Files   int
	Codings map[string]int
}

// Connections is how many connections a browser opens to a server that speaks HTTP/1.1.
const Connections = 6

var (
	tag       = regexp.MustCompile(`<(?:script|link)\b[^>]*>`)
	rel       = regexp.MustCompile(`\brel="(?:stylesheet|modulepreload|preload|icon|manifest)"`)
	script    = regexp.MustCompile(`^<script\b`)
	address   = regexp.MustCompile(`\b(?:src|href)="([^"]+)"`)
	precached = regexp.MustCompile(`["']?\burl["']?:\s*["']([^"']+)["']`)
)

// First visits the page at a server.
func First(ctx context.Context, server string) (Result, error) {
	v := &visitor{base: &url.URL{Scheme: "http", Host: server, Path: "/"}, seen: map[string]bool{}, codings: map[string]int{}}
	v.client = &http.Client{Transport: &http.Transport{MaxConnsPerHost: Connections, MaxIdleConnsPerHost: Connections, DisableCompression: true}}
	defer v.client.CloseIdleConnections()
	began := time.Now()
	page, err := v.read(ctx, "/")
	if err != nil {
		return Result{}, err
	}
	var named []string
	for _, t := range tag.FindAllString(string(page), -1) {
		if m := address.FindStringSubmatch(t); m != nil && (script.MatchString(t) || rel.MatchString(t)) {
			named = append(named, m[1])
		}
	}
	if len(named) == 0 {
		return Result{}, fmt.Errorf("the page at %s names no files", server)
	}
	if err := v.load(ctx, named); err != nil {
		return Result{}, err
	}
	r := Result{Page: time.Since(began)}
	worker, err := v.read(ctx, "/sw.js")
	if err != nil {
		return Result{}, err
	}
	var stored []string
	for _, m := range precached.FindAllStringSubmatch(string(worker), -1) {
		stored = append(stored, m[1])
	}
	if len(stored) == 0 {
		return Result{}, fmt.Errorf("the service worker at %s stores no files", server)
	}
	err = v.load(ctx, stored)
	r.All, r.Files, r.Codings = time.Since(began), len(v.seen), v.codings
	return r, err
}

// visitor is a browser with an empty cache.
type visitor struct {
	base   *url.URL
	client *http.Client

	mu      sync.Mutex
	seen    map[string]bool
	codings map[string]int
}

// read loads a file and unpacks it.
func (v *visitor) read(ctx context.Context, path string) ([]byte, error) {
	return v.get(ctx, path, true)
}

// load loads files that were not loaded before, as many at once as there are connections.
func (v *visitor) load(ctx context.Context, addresses []string) error {
	work := make(chan string)
	failed := make(chan error, Connections)
	for range Connections {
		go func() {
			var err error
			for path := range work {
				if err == nil {
					_, err = v.get(ctx, path, false)
				}
			}
			failed <- err
		}()
	}
	for _, a := range addresses {
		u, err := v.base.Parse(a)
		if err != nil || u.Host != v.base.Host { // of elsewhere
			continue
		}
		v.mu.Lock()
		known := v.seen[u.RequestURI()]
		v.seen[u.RequestURI()] = true
		v.mu.Unlock()
		if !known {
			work <- u.RequestURI()
		}
	}
	close(work)
	var first error
	for range Connections {
		if err := <-failed; first == nil {
			first = err
		}
	}
	return first
}

func (v *visitor) get(ctx context.Context, path string, unpack bool) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base.Scheme+"://"+v.base.Host+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "text/html,*/*")
	r.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
	if path == "/" {
		r.Header.Set("Sec-Fetch-Dest", "document")
	}
	res, err := v.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", path, res.Status)
	}
	coding := res.Header.Get("Content-Encoding")
	v.mu.Lock()
	v.seen[path] = true
	v.codings[coding]++
	v.mu.Unlock()
	if !unpack {
		_, err = io.Copy(io.Discard, res.Body)
		return nil, err
	}
	switch coding {
	case "":
		return io.ReadAll(res.Body)
	case "br":
		return io.ReadAll(brotli.NewReader(res.Body))
	}
	return nil, fmt.Errorf("GET %s: %s, which is not what a browser would have got", path, coding)
}
