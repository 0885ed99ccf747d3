package icons

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"or3.chat/cloud/httpapi"
)

// ask sends a request for icons of a client.
func ask(i *Icons, client fs.FS, method, target string, header ...string) *httptest.ResponseRecorder {
	w, r := httptest.NewRecorder(), httptest.NewRequest(method, target, nil)
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	httpapi.Respond(w, r, func(w http.ResponseWriter, r *http.Request) error { return i.Serve(w, r, client) })
	return w
}

// icons reads an answer.
func icons(t *testing.T, w *httptest.ResponseRecorder) (p picked) {
	t.Helper()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTheCollectionsOfTheClient asks for an icon of each collection as the client does.
func TestTheCollectionsOfTheClient(t *testing.T) {
	i := New()
	for of, name := range map[string]string{"carbon": "settings", "heroicons": "trash", "lucide": "search", "pixelarticons": "reload", "simple-icons": "github", "tabler": "pencil"} {
		p := icons(t, ask(i, fstest.MapFS{}, "GET", Path+of+".json?icons="+name))
		var icon struct{ Body string }
		if err := json.Unmarshal(p.Icons[name], &icon); err != nil || !strings.HasPrefix(icon.Body, "<") {
			t.Errorf("%s:%s is %s", of, name, p.Icons[name])
		}
		if p.Prefix != of || p.Width == 0 || p.Height == 0 || p.LastModified == 0 || len(p.Icons) != 1 || p.NotFound != nil {
			t.Errorf("%s: %+v", of, p.head)
		}
		text, err := packed.ReadFile("licenses/" + of + ".txt")
		if err != nil || !strings.Contains(string(text), "@iconify-json/"+of) {
			t.Errorf("what the authors of %s say: %v", of, err)
		}
	}
	all := ask(i, fstest.MapFS{}, "GET", Path+"licenses").Body.String()
	for _, want := range []string{"Apache License", "IBM Corp.", "ISC License", "Cole Bemis", "Gerrit Halfmann", "CC0 1.0 Universal", "Paweł Kuna"} {
		if !strings.Contains(all, want) {
			t.Errorf("the licences lack %q", want)
		}
	}
}

// small is a collection that a client brings.
const small = `{"prefix":"own","width":16,"icons":{"a":{"body":"<g/>","hidden":true},"b":{"body":"<b/>","width":8}},
	"aliases":{"c":{"parent":"a","hFlip":true},"d":{"parent":"c"},"e":{"parent":"f"},"f":{"parent":"e"},"g":{"parent":"none"},"h":{}}}`

func TestWhatIsPicked(t *testing.T) {
	client := fstest.MapFS{"api/_nuxt_icon/own.json": {Data: []byte(small)}}
	for query, want := range map[string]string{
		"icons=a":         `{"prefix":"own","width":16,"icons":{"a":{"body":"<g/>","hidden":true}}}`,
		"icons=b,a,b":     `{"prefix":"own","width":16,"icons":{"a":{"body":"<g/>","hidden":true},"b":{"body":"<b/>","width":8}}}`,
		"icons=d":         `{"prefix":"own","width":16,"icons":{"a":{"body":"<g/>","hidden":true}},"aliases":{"c":{"parent":"a","hFlip":true},"d":{"parent":"c"}}}`,
		"icons=a&icons=b": `{"prefix":"own","width":16,"icons":{"a":{"body":"<g/>","hidden":true},"b":{"body":"<b/>","width":8}}}`,
		"icons=a%2Cz,,z":  `{"prefix":"own","width":16,"icons":{"a":{"body":"<g/>","hidden":true}},"not_found":["z"]}`,
		"icons=e,g,h,__proto__,constructor,A,%3Cb%3E,%00,%FF": `{"prefix":"own","width":16,"icons":{},"not_found":["e","g","h","constructor"]}`,
	} {
		got := strings.TrimSpace(ask(New(), client, "GET", Path+"own.json?"+query).Body.String())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", query, diff)
		}
	}
}

// TestRequestsThatGetNoIcons: no outside service is asked after a 404, and honest clients see no other error.
func TestRequestsThatGetNoIcons(t *testing.T) {
	client := fstest.MapFS{
		"api/_nuxt_icon/broken.json": {Data: []byte("{")}, "api/_nuxt_icon/folder.json/x": {Data: []byte("x")}, "secret.json": {Data: []byte(small)},
	}
	thousand := strings.Repeat("ab,", 1000)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "mdi.json?icons=home", 404}, {"GET", "constructor.json?icons=a", 404}, {"GET", "__proto__.json?icons=a", 404},
		{"GET", "LUCIDE.json?icons=search", 404}, {"GET", "?icons=a", 404}, {"GET", ".json?icons=a", 404}, {"GET", "../../secret.json?icons=a", 404},
		{"GET", "..%2f..%2fsecret.json?icons=a", 404}, {"GET", "lucide/search.json?icons=a", 404}, {"GET", "lucide.svg?icons=search", 404},
		{"GET", "lucide.json", 400}, {"GET", "lucide.json?icons=", 400}, {"GET", "lucide.json?icons=" + thousand, 400}, {"GET", "lucide.json?x=" + thousand, 400},
		{"POST", "lucide.json?icons=search", 404}, {"DELETE", "lucide.json?icons=search", 404}, {"OPTIONS", "lucide.json?icons=search", 404},
		{"GET", "folder.json?icons=a", 404}, {"GET", "broken.json?icons=a", 500}, {"GET", "lucide?icons=search", 200}, {"HEAD", "lucide.json?icons=search", 200},
	} {
		w := ask(New(), client, c.method, Path+c.path)
		if w.Code != c.status || c.status >= 400 && !strings.Contains(w.Body.String(), `"statusCode":`) {
			t.Errorf("%s %.60s: %d %s", c.method, c.path, w.Code, w.Body)
		}
		if c.status != 200 && strings.Contains(w.Header().Get("Cache-Control"), "max-age") {
			t.Errorf("%s %.60s: caches keep the error: %v", c.method, c.path, w.Header())
		}
	}
}

func TestAnswersAreCached(t *testing.T) {
	i, target := New(), Path+"tabler.json?icons=pencil,x,check,search,settings,send,user,users"
	first := ask(i, fstest.MapFS{}, "GET", target, "Accept-Encoding", "gzip, br")
	if first.Header().Get("Content-Encoding") != "br" || !strings.Contains(first.Header().Get("Cache-Control"), "max-age=") {
		t.Errorf("%v", first.Header())
	}
	again := ask(i, fstest.MapFS{}, "GET", target, "Accept-Encoding", "gzip, br", "If-None-Match", first.Header().Get("ETag"))
	if again.Code != http.StatusNotModified {
		t.Errorf("again: %d", again.Code)
	}
}

// TestTheClientsOwnCollection comes before one of the program, and is read again when it has changed.
func TestTheClientsOwnCollection(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "api", "_nuxt_icon", "lucide.json")
	i, client := New(), os.DirFS(dir)
	if p := icons(t, ask(i, client, "GET", Path+"lucide.json?icons=search,own")); len(p.Icons) != 1 || p.NotFound[0] != "own" {
		t.Errorf("without one: %v", p)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"<g/>", "<path/>"} {
		if err := os.WriteFile(file, []byte(`{"prefix":"lucide","icons":{"own":{"body":"`+body+`"}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		p := icons(t, ask(i, client, "GET", Path+"lucide.json?icons=search,own"))
		if !strings.Contains(string(p.Icons["own"]), body) || p.NotFound[0] != "search" {
			t.Errorf("%s: %v", body, p)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if p := icons(t, ask(i, client, "GET", Path+"lucide.json?icons=search")); len(p.Icons) != 1 {
		t.Errorf("without one again: %v", p)
	}
	if err := os.WriteFile(file, make([]byte, largestCollection+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if w := ask(i, client, "GET", Path+"lucide.json?icons=search"); w.Code != http.StatusInternalServerError {
		t.Errorf("a file without end: %d", w.Code)
	}
}

// TestCollectionsLeaveTheMemory that no one asks for.
func TestCollectionsLeaveTheMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := New()
		held := func() int {
			i.mu.Lock()
			defer i.mu.Unlock()
			return len(i.shelf)
		}
		ask(i, fstest.MapFS{}, "GET", Path+"lucide.json?icons=search")
		ask(i, fstest.MapFS{}, "GET", Path+"mdi.json?icons=search")
		time.Sleep(idle - time.Minute)
		ask(i, fstest.MapFS{}, "GET", Path+"pixelarticons.json?icons=reload")
		if held() != 2 {
			t.Errorf("%d collections are held", held())
		}
		time.Sleep(2 * time.Minute)
		if held() != 1 {
			t.Errorf("%d collections are held, and one was asked for", held())
		}
		time.Sleep(2 * idle)
		if held() != 0 {
			t.Errorf("%d collections are held for no one", held())
		}
		if p := icons(t, ask(i, fstest.MapFS{}, "GET", Path+"lucide.json?icons=search")); len(p.Icons) != 1 {
			t.Error("it does not come back")
		}
		time.Sleep(2 * idle)
	})
}

func TestScriptsAskHere(t *testing.T) {
	for script, want := range map[string]string{
		`icon:{provider:"iconify",iconifyApiEndpoint:"https://api.iconify.design",localApiEndpoint:"/api/_nuxt_icon"}`: `icon:{provider:"iconify",iconifyApiEndpoint:"/cloud/api/_nuxt_icon",localApiEndpoint:"/api/_nuxt_icon"}`,
		"{\"iconifyApiEndpoint\": 'https://api.iconify.design/'}":                                                      "{\"iconifyApiEndpoint\": '/cloud/api/_nuxt_icon'}",
		"{iconifyApiEndpoint:`https://api.iconify.design`}":                                                            "{iconifyApiEndpoint:`/cloud/api/_nuxt_icon`}",
		`iconifyApiEndpoint:"https://icons.example.org"`:                                                               `iconifyApiEndpoint:"https://icons.example.org"`,
		`iconifyApiEndpoint:"https://api.iconify.design.example"`:                                                      `iconifyApiEndpoint:"https://api.iconify.design.example"`,
		`t.iconifyApiEndpoint`:         `t.iconifyApiEndpoint`,
		`"https://api.iconify.design"`: `"https://api.iconify.design"`,
	} {
		if got, asks := Local([]byte(script), "/cloud"); string(got) != want || asks != (script != want) {
			t.Errorf("%s\nbecomes %s\nnot     %s", script, got, want)
		}
	}
}
