//go:build !noweb

package web

import (
	"embed"
	"io/fs"
	"net/http"
)

// BuiltIn says that the binary has the built-in page.
const BuiltIn = true

//go:embed page
var pageFiles embed.FS

// pagePolicy lets the page load its own script, style and icon and talk to its own origin, and nothing else. No one may
// frame it: it has password fields. Text becomes HTML only through Vue, which does so with its own templates alone.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types vue"

// pageReferrer keeps the page's address to the page: in it may be the token of an invite, which the proxy in front
// would log with each file that the page loads. What the page sends by script carries its Origin all the same.
const pageReferrer = "no-referrer"

// page returns the built-in page.
func page(m marks) (http.Handler, error) {
	files, err := fs.Sub(pageFiles, "page")
	if err == nil {
		files, err = marked(files, m)
	}
	if err != nil {
		return nil, err
	}
	return ownStatic(files)
}

// ownStatic serves files of the built-in pages.
func ownStatic(files fs.FS) (*static, error) {
	s, err := newStatic(files, newCache())
	if err != nil {
		return nil, err
	}
	s.hashed = []string{"assets/"}
	s.header = http.Header{"Content-Security-Policy": {pagePolicy}, "Referrer-Policy": {pageReferrer}}
	return s, nil
}
