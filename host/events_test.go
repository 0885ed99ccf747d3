package host

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/patience"
)

// stream is an open stream of events.
type stream struct {
	t    testing.TB
	body io.Closer
	in   *bufio.Reader
}

func (p *person) listen() *stream {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), "GET", p.url+"/api/sync/events?workspaceId="+p.workspace, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := p.client.Do(req)
	if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		p.t.Fatal(res, err)
	}
	p.t.Cleanup(func() { res.Body.Close() })
	return &stream{p.t, res.Body, bufio.NewReader(res.Body)}
}

// next returns the next version.
func (s *stream) next() int64 {
	s.t.Helper()
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			v, err := strconv.ParseInt(strings.TrimSpace(id), 10, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return v
		}
	}
}

// end waits for the regular end of the stream.
func (s *stream) end() {
	s.t.Helper()
	begun := time.Now()
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, s.in)
		ended <- err
	}()
	if err := patience.Receive(s.t, "the end of a stream", ended); err != nil {
		s.t.Errorf("the stream was cut off: %v", err)
	}
	s.t.Logf("the stream has ended after %v", time.Since(begun))
}

func TestAChangeReachesAListeningSecondDevice(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	phone := r.register(t, "ann@example.test")
	laptop := *phone // another tab of the same browser
	events := laptop.listen()
	if v := events.next(); v != 0 {
		t.Fatalf("a new workspace is at version %d", v)
	}
	const rounds = 50
	var took []time.Duration
	for i := range rounds {
		begun := time.Now()
		phone.push(i + 1)
		if v := events.next(); v != int64(i+1) {
			t.Fatalf("version %d after push %d", v, i+1)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	t.Logf("from the start of a push to the event on another device: median %v, 90 %% within %v", took[rounds/2], took[rounds*9/10])
}

// What a browser sees when its permission ends, and that it reconnects where it may.
func TestStreamsOfARealHostEndWithTheSession(t *testing.T) {
	for name, c := range map[string]struct {
		end func(*real, *person)
		// back says that the browser gets a stream again when it reconnects.
		back bool
	}{
		"sign-out":   {func(_ *real, p *person) { p.do("POST", "/api/basic-auth/sign-out", "{}", nil) }, false},
		"membership": {func(_ *real, p *person) { p.do("DELETE", "/api/workspaces/"+p.workspace, "", nil) }, false},
		"token":      {func(r *real, _ *person) { r.ahead.Store(int64(16 * time.Minute)) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startReal(t, eventsapi.Bounds{}, nil)
			p := r.register(t, "ann@example.test")
			events := p.listen()
			events.next()
			c.end(r, p)
			events.end()
			if c.back {
				again := p.listen()
				again.next()
				p.push(1)
				again.next()
			}
		})
	}
}

func TestStreamsDoNotDelayAShutdown(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	p := r.register(t, "ann@example.test")
	var open []*stream
	for range 10 {
		events := p.listen()
		events.next()
		open = append(open, events)
	}
	r.stop()
	for _, events := range open {
		events.end()
	}
	// The host would give requests more time than this test has.
	err := patience.Receive(t, "the end of a host with streams", r.done)
	r.done <- err
	if err != nil {
		t.Error(err)
	}
}

// watched is a gateway that can be watched.
type watched struct{ *gateway }

func (watched) Watch(context.Context, string) (int64, <-chan int64, error) { return 7, nil, nil }

func (watched) MaintenanceState() or3cloud.MaintenanceState {
	return or3cloud.MaintenanceState{Enabled: true, State: "failed", LastError: "The disk is full"}
}

func TestEventsAreOfferedOnlyByProvidersThatCanBeWatched(t *testing.T) {
	const target = "/api/sync/events?workspaceId=ws"
	h := open(t, newWorld().host(t, defaults()))
	if got := get(h, target, "ann"); got.Code != 404 || got.Header().Get("Content-Type") != "application/json" {
		t.Errorf("no watcher: %d %s", got.Code, got.Body)
	}
	w := newWorld()
	w.sync = watched{w.gateway}
	h = open(t, w.host(t, defaults("OR3_SYNC_ENABLED", "false")))
	if got := get(h, target, "ann"); got.Code != 404 || !strings.Contains(got.Body.String(), `"Not Found"`) {
		t.Errorf("sync off: %d %s", got.Code, got.Body)
	}
	h = open(t, w.host(t, defaults()))
	for target, status := range map[string]int{
		"/api/sync/events": 400, "/api/sync/events?workspaceId=%20": 400, "/api/sync/events?workspaceId=foreign": 403,
	} {
		if got := get(h, target, "ann"); got.Code != status {
			t.Errorf("%s: %d %s", target, got.Code, got.Body)
		}
	}
	if got := get(h, target); got.Code != 401 {
		t.Errorf("signed out: %d", got.Code)
	}
	r := httptest.NewRequest("HEAD", target, nil)
	r.AddCookie(&http.Cookie{Name: "who", Value: "ann"})
	if got := send(h, r); got.Code != 200 || got.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d %v", got.Code, got.Header())
	}
	if got := get(h, "/api/health?deep=true"); got.Code != 200 || !strings.Contains(got.Body.String(), `"state":"failed"`) || !strings.Contains(got.Body.String(), `"status":"ok"`) {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestReauthorizeChecksAgainAndRotatesNothing(t *testing.T) {
	w := newWorld()
	var header http.Header = http.Header{}
	identity := atomic.Pointer[or3cloud.ProviderSession]{}
	identity.Store(&or3cloud.ProviderSession{Provider: "auth", UserID: "ann"})
	w.auth = func(r *or3cloud.Request) (*or3cloud.ProviderSession, error) {
		header = r.ResponseHeader
		return identity.Load(), nil
	}
	h := open(t, w.host(t, defaults()))
	r, _ := withMemo(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	s, err := h.Authorize(r, or3cloud.PermWorkspaceRead, "other")
	if err != nil || header == nil {
		t.Fatal(err, header)
	}
	lookups := w.store.lookups
	check := func(want or3cloud.Code) {
		t.Helper()
		if err := h.Reauthorize(r, s, or3cloud.PermWorkspaceRead); or3cloud.CodeOf(err) != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
	check("")
	if header != nil {
		t.Error("a header for cookies that no one will see")
	}
	w.store.roles["other"] = ""
	check(or3cloud.CodeForbidden)
	w.store.roles["other"] = or3cloud.RoleEditor
	check("")
	identity.Store(&or3cloud.ProviderSession{Provider: "auth", UserID: "bob"})
	check(or3cloud.CodeUnauthenticated)
	identity.Store(nil)
	check(or3cloud.CodeUnauthenticated)
	w.store.err = io.ErrUnexpectedEOF
	identity.Store(&or3cloud.ProviderSession{Provider: "auth", UserID: "ann"})
	check(or3cloud.CodeInternal)
	if w.store.lookups != lookups {
		t.Error("the user is looked up each time")
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	check(or3cloud.CodeUnavailable)
}

// The credentials of an answer that has begun must not be replaced: the browser would never receive the new ones.
func TestSessionsThatAreFirstAskedForInTheMiddleOfAnAnswerRotateNothing(t *testing.T) {
	w := newWorld()
	var headers []http.Header
	w.auth = func(r *or3cloud.Request) (*or3cloud.ProviderSession, error) {
		headers = append(headers, r.ResponseHeader)
		return nil, nil
	}
	var h *Host
	w.routes = []or3cloud.Route{{Method: "GET", Path: "/api/late", Handle: func(rw http.ResponseWriter, r *http.Request) error {
		if err := httpapi.WriteJSON(rw, 200, "begun"); err != nil {
			return err
		}
		_, err := h.Session(r)
		return err
	}}}
	h = open(t, w.host(t, defaults()))
	get(h, "/api/late")
	get(h, "/api/auth/session")
	if _, err := h.Session(httptest.NewRequest("GET", "/", nil)); err != nil { // not part of an answer
		t.Error(err)
	}
	if len(headers) != 3 || headers[0] != nil || headers[1] == nil || headers[2] != nil {
		t.Errorf("%v", headers)
	}
}
