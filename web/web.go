// Package web serves what people see in a browser: a static client from a directory, or the page that is built in.
package web

import (
	"io/fs"
	"net/http"

	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/web/internal/encoded"
	"or3.chat/cloud/web/internal/icons"
)

// Endpoints are what paths begin with that are below /api/ and belong to the client in a directory all the same.
var Endpoints = []string{icons.Path}

// Handler returns the handler for everything outside /api/. With a directory it serves the static client in it; without one
// it serves the built-in page, or is nil in a binary that was built without it (build tag noweb). accounts says whether the
// server has any; the built-in page asks for nobody where it has none.
func Handler(dir string, accounts bool) (http.Handler, error) {
	if dir == "" {
		return page(accounts)
	}
	d, err := newDirectory(dir)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// newCache returns a cache for what is compressed. It takes little of the memory that there is, and even a large client fits in the most.
func newCache() *encoded.Cache {
	return encoded.NewCache(min(membudget.Read().Bytes/16, 64<<20))
}

// has reports whether a file exists and is no directory.
func has(files fs.FS, name string) bool {
	info, err := fs.Stat(files, name)
	return err == nil && info.Mode().IsRegular()
}
