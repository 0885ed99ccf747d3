package nuxt

import (
	"slices"
	"strings"
	"testing"
)

// TestWorkersAreRevised has the forms in which workbox writes its list.
func TestWorkersAreRevised(t *testing.T) {
	revision := func(url string) string {
		if strings.HasSuffix(url, ".html") || url == "/" {
			return "new"
		}
		return ""
	}
	same := func(a, b string) bool { return strings.TrimPrefix(a, "/") == strings.TrimPrefix(b, "/") }
	for name, c := range map[string]struct{ in, want string }{
		"minified": {
			`define(["./workbox-1"],(function(e){e.precacheAndRoute([{url:"200.html",revision:"old"},{url:"_nuxt/a.js",revision:null}],{})}));`,
			`define(["./workbox-1"],(function(e){e.precacheAndRoute([{url:"200.html",revision:"new"},{url:"_nuxt/a.js",revision:null}],{})}));`,
		},
		"as JSON, revision first": {
			"precacheAndRoute([\n  {\n    \"revision\": \"old\",\n    \"url\": \"index.html\"\n  },\n  { \"url\": \"a.png\", \"revision\": \"x\" }\n]);",
			"precacheAndRoute([\n  {\n    \"revision\": \"new\",\n    \"url\": \"index.html\"\n  },\n  { \"url\": \"a.png\", \"revision\": \"x\" }\n]);",
		},
		"other quotes and nulls": {
			"self.__WB_MANIFEST=[{'url':'/','revision':null,'integrity':'sha'},{url:`b.html`,revision:void 0}]",
			"self.__WB_MANIFEST=[{'url':'/','revision':\"new\",'integrity':null},{url:`b.html`,revision:\"new\"}]",
		},
		"a hash in front": {
			`p([{integrity:"sha256-a",url:"a.html",revision:"1"},{url:"a.js",integrity:"sha256-b",revision:"1"}])`,
			`p([{integrity:null,url:"a.html",revision:"new"},{url:"a.js",integrity:"sha256-b",revision:"1"}])`,
		},
		"an absent fallback": {
			`n.precacheAndRoute([{url:"200.html",revision:"1"}],{}),n.registerRoute(new n.NavigationRoute(n.createHandlerBoundToURL("/index.html"),{denylist:[/x/]}))`,
			`n.precacheAndRoute([{url:"/index.html",revision:"new"},{url:"200.html",revision:"new"}],{}),n.registerRoute(new n.NavigationRoute(n.createHandlerBoundToURL("/index.html"),{denylist:[/x/]}))`,
		},
		"a fallback that is there": {
			`p([{url:"index.html",revision:"1"}]);createHandlerBoundToURL('/index.html')`,
			`p([{url:"index.html",revision:"new"}]);createHandlerBoundToURL('/index.html')`,
		},
		"what only looks alike": {
			`p([{url:"a.html",revision:"1"}]);f({url:"b.html",revision:"1",method:"GET"});g({url:u,revision:"1"});h({url:"c.html"})`,
			`p([{url:"a.html",revision:"new"}]);f({url:"b.html",revision:"1",method:"GET"});g({url:u,revision:"1"});h({url:"c.html"})`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := ReadWorker([]byte(c.in))
			if w == nil {
				t.Fatal("no list found")
			}
			if got := string(w.Revise(revision, same)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := string(w.Revise(func(string) string { return "" }, same)); got != c.in {
				t.Errorf("with nothing to change: %s", got)
			}
		})
	}
	for _, script := range []string{"", "{", `{url:"a"}`, `f({url:"a",revision:"b"`, "self.addEventListener('fetch',()=>{})"} {
		if ReadWorker([]byte(script)) != nil {
			t.Errorf("%s has no list", script)
		}
	}
	w := ReadWorker([]byte(`[{url:"a.html",revision:"1"},{url:"\u0062.js",revision:null}];createHandlerBoundToURL("/index.html")`))
	if got := w.Files(); !slices.Equal(got, []string{"a.html", "b.js", "/index.html"}) {
		t.Errorf("files %q", got)
	}
}

func FuzzWorker(f *testing.F) {
	f.Add(`p([{url:"a.html",revision:"1"},{"revision":null,"url":'b'}]);createHandlerBoundToURL("/i.html")`)
	f.Fuzz(func(t *testing.T, script string) {
		w := ReadWorker([]byte(script))
		if w == nil {
			return
		}
		same := func(a, b string) bool { return a == b }
		if got := w.Revise(func(string) string { return "" }, same); string(got) != script {
			t.Fatalf("changed without a revision: %q", got)
		}
		revised := ReadWorker(w.Revise(func(string) string { return "<new>" }, same))
		for _, url := range w.Files() {
			if revised == nil || !slices.Contains(revised.Files(), url) {
				t.Fatalf("%q is lost", url)
			}
		}
	})
}
