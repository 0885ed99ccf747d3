//go:build !noweb

package web

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"or3.chat/cloud/instance"
)

// nuxtPage is a page as Nuxt writes it, of a release with a name.
func nuxtPage(name, public string) string {
	return `<!DOCTYPE html><html><head><script type="importmap">{"imports":{"#entry":"/_nuxt/` + name + `.js"}}</script>` +
		`<script type="module" src="/_nuxt/` + name + `.js" crossorigin></script></head><body><div id="__nuxt"></div>` +
		`<script>window.__NUXT__={};window.__NUXT__.config={public:` + public + `,app:{baseURL:"/",buildId:"` + name + `",buildAssetsDir:"/_nuxt/",cdnURL:""}}</script>` +
		`<script type="application/json" data-nuxt-data="nuxt-app" data-ssr="false" id="__NUXT_DATA__">[1]</script></body></html>`
}

// mitm is a page beside the client with a script of its own.
const mitm = `<script>save()</script>`

// worker is a service worker that asks for pages which no build has.
const worker = `define(["./workbox-1"],(function(e){e.precacheAndRoute([{url:"200.html",revision:"build"},{url:"openrouter-callback/index.html",revision:"build"},` +
	`{url:"gone/index.html",revision:"build"},{url:"streamsaver/mitm.html",revision:"build"},{url:"favicon.ico",revision:"build"},` +
	`{url:"_nuxt/a.js",revision:null}],{}),e.registerRoute(new e.NavigationRoute(e.createHandlerBoundToURL("/index.html")))}));`

// build is the public folder of a server build, of a release with a name.
func build(name string) map[string]string {
	return map[string]string{
		"200.html": nuxtPage(name, `{ssrAuthEnabled:false,sync:{enabled:false,provider:"convex",convexUrl:"x"},features:{a:!0}}`), "openrouter-callback/index.html": nuxtPage(name, "{}"),
		"admin/index.html":      `<!DOCTYPE html><html><head><meta http-equiv="refresh" content="0; url=/"></head></html>`,
		"streamsaver/mitm.html": mitm, "sw.js": worker, "workbox-1.js": "workbox", "manifest.webmanifest": "{}", "favicon.ico": "icon", "robots.txt": "robots",
		"_nuxt/" + name + ".js": `fetch("/api/basic-auth/sign-in")`, "_nuxt/" + name + ".css": "css", "_nuxt/builds/latest.json": `{"id":"` + name + `"}`,
		"_nuxt/builds/meta/" + name + ".json": "{}", "_fonts/a.woff2": "font", "logos/logo.svg": "<svg/>", "_nuxt/same.js": "same",
	}
}

// with returns a build with other files.
func with(files map[string]string, more map[string]string) map[string]string {
	out := maps.Clone(files)
	maps.Copy(out, more)
	return out
}

func serve(t testing.TB, o Options) http.Handler {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// text returns what a path is answered with.
func text(t *testing.T, h http.Handler, path string, navigation bool) string {
	t.Helper()
	res := get(h, path, navigation)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d", path, res.StatusCode)
	}
	return body(t, res)
}

// Every navigation and every page that the service worker lists gets the one page, told of this server. Nothing below
// /api/ does, nor what is missing among scripts.
func TestEveryPageIsTheOnePage(t *testing.T) {
	for form, files := range map[string]map[string]string{
		"server build": build("one"), "static build": with(build("one"), map[string]string{"index.html": nuxtPage("rendered", "{}"), "404.html": nuxtPage("rendered", "{}")}),
	} {
		t.Run(form, func(t *testing.T) {
			h := serve(t, inCloud(t, client(t, files)))
			page := text(t, h, "/chat/1", true)
			for _, part := range []string{
				`public:{ssrAuthEnabled:true,sync:{enabled:true,provider:"sqlite",convexUrl:"x"},features:{a:!0}`, `"authProvider":"basic-auth"`,
				`"registrationMode":"open"`, `"storage":{"allowAnyFileType":false,"enabled":true,"provider":"fs"}`, `"backgroundStreaming":{"enabled":false}`,
				`"limits":{"enabled":true,"maxConversations":0,"maxMessagesPerDay":0,"requestsPerMinute":20}`, `"lockPage":{"enabled":false}`,
				`app:{baseURL:"/",buildId:"one"`, `<script type="module" src="/_nuxt/one.js" crossorigin></script>`,
			} {
				if !strings.Contains(page, part) {
					t.Errorf("%s is not in %s", part, page)
				}
			}
			for _, path := range []string{"/", "/index.html", "/200.html", "/openrouter-callback", "/admin", "/admin/users", "/gone/"} {
				if got := text(t, h, path, true); got != page {
					t.Errorf("a navigation to %s gets %s", path, got)
				}
			}
			for _, path := range []string{"/", "/200.html", "/openrouter-callback/index.html", "/gone/index.html", "/index.html"} {
				if got := text(t, h, path, false); got != page {
					t.Errorf("the service worker gets %s for %s", got, path)
				}
			}
			if got := text(t, h, "/streamsaver/mitm.html", true); got != mitm {
				t.Errorf("another page is %s", got)
			}
			for _, path := range []string{"/_nuxt/gone.js", "/nothing", "/nothing.html"} {
				if res := get(h, path, false); res.StatusCode != http.StatusNotFound || res.Header.Get("Cache-Control") != "no-cache" {
					t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
				}
			}
		})
	}
}

// TestIconsAreAskedForHere: a script that would ask an outside service asks this server, in whatever form the script
// goes out. Without accounts it is the build's.
func TestIconsAreAskedForHere(t *testing.T) {
	const before, outside = `icon:{provider:"iconify",iconifyApiEndpoint:"`, "https://api.iconify.design"
	script := before + outside + `"}` + strings.Repeat(";f()", 100)
	files := with(build("one"), map[string]string{"_nuxt/icons.js": script, "_nuxt/icons.js.gz": compressed(t, script)})
	for base, endpoint := range map[string]string{"": "/api/_nuxt_icon", "/cloud": "/cloud/api/_nuxt_icon"} {
		files["200.html"] = strings.Replace(nuxtPage("one", "{}"), `baseURL:"/"`, `baseURL:"`+base+`/"`, 1)
		h := serve(t, inCloud(t, client(t, files), "OR3_BASE_PATH="+base))
		want := strings.Replace(script, outside, endpoint, 1)
		if got := text(t, h, "/_nuxt/icons.js", false); got != want {
			t.Errorf("below %q: %s", base, got)
		}
		r := httptest.NewRequest(http.MethodGet, "/_nuxt/icons.js", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		unpacked, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(unpacked)
		if err != nil || string(got) != want || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("below %q, compressed: %v %s, %v", base, w.Header(), got, err)
		}
		w = httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, endpoint[len(base):]+"/lucide.json?icons=search", nil))
		if !strings.Contains(w.Body.String(), `"search":{`) {
			t.Errorf("below %q: icons are %s", base, w.Body)
		}
	}
	delete(files, "200.html")
	files["index.html"] = nuxtPage("one", "{}")
	if got := text(t, serve(t, withoutCloud(t, client(t, files))), "/_nuxt/icons.js", false); got != script {
		t.Errorf("without accounts: %s", got)
	}
}

// TestCacheHeaders has every class of file.
func TestCacheHeaders(t *testing.T) {
	h := serve(t, inCloud(t, client(t, build("one"))))
	const immutable, revalidate = "public, max-age=31536000, immutable", "no-cache"
	for path, want := range map[string]string{
		"/_nuxt/one.js": immutable, "/_nuxt/one.css": immutable, "/_nuxt/builds/meta/one.json": immutable, "/_fonts/a.woff2": immutable,
		"/_nuxt/builds/latest.json": revalidate, "/": revalidate, "/200.html": revalidate, "/chat": revalidate, "/streamsaver/mitm.html": revalidate,
		"/sw.js": revalidate, "/workbox-1.js": revalidate, "/manifest.webmanifest": revalidate, "/favicon.ico": revalidate, "/logos/logo.svg": revalidate,
		"/robots.txt": revalidate,
	} {
		res := get(h, path, true)
		tag := res.Header.Get("ETag")
		if got := res.Header.Get("Cache-Control"); got != want || !strings.HasPrefix(tag, `"`) || res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, res.Header)
		}
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept", "text/html")
		r.Header.Set("If-None-Match", tag)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusNotModified || w.Header().Get("Cache-Control") != want || w.Header().Get("Content-Security-Policy") != res.Header.Get("Content-Security-Policy") {
			t.Errorf("%s again: %d %v", path, w.Code, w.Header())
		}
	}
	tags := map[string]bool{}
	for _, environ := range []string{"X=", "OR3_SITE_NAME=Ours", "OR3_AUTH_REGISTRATION_MODE=disabled", "OR3_CSP_SOURCES=img-src http:", "OR3_CSP=false"} {
		h := serve(t, inCloud(t, client(t, build("one")), environ))
		for _, path := range []string{"/", "/sw.js", "/streamsaver/mitm.html"} {
			if path == "/streamsaver/mitm.html" && !strings.HasPrefix(environ, "OR3_CSP") { // it is told nothing
				continue
			}
			tag := get(h, path, true).Header.Get("ETag")
			if tags[tag] {
				t.Errorf("%s has the same tag with another configuration", path)
			}
			tags[tag] = true
		}
	}
}

// listing is what a worker says of a file.
func listing(t *testing.T, script, url string) string {
	t.Helper()
	m := regexp.MustCompile(`\{url:"` + regexp.QuoteMeta(url) + `",revision:"([^"]*)"\}`).FindStringSubmatch(script)
	if m == nil {
		t.Fatalf("%s is not listed in %s", url, script)
	}
	return m[1]
}

// A service worker keeps pages under their revisions: these change with what the page is told and sent with, and with
// nothing else.
func TestWorkersLearnOfAnotherConfiguration(t *testing.T) {
	files := build("one")
	script := func(files map[string]string, environ ...string) string {
		return text(t, serve(t, inCloud(t, client(t, files), environ...)), "/sw.js", false)
	}
	first := script(files)
	if again := script(files); again != first {
		t.Errorf("the same configuration makes another worker:\n%s\n%s", first, again)
	}
	page := listing(t, first, "200.html")
	for url, want := range map[string]string{
		"openrouter-callback/index.html": page, "gone/index.html": page, "/index.html": page, "favicon.ico": "build",
	} {
		if got := listing(t, first, url); got != want || page == "build" {
			t.Errorf("%s has the revision %s, want %s", url, got, want)
		}
	}
	for name, other := range map[string]string{
		"settings": script(files, "OR3_SITE_NAME=Ours"), "the policy": script(files, "OR3_CSP_SOURCES=img-src http:"), "the release": script(build("two")),
	} {
		if listing(t, other, "200.html") == page {
			t.Errorf("with other %s the revision is the same", name)
		}
	}
	if other := script(files, "OR3_LOG_LEVEL=debug"); other != first {
		t.Error("what the client is not told changes the worker")
	}
}

// The policy allows the scripts that stand in a page by their hashes, and the outside that its user's key needs.
func TestPolicies(t *testing.T) {
	hashed := regexp.MustCompile(`'sha256-[A-Za-z0-9+/=]{44}'`)
	dir := client(t, build("one"))
	policy := func(path string, environ ...string) string {
		return get(serve(t, inCloud(t, dir, environ...)), path, true).Header.Get("Content-Security-Policy")
	}
	page := policy("/")
	if n := len(hashed.FindAllString(page, -1)); n != 2 { // the import map and the configuration
		t.Errorf("%d scripts in %s", n, page)
	}
	for _, part := range []string{
		"default-src 'self'", "script-src 'self' 'sha256-", "img-src 'self' data: blob: https:;", "object-src 'none'", "base-uri 'self'", "frame-ancestors 'self'",
		"connect-src 'self' data: blob: https://openrouter.ai;",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("%q is not in %q", part, page)
		}
	}
	for _, part := range []string{"unsafe-eval", "*"} {
		if strings.Contains(page, part) {
			t.Errorf("%q is in %q", part, page)
		}
	}
	if scripts, _, _ := strings.Cut(page[strings.Index(page, "script-src"):], ";"); strings.Contains(scripts, "unsafe-inline") {
		t.Errorf("inline scripts are allowed: %q", scripts)
	}
	if other := policy("/", "OR3_SITE_NAME=Ours"); other == page {
		t.Error("another configuration has the same hashes")
	}
	if other := policy("/streamsaver/mitm.html"); len(hashed.FindAllString(other, -1)) != 1 || hashed.FindString(other) == hashed.FindString(page) {
		t.Errorf("another page has %q", other)
	}
	if other := policy("/", "OR3_OPENROUTER_BASE_URL=https://models.example:8443/v1"); !strings.Contains(other, "https://openrouter.ai https://models.example:8443;") {
		t.Errorf("with another address of OpenRouter: %q", other)
	}
	if other := policy("/", "OR3_CSP_SOURCES=connect-src https://files.example; worker-src 'none'"); !strings.Contains(other, "https://openrouter.ai https://files.example;") {
		t.Errorf("with further sources: %q", other)
	}
	if other := policy("/", "OR3_CSP=false"); other != "" {
		t.Errorf("switched off: %q", other)
	}
	if other := get(serve(t, inCloud(t, client(t, with(build("one"), map[string]string{"_nuxt/w.js": "WebAssembly.compile(x)"})))), "/", true).Header.Get("Content-Security-Policy"); !strings.Contains(other, "'wasm-unsafe-eval'") {
		t.Errorf("with WebAssembly: %q", other)
	}
	coloured := with(build("one"), map[string]string{"_nuxt/ui.js": `head.script=[{innerHTML:"recolour()"}]`})
	if other := get(serve(t, inCloud(t, client(t, coloured))), "/", true).Header.Get("Content-Security-Policy"); len(hashed.FindAllString(other, -1)) != 3 {
		t.Errorf("with a script that the client puts into its page: %q", other)
	}
	if got := get(serve(t, inCloud(t, dir)), "/_nuxt/one.js", false).Header.Get("Content-Security-Policy"); got != "" {
		t.Errorf("a script has %q", got)
	}
}

// Without accounts, every byte is the build's, and there is no policy.
func TestWithoutAccountsNothingIsChanged(t *testing.T) {
	files := with(build("one"), map[string]string{"index.html": nuxtPage("start", "{}")})
	h := serve(t, withoutCloud(t, client(t, files)))
	for name, content := range files {
		res := get(h, "/"+name, false)
		if got := body(t, res); got != content || res.Header.Get("Content-Security-Policy") != "" {
			t.Errorf("%s: %q %v", name, got, res.Header)
		}
	}
	for path, want := range map[string]string{"/": files["index.html"], "/chat/1": files["200.html"], "/gone/index.html": files["200.html"], "/account/": files["200.html"]} {
		if got := text(t, h, path, true); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
	if res := get(h, "/gone/index.html", false); res.StatusCode != http.StatusOK {
		t.Errorf("what the service worker lists: %d", res.StatusCode)
	}
}

// What is not understood is served as it was built, and said.
func TestPagesThatAreNotUnderstood(t *testing.T) {
	page := `<script>window.__NUXT__=load()</script>`
	var log bytes.Buffer
	o := inCloud(t, client(t, map[string]string{"200.html": page, "sw.js": worker}))
	o.Log = logTo(&log)
	h := serve(t, o)
	if got := text(t, h, "/chat", true); got != page {
		t.Errorf("got %s", got)
	}
	found, err := Inspect(o)
	if err != nil || found.Configured || found.Why == "" || found.Form != Server {
		t.Errorf("%+v %v", found, err)
	}
	if !strings.Contains(log.String(), found.Why) {
		t.Errorf("the log does not say so: %s", &log)
	}
}

func TestFormsAreRecognised(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  Found
	}{
		"server build": {build("one"), Found{Form: Server, Cloud: true, Configured: true, Workers: []string{"sw.js"}, AccountUI: true}},
		"static build": {with(build("one"), map[string]string{"index.html": nuxtPage("one", "{}")}), Found{Form: Static, Cloud: true, Configured: true, Workers: []string{"sw.js"}, AccountUI: true}},
		"without UI":   {map[string]string{"index.html": nuxtPage("one", "{}")}, Found{Form: Static, Cloud: true, Configured: true}},
	} {
		found, err := Inspect(inCloud(t, client(t, c.files)))
		if err != nil || fmt.Sprint(found) != fmt.Sprint(c.want) {
			t.Errorf("%s: %+v %v", name, found, err)
		}
	}
	for name, c := range map[string]struct {
		files   map[string]string
		environ string
		want    []string
	}{
		"nothing":         {map[string]string{"readme.txt": ""}, "X=", []string{"index.html", "200.html", "static build", "server build"}},
		"a level higher":  {map[string]string{"public/200.html": "", "server/index.mjs": ""}, "X=", []string{"public"}},
		"a project":       {map[string]string{".output/public/200.html": "", "package.json": ""}, "X=", []string{".output/public"}},
		"only redirects":  {map[string]string{"index.html": `<meta http-equiv="refresh" content="0; url=https://localhost/">`, "200.html": `<meta http-equiv="refresh" content="0; url=https://localhost/200.html">`}, "X=", []string{"HTTPS switch", "OR3_FORCE_HTTPS=false"}},
		"another path":    {map[string]string{"200.html": strings.Replace(nuxtPage("one", "{}"), `baseURL:"/"`, `baseURL:"/chat/"`, 1)}, "X=", []string{"/chat", "OR3_BASE_PATH=/chat"}},
		"for no path":     {build("one"), "OR3_BASE_PATH=/chat", []string{"NUXT_APP_BASE_URL=/chat/", "OR3_BASE_PATH"}},
		"for other paths": {map[string]string{"200.html": strings.Replace(nuxtPage("one", "{}"), `baseURL:"/"`, `baseURL:"/b/"`, 1)}, "OR3_BASE_PATH=/a", []string{"/b/", "NUXT_APP_BASE_URL=/a/"}},
	} {
		dir := client(t, c.files)
		_, err := New(inCloud(t, dir, c.environ))
		if err == nil {
			t.Errorf("%s is served", name)
			continue
		}
		for _, part := range append(c.want, dir) {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is not in %q", name, part, err)
			}
		}
	}
}

// Below a path, the list of the worker and the way to the account page have it.
func TestBelowAPath(t *testing.T) {
	files := map[string]string{
		"200.html": strings.Replace(nuxtPage("one", "{}"), `baseURL:"/"`, `baseURL:"/chat/"`, 1),
		"sw.js":    `p([{url:"/chat/200.html",revision:"1"},{url:"/chat/",revision:"1"},{url:"gone.html",revision:"1"}]);createHandlerBoundToURL("/chat/")`,
	}
	h := serve(t, inCloud(t, client(t, files), "OR3_BASE_PATH=/chat"))
	script := text(t, h, "/sw.js", false)
	if strings.Contains(script, `revision:"1"`) || strings.Count(script, "url:") != 3 {
		t.Errorf("worker %s", script)
	}
	for _, path := range []string{"/gone.html", "/index.html"} {
		if got := text(t, h, path, false); !strings.Contains(got, "__NUXT__") {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got := get(h, "/account", true).Header.Get("Location"); got != "/chat/account/" {
		t.Errorf("the account page is at %s", got)
	}
}

// A client on which no one can sign in is reached by way of our own page, and that page exists beside every client.
func TestTheAccountPageBesideAClient(t *testing.T) {
	lacking := with(build("one"), map[string]string{"_nuxt/one.js": "no UI"})
	signedIn := false
	o := inCloud(t, client(t, lacking))
	o.SignedIn = func(*http.Request) bool { return signedIn }
	h := serve(t, o)
	for from, to := range map[string]string{
		"/": "/account/?continue=", "/chat/1": "/account/?continue=", "/?invite=a%26b": "/account/#invite=a%26b", "/welcome?x=1": "/account/?continue=&x=1",
	} {
		r := httptest.NewRequest(http.MethodGet, from, nil)
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusFound || w.Header().Get("Location") != to || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", from, w.Code, w.Header())
		}
	}
	for _, path := range []string{"/200.html", "/sw.js", "/_nuxt/one.js"} { // what a service worker and pages load
		if res := get(h, path, false); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	other := o
	other.Plan.Auth.ID = "another"
	for _, path := range []string{"/", "/?invite=x"} {
		if res := get(serve(t, other), path, true); res.StatusCode != http.StatusOK {
			t.Errorf("%s where our page does not help: %d", path, res.StatusCode)
		}
	}
	if res := get(h, "/streamsaver/mitm.html", true); res.StatusCode != http.StatusOK {
		t.Errorf("another page: %d", res.StatusCode)
	}
	signedIn = true
	if got := text(t, h, "/", true); !strings.Contains(got, "__NUXT__") {
		t.Errorf("signed in: %s", got)
	}
	signedIn = false
	guests := inCloud(t, client(t, lacking), "OR3_GUEST_ACCESS_ENABLED=true")
	guests.SignedIn = o.SignedIn
	if got := text(t, serve(t, guests), "/", true); !strings.Contains(got, "__NUXT__") {
		t.Errorf("a guest: %s", got)
	}
	for name, h := range map[string]http.Handler{"lacking": h, "with a UI": serve(t, inCloud(t, client(t, build("one")))), "no client": serve(t, inCloud(t, client(t, map[string]string{"index.html": "start"})))} {
		page := text(t, h, "/account/", true)
		if !strings.Contains(page, `<html data-client="/" `) {
			t.Errorf("%s: %s", name, page)
		}
		for _, m := range regexp.MustCompile(`(?:src|href)="\./([^"]+)"`).FindAllStringSubmatch(page, -1) {
			if res := get(h, "/account/"+m[1], false); res.StatusCode != http.StatusOK {
				t.Errorf("%s: %s: %d", name, m[1], res.StatusCode)
			}
		}
		if name != "lacking" {
			if res := get(h, "/", true); res.StatusCode != http.StatusOK {
				t.Errorf("%s: / is %d", name, res.StatusCode)
			}
		}
	}
}

// Links lead to our page whatever is shown, for the accounts that it knows; OR3 Chat keeps the invites that lead to it.
func TestLinksLeadToTheAccountPage(t *testing.T) {
	pages := client(t, map[string]string{"index.html": "start", "app/index.html": "another page"})
	for name, c := range map[string]struct {
		options Options
		want    map[string]string // where a browser is led to; empty if it stays
	}{
		"pages that are not OR3 Chat": {inCloud(t, pages), map[string]string{
			"/?invite=a%26b": "/account/#invite=a%26b", "/?x=1&invite=t": "/account/?x=1#invite=t", "/": "", "/?invite=": "", "/app/?invite=t": "",
		}},
		"below a path": {inCloud(t, pages, "OR3_BASE_PATH=/chat"), map[string]string{"/?invite=t": "/chat/account/#invite=t", "/account": "/chat/account/"}},
		"OR3 Chat":     {inCloud(t, client(t, build("one"))), map[string]string{"/?invite=t": "", "/account": "/account/"}},
		"guests":       {inCloud(t, pages, "OR3_GUEST_ACCESS_ENABLED=true"), map[string]string{"/?invite=t": "/account/#invite=t"}},
		"no client":    {Options{Config: configuration(t), Plan: cloud}, map[string]string{"/?invite=t": "", "/account": "/account/", "/account/": ""}},
	} {
		h := serve(t, c.options)
		for path, want := range c.want {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header.Set("Accept", "text/html")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if got := w.Header().Get("Location"); got != want {
				t.Errorf("%s: %s leads to %q, want %q", name, path, got, want)
			}
		}
		if page := text(t, h, "/account/", true); !strings.Contains(page, "assets/") {
			t.Errorf("%s: %s", name, page)
		}
	}
	plan := cloud
	if got := AccountPage(plan); got != "/account/" {
		t.Errorf("the page for links is %q", got)
	}
	plan.Auth.ID = "another"
	if got := AccountPage(plan); got != "" {
		t.Errorf("for other accounts the page is %q", got)
	}
}

// What the client is told has no secret in it, and everything that the contract demands.
func TestWhatTheClientIsTold(t *testing.T) {
	cfg := configuration(t, "OR3_AUTH_INVITE_TOKEN_SECRET=do-not-show-0123456789abcdef0123456789", "OR3_SMTP_URL=smtp://user:do-not-show@mail.example", "OR3_SMTP_FROM=a@example.org",
		"OR3_PUBLIC_URL=https://cloud.example.org", "OR3_AUTH_REGISTRATION_MODE=invite_only", "OR3_STORAGE_ALLOW_ANY_FILE_TYPE=true", "OR3_SITE_NAME=Ours", "OR3_TERMS_URL=/terms",
		"OR3_LOGO_URL=/l.svg", "OR3_DEFAULT_THEME=retro", "OR3_PRIVACY_URL=/privacy", "OR3_OPENROUTER_BASE_URL=https://m.example/v1", "OR3_GUEST_ACCESS_ENABLED=true",
		"OR3_MAX_CONVERSATIONS=3", "OR3_AUTH_LOCK_PAGE_ADAPTER=ours", "OR3_ADMIN_BASE_PATH=/boss")
	off := cloud
	off.Storage.On, off.SyncServed = false, false
	for _, c := range []struct{ environ, want string }{
		{"OR3_OPENROUTER_ALLOW_USER_OVERRIDE=false", "map[allowUserOverride:true hasInstanceKey:false requireUserKey:false]"},
		{"OR3_OPENROUTER_REQUIRE_USER_KEY=true", "map[allowUserOverride:true hasInstanceKey:false requireUserKey:true]"},
		{"OPENROUTER_API_KEY=do-not-show", "map[allowUserOverride:true hasInstanceKey:true requireUserKey:false]"},
		{"OR3_MODEL_UPSTREAMS=ollama=http://127.0.0.1:1/v1", "map[allowUserOverride:true hasInstanceKey:true requireUserKey:false]"},
		{"OPENROUTER_API_KEY=do-not-show OR3_OPENROUTER_ALLOW_USER_OVERRIDE=false", "map[allowUserOverride:false hasInstanceKey:true requireUserKey:false]"},
		{"OPENROUTER_API_KEY=do-not-show OR3_OPENROUTER_REQUIRE_USER_KEY=true", "map[allowUserOverride:true hasInstanceKey:true requireUserKey:true]"},
	} {
		if told := fmt.Sprint(public(configuration(t, strings.Fields(c.environ)...), off)["openRouter"]); told != c.want {
			t.Errorf("%s: %s", c.environ, told)
		}
	}
	noSync := cloud
	noSync.SyncServed = false
	for _, c := range []struct {
		environ string
		plan    instance.Plan
		want    bool
	}{
		{"OR3_BACKGROUND_STREAMING_ENABLED=true OPENROUTER_API_KEY=do-not-show", cloud, true},
		{"OR3_BACKGROUND_STREAMING_ENABLED=true OPENROUTER_API_KEY=do-not-show", noSync, false},
		{"OR3_BACKGROUND_STREAMING_ENABLED=true", cloud, true},
		{"OPENROUTER_API_KEY=do-not-show", cloud, false},
	} {
		if told := public(configuration(t, strings.Fields(c.environ)...), c.plan)["backgroundStreaming"].(object)["enabled"]; told != c.want {
			t.Errorf("%s: answers in the background are %v", c.environ, told)
		}
	}
	got, err := json.MarshalIndent(public(cfg, off), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "public.json")
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != string(got)+"\n" {
		t.Errorf("got %s\n%v", got, err)
	}
	if strings.Contains(string(got), "do-not-show") {
		t.Errorf("a secret is told: %s", got)
	}
}

// While a link is swapped, every answer is whole: the page and its policy are of one release, what a page asks for is
// there, and so are the scripts of tabs that were opened before.
func TestSwapUnderLoad(t *testing.T) {
	base := t.TempDir()
	var releases []string
	for i := range 4 {
		name := fmt.Sprintf("r%d", i)
		dir := filepath.Join(base, name)
		if err := os.Rename(client(t, build(name)), dir); err != nil {
			t.Fatal(err)
		}
		releases = append(releases, name)
	}
	current := filepath.Join(base, "current")
	point := func(name string) {
		next := filepath.Join(base, "next")
		if err := os.Symlink(name, next); err != nil {
			t.Skip("no symbolic links here:", err)
		}
		if err := os.Rename(next, current); err != nil {
			t.Fatal(err)
		}
	}
	point(releases[0])
	h := serve(t, inCloud(t, current))
	entry := regexp.MustCompile(`src="(/_nuxt/(r\d)\.js)"`)
	id := regexp.MustCompile(`buildId:"(r\d)"`)

	var stop atomic.Bool
	var loads, wg = atomic.Int64{}, sync.WaitGroup{}
	opened, failed := make(chan struct{}, 1), make(chan struct{})
	fail := sync.OnceFunc(func() { close(failed) })
	for range 4 {
		wg.Go(func() {
			defer fail() // at the end that matters no more
			for !stop.Load() {
				res := get(h, "/", true)
				page := body(t, res)
				m, n := entry.FindStringSubmatch(page), id.FindStringSubmatch(page)
				if res.StatusCode != http.StatusOK || m == nil || n == nil || m[2] != n[1] {
					t.Errorf("%d: a mixture: %s", res.StatusCode, page)
					return
				}
				for _, path := range []string{m[1], "/_nuxt/same.js", "/sw.js", "/favicon.ico"} {
					if res := get(h, path, false); res.StatusCode != http.StatusOK {
						t.Errorf("%s: %d", path, res.StatusCode)
						return
					}
				}
				loads.Add(1)
				select {
				case opened <- struct{}{}:
				default:
				}
			}
		})
	}
	for i := range 40 {
		for range 4 {
			select {
			case <-opened:
			case <-failed:
			}
		}
		point(releases[i%2])
		if got := id.FindStringSubmatch(text(t, h, "/", true)); got[1] != releases[i%2] {
			t.Errorf("right after the swap: %s", got[1])
		}
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d loads", loads.Load())

	// Of earlier releases one is kept: its hashed files, and nothing else of it.
	point(releases[2])
	text(t, h, "/", true)
	point(releases[3])
	if got := text(t, h, "/_nuxt/builds/latest.json", false); got != `{"id":"r3"}` {
		t.Errorf("the newest build is %s", got)
	}
	for path, want := range map[string]int{"/_nuxt/r3.js": 200, "/_nuxt/r2.js": 200, "/_nuxt/builds/meta/r2.json": 200, "/_nuxt/r1.js": 404, "/_nuxt/r0.js": 404} {
		if res := get(h, path, false); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
	if err := os.Remove(filepath.Join(base, "r3", "robots.txt")); err != nil {
		t.Fatal(err)
	}
	if res := get(h, "/robots.txt", false); res.StatusCode != http.StatusNotFound {
		t.Errorf("a file of the release before without a hash: %d", res.StatusCode)
	}
}

// A client that is built in place is read again as well, page and worker.
func TestABuildInPlaceIsReadAgain(t *testing.T) {
	dir := client(t, build("one"))
	h := serve(t, inCloud(t, dir))
	before := text(t, h, "/sw.js", false)
	if err := os.WriteFile(filepath.Join(dir, "200.html"), []byte(nuxtPage("another", "{}")), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := text(t, h, "/", true); !strings.Contains(got, `buildId:"another"`) || !strings.Contains(got, `"authProvider":"basic-auth"`) {
		t.Errorf("page %s", got)
	}
	if got := text(t, h, "/sw.js", false); listing(t, got, "200.html") == listing(t, before, "200.html") {
		t.Error("the worker has the revision of the page before")
	}
	if err := os.WriteFile(filepath.Join(dir, "sw.js"), []byte(worker+"//"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := text(t, h, "/sw.js", false); !strings.HasSuffix(got, "//") {
		t.Errorf("worker %s", got)
	}
	var log bytes.Buffer
	o := inCloud(t, dir)
	o.Log = logTo(&log)
	h = serve(t, o)
	if err := os.WriteFile(filepath.Join(dir, "200.html"), []byte(`<meta http-equiv="refresh" content="0; url=https://localhost/">`), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := text(t, h, "/", true); !strings.Contains(got, `buildId:"another"`) {
			t.Errorf("a folder without a client is served: %s", got)
		}
	}
	if n := strings.Count(log.String(), "HTTPS switch"); n != 1 {
		t.Errorf("said %d times: %s", n, &log)
	}
}
