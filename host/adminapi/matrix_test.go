package adminapi

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/ratelimit"
)

// principal is someone who asks for something.
type principal struct {
	name   string
	user   string              // who is signed in in the browser; empty for no one
	cookie func(*house) string // of the super administrator; nil for none
	is     map[audience]bool   // to whom of the contract's rows they belong
	own    bool                // whether they are administrators on our own pages
}

var current = func(h *house) string { return h.cookie }

// principals are all who may come, with what they may: on the contract's paths by the audience of a row, and on our
// own.
var principals = []principal{
	{name: "nobody"},
	{name: "a user from elsewhere", user: "stranger"},
	{name: "a viewer", user: "viewer"},
	{name: "an editor", user: "editor"},
	{name: "an owner", user: "owner"},
	{name: "an owner who was a deployment administrator", user: "revoked"},
	{name: "a deployment administrator from elsewhere", user: "admin-elsewhere", own: true, is: map[audience]bool{admins: true}},
	{name: "a deployment administrator who reads", user: "admin", own: true, is: map[audience]bool{admins: true}},
	{name: "a deployment administrator who owns", user: "admin-owner", own: true, is: map[audience]bool{admins: true, owners: true}},
	{name: "the super administrator", cookie: current, own: true, is: map[audience]bool{admins: true, owners: true, superAdmins: true}},
	{name: "the super administrator in the browser of a user", user: "stranger", cookie: current, own: true, is: map[audience]bool{admins: true, owners: true, superAdmins: true}},
	{name: "a super administrator of an old password", cookie: func(h *house) string { return h.stale }},
	{name: "a super administrator of another key", user: "owner", cookie: func(h *house) string { return h.forged }},
}

// rule is what the contract says of an endpoint, written down a second time: a row of the API that is more lenient is
// found.
type rule struct {
	may   audience
	proof proof
	// credentials says that it is about the super administrator's own name and password.
	credentials bool
	limited     bool
	// ours says that the contract has no such endpoint.
	ours bool
	// again says that the store asks for the role of an owner once more, in the transaction of the change.
	again bool
	// body is that of a request of the super administrator, and want the status of its answer. In body and path $W is
	// the shared workspace and $U a user.
	path, body string
	want       int
}

// rules are those of all endpoints (contract, workspaces-and-admin §3–§6), by method and path below the prefixes.
var rules = map[string]rule{
	"GET auth/session":          {may: admins, proof: readOnly, want: 200},
	"POST auth/login":           {may: anyone, proof: anOrigin, credentials: true, limited: true, body: `{"username":"admin","password":"Correct horse 1"}`, want: 200},
	"POST auth/logout":          {may: anyone, proof: anOrigin, credentials: true, want: 200},
	"POST auth/change-password": {proof: anOrigin, credentials: true, body: `{"currentPassword":"Correct horse 1","newPassword":"weak"}`, want: 400},
	"GET webhooks":              {proof: readOnly, want: 200},
	"POST webhooks":             {body: `{"url":"https://example.org/","events":["admin.user.created"]}`, want: 200},
	"PATCH webhooks/:id":        {path: "webhooks/unknown", body: `{"label":"x"}`, want: 404},
	"DELETE webhooks/:id":       {path: "webhooks/unknown", want: 404},
	"GET webhooks/:id/logs":     {path: "webhooks/unknown/logs", proof: readOnly, want: 404},
	"POST webhooks/:id/test":    {path: "webhooks/unknown/test", want: 404},
	"POST webhooks/:id/toggle":  {path: "webhooks/unknown/toggle", want: 404},

	"GET workspaces":                    {proof: readOnly, want: 200},
	"POST workspaces":                   {proof: ownOrigin, limited: true, body: `{"name":"Team","ownerUserId":"$U"}`, want: 200},
	"GET workspaces/:id":                {proof: readOnly, limited: true, path: "workspaces/$W", want: 200},
	"POST workspaces/:id/soft-delete":   {proof: ownOrigin, limited: true, path: "workspaces/none/soft-delete", want: 404},
	"POST workspaces/:id/restore":       {proof: ownOrigin, path: "workspaces/$W/restore", want: 200},
	"POST workspaces/soft-delete":       {proof: ownOrigin, want: 400},
	"POST workspaces/restore":           {proof: ownOrigin, want: 400},
	"GET workspace":                     {may: owners, proof: readOnly, path: "workspace?workspaceId=$W", want: 200},
	"POST workspace/guest-access/set":   {may: owners, body: `{"workspaceId":"$W","enabled":true}`, want: 200},
	"POST workspace/members/upsert":     {may: owners, again: true, body: `{"workspaceId":"$W","emailOrProviderId":"$U","role":"viewer"}`, want: 200},
	"POST workspace/members/set-role":   {may: owners, again: true, body: `{"workspaceId":"$W","userId":"$U","role":"viewer"}`, want: 200},
	"POST workspace/members/remove":     {may: owners, again: true, body: `{"workspaceId":"$W","userId":"none"}`, want: 404},
	"POST workspace/invites/create":     {may: owners, body: `{"workspaceId":"$W","email":"guest@example.test"}`, want: 409},
	"GET workspace/invites/list":        {may: owners, proof: readOnly, path: "workspace/invites/list?workspaceId=$W", want: 200},
	"POST workspace/invites/revoke":     {may: owners, again: true, body: `{"workspaceId":"$W","inviteId":"none"}`, want: 404},
	"GET admin-users":                   {proof: readOnly, want: 200},
	"POST admin-users/grant":            {proof: ownOrigin, limited: true, body: `{"userId":"none"}`, want: 404},
	"POST admin-users/revoke":           {proof: ownOrigin, body: `{"userId":"$U"}`, want: 200},
	"GET search-users":                  {proof: readOnly, path: "search-users?q=target", want: 200},
	"GET plugins-page":                  {may: owners, proof: readOnly, path: "plugins-page?workspaceId=$W", want: 200},
	"POST plugins/workspace-enable":     {may: owners, body: `{"workspaceId":"$W","pluginId":"a","enabled":true}`, want: 200},
	"GET plugins/workspace-settings":    {may: owners, proof: readOnly, path: "plugins/workspace-settings?pluginId=a&workspaceId=$W", want: 200},
	"POST plugins/workspace-settings":   {may: owners, body: `{"workspaceId":"$W","pluginId":"a","settings":{}}`, want: 200},
	"GET themes-page":                   {proof: readOnly, want: 200},
	"GET extensions":                    {proof: readOnly, want: 200},
	"POST extensions/install":           {want: 501},
	"POST extensions/uninstall":         {want: 501},
	"GET system/status":                 {may: superAdmins, proof: readOnly, want: 200},
	"GET system/config":                 {may: superAdmins, proof: readOnly, want: 501},
	"GET system/config/enriched":        {may: superAdmins, proof: readOnly, want: 501},
	"POST system/config/write":          {may: superAdmins, proof: intent, body: `{"entries":[]}`, want: 501},
	"POST system/provider-action":       {may: superAdmins, proof: intent, body: `{"kind":"sync","actionId":"no.such"}`, want: 400},
	"POST system/restart":               {may: superAdmins, proof: intent, want: 501},
	"POST system/rebuild-restart":       {may: superAdmins, proof: intent, want: 501},
	"GET update/status":                 {may: superAdmins, proof: readOnly, want: 200},
	"POST update/check":                 {may: superAdmins, proof: ownOrigin, want: 200},
	"POST update/preview":               {may: superAdmins, proof: ownOrigin, want: 501},
	"GET profiles/:id":                  {ours: true, credentials: true, proof: readOnly, path: "profiles/goroutine", want: 200},
	"GET metrics":                       {ours: true, proof: readOnly, want: 200},
	"GET log":                           {ours: true, proof: readOnly, path: "log?level=debug&limit=1", want: 200},
	"GET log/stream":                    {ours: true, proof: readOnly, path: "log/stream?level=loud", want: 400},
	"GET log/level":                     {ours: true, proof: readOnly, want: 200},
	"PUT log/level":                     {ours: true, body: `{"level":"info"}`, want: 200},
	"POST update/start":                 {may: superAdmins, proof: intent, want: 400},
	"GET accounts":                      {ours: true, proof: readOnly, want: 200},
	"POST accounts":                     {ours: true, body: `{"email":"none"}`, want: 400},
	"GET accounts/:id":                  {ours: true, proof: readOnly, path: "accounts/none", want: 404},
	"GET accounts/:id/deletion":         {ours: true, proof: readOnly, path: "accounts/none/deletion", want: 404},
	"POST accounts/:id/disable":         {ours: true, path: "accounts/none/disable", want: 404},
	"POST accounts/:id/enable":          {ours: true, path: "accounts/none/enable", want: 404},
	"POST accounts/:id/reset-link":      {ours: true, path: "accounts/none/reset-link", want: 404},
	"POST accounts/:id/reset-factors":   {ours: true, path: "accounts/none/reset-factors", want: 404},
	"POST accounts/:id/excuse-factor":   {ours: true, path: "accounts/none/excuse-factor", body: `{"seconds":60}`, want: 404},
	"POST accounts/:id/revoke-sessions": {ours: true, path: "accounts/none/revoke-sessions", body: `{"session":""}`, want: 404},
	"POST accounts/:id/delete":          {ours: true, path: "accounts/none/delete", want: 404},
	"GET signed-in":                     {ours: true, proof: readOnly, want: 200},
	"GET totals":                        {ours: true, proof: readOnly, want: 200},
	"GET workspace-census":              {ours: true, proof: readOnly, path: "workspace-census?order=largest", want: 200},
	"GET workspaces/:id/sync":           {ours: true, proof: readOnly, path: "workspaces/$W/sync", want: 200},
	"GET workspaces/:id/stored":         {ours: true, proof: readOnly, path: "workspaces/$W/stored", want: 200},
	"GET jobs":                          {ours: true, proof: readOnly, want: 200},
	"POST jobs/:id/abort":               {ours: true, path: "jobs/none/abort", want: 404},
	"GET mail":                          {ours: true, proof: readOnly, want: 200},
	"GET audit":                         {ours: true, proof: readOnly, path: "audit?outcome=ok", want: 200},
	"GET about":                         {ours: true, proof: readOnly, want: 501},
}

// refusals are the words of the guard. Endpoints do not use them.
func refusal(s sent) bool {
	return s.status == http.StatusUnauthorized && s.text == "Unauthorized" ||
		s.status == http.StatusForbidden && (s.text == "Forbidden" || strings.HasPrefix(s.text, "Forbidden: ")) ||
		s.status == http.StatusNotFound && strings.HasPrefix(s.text, "Page not found: ") ||
		s.status == http.StatusTooManyRequests && s.text == "Too many requests"
}

// examine holds an endpoint against its rule and returns in what it differs.
func (h *house) examine(name string) (faults []string) {
	h.t.Helper()
	rule, known := rules[name]
	if !known {
		return []string{"has no rule"}
	}
	method, path, _ := strings.Cut(name, " ")
	if rule.path != "" {
		path = rule.path
	}
	fill := strings.NewReplacer("$W", h.shared, "$U", h.users["target"], "$O", h.users["admin-owner"])
	path, body := fill.Replace(path), fill.Replace(rule.body)
	changes := rule.proof != readOnly
	say := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	// Each request has an address of its own, so that none pays for the others.
	address := 0
	ask := func(who principal, prefix string, change func(*http.Request)) sent {
		r := h.request(who, method, prefix+path, body)
		address++
		r.RemoteAddr = fmt.Sprintf("198.51.%d.%d:1000", address/250, address%250+1)
		if change != nil {
			change(r)
		}
		return h.send(r)
	}
	want := func(what string, got sent, status int, text string) {
		if got.status != status || got.text != text {
			say("%s: %d %q, want %d %q", what, got.status, got.text, status, text)
		}
	}
	super := principals[9]

	prefixes := []string{Prefix, OwnPrefix}
	if rule.ours {
		prefixes = prefixes[1:]
		if got := ask(super, Prefix, nil); got.status != http.StatusNotFound {
			say("it is below %s as well: %d", Prefix, got.status)
		}
	}
	for _, prefix := range prefixes {
		for _, who := range principals {
			got := ask(who, prefix, nil)
			what := prefix + " " + who.name
			bySignIn := who.is[superAdmins]
			switch {
			case rule.may == anyone, rule.credentials && bySignIn, !rule.credentials && prefix == OwnPrefix && who.own, !rule.credentials && who.is[rule.may]:
				if refusal(got) {
					say("%s is refused: %d %q", what, got.status, got.text)
				}
				if who.name == super.name && got.status != rule.want {
					say("%s: %d %q %s, want %d", what, got.status, got.text, got.body, rule.want)
				}
			case rule.credentials, !who.is[admins]:
				want(what, got, 401, "Unauthorized")
			case rule.may == superAdmins:
				want(what, got, 403, "Forbidden: Super admin access required")
			default:
				want(what, got, 403, "Forbidden")
			}
		}
	}

	// Who proves to be one of our pages.
	if changes {
		demanded := rule.proof
		for _, prefix := range prefixes {
			if prefix == OwnPrefix {
				demanded = intent
			}
			header := func(name string, values ...string) func(*http.Request) {
				return func(r *http.Request) {
					if r.Header.Del(name); len(values) > 0 {
						r.Header[name] = values
					}
				}
			}
			none := ask(super, prefix, header(intentHeader))
			if demanded == intent {
				want(prefix+" without intent", none, 403, "Forbidden: Missing admin intent")
			} else if refusal(none) {
				say("%s without intent: %d %q", prefix, none.status, none.text)
			}
			want(prefix+" with another intent", ask(super, prefix, header(intentHeader, "other")), 403, "Forbidden: Missing admin intent")
			want(prefix+" with two intents", ask(super, prefix, header(intentHeader, "admin", "admin")), 403, "Forbidden: Missing admin intent")
			program := ask(super, prefix, header("Origin"))
			if demanded != anOrigin {
				want(prefix+" without origin", program, 403, "Forbidden: Origin validation failed")
			} else if refusal(program) {
				say("%s without origin: %d %q", prefix, program.status, program.text)
			}
			for _, foreign := range []string{"https://evil.test", "https://cloud.test.evil.test", "https://cloud.test:8443", "https://listed.test"} {
				want(prefix+" from "+foreign, ask(super, prefix, header("Origin", foreign)), 403, "Forbidden: Origin mismatch")
				want(prefix+" from "+foreign+" by its address", ask(super, prefix, func(r *http.Request) {
					r.Header.Del("Origin")
					r.Header.Set("Referer", foreign+"/page")
				}), 403, "Forbidden: Origin mismatch")
			}
			for _, none := range []string{"null", "cloud.test", "%"} {
				want(prefix+" from "+none, ask(super, prefix, header("Origin", none)), 403, "Forbidden: Origin validation failed")
			}
			want(prefix+" from a frame elsewhere", ask(super, prefix, header("Sec-Fetch-Site", "cross-site")), 403, "Forbidden: Origin mismatch")
			want(prefix+" from two origins", ask(super, prefix, header("Origin", ourPage, "https://evil.test")), 403, "Forbidden: Origin mismatch")
			want(prefix+" at no host", ask(super, prefix, func(r *http.Request) { r.Host = "" }), 403, "Forbidden: Host resolution failed")
			if referred := ask(super, prefix, func(r *http.Request) {
				r.Header.Del("Origin")
				r.Header.Set("Referer", ourPage+"/admin/workspaces")
			}); refusal(referred) {
				say("%s from our page by its address: %d %q", prefix, referred.status, referred.text)
			}
		}
	}

	// How often.
	for _, prefix := range prefixes {
		most := ratelimit.Default(ratelimit.AdminAPI).Max
		address++
		from := fmt.Sprintf("203.0.113.%d:1000", address%250+1)
		var last sent
		for range most + 1 {
			if last = ask(super, prefix, func(r *http.Request) { r.RemoteAddr = from }); last.status == 429 && last.text == "Too many requests" {
				break
			}
		}
		if limited := last.status == 429 && last.text == "Too many requests"; limited != rule.limited {
			say("%s more than %d times a minute: %d %q", prefix, most, last.status, last.text)
		}
	}
	return faults
}

// names are the endpoints of a house, by method and path below the prefixes.
func (h *house) names() (out []string) {
	for _, e := range h.endpoints {
		out = append(out, e.method+" "+e.path)
	}
	return out
}

// The matrix: each endpoint meets everyone, from everywhere.
func TestEveryEndpointAdmitsWhoItMust(t *testing.T) {
	h := newHouse(t)
	names := h.names()
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if !slices.Contains(names, name) {
			t.Errorf("%s has a rule and is not served", name)
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			for _, fault := range newHouse(t, "OR3_ALLOWED_ORIGINS=https://listed.test").examine(name) {
				t.Error(fault)
			}
		})
	}
}

// The guard decides when the body has come. A larger one would be decided about before, and the super administrator is
// no user whom the router knows.
func TestBodiesComeWhole(t *testing.T) {
	for _, e := range newHouse(t).endpoints {
		if e.body < 0 && rules[e.method+" "+e.path].want == http.StatusNotImplemented {
			continue // nothing is read
		}
		if e.body < 0 || e.body > httpapi.UnknownBody {
			t.Errorf("%s %s takes a body of %d bytes; the most is %d", e.method, e.path, e.body, httpapi.UnknownBody)
		}
	}
}

// Whatever is left out of the guard of any endpoint, the matrix finds.
func TestEveryPlantedFaultIsFound(t *testing.T) {
	planted := map[string]func(*endpoint) bool{ // reports whether it is a fault there
		"one role too many": func(e *endpoint) bool {
			e.may++
			// On our own pages deployment administrators count as super administrators.
			return e.may <= anyone && !e.credentials && !(e.ours && e.may <= admins) && !(e.may == admins && rules[e.method+" "+e.path].again)
		},
		"everybody": func(e *endpoint) bool { was := e.may; e.may = anyone; return was != anyone },
		"the intent is not asked for": func(e *endpoint) bool {
			was := e.proof
			e.proof = ownOrigin
			return was == intent && !e.ours // there it always is
		},
		"the origin is not asked for": func(e *endpoint) bool {
			was := e.proof
			e.proof = anOrigin
			return was < anOrigin && !e.ours
		},
		"it is taken for harmless": func(e *endpoint) bool { was := e.proof; e.proof = readOnly; return was != readOnly },
		"it is not counted":        func(e *endpoint) bool { was := e.limited; e.limited = false; return was },
		"another's credentials":    func(e *endpoint) bool { was := e.credentials; e.credentials = false; return was && e.may != anyone },
		"the handler stands alone": nil,
	}
	h := newHouse(t, "OR3_ALLOWED_ORIGINS=https://listed.test")
	for _, e := range slices.Clone(h.endpoints) {
		name := e.method + " " + e.path
		for fault, change := range planted {
			is := e.may != anyone // that the handler alone is a fault
			h.open(func(all []endpoint) []endpoint {
				all = slices.Clone(all)
				for i := range all {
					if change != nil && all[i].method == e.method && all[i].path == e.path {
						is = change(&all[i])
					}
				}
				return all
			})
			if change == nil {
				h.unguard(e)
			}
			if is && len(h.examine(name)) == 0 {
				t.Errorf("%s: no one sees that %s", name, fault)
			}
		}
	}
}

// unguard serves an endpoint without its guard.
func (h *house) unguard(e endpoint) {
	routes := h.API.Routes()
	for i, route := range routes {
		if route.Method == e.method && strings.HasSuffix(route.Path, "/admin/"+e.path) {
			routes[i].Handle = func(w http.ResponseWriter, r *http.Request) error {
				return e.handle(w, r, &Caller{Kind: SuperAdmin, bySignIn: true, request: r, host: h.front, row: row{endpoint: e}})
			}
		}
	}
	h.mount(routes)
}

// ask sends an endpoint's request as the super administrator, from an address, to a host.
func (h *house) ask(name, prefix, address, host string) sent {
	h.t.Helper()
	method, path, _ := strings.Cut(name, " ")
	if to := rules[name].path; to != "" {
		path = to
	}
	r := h.request(principals[9], method, prefix+path, "{}")
	r.Host = host
	if method != http.MethodGet {
		r.Header.Set("Origin", "https://"+host)
	}
	r.RemoteAddr = "[" + address + "]:1000"
	return h.send(r)
}

// Where there is no administration, an endpoint of it cannot be told from a path that no one serves.
func TestWhereThereIsAnAdministration(t *testing.T) {
	hidden := func(t *testing.T, h *house, prefix, address, host string, want bool) {
		t.Helper()
		for _, name := range h.names() {
			if rules[name].ours && prefix == Prefix {
				continue
			}
			method, path, _ := strings.Cut(name, " ")
			if to := rules[name].path; to != "" {
				path = to
			}
			got := h.ask(name, prefix, address, host)
			is := got.status == http.StatusNotFound && got.text == "Page not found: "+prefix+path
			if is != want {
				t.Errorf("%s %s%s from %s at %s: %d %q", method, prefix, path, address, host, got.status, got.text)
			}
		}
	}
	t.Run("hosts", func(t *testing.T) {
		h := newHouse(t, "OR3_ADMIN_ALLOWED_HOSTS=Admin.Cloud.test:8443, [2001:db8::1]")
		for _, prefix := range []string{Prefix, OwnPrefix} {
			for host, want := range map[string]bool{
				"admin.cloud.test": false, "ADMIN.cloud.test": false, "admin.cloud.test:3000": false, "[2001:db8::1]": false, "[2001:db8::1]:3000": false,
				"cloud.test": true, "admin.cloud.test.evil.test": true, "x.admin.cloud.test": true,
			} {
				hidden(t, h, prefix, "192.0.2.1", host, want)
			}
		}
	})
	t.Run("networks", func(t *testing.T) {
		h := newHouse(t, "OR3_ADMIN_ALLOWED_NETWORKS=192.0.2.0/24, 2001:db8::/32, loopback")
		for _, prefix := range []string{Prefix, OwnPrefix} {
			for address, want := range map[string]bool{
				"192.0.2.1": false, "::ffff:192.0.2.7": false, "2001:db8::9": false, "127.0.0.1": false,
				"192.0.3.1": true, "2001:db9::1": true, "::ffff:203.0.113.1": true, "unknown": true,
			} {
				hidden(t, h, prefix, address, ourHost, want)
			}
		}
	})
	t.Run("no one is named", func(t *testing.T) {
		h := newHouse(t, "OR3_ADMIN_USERNAME=")
		h.router.Guard = nil
		hidden(t, h, Prefix, "192.0.2.1", ourHost, true)
		for _, e := range h.endpoints {
			who := principals[8]
			got := h.send(h.request(who, e.method, OwnPrefix+strings.NewReplacer(":id", "x").Replace(e.path), "{}"))
			if missing := got.status == http.StatusNotFound && strings.HasPrefix(got.text, "Page not found"); missing != e.credentials || !missing && refusal(got) {
				t.Errorf("%s %s on our own pages: %d %q", e.method, e.path, got.status, got.text)
			}
		}
	})
}
