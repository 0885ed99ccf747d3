package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

func respond(t *testing.T, r *http.Request, h Handler) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	rw, r := WithRecord(w, r, &Record{})
	Respond(rw, r, h)
	return w
}

func failing(err error) Handler {
	return func(http.ResponseWriter, *http.Request) error { return err }
}

// The original server was recorded answering with exactly this text and length.
func TestErrorBodyIsTheRecordedOneByteForByte(t *testing.T) {
	r := httptest.NewRequest("POST", "/api/sync/push", nil)
	r.Host = "127.0.0.1:41001"
	w := respond(t, r, failing(or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized")))
	want := `{
  "error": true,
  "url": "http://127.0.0.1:41001/api/sync/push",
  "statusCode": 401,
  "statusMessage": "Unauthorized",
  "message": "Unauthorized"
}`
	if got := w.Body.String(); got != want || len(got) != 153 {
		t.Errorf("body of %d bytes:\n%s", len(got), got)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Referrer-Policy": "no-referrer", "Cache-Control": "no-cache", "Content-Length": "153",
		"Content-Security-Policy": "script-src 'none'; frame-ancestors 'none';",
	} {
		if got := w.Header().Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

func TestStatusOfEveryCode(t *testing.T) {
	for code, status := range statuses {
		w := respond(t, httptest.NewRequest("GET", "/api/x", nil), failing(or3cloud.Errorf(code, "why")))
		text := "why"
		if code == or3cloud.CodeInternal {
			text = "Server Error"
		}
		var body errorBody
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		if w.Code != status || body.StatusCode != status || body.Message != text || body.StatusMessage != text {
			t.Errorf("%s: %d %+v", code, w.Code, body)
		}
	}
	if len(statuses) != 14 {
		t.Errorf("%d codes have a status", len(statuses))
	}
}

func TestErrorsHideTheirCause(t *testing.T) {
	secret := errors.New("open /var/lib/secret: permission denied")
	for _, err := range []error{
		secret, fmt.Errorf("reading: %w", secret), or3cloud.Unavailable(secret, "Service Unavailable", time.Second),
		or3cloud.WrapError(secret, or3cloud.CodeInternal, "inner text"),
	} {
		w := respond(t, httptest.NewRequest("GET", "/api/x", nil), failing(err))
		if body := w.Body.String(); strings.Contains(body, "secret") || strings.Contains(body, "inner") {
			t.Errorf("%v: %s", err, body)
		}
	}
}

func TestErrorKeepsHeadersAndData(t *testing.T) {
	w := respond(t, httptest.NewRequest("GET", "/api/x", nil), func(w http.ResponseWriter, r *http.Request) error {
		NoCache(w)
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set("ETag", `"of the file"`)
		return &or3cloud.Error{
			Code: or3cloud.CodeRateLimited, Message: "Slow down", RetryAfter: 1100 * time.Millisecond, Data: map[string]int{"n": 1},
		}
	})
	h := w.Header()
	if h.Get("Retry-After") != "2" || h.Get("Set-Cookie") != "a=b" || h.Get("Pragma") != "no-cache" || h.Get("ETag") != "" ||
		h.Get("Cache-Control") != "no-store, no-cache, must-revalidate" {
		t.Errorf("headers: %v", h)
	}
	if !strings.Contains(w.Body.String(), `"data": {`) {
		t.Error(w.Body)
	}
}

// A cut answer must not look like a complete one.
func TestErrorAfterTheAnswerBeganBreaksTheConnection(t *testing.T) {
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("recovered %v", p)
		}
	}()
	respond(t, httptest.NewRequest("GET", "/api/x", nil), func(w http.ResponseWriter, r *http.Request) error {
		fmt.Fprint(w, "half")
		return errors.New("disk gone")
	})
}

// Security-middleware Pitfall 5.
func TestErrorURLNeverShowsATokenPitfall5(t *testing.T) {
	for target, want := range map[string]string{
		"/api/x?token=SECRET": "/api/x?token=redacted",
		"/api/x?invite=SECRET&setup=SECRET&reset=SECRET&confirm-email=SECRET": "/api/x?invite=redacted&setup=redacted&reset=redacted&confirm-email=redacted",
		"/api/x?a=1&token=SECRET&b=2":                                         "/api/x?a=1&token=redacted&b=2",
		"/api/x?%74oken=SECRET":                                               "/api/x?%74oken=redacted",
		"/api/x?TOKEN=SECRET&token=SECRET":                                    "/api/x?TOKEN=redacted&token=redacted",
		"/api/x?%zz=SECRET":                                                   "/api/x?%zz=redacted",
		"/api/x?tokens=3":                                                     "/api/x?tokens=3",
	} {
		r := httptest.NewRequest("GET", target, nil)
		w := respond(t, r, NotFound)
		var body struct {
			URL, Message string
			Data         struct{ Path string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(w.Body.String(), "SECRET") || body.URL != "http://example.com"+want ||
			body.Message != "Page not found: "+want || body.Data.Path != want {
			t.Errorf("%s: %s", target, w.Body)
		}
	}
}

func TestRouter(t *testing.T) {
	var router Router
	echo := func(w http.ResponseWriter, r *http.Request) error {
		_, err := fmt.Fprint(w, r.Pattern, r.PathValue("id"))
		return err
	}
	for _, route := range []or3cloud.Route{
		{Method: "GET", Path: "/api/a", Handle: echo},
		{Method: "POST", Path: "/api/a/active", Handle: echo},
		{Method: "PATCH", Path: "/api/a/:id", Handle: echo},
		{Method: "HEAD", Path: "/api/b/:id", Handle: echo},
		{Method: "GET", Path: "/api/c/:id", Handle: echo},
		{Method: "GET", Path: "/api/c/:id/parts", Handle: echo},
		{Method: "GET", Path: "/api/c/:id/parts/first", Handle: echo},
		{Method: "GET", Path: "/api/c/main/parts", Handle: func(w http.ResponseWriter, r *http.Request) error {
			_, err := fmt.Fprint(w, "the main parts")
			return err
		}},
	} {
		if err := router.Add("test", route); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []or3cloud.Route{
		{Method: "GET", Path: "/api/a", Handle: echo},
		{Method: "GET", Path: "/elsewhere", Handle: echo},
		{Path: "/api/b", Handle: echo},
		{Method: "GET", Path: "/api/b"},
	} {
		if err := router.Add("somebody", bad); err == nil || !strings.Contains(err.Error(), "somebody") {
			t.Errorf("%+v was taken: %v", bad, err)
		}
	}
	for _, c := range []struct {
		request string
		status  int
		body    string
	}{
		{"GET /api/a", 200, ""},
		{"HEAD /api/a", 200, ""},
		{"PATCH /api/a/one", 200, "one"},
		{"PATCH /api/a/%2e%2e", 200, ".."},
		{"HEAD /api/b/one", 200, "one"},
		{"HEAD /api/c/one", 200, "one"},
		{"GET /api/b/one", 404, ""},
		{"POST /api/a/active", 200, ""},
		{"POST /api/a", 404, ""},
		{"OPTIONS /api/a", 404, ""},
		{"PATCH /api/a/", 404, ""},
		{"GET /api/a/", 404, ""},
		{"GET /api//a", 404, ""},
		{"PATCH /api/a/one/two", 404, ""},
		{"GET /api/c/one/parts", 200, "one"},
		{"GET /api/c/one/parts/first", 200, "one"},
		{"GET /api/c/one/parts/second", 404, ""},
		{"GET /api/c/parts/parts", 200, "parts"},
		{"GET /api/c/parts", 200, "parts"},
		{"GET /api/c/main/parts", 200, "the main parts"},
		{"GET /api/c//parts", 404, ""},
		{"GET /api/c/one/parts/", 404, ""},
		{"GET /api/c/one/two/parts", 404, ""},
		{"GET /api/c/one/others", 404, ""},
		{"GET /api", 404, ""},
	} {
		method, target, _ := strings.Cut(c.request, " ")
		w := respond(t, httptest.NewRequest(method, target, nil), router.Serve)
		if w.Code != c.status || c.body != "" && w.Body.String() != c.body {
			t.Errorf("%s: %d %s", c.request, w.Code, w.Body)
		}
		if c.status == 404 && w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: not JSON", c.request)
		}
	}
}

func TestReadJSON(t *testing.T) {
	const jsonType = "application/json"
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		statusMessage, message  string
	}{
		{"object", jsonType, `{"n":1,"unknown":{}}`, 200, "", ""},
		{"half of a surrogate pair", jsonType, `{"s":"\ud83d","n":1}`, 200, "", ""},
		{"any media type is read", "text/plain", `{"n":1.0}`, 200, "", ""},
		{"malformed", jsonType, `{"n":`, 400, "Bad Request", "Invalid JSON body"},
		{"trailing text", jsonType, `{"n":1} x`, 400, "Bad Request", "Invalid JSON body"},
		{"malformed, with parameters", "application/json; charset=utf-8", `{`, 400, "Bad Request", "Invalid JSON body"},
		{"malformed, other type", "text/plain", `{`, 400, "Invalid thing", "Invalid thing"},
		{"malformed, no type", "", `{`, 400, "Invalid thing", "Invalid thing"},
		{"empty", jsonType, ``, 400, "Invalid thing", "Invalid thing"},
		{"null", jsonType, `null`, 400, "Invalid thing", "Invalid thing"},
		{"array", jsonType, `[]`, 400, "Invalid thing", "Invalid thing"},
		{"wrong type", jsonType, `{"n":"1"}`, 400, "Invalid thing", "Invalid thing"},
		{"fraction", jsonType, `{"n":1.5}`, 400, "Invalid thing", "Invalid thing"},
		{"too large", jsonType, `{"n":1,"pad":"` + strings.Repeat("x", SmallBody) + `"}`, 413,
			"The request body is too large.", "The request body is too large."},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/api/x", strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.contentType)
			w := respond(t, r, func(w http.ResponseWriter, r *http.Request) error {
				LimitBody(w, r, SmallBody)
				var in struct {
					N *Int `json:"n"`
				}
				if err := ReadJSON(r, &in, "Invalid thing"); err != nil {
					return err
				}
				return WriteJSON(w, 200, map[string]bool{"ok": true})
			})
			var body errorBody
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			if w.Code != c.status || body.StatusMessage != c.statusMessage || body.Message != c.message {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

// A stalled or broken sender gets a 503, so that it comes again instead of counting a failed attempt.
func TestBrokenBodyIsTransient(t *testing.T) {
	r := httptest.NewRequest("POST", "/api/x", io.MultiReader(strings.NewReader("{"), failingReader{}))
	w := respond(t, r, func(w http.ResponseWriter, r *http.Request) error {
		LimitBody(w, r, SmallBody)
		return ReadJSON(r, &struct{}{}, "Invalid thing")
	})
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("i/o timeout") }

func TestDurationDoesNotOverflow(t *testing.T) {
	if d := Duration(or3cloud.MaxSafeInteger, time.Second); d <= 0 {
		t.Error(d)
	}
	if d := Duration(90, time.Second); d != 90*time.Second {
		t.Error(d)
	}
}

// Deadlines belong to the body. If one stayed on the connection, it would cancel a handler that works long after
// reading the body.
func TestBodyDeadlineIsLiftedAfterTheBody(t *testing.T) {
	c := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequest("POST", "/api/x", strings.NewReader("{}"))
	LimitBody(c, r, SmallBody)
	if len(c.set) != 1 || c.set[0].IsZero() {
		t.Fatalf("deadlines: %v", c.set)
	}
	if _, err := io.ReadAll(r.Body); err != nil {
		t.Fatal(err)
	}
	if len(c.set) != 2 || !c.set[1].IsZero() {
		t.Errorf("deadlines: %v", c.set)
	}
	c.set = nil
	LimitBody(c, httptest.NewRequest("GET", "/api/x", nil), SmallBody)
	if len(c.set) != 0 {
		t.Errorf("a request without a body got a deadline: %v", c.set)
	}
}

// A client that does not read its answer must not keep it in memory indefinitely, nor must the next answer suffer. A
// client that is refused before its body is read cannot keep the connection open by never sending it.
func TestARefusedBodyIsNotWaitedForForever(t *testing.T) {
	var router Router
	router.Guard = func(*http.Request, or3cloud.Route) error { return or3cloud.Errorf(or3cloud.CodeForbidden, "Forbidden") }
	handle := func(http.ResponseWriter, *http.Request) error { return nil }
	if err := router.Add("test", or3cloud.Route{Method: "POST", Path: "/api/x", Handle: handle}); err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string]io.Reader{"/api/x": strings.NewReader("{}"), "/api/unknown": strings.NewReader("{}"), "/api/none": nil} {
		c := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		Respond(c, httptest.NewRequest("POST", path, body), router.Serve)
		want := 1 // for the answer
		if body != nil {
			want = 2
		}
		if len(c.set) != want || slices.ContainsFunc(c.set, time.Time.IsZero) || c.Code < 400 {
			t.Errorf("%s: %d, deadlines %v", path, c.Code, c.set)
		}
	}
}

func TestAnswersHaveADeadlineAndTheNextRequestHasNone(t *testing.T) {
	c := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	WriteRaw(c, make([]byte, 8<<20))
	if len(c.set) != 1 || time.Until(c.set[0]) < 8*time.Minute || time.Until(c.set[0]) > 10*time.Minute {
		t.Errorf("deadlines: %v", c.set)
	}
	if err := WriteJSON(c, 200, 1); err != nil || len(c.set) != 2 {
		t.Errorf("deadlines: %v %v", c.set, err)
	}
	if Unhurried(c); len(c.set) != 3 || !c.set[2].IsZero() {
		t.Errorf("deadlines: %v", c.set)
	}
}

type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func (d *deadlines) SetWriteDeadline(t time.Time) error { return d.SetReadDeadline(t) }

func FuzzRedactedURI(f *testing.F) {
	for _, s := range []string{"token=s", "a=b&token=s", "%74oken=s", "&&=&token", "token=s=t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/api/x", nil)
		r.URL.RawQuery = query
		r.URL.RawQuery = redactedURI(r)[strings.IndexByte(redactedURI(r)+"?", '?'):]
		for name, values := range r.URL.Query() {
			if strings.EqualFold(strings.TrimPrefix(name, "?"), "token") {
				for _, v := range values {
					if v != "redacted" && v != "" {
						t.Errorf("%q shows %q", query, v)
					}
				}
			}
		}
	})
}

// Whatever body a front writes for a fault, the status, the wait and what stays hidden are the same.
func TestFaultsInAnotherBody(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Fault
	}{
		{errors.New("secret cause"), Fault{Code: or3cloud.CodeInternal, Status: 500, Message: "Server Error"}},
		{or3cloud.Errorf(or3cloud.CodeInternal, "secret"), Fault{Code: or3cloud.CodeInternal, Status: 500, Message: "Server Error"}},
		{or3cloud.Errorf("no such code", "secret"), Fault{Code: or3cloud.CodeInternal, Status: 500, Message: "Server Error"}},
		{or3cloud.Errorf(or3cloud.CodeConflict, "taken"), Fault{Code: or3cloud.CodeConflict, Status: 409, Message: "taken"}},
		{or3cloud.Unavailable(errors.New("secret cause"), "later", 1500*time.Millisecond), Fault{Code: or3cloud.CodeUnavailable, Status: 503, Message: "later", RetryAfter: 2}},
	} {
		w := httptest.NewRecorder()
		var got Fault
		WriteFault(w, httptest.NewRequest("GET", "/", nil), c.err, func(f Fault) any { got = f; return map[string]string{"is": f.Message} })
		if got != c.want || w.Code != c.want.Status || (w.Header().Get("Retry-After") != "") != (c.want.RetryAfter > 0) || strings.Contains(w.Body.String(), "secret") || !strings.Contains(w.Body.String(), c.want.Message) {
			t.Errorf("%v: %+v, %d %v %s", c.err, got, w.Code, w.Header(), w.Body)
		}
	}
	for _, code := range Codes() {
		if f := FaultOf(or3cloud.Errorf(code, "x")); f.Code != code || f.Status < 400 {
			t.Errorf("%s: %+v", code, f)
		}
	}
}

func TestRoutersBelowAnotherPrefix(t *testing.T) {
	handle := func(w http.ResponseWriter, _ *http.Request) error { return WriteJSON(w, 200, true) }
	below := Router{Prefix: "/engine/"}
	if err := below.Add("test", or3cloud.Route{Method: "GET", Path: "/engine/x", Handle: handle}); err != nil {
		t.Error(err)
	}
	if err := below.Add("test", or3cloud.Route{Method: "GET", Path: "/api/x", Handle: handle}); err == nil || !strings.Contains(err.Error(), "below /engine/") {
		t.Error(err)
	}
	w := httptest.NewRecorder()
	Respond(w, httptest.NewRequest("GET", "/engine/x", nil), below.Serve)
	if w.Code != 200 {
		t.Error(w.Code)
	}
}
