//go:build !noweb

package web

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"

	"or3.chat/cloud/docs/site"
	"or3.chat/cloud/httpapi"
)

// documentsPolicy lets the pages load their own script and style, and ask their own server what the search needs.
const documentsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// documents serves the documentation, which is rendered when someone reads it for the first time.
var documents = sync.OnceValues(func() (*static, error) {
	files, err := site.Files()
	if err != nil {
		return nil, fmt.Errorf("documentation: %w", err)
	}
	folder := memoryFolder(files)
	return &static{
		files: folder, folder: newCache().Folder(folder),
		header: http.Header{"Content-Security-Policy": {documentsPolicy}, "Referrer-Policy": {pageReferrer}},
	}, nil
})

func withDocuments(next http.Handler, base string, paths ...string) http.Handler {
	return below{next, base, paths, documentation{}}
}

// documentation is the documentation at the path where it is.
type documentation struct{}

// ServeHTTP implements http.Handler.
func (documentation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, err := documents()
	if err != nil {
		httpapi.RecordOf(r).Err = err
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	s.ServeHTTP(w, r)
}

// below has pages below some paths, and leaves the others to the next handler.
type below struct {
	next  http.Handler
	base  string // the path below which browsers see this server
	paths []string
	pages http.Handler
}

// ServeHTTP implements http.Handler.
func (b below) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, path := range b.paths {
		switch {
		case r.URL.Path == path: // links of the pages are relative
			http.Redirect(w, r, b.base+path+"/", http.StatusMovedPermanently)
			return
		case strings.HasPrefix(r.URL.Path, path+"/"):
			http.StripPrefix(path, b.pages).ServeHTTP(w, r)
			return
		}
	}
	b.next.ServeHTTP(w, r)
}

// memoryFolder is a folder of files in memory.
type memoryFolder map[string][]byte

// Open implements fs.FS.
func (f memoryFolder) Open(name string) (fs.File, error) {
	content, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memoryFile{bytes.NewReader(content), name}, nil
}
