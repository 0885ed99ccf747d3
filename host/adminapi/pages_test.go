package adminapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/superadmin"
)

// TestWhoSeesThePages is the table of the contract (workspaces-and-admin §2), with spellings of the paths that clients'
// routers take for the same.
func TestWhoSeesThePages(t *testing.T) {
	nobody, user, admin, super := principals[0], principals[4], principals[7], principals[9]
	const shown, hidden = "shown", "hidden" // the page, and 404
	type visit struct {
		who        principal
		path, host string
		want       string // shown, hidden, the path of the page that is shown in its place, or where it leads after "→"
	}
	all := []principal{nobody, user, admin, super}
	everybody := func(path, want string) (out []visit) {
		for _, who := range all {
			out = append(out, visit{who: who, path: path, want: want})
		}
		return out
	}
	for name, c := range map[string]struct {
		environ []string
		visits  [][]visit
	}{
		"as it is": {nil, [][]visit{
			everybody("/", shown), everybody("/chat?x=/admin", shown), everybody("/administration", shown), everybody("/_nuxt/admin.js", shown), everybody("/x/admin", shown),
			{
				{nobody, "/admin", "", "→/admin/login"}, {user, "/admin", "", "→/admin/login"}, {admin, "/admin", "", shown}, {super, "/admin", "", shown},
				{nobody, "/admin?x=1", "", "→/admin/login"}, {nobody, "/admin/?x=1", "", "→/admin/login"}, {nobody, "/Admin", "", "→/admin/login"},
				{nobody, "//admin", "", "→/admin/login"}, {nobody, "/./admin/x", "", "→/admin/login"}, {nobody, "/%61dmin", "", "→/admin/login"},
				{nobody, "/x/../admin", "", "→/admin/login"}, {nobody, "/admin/_payload.json", "", "→/admin/login"},
				{nobody, "/admin/login", "", shown}, {nobody, "/admin/login/", "", shown}, {user, "/admin/login?next=1", "", shown},
				{admin, "/admin/login", "", "→/admin/workspaces"}, {super, "/admin/login?x=1", "", "→/admin/workspaces"},
				{nobody, "/admin/login/x", "", "→/admin/login"}, {super, "/admin/workspaces", "", shown},
			},
		}},
		"at another path, below another": {[]string{"OR3_ADMIN_BASE_PATH=/boss/room/", "OR3_BASE_PATH=/chat"}, [][]visit{
			everybody("/admin", hidden), everybody("/admin/login", hidden), everybody("/ADMIN/x", hidden), everybody("/boss", shown),
			{
				{nobody, "/boss/room", "", "→/chat/boss/room/login"}, {nobody, "/boss/room/login", "", "/admin/login"},
				{super, "/boss/room/login", "", "→/chat/boss/room/workspaces"}, {super, "/boss/room", "", "/admin"}, {admin, "/boss/room/system?x=1", "", "/admin/system"},
			},
		}},
		"without a super administrator": {[]string{"OR3_ADMIN_USERNAME="}, [][]visit{everybody("/admin", hidden), everybody("/admin/login", hidden), everybody("/", shown)}},
		"under another name": {[]string{"OR3_ADMIN_ALLOWED_HOSTS=admin.test"}, [][]visit{
			everybody("/admin", hidden), everybody("/admin/login", hidden), everybody("/", shown),
			{{nobody, "/admin/login", "admin.test:3000", shown}, {super, "/admin", "admin.test", shown}, {nobody, "/admin", "admin.test", "→/admin/login"}},
		}},
		"from another network": {[]string{"OR3_ADMIN_ALLOWED_NETWORKS=10.0.0.0/8"}, [][]visit{everybody("/admin", hidden), everybody("/admin/login", hidden), everybody("/", shown)}},
		"at the root":          {[]string{"OR3_ADMIN_BASE_PATH=/"}, [][]visit{everybody("/", shown), everybody("/chat", shown), {{nobody, "/admin", "", "→/admin/login"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, c.environ...)
			page := h.Pages(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }))
			for _, visits := range c.visits {
				for _, v := range visits {
					r := httptest.NewRequestWithContext(t.Context(), "GET", v.path, nil)
					if r.Host = ourHost; v.host != "" {
						r.Host = v.host
					}
					if v.who.user != "" {
						r.Header.Set(userHeader, v.who.user)
					}
					if v.who.cookie != nil {
						r.AddCookie(&http.Cookie{Name: superadmin.Cookie, Value: v.who.cookie(h)})
					}
					r = httpapi.WithIdentity(r, httpapi.Identity{ClientIP: "192.0.2.1", Host: r.Host})
					w := httptest.NewRecorder()
					page.ServeHTTP(w, r)
					var got string
					switch to := w.Header().Get("Location"); {
					case w.Code == http.StatusNotFound:
						got = hidden
					case w.Code == http.StatusTemporaryRedirect:
						got = "→" + to
					case w.Code == http.StatusOK && w.Body.String() == r.URL.Path:
						got = shown
					default:
						got = w.Body.String()
					}
					if got != v.want {
						t.Errorf("%s at %s%s: %s, want %s", v.who.name, v.host, v.path, got, v.want)
					}
				}
			}
		})
	}
}
