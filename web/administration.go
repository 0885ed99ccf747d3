//go:build !noweb

package web

import (
	"io/fs"
	"net/http"
)

// withAdministration has the built-in pages for administrators below some paths. Who sees what of a deployment is
// decided by the endpoints that they ask; the pages themselves are the same for everyone.
func withAdministration(next http.Handler, base string, m marks, paths ...string) (http.Handler, error) {
	files, err := fs.Sub(pageFiles, "page")
	if err == nil {
		files, err = markedPage(files, "admin.html", m)
	}
	if err != nil {
		return nil, err
	}
	pages, err := ownStatic(files)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		next = below{next, base, []string{path}, administration{pages, base + path + "/"}}
	}
	return next, nil
}

// administration are the pages at one path.
type administration struct {
	*static
	start string
}

// ServeHTTP implements http.Handler. What the pages show stands behind the # of the address, so there is one page; a
// request for another one, as by an old link, is led there.
func (a administration) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, found := a.find(r.URL.Path); !found && isNavigation(r) && readsOnly(w, r) {
		http.Redirect(w, r, a.start, http.StatusFound)
		return
	}
	a.static.ServeHTTP(w, r)
}
