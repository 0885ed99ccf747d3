package host

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/adminapi"
	"or3.chat/cloud/host/eventsapi"
)

// changing returns the routes that change something. They are those that the host really serves, so a new one is tested
// like all others.
func (r *real) changing(t *testing.T) []or3cloud.Route {
	t.Helper()
	all := r.running.Load().router.Routes()
	out := slices.DeleteFunc(slices.Clone(all), func(route or3cloud.Route) bool {
		return !route.Effects && slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, route.Method)
	})
	for _, known := range []string{
		"POST /api/sync/push", "POST /api/sync/update-cursor", "GET /api/sync/events", "POST /api/storage/commit", "PUT /api/storage/fs/upload",
		"POST /api/storage/resumable", "PATCH /api/storage/resumable/:id", "POST /api/storage/resumable/:id", "HEAD /api/storage/resumable/:id", "POST /api/storage/gc/run",
		"POST /api/basic-auth/sign-in", "POST /api/basic-auth/register", "PATCH /api/workspaces/:id", "DELETE /api/workspaces/:id",
	} {
		if !slices.ContainsFunc(out, func(route or3cloud.Route) bool { return route.Method+" "+route.Path == known }) {
			t.Fatalf("%s is not among the %d routes that change something", known, len(out))
		}
	}
	return out
}

// watchGuard records the verdict of the origin rule on the requests that reach a route.
func (r *real) watchGuard() *[]error {
	var said []error
	router := &r.running.Load().router
	guard := router.Guard
	router.Guard = func(req *http.Request, route or3cloud.Route) error {
		err := guard(req, route)
		said = append(said, err)
		return err
	}
	return &said
}

// ask sends one request to a route and returns its answer.
func (p *person) ask(route or3cloud.Route, contentType string, header http.Header) (*http.Response, string) {
	p.t.Helper()
	body := "{}"
	if contentType == "application/x-www-form-urlencoded" {
		body = "email=a&password=b"
	}
	path := strings.ReplaceAll(route.Path, ":id", p.workspace)
	if route.Path == "/api/sync/events" {
		path += "?workspaceId=unknown" // a stream that was admitted would not end
	}
	req, err := http.NewRequestWithContext(p.t.Context(), route.Method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header = header.Clone()
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res, string(text)
}

// TestForeignPagesChangeNothing sends requests to every route that changes something, as a page of another origin does,
// with the cookies of a member: each refuses, whatever the content type, and no cookie is touched. (Contract,
// security-middleware §5, auth Pitfall 13.)
func TestForeignPagesChangeNothing(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, "OR3_ALLOWED_ORIGINS=https://app.example")
	ann := r.register(t, "ann@example.test")
	types := []string{"", "application/json", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"}
	for _, route := range r.changing(t) {
		for i, header := range []http.Header{
			{"Origin": {"https://evil.example"}},
			{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
			{"Origin": {"null"}},
			{"Origin": {"http://127.0.0.1:1"}, "Sec-Fetch-Site": {"same-site"}},
			{"Sec-Fetch-Site": {"same-site"}},
			{"Sec-Fetch-Site": {"cross-site"}},
			{"Origin": {r.url}, "Sec-Fetch-Site": {"cross-site"}},
			{"Origin": {"https://app.example.evil.example"}},
			{"Origin": {"https://evil.example"}, "X-Forwarded-Host": {"evil.example"}},
		} {
			res, text := ann.ask(route, types[i%len(types)], header)
			var e struct{ Message, StatusMessage string }
			_ = json.Unmarshal([]byte(text), &e)
			if strings.HasPrefix(route.Path, adminapi.OwnPrefix) { // whose guard says what is missing
				e.Message, _, _ = strings.Cut(e.Message, ":")
				e.StatusMessage, _, _ = strings.Cut(e.StatusMessage, ":")
			}
			if res.StatusCode != 403 || route.Method != http.MethodHead && (e.Message != "Forbidden" || e.StatusMessage != "Forbidden") {
				t.Errorf("%s %s from %v: %d %s", route.Method, route.Path, header, res.StatusCode, text)
			}
			if got := res.Header.Values("Set-Cookie"); len(got) > 0 {
				t.Errorf("%s %s from %v: a refusal sets cookies %q", route.Method, route.Path, header, got)
			}
		}
	}
	was := ann.user
	if ann.resolve(); ann.user != was {
		t.Errorf("signed in as %s, before as %s", ann.user, was)
	}
}

// TestOwnPagesAndOtherProgramsAreNotForeign is the other half: the rule refuses none of them at any route.
func TestOwnPagesAndOtherProgramsAreNotForeign(t *testing.T) {
	for _, c := range []struct {
		name    string
		environ []string
		headers func(url string) []http.Header
	}{
		{"by its own address", []string{"OR3_ALLOWED_ORIGINS=https://app.example,https://Tools.example:443"}, func(url string) []http.Header {
			return []http.Header{
				{},
				{"Origin": {url}},
				{"Origin": {url}, "Sec-Fetch-Site": {"same-origin"}},
				{"Origin": {strings.ToUpper(url)}},
				{"Sec-Fetch-Site": {"same-origin"}},
				{"Sec-Fetch-Site": {"none"}},
				{"Origin": {"https://app.example"}, "Sec-Fetch-Site": {"cross-site"}},
				{"Origin": {"https://tools.example"}, "Sec-Fetch-Site": {"same-site"}},
			}
		}},
		{"behind a proxy", []string{"OR3_TRUST_PROXY=true"}, func(string) []http.Header {
			return []http.Header{
				{"Origin": {"https://cloud.example"}, "X-Forwarded-Host": {"cloud.example"}, "X-Forwarded-Proto": {"https"}},
				{"Origin": {"https://cloud.example"}, "X-Forwarded-Host": {"Cloud.example:443"}, "Sec-Fetch-Site": {"same-origin"}},
			}
		}},
		{"with a public URL", []string{"OR3_PUBLIC_URL=https://cloud.example"}, func(url string) []http.Header {
			return []http.Header{
				{"Origin": {"https://cloud.example"}, "Sec-Fetch-Site": {"same-origin"}}, // the proxy names another host
				{"Origin": {"https://Cloud.example:443"}},
				{"Origin": {url}},
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := startReal(t, eventsapi.Bounds{}, nil, c.environ...)
			said := r.watchGuard()
			visitor := r.visitor(t)
			for _, route := range r.changing(t) {
				if strings.HasPrefix(route.Path, adminapi.OwnPrefix) { // no other programs there: the matrix of adminapi
					continue
				}
				for _, header := range c.headers(r.url) {
					res, text := visitor.ask(route, "application/json", header)
					if n := len(*said); n == 0 || (*said)[n-1] != nil {
						t.Errorf("%s %s from %v: %d %s", route.Method, route.Path, header, res.StatusCode, text)
					}
					if route.Path == "/api/basic-auth/sign-in" && res.StatusCode == 403 { // which also has its own rule
						t.Errorf("sign-in from %v: %d %s", header, res.StatusCode, text)
					}
				}
			}
			if c.name == "behind a proxy" {
				// The proxy is responsible for the host that the request names there.
				if res, _ := visitor.ask(or3cloud.Route{Method: "POST", Path: "/api/sync/push"}, "", http.Header{"Origin": {r.url}, "X-Forwarded-Host": {"cloud.example"}}); res.StatusCode != 403 {
					t.Errorf("a page of the address behind the proxy: %d", res.StatusCode)
				}
			}
		})
	}
}
