package web

import (
	"net/http"
	"net/url"
	"strings"

	"or3.chat/cloud/instance"
	"or3.chat/cloud/setting"
)

// AccountPath is where the built-in page is, whatever else is shown.
const AccountPath = "/account"

// AccountPage is the path of the page to which one-time links lead (or3cloud.Entrance): the built-in one, which is
// there beside every client. It is empty where that page is of no help: in a binary without it, and where another
// provider signs people in.
func AccountPage(plan instance.Plan) string {
	if !BuiltIn || !plan.Auth.On || !signsInHere(plan.Auth.ID) {
		return ""
	}
	return AccountPath + "/"
}

// entrance serves what is shown and, below /account/, the built-in page, on which people sign in and manage their
// accounts whatever the client can do. To a client that cannot sign anyone in, people without a session come by way of
// that page; so do invites, of which OR3 Chat makes links that other clients know nothing of.
type entrance struct {
	client   *directory               // nil where the built-in page is all that is shown
	account  http.Handler             // nil in a binary without the page
	base     string                   // the path below which browsers see this server
	invites  bool                     // whether the built-in page is one for invites
	signedIn func(*http.Request) bool // nil leads no one away
}

// ServeHTTP implements http.Handler.
func (e *entrance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, query := r.URL.Path, r.URL.Query()
	switch {
	case e.account == nil:
	case path == AccountPath:
		e.redirect(w, r, query, "")
		return
	case strings.HasPrefix(path, AccountPath+"/"):
		http.StripPrefix(AccountPath, e.account).ServeHTTP(w, r)
		return
	case e.client == nil:
		e.account.ServeHTTP(w, r)
		return
	case !isNavigation(r), r.Header.Get("Sec-Fetch-Dest") == "iframe":
	case path == "/" && e.invites && query.Get("invite") != "" && !e.client.current().now.found.followsInvites():
		token := url.Values{"invite": {query.Get("invite")}}
		query.Del("invite")
		e.redirect(w, r, query, token.Encode())
		return
	case !e.client.current().now.found.lacksAccountUI(), e.signedIn == nil, !e.client.current().now.isPage(path):
	case path == setting.AdminPages || strings.HasPrefix(path, setting.AdminPages+"/"): // who sees them is decided before; a super administrator has no session
	case !e.signedIn(r):
		query.Set("continue", "")
		e.redirect(w, r, query, "")
		return
	}
	e.client.ServeHTTP(w, r)
}

func (e *entrance) redirect(w http.ResponseWriter, r *http.Request, query url.Values, fragment string) {
	to := (&url.URL{Path: e.base + AccountPath + "/", RawQuery: query.Encode()}).String()
	if fragment != "" {
		to += "#" + fragment
	}
	w.Header().Set("Cache-Control", "no-store") // it depends on who asks
	http.Redirect(w, r, to, http.StatusFound)
}
