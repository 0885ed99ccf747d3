// Package web serves what people see in a browser: a static client from a directory, or the page that is built in.
package web

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
)

// Handler returns the handler for everything outside /api/. With a directory it serves the static client in it; without one
// it serves the built-in page, or is nil in a binary that was built without it (build tag noweb). accounts says whether the
// server has any; the built-in page asks for nobody where it has none.
func Handler(dir string, accounts bool) (http.Handler, error) {
	if dir == "" {
		return page(accounts)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the web directory: %w", err)
	}
	h, err := newStatic(root.FS())
	if err != nil {
		return nil, fmt.Errorf("the web directory %s: %w", dir, err)
	}
	return h, nil
}

// has reports whether a file exists and is no directory.
func has(files fs.FS, name string) bool {
	info, err := fs.Stat(files, name)
	return err == nil && info.Mode().IsRegular()
}
