package nuxt

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
)

// ours is a configuration as a server merges it, with what must not end a script.
func ours() map[string]any {
	return map[string]any{
		"ssrAuthEnabled": true, "authProvider": "basic-auth",
		"sync":             map[string]any{"enabled": true, "provider": "sqlite"},
		"limits":           map[string]any{"enabled": true, "requestsPerMinute": 20},
		"branding":         map[string]any{"appName": "</script><script>alert(1)//\u2028<!--"},
		"registrationMode": "invite_only",
	}
}

// merged is what ours prints where the build has nothing of it.
const (
	brandingText = `{"appName":"\u003c/script\u003e\u003cscript\u003ealert(1)//\u2028\u003c!--"}`
	limitsText   = `{"enabled":true,"requestsPerMinute":20}`
	syncText     = `{"enabled":true,"provider":"sqlite"}`
)

// around puts scripts into a page as Nuxt writes it.
func around(scripts string) string {
	return `<!DOCTYPE html><html><head><meta charset="utf-8"><script type="importmap">{"imports":{"#entry":"/_nuxt/entry.js"}}</script>` +
		`<script type="module" src="/_nuxt/entry.js" crossorigin></script><style>a::before{content:"<script>"}</style></head>` +
		`<body><!-- <script>window.__NUXT__=1</script> --><div id="__nuxt" title="<script>"></div>` + scripts + `</body></html>`
}

// TestConfigurationIsMerged has the forms in which builds of several versions write the configuration. What stands in
// place of PUBLIC is what merging makes of it.
func TestConfigurationIsMerged(t *testing.T) {
	const payload = `<script type="application/json" data-nuxt-data="nuxt-app" data-ssr="false" id="__NUXT_DATA__">[{"serverRendered":1},false]</script>`
	const build = `{ssrAuthEnabled:false,authProvider:"clerk",sync:{enabled:false,provider:"convex",convexUrl:""},features:{a:{b:!0}},apiKey:void 0}`
	const want = `{ssrAuthEnabled:true,authProvider:"basic-auth",sync:{enabled:true,provider:"sqlite",convexUrl:""},features:{a:{b:!0}},apiKey:void 0,` +
		`"branding":` + brandingText + `,"limits":` + limitsText + `,"registrationMode":"invite_only"}`
	for name, c := range map[string]struct{ page, public, merged string }{
		"Nuxt 4 with a payload": {`<script>window.__NUXT__={};window.__NUXT__.config={public:PUBLIC,app:{baseURL:"/",buildId:"b",buildAssetsDir:"/_nuxt/",cdnURL:""}}</script>` + payload, build, want},
		"the payload first":     {payload + `<script>window.__NUXT__={};window.__NUXT__.config={public:PUBLIC,app:{baseURL:"/"}}</script>`, build, want},
		"without a payload":     {`<script>window.__NUXT__={};window.__NUXT__.config={app:{baseURL:"/"},public:PUBLIC};</script>`, build, want},
		"Nuxt 3, all in one":    {`<script>window.__NUXT__={serverRendered:false,data:{},state:{},config:{public:PUBLIC,app:{baseURL:"\u002F",cdnURL:""}}}</script>`, build, want},
		"minified": {`<script>self.__NUXT__={},self.__NUXT__.config={public:PUBLIC,app:{baseURL:"/"}}</script>`,
			`{ssrAuthEnabled:!1,sync:null,limits:{requestsPerMinute:1e2,more:[,1,]}}`,
			`{ssrAuthEnabled:true,sync:` + syncText + `,limits:{requestsPerMinute:20,more:[,1,],"enabled":true},"authProvider":"basic-auth","branding":` + brandingText + `,"registrationMode":"invite_only"}`},
		"as JSON": {"<script>\n  window.__NUXT__ = {};\n  window.__NUXT__.config = {\n \"public\": PUBLIC, \"app\": { \"baseURL\": \"/\" } } ;\n</script>",
			`{ "ssrAuthEnabled" : false, "x-y": 'it\'s', "sync": { "provider": "convex" } }`,
			`{"ssrAuthEnabled":true,"x-y":'it\'s',"sync":{"provider":"sqlite","enabled":true},"authProvider":"basic-auth","branding":` + brandingText + `,"limits":` + limitsText + `,"registrationMode":"invite_only"}`},
		"several apps":    {`<script>window.__NUXT__=window.__NUXT__||{};window.__NUXT__["nuxt-app"]={config:{public:PUBLIC,app:{baseURL:"/"}}}</script>` + payload, build, want},
		"as a module":     {`<script type="module">import p from "/_payload.js";window.__NUXT__={...p,...({state:{},config:{public:PUBLIC,app:{baseURL:"/"}}})}</script>`, build, want},
		"with parameters": {`<script>window.__NUXT__=(function(a,b,c){c.d=1;return {data:[c],config:{public:PUBLIC,app:{baseURL:b}}}}(false,"/",{}))</script>`, `{ssrAuthEnabled:a,guest:a}`, `{ssrAuthEnabled:true,guest:a,"authProvider":"basic-auth","branding":` + brandingText + `,"limits":` + limitsText + `,"registrationMode":"invite_only","sync":` + syncText + `}`},
		"a shared object": {`<script>window.__NUXT__={};window.__NUXT__.config=(function(a){return {public:PUBLIC,app:{baseURL:"/"}}}({enabled:false,mode:/* why */"x"}))</script>`,
			`{sync:a,other:a}`,
			`{sync:{enabled:true,mode:"x","provider":"sqlite"},other:a,"authProvider":"basic-auth","branding":` + brandingText + `,"limits":` + limitsText + `,"registrationMode":"invite_only","ssrAuthEnabled":true}`},
		"a key twice": {`<script>window.__NUXT__={config:{public:PUBLIC,app:{baseURL:"/"}}}</script>`, `{sync:{a:1},sync:{b:2}}`,
			`{sync:{b:2,"enabled":true,"provider":"sqlite"},"authProvider":"basic-auth","branding":` + brandingText + `,"limits":` + limitsText + `,"registrationMode":"invite_only","ssrAuthEnabled":true}`},
		"values that are not JSON": {`<script>window.__NUXT__={};window.__NUXT__.config={public:PUBLIC,app:{baseURL:"/"}}</script>`,
			`{when:new Date(0),big:10n,hex:0xF.toString(),map:new Map([[1,-2]]),half:"\ud83d",__proto__:null,` + "tick:`a\nb`" + `}`,
			`{when:new Date(0),big:10n,hex:0xF.toString(),map:new Map([[1,-2]]),half:"\ud83d",__proto__:null,` + "tick:`a\nb`" + `,"authProvider":"basic-auth","branding":` + brandingText + `,"limits":` + limitsText + `,"registrationMode":"invite_only","ssrAuthEnabled":true,"sync":` + syncText + `}`},
	} {
		t.Run(name, func(t *testing.T) {
			page := around(strings.Replace(c.page, "PUBLIC", c.public, 1))
			got, settings, err := ReadPage([]byte(page)).Configure(ours())
			if err != nil {
				t.Fatal(err)
			}
			if want := around(strings.Replace(c.page, "PUBLIC", c.merged, 1)); string(got.Bytes()) != want {
				t.Errorf("got  %s\nwant %s", got.Bytes(), want)
			}
			if settings.BaseURL != "/" || !got.IsClient() {
				t.Errorf("base %q, client %t", settings.BaseURL, got.IsClient())
			}
			again, _, err := got.Configure(ours())
			if err != nil || !bytes.Equal(again.Bytes(), got.Bytes()) {
				t.Errorf("merged twice: %v\n%s", err, again.Bytes())
			}
		})
	}
}

// What is not understood stays as it is, and is said.
func TestWhatIsNotUnderstoodIsLeftAlone(t *testing.T) {
	for name, scripts := range map[string]string{
		"no script":            ``,
		"only data":            `<script type="application/json">{"config":"__NUXT__"}</script>`,
		"only a comment":       `<script>// __NUXT__</script>`,
		"no configuration":     `<script>window.__NUXT__={data:{}}</script>`,
		"a program":            `<script>window.__NUXT__={};for(const k of [1])window.__NUXT__.config={public:{}}</script>`,
		"a call":               `<script>window.__NUXT__={};window.__NUXT__.config=make({public:{}})</script>`,
		"no literal":           `<script>window.__NUXT__={};window.__NUXT__.config={public:make()}</script>`,
		"a template":           "<script>window.__NUXT__={config:{public:{a:`${b}`}}}</script>",
		"spread":               `<script>window.__NUXT__={config:{public:{...a}}}</script>`,
		"spread behind":        `<script>window.__NUXT__={config:{public:{},...a}}</script>`,
		"a method":             `<script>window.__NUXT__={config:{public:{get sync(){return 1}}}}</script>`,
		"a changed parameter":  `<script>window.__NUXT__=(function(a){a.b=1;return {config:a}}({public:{}}))</script>`,
		"an object by a call":  `<script>window.__NUXT__={config:{public:{sync:make()}}}</script>`,
		"moved":                `<script>window.__NUXT__=(function(a){return {config:{public:{sync:a}}}}({other:x}))</script>`,
		"single parts":         `<script>window.__NUXT__={config:{public:{}}};window.__NUXT__.config.public={}</script>`,
		"cut off":              `<script>window.__NUXT__={config:{public:{</script>`,
		"deep":                 `<script>window.__NUXT__={config:{public:` + strings.Repeat("[", 5000) + `}}</script>`,
		"an unfinished string": "<script>window.__NUXT__={config:{public:{a:\"\n\"}}}</script>",
	} {
		t.Run(name, func(t *testing.T) {
			page := around(scripts)
			got, _, err := ReadPage([]byte(page)).Configure(ours())
			if err == nil || string(got.Bytes()) != page {
				t.Errorf("%v\n%s", err, got.Bytes())
			}
		})
	}
}

func TestPagesWithoutAPublicPart(t *testing.T) {
	for in, want := range map[string]string{
		`{app:{baseURL:"/"}}`: `{public:{"a":1},app:{baseURL:"/"}}`,
		`{}`:                  `{public:{"a":1}}`,
		`{public:void 0}`:     `{public:{"a":1}}`,
	} {
		got, _, err := ReadPage([]byte(`<script>window.__NUXT__={config:` + in + `}</script>`)).Configure(map[string]any{"a": 1})
		if want := `<script>window.__NUXT__={config:` + want + `}</script>`; err != nil || string(got.Bytes()) != want {
			t.Errorf("%s: %v\n%s", in, err, got.Bytes())
		}
	}
}

// The hashes are those of the text that browsers run: these come from `printf %s TEXT | openssl dgst -sha256 -binary |
// base64`.
func TestHashes(t *testing.T) {
	const a, ab = "'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='", "'sha256-fhj3NzEbLcOy8mndeDlrA1HxT7Zu+oefdoyyMYGIPHg='"
	page := ReadPage([]byte("<script>a</script><SCRIPT type=Module>a</SCRIPT><script src=x>b</script><script type=application/json>c</script>" +
		"<script type=importmap>a\r\nb</script><title><script>d</script></title><textarea><script>e</script></textarea><noscript></noscript>" +
		"<!--<script>f</script>--><script></script><svg title='<script>g</script>'>"))
	if got := strings.Join(page.Hashes(), " "); got != ab+" "+a {
		t.Errorf("got  %s\nwant %s %s", got, ab, a)
	}
	for src, want := range map[string]string{
		`h.script=[{innerHTML:"a"}]`: a, `x({title:t,script: [ { innerHTML : 'a' , tag:1}]}),y({script:[{innerHTML:"a"}]})`: a, "({script:[{innerHTML:`a\nb`}]})": ab,
		"a({script:[{innerHTML:`a\nb`}]}),b({script:[{innerHTML:\"a\"}]})": ab + " " + a, `v("span",{innerHTML:"a"}),b({script:[{innerHTML:"a"}]})`: a,
		`v("span",{innerHTML:"a"})`: "", "({script:[{innerHTML:`a${b}`}]})": "", `({script:[{innerHTML:a}]})`: "", `({script:[{innerHTML:"a`: "", "": "",
	} {
		if got := strings.Join(HeadScripts([]byte(src)), " "); got != want {
			t.Errorf("%s: %q", src, got)
		}
	}
}

func TestRedirectingPages(t *testing.T) {
	for page, want := range map[string]string{
		`<!DOCTYPE html><html><head><meta http-equiv="refresh" content="0; url=https://localhost/"></head></html>`: "https://localhost/",
		`<META HTTP-EQUIV=Refresh CONTENT="0;URL='https://localhost/200.html'">`:                                   "https://localhost/200.html",
		`<meta http-equiv="refresh" content="300"><script>window.__NUXT__={}</script>`:                             "",
		`<meta http-equiv="refresh" content="0; url=/x"><script src="a.js"></script>`:                              "",
		`<p>hello</p>`: "",
	} {
		if got := ReadPage([]byte(page)).Redirect(); got != want {
			t.Errorf("%s: %q", page, got)
		}
	}
}

// FuzzConfigure holds the injector to its promises whatever a page is: what is not understood is not changed; what is
// changed keeps all bytes outside one script and all scripts, says what we said, and is the same when it is done again.
func FuzzConfigure(f *testing.F) {
	for _, seed := range []string{
		`window.__NUXT__={};window.__NUXT__.config={public:{a:"<",b:[,1],c:void 0,d:'\'',e:1e-3},app:{baseURL:"/"}}`,
		`window.__NUXT__=(function(a,b){b.c=1;return {config:{public:{sync:a,x:b}}}}({},{}))`,
		`import p from "x";window.__NUXT__={...p,...({config:{public}})}`, `window.__NUXT__["a"]={config:{}}`, "window.__NUXT__={config:{public:{`x`}}}",
		`window.__NUXT__={config:{public:{a:1,a:{b:2},sync:null,"sync":{}}}}//<!-- <script>`,
	} {
		f.Add(seed, "</script>")
	}
	f.Fuzz(func(t *testing.T, script, value string) {
		page := []byte("<p>before</p><script>" + script + "</script><p>after</p><script>last</script>")
		values := map[string]any{"sync": map[string]any{"enabled": true, "text": value}, "x": value}
		read := ReadPage(page)
		got, _, err := read.Configure(values)
		if err != nil {
			if !bytes.Equal(got.Bytes(), page) {
				t.Fatalf("%v, and yet changed: %q", err, got.Bytes())
			}
			return
		}
		if len(got.scripts) != len(read.scripts) {
			t.Fatalf("scripts were %v and are %v: %q", read.scripts, got.scripts, got.Bytes())
		}
		if !bytes.HasPrefix(got.Bytes(), []byte("<p>before</p><script>")) || !bytes.HasSuffix(got.Bytes(), []byte("</script><p>after</p><script>last</script>")) {
			t.Fatalf("the page around has changed: %q", got.Bytes())
		}
		again, _, err := got.Configure(values)
		if err != nil || !bytes.Equal(again.Bytes(), got.Bytes()) {
			t.Fatalf("again: %v\n%q\n%q", err, got.Bytes(), again.Bytes())
		}
	})
}

// TestLargePagesAreReadOnce: a page with a large payload costs what its size is, and not the square of it.
func TestLargePagesAreReadOnce(t *testing.T) {
	page := ReadPage([]byte(`<script>window.__NUXT__={data:["A",` + strings.Repeat("10,0x1f,", 4000) + `],config:{public:{B:1}}}</script>`))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := page.Configure(map[string]any{"a": 1}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 32 {
		t.Errorf("%d MiB were taken for a page of 32 KiB", took)
	}
}
