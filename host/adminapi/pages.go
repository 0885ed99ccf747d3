package adminapi

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/setting"
)

// Pages keeps everyone but administrators away from the pages of a client for administrators, and shows them at
// OR3_ADMIN_BASE_PATH (contract, workspaces-and-admin §2). What the pages show comes from the endpoints, which decide
// for themselves; here it is only decided who sees them at all. It looks at the path without its query, and at all
// spellings of it that routers of clients take for the same.
func (a *API) Pages(next http.Handler) http.Handler {
	base := a.opt.Config.String(setting.AdminBasePath)
	public := a.opt.Config.String(setting.BasePath) + base
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := path.Clean("/" + r.URL.Path)
		rest, ours := below(at, base)
		if !ours {
			if _, hidden := below(at, setting.AdminPages); hidden {
				httpapi.Respond(w, r, httpapi.NotFound)
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store") // it depends on who asks
		if a.opt.SuperAdmin == nil || !a.visible(r) {
			httpapi.Respond(w, r, httpapi.NotFound)
			return
		}
		caller, err := a.identify(r, row{endpoint: endpoint{may: admins}})
		login := strings.EqualFold(rest, "/login")
		switch {
		case err != nil:
			httpapi.WriteError(w, r, err)
		case login && caller.Kind != "":
			redirect(w, r, public+"/workspaces")
		case !login && caller.Kind == "":
			redirect(w, r, public+"/login")
		case base != setting.AdminPages:
			shown := r.Clone(r.Context())
			shown.URL.Path, shown.URL.RawPath = setting.AdminPages+rest, ""
			next.ServeHTTP(w, shown)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// OwnPages keeps the built-in pages for administrators from where there is no administration. What they show comes from
// the endpoints.
func (a *API) OwnPages(next http.Handler, paths ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, base := range paths {
			if _, ours := below(path.Clean("/"+r.URL.Path), base); ours && !a.visible(r) {
				w.Header().Set("Cache-Control", "no-store") // it depends on who asks
				httpapi.Respond(w, r, httpapi.NotFound)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// below returns what is left of a path at or below another, whatever their case.
func below(at, base string) (rest string, ok bool) {
	if len(at) < len(base) || !strings.EqualFold(at[:len(base)], base) {
		return "", false
	}
	rest = at[len(base):]
	return rest, rest == "" || rest[0] == '/'
}

func redirect(w http.ResponseWriter, r *http.Request, to string) {
	http.Redirect(w, r, (&url.URL{Path: to}).String(), http.StatusTemporaryRedirect)
}
