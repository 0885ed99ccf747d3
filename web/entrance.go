package web

import (
	"net/http"
	"net/url"
	"strings"

	"or3.chat/cloud/setting"
)

// AccountPath is where the built-in page is beside a client.
const AccountPath = "/account"

// entrance serves a client and, below /account/, the built-in page, on which people sign in and manage their accounts whatever the client
// can do. To a client that cannot sign anybody in, whoever has no session comes by way of that page; so do the links of
// letters, whose fragments browsers keep on the way.
type entrance struct {
	client   *directory
	account  http.Handler             // nil in a binary without the page
	base     string                   // the path below which browsers see this server
	signedIn func(*http.Request) bool // nil leads nobody away
}

// ServeHTTP implements http.Handler.
func (e *entrance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case e.account == nil:
	case path == AccountPath:
		e.redirect(w, r, r.URL.Query())
		return
	case strings.HasPrefix(path, AccountPath+"/"):
		http.StripPrefix(AccountPath, e.account).ServeHTTP(w, r)
		return
	case !e.client.current().now.found.lacksAccountUI(), !isNavigation(r), r.Header.Get("Sec-Fetch-Dest") == "iframe", e.signedIn == nil:
	case !e.client.current().now.isPage(path):
	case path == setting.AdminPages || strings.HasPrefix(path, setting.AdminPages+"/"): // who sees them is decided before; a super administrator has no session
	case !e.signedIn(r):
		query := r.URL.Query()
		query.Set("continue", "")
		e.redirect(w, r, query)
		return
	}
	e.client.ServeHTTP(w, r)
}

func (e *entrance) redirect(w http.ResponseWriter, r *http.Request, query url.Values) {
	to := url.URL{Path: e.base + AccountPath + "/", RawQuery: query.Encode()}
	w.Header().Set("Cache-Control", "no-store") // it depends on who asks
	http.Redirect(w, r, to.String(), http.StatusFound)
}
