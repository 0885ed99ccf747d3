package host

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/adminapi"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/internal/openapi"
)

// endpoint is an endpoint that docs/endpoints.md names.
type endpoint struct {
	method, path string
	answer       string
	line         int
}

// absent returns the status of an endpoint that is not offered; 0 if it is served.
func (e endpoint) absent() int {
	status, ok := strings.CutPrefix(e.answer, "not offered: ")
	if !ok {
		return 0
	}
	n, _ := strconv.Atoi(status)
	return n
}

// target is a path that the endpoint's matches.
func (e endpoint) target() string {
	return strings.NewReplacer(":id", "x", ":digest", "x", "*", "x").Replace(e.path)
}

var (
	endpointRow  = regexp.MustCompile(`^\| (.+?) \| ([^|]+?) \|`)
	endpointName = regexp.MustCompile("`([A-Z]+) (/[^ `?]*)")
)

// listed returns the endpoints of docs/endpoints.md, by method and path.
func listed(t *testing.T) map[string]endpoint {
	t.Helper()
	page, err := os.ReadFile("../docs/endpoints.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]endpoint{}
	line := 0
	for text := range strings.Lines(string(page)) {
		line++
		row := endpointRow.FindStringSubmatch(text)
		if row == nil {
			continue
		}
		for _, name := range endpointName.FindAllStringSubmatch(row[1], -1) {
			e := endpoint{name[1], name[2], row[2], line}
			key := e.method + " " + e.path
			if other, twice := out[key]; twice {
				t.Errorf("%s stands in lines %d and %d", key, other.line, line)
			}
			out[key] = e
		}
	}
	return out
}

// asListed is a route as the page has it: those of our own pages for administrators stand there once for both prefixes,
// where the contract has them as well.
func asListed(page map[string]endpoint, route or3cloud.Route) string {
	key := route.Method + " " + route.Path
	rest, own := strings.CutPrefix(route.Path, adminapi.OwnPrefix)
	if _, alone := page[key]; own && !alone {
		return route.Method + " " + adminapi.Prefix + rest
	}
	return key
}

// routes are all routes of a host that has all that can be switched on, as the page names them.
func routes(t *testing.T, page map[string]endpoint) map[string]bool {
	t.Helper()
	r := background(t, nil, superAdmin...)
	served := map[string]bool{}
	for _, route := range append(r.running.Load().router.Routes(), r.health.Routes()...) {
		served[asListed(page, route)] = true
	}
	if len(served) < 60 {
		t.Fatalf("%d routes", len(served))
	}
	return served
}

// TestEveryRouteIsDescribed compares the description of the API with what the host serves, in both directions.
func TestEveryRouteIsDescribed(t *testing.T) {
	doc, err := openapi.Read()
	if err != nil {
		t.Fatal(err)
	}
	served := routes(t, listed(t))
	served["GET "+metricsPath] = true // no router knows it
	for _, key := range doc.Operations() {
		if !served[key] {
			t.Errorf("%s describes %s, which the host does not serve", openapi.File, key)
		}
		delete(served, key)
	}
	for key := range served {
		t.Errorf("%s does not describe %s: add it below paths, as docs/internals/testing.md says (\"The description of the API\")", openapi.File, key)
	}
}

// TestEveryEndpointIsListed compares the page with what the host serves: all routes stand there as served, and nothing
// else does.
func TestEveryEndpointIsListed(t *testing.T) {
	page := listed(t)
	served := routes(t, page)
	for key := range served {
		if e, ok := page[key]; !ok || e.absent() != 0 {
			t.Errorf("docs/endpoints.md does not say that %s is served (line %d)", key, e.line)
		}
	}
	if len(page) < 150 {
		t.Fatalf("%d listed", len(page))
	}
	for key, e := range page {
		switch {
		case e.absent() == 0 && e.answer != "served" && e.answer != "empty":
			t.Errorf("line %d: %q says nothing", e.line, e.answer)
		case e.absent() == 0 && !served[key]:
			t.Errorf("line %d: no one serves %s", e.line, key)
		}
	}
}

// What is not offered is answered at once and with the status that the page names, signed in or not, in the form of all
// errors; and without accounts there is no endpoint of the cloud at all.
func TestEndpointsThatAreNotOffered(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	ann := r.register(t, "ann@example.test")
	static := open(t, newWorld().host(t, defaults("SSR_AUTH_ENABLED", "false")))
	for key, e := range listed(t) {
		if !strings.HasPrefix(e.path, "/api/health") {
			q := httptest.NewRequest(e.method, e.target(), strings.NewReader("{}"))
			q.Header.Set("X-Or3-Openrouter-Key", "sk-or-v1-x")
			if got := send(static, q); got.Code != http.StatusNotFound || !strings.Contains(got.Body.String(), `"statusCode": 404`) && e.method != http.MethodHead {
				t.Errorf("%s without accounts: %d %s", key, got.Code, got.Body)
			}
		}
		if e.absent() == 0 {
			continue
		}
		for _, who := range []*person{ann, r.visitor(t)} {
			res, text, err := who.send(t.Context(), e.method, e.target(), `{"workspaceId":"x"}`)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != e.absent() || !strings.Contains(string(text), `"statusCode": `+strconv.Itoa(e.absent())) {
				t.Errorf("%s: %d %s", key, res.StatusCode, text)
			}
		}
	}
}

// TestSendingAChatIsNeverAHang is what a client meets in the running host (see chatapi).
func TestSendingAChatIsNeverAHang(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	for _, who := range []*person{r.register(t, "ann@example.test"), r.visitor(t)} {
		for key, want := range map[string]int{"sk-or-v1-x": 404, "": 400} {
			req, err := http.NewRequestWithContext(t.Context(), "POST", r.url+"/api/openrouter/stream", strings.NewReader(`{"_background":true,"x":"`+strings.Repeat("x", 1<<20)+`"}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Or3-Openrouter-Key", key)
			res, err := who.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("with the key %q: %d", key, res.StatusCode)
			}
		}
	}
}
