package eventsapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/hosttest"
	"or3.chat/cloud/httpapi"
)

// watchFunc is a Watcher.
type watchFunc func(ctx context.Context, workspaceID string) (int64, <-chan int64, error)

func (f watchFunc) Watch(ctx context.Context, workspaceID string) (int64, <-chan int64, error) {
	return f(ctx, workspaceID)
}

// at returns a workspace that is at a version and continues as c says.
func at(version int64, c <-chan int64) watchFunc {
	return func(context.Context, string) (int64, <-chan int64, error) { return version, c, nil }
}

// member is a host whose user may read until denied is set.
type member struct {
	*hosttest.Host
	denied atomic.Pointer[or3cloud.Error]
}

func newMember() *member { return &member{Host: hosttest.Member(or3cloud.RoleViewer)} }

func (m *member) Reauthorize(*http.Request, *or3cloud.SessionContext, or3cloud.Permission) error {
	if err := m.denied.Load(); err != nil {
		return err
	}
	return nil
}

// client reads one stream.
type client struct {
	header http.Header
	stop   context.CancelFunc
	done   chan struct{} // closed when the handler has returned

	mu     sync.Mutex
	status int
	text   strings.Builder
}

func (c *client) Header() http.Header              { return c.header }
func (c *client) Flush()                           {}
func (c *client) SetWriteDeadline(time.Time) error { return nil }
func (c *client) WriteHeader(status int)           { c.mu.Lock(); defer c.mu.Unlock(); c.status = status }
func (c *client) Write(p []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

// take returns what has arrived since the last call.
func (c *client) take() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.text.String()
	c.text.Reset()
	return out
}

func (c *client) ended() bool {
	synctest.Wait()
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// listen opens a stream in the bubble of a test and waits until it is established or refused.
func listen(t *testing.T, h *API, lastEventID string) *client {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	c := &client{header: http.Header{}, stop: stop, done: make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, "GET", "/api/sync/events?workspaceId=ws", nil)
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	w, r := httpapi.WithRecord(c, r, &httpapi.Record{})
	go func() {
		defer close(c.done)
		httpapi.Respond(w, r, h.Routes()[0].Handle)
	}()
	synctest.Wait()
	return c
}

func event(v int64) string {
	return fmt.Sprintf("id: %d\nevent: version\ndata: {\"workspaceId\":\"ws\",\"serverVersion\":%d}\n\n", v, v)
}

func TestCurrentVersionAtOnceAndLaterOnesAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		updates := make(chan int64)
		c := listen(t, New(Options{Host: newMember(), Watcher: at(41, updates)}), "")
		got := c.take()
		hello, rest, _ := strings.Cut(got, "\n\n")
		if !strings.HasPrefix(hello, ": hello\nretry: ") || rest != event(41) {
			t.Errorf("%q", got)
		}
		if h := c.header; h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-cache, no-transform" || h.Get("X-Accel-Buffering") != "no" {
			t.Error(h)
		}
		for _, v := range []int64{42, 45, 44, 45, 46} { // a version that is not news is not sent
			updates <- v
		}
		if got, want := c.take(), event(42)+event(45)+event(46); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func TestResumingClientsHearOnlyWhatIsNews(t *testing.T) {
	for id, news := range map[string]bool{"": true, "40": true, "41": false, "99": true, "x": true, "-1": true} {
		synctest.Test(t, func(t *testing.T) {
			updates := make(chan int64)
			c := listen(t, New(Options{Host: newMember(), Watcher: at(41, updates)}), id)
			if got := c.take(); strings.Contains(got, "event:") != news || !strings.HasPrefix(got, ": hello\n") {
				t.Errorf("%q: %q", id, got)
			}
			updates <- 42
			if got := c.take(); got != event(42) {
				t.Errorf("%q: %q", id, got)
			}
		})
	}
}

func TestHeartbeatsComeWhenNothingElseDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		updates := make(chan int64)
		c := listen(t, New(Options{Host: newMember(), Watcher: at(1, updates)}), "")
		c.take()
		time.Sleep(14 * time.Second)
		updates <- 2
		if got := c.take(); got != event(2) {
			t.Errorf("%q", got)
		}
		time.Sleep(13 * time.Second)
		if got := c.take(); got != "" {
			t.Errorf("%q", got)
		}
		time.Sleep(32 * time.Second)
		if got := c.take(); got != ": ping\n\n: ping\n\n: ping\n\n" {
			t.Errorf("%q", got)
		}
	})
}

func TestStreamsEndWithinTwoSecondsOfThePermission(t *testing.T) {
	for name, err := range map[string]*or3cloud.Error{
		"session over":        or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized"),
		"membership over":     or3cloud.Errorf(or3cloud.CodeForbidden, "Forbidden"),
		"cannot be confirmed": or3cloud.Unavailable(nil, "Service Unavailable", time.Second),
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newMember()
			h := New(Options{Host: m, Watcher: at(1, make(chan int64))})
			var all []*client
			for range DefaultPerUser {
				all = append(all, listen(t, h, ""))
			}
			time.Sleep(20*time.Second + 300*time.Millisecond)
			for _, c := range all {
				if c.ended() {
					t.Fatal("an allowed stream ended")
				}
			}
			m.denied.Store(err)
			time.Sleep(2 * time.Second)
			for _, c := range all {
				if !c.ended() {
					t.Errorf("%s: still open", name)
				}
			}
		})
	}
}

func TestWhatElseEndsStreams(t *testing.T) {
	for name, end := range map[string]func(c *client, updates chan int64, closing chan struct{}){
		"the host shuts down":      func(_ *client, _ chan int64, closing chan struct{}) { close(closing) },
		"the provider closes":      func(_ *client, updates chan int64, _ chan struct{}) { close(updates) },
		"the client has gone away": func(c *client, _ chan int64, _ chan struct{}) { c.stop() },
	} {
		synctest.Test(t, func(t *testing.T) {
			updates, closing := make(chan int64), make(chan struct{})
			var watching context.Context
			h := New(Options{Host: newMember(), Closing: closing, Watcher: watchFunc(func(ctx context.Context, _ string) (int64, <-chan int64, error) {
				watching = ctx
				return 1, updates, nil
			})})
			c := listen(t, h, "")
			c.take()
			end(c, updates, closing)
			if !c.ended() { // at once: no time has passed in the bubble
				t.Fatalf("%s: still open", name)
			}
			if _, taken := h.seats.Taken("user"); watching.Err() == nil || taken != 0 {
				t.Errorf("%s: still watching, or in its seat", name)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ann, bob := newMember(), newMember()
		bob.Current.User.ID = "bob"
		h := New(Options{Host: ann, Watcher: at(1, make(chan int64)), Bounds: Bounds{PerUser: 2, Total: 3}})
		listen(t, h, "")
		second := listen(t, h, "")
		if third := listen(t, h, ""); !third.ended() || third.status != 429 || third.header.Get("Retry-After") != "30" {
			t.Errorf("beyond the user's bound: %d %v", third.status, third.header)
		}
		h.opt.Host = bob
		if c := listen(t, h, ""); c.ended() {
			t.Error("one user's streams count for another")
		}
		if c := listen(t, h, ""); !c.ended() || c.status != 503 || c.header.Get("Retry-After") != "30" {
			t.Errorf("beyond the host's bound: %d %v", c.status, c.header)
		}
		if second.stop(); !second.ended() {
			t.Error("still open")
		}
		if c := listen(t, h, ""); c.ended() {
			t.Error("a seat that is left is not free")
		}
		user, taken := h.seats.Taken("user")
		if bob, _ := h.seats.Taken("bob"); taken != 3 || user != 1 || bob != 2 {
			t.Errorf("%d are taken, %d by one user and %d by the other", taken, user, bob)
		}
	})
}

func TestRefusals(t *testing.T) {
	broken := watchFunc(func(context.Context, string) (int64, <-chan int64, error) {
		return 0, nil, or3cloud.Unavailable(errors.New("closed"), "Storage temporarily unavailable", time.Second)
	})
	for _, c := range []struct {
		name, target string
		host         *hosttest.Host
		status       int
	}{
		{"signed out", "?workspaceId=ws", &hosttest.Host{}, 401},
		{"no member", "?workspaceId=other", hosttest.Member(or3cloud.RoleOwner), 403},
		{"store fault", "?workspaceId=ws", hosttest.Member(or3cloud.RoleOwner), 503},
	} {
		h := New(Options{Host: c.host, Watcher: broken})
		if w := hosttest.Do(t, h.Routes(), "GET", "/api/sync/events"+c.target, ""); w.Code != c.status || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %v", c.name, w.Code, w.Header())
		}
		if _, taken := h.seats.Taken("user"); taken != 0 {
			t.Errorf("%s: a seat is still taken", c.name)
		}
	}
}

func TestHeadDoesNotStream(t *testing.T) {
	h := New(Options{Host: newMember(), Watcher: at(1, nil)})
	if w := hosttest.Do(t, h.Routes(), "HEAD", "/api/sync/events?workspaceId=ws", ""); w.Code != 200 || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestWorkspaceIDsAreQuoted(t *testing.T) {
	var c client
	c.header = http.Header{}
	if o := newWriter(&c, `w"1`); !o.version(5) || !strings.Contains(c.text.String(), `{"workspaceId":"w\"1","serverVersion":5}`) {
		t.Errorf("%s", c.text.String())
	}
}

// pipes is a listener whose connections hold no byte that the reader has not read.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A reader that reads nothing must not hold anything; it finds the changes with its next pull.
func TestSlowReadersAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		updates := make(chan int64, 1)
		h := New(Options{Host: newMember(), Watcher: at(1, updates)})
		ended := make(chan struct{})
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			w, r = httpapi.WithRecord(w, r, &httpapi.Record{})
			httpapi.Respond(w, r, h.Routes()[0].Handle)
		})}
		ln := &pipes{make(chan net.Conn), make(chan struct{})}
		go srv.Serve(ln)
		defer srv.Close()
		ours, theirs := net.Pipe()
		defer ours.Close()
		ln.conns <- theirs
		fmt.Fprint(ours, "GET /api/sync/events?workspaceId=ws HTTP/1.1\r\nHost: x\r\n\r\n")
		for in := bufio.NewReader(ours); ; { // up to the first event, and not a byte more
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, "data:") {
				break
			}
		}
		time.Sleep(10 * time.Second) // a quiet stream is not a slow reader
		select {
		case <-ended:
			t.Fatal("a quiet stream was dropped")
		default:
		}
		updates <- 2
		time.Sleep(2*patience + checkEvery)
		select {
		case <-ended:
		default:
			t.Error("still waiting for the reader")
		}
	})
}

// However many streams there are, their checks must not come all at once.
func TestSpreadIsEven(t *testing.T) {
	var tenths [10]int
	for n := range uint64(1000) {
		d := spread(n, time.Second)
		if d < 0 || d >= time.Second {
			t.Fatal(d)
		}
		tenths[d/(time.Second/10)]++
	}
	for i, n := range tenths {
		if n < 98 || n > 102 {
			t.Errorf("%d of 1000 in tenth %d", n, i)
		}
	}
}
