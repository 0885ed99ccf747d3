//go:build !noweb

package web

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
)

//go:embed page
var pageFiles embed.FS

// pagePolicy lets the page load its own script, style and icon and talk to its own origin, and nothing else. Nobody may frame
// it: it has password fields. Text becomes HTML only through Vue, which does so with its own templates alone.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types vue"

// pageReferrer keeps the page's address to the page: in it may be the token of an invite, which the proxy in front would log with each
// file that the page loads. What the page sends by script carries its Origin all the same.
const pageReferrer = "no-referrer"

// page returns the built-in page. Embedded files have no time, so their hash is what caches go by.
func page(accounts bool) (http.Handler, error) {
	files, err := fs.Sub(pageFiles, "page")
	if err == nil && !accounts {
		files, err = withoutAccounts(files)
	}
	if err != nil {
		return nil, err
	}
	s, err := newStatic(files)
	if err != nil {
		return nil, err
	}
	s.hashed = []string{"assets/"}
	tags := map[string]string{}
	err = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if errors.Is(err, fs.ErrNotExist) { // a twin that withoutAccounts has taken away
			return nil
		}
		tags[name] = fmt.Sprintf(`"%x"`, sha256.Sum256(data))
		return err
	})
	if err != nil {
		return nil, err
	}
	s.etag = func(name string, _ fs.FileInfo) string { return tags[name] }
	s.header = http.Header{"Content-Security-Policy": {pagePolicy}, "Referrer-Policy": {pageReferrer}}
	return s, nil
}
