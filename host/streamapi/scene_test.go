package streamapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/hosttest"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/internal/logx"
	"or3.chat/cloud/internal/membudget"
)

// pipes is a network without addresses.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	a, b := net.Pipe()
	select {
	case p.conns <- b:
		return a, nil
	case <-p.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// member is a host with one user, whose permission may end.
type member struct {
	*hosttest.Host
	ended    atomic.Pointer[error]
	confirms atomic.Int32
}

func (m *member) Confirm(*http.Request, *or3cloud.SessionContext, or3cloud.Permission) error {
	m.confirms.Add(1)
	if err := m.ended.Load(); err != nil {
		return *err
	}
	return nil
}

// text is a log, or what was sent to an upstream.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

func (t *text) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = bytes.Buffer{}
}

// scene is a server with an upstream behind it, on pipes, in a bubble of synctest.
type scene struct {
	t        *testing.T
	api      *API
	host     *member
	log      text
	upstream http.HandlerFunc // of OpenRouter and of all others
	raw      func(net.Conn)   // instead, if set
	client   *http.Client
	front    *pipes
	router   *httpapi.Router
	close    func()

	once  sync.Once
	start func()
}

var discard = slog.New(slog.DiscardHandler)

func upstreams(t *testing.T, cfg settings) *completions.Upstreams {
	t.Helper()
	out, problems := completions.Configured(cfg)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return out
}

// share lets requests share a budget of memory.
func (s *scene) share(total int64) *membudget.Budget {
	b := membudget.New(total)
	s.host.Share(s.router, b)
	return b
}

// settings are a configuration.
type settings map[string]string

func (c settings) String(name string) string { return c[name] }
func (c settings) Bool(name string) bool     { return c[name] == "true" }
func (c settings) Int(string) int64          { return 0 }
func (c settings) List(name string) []string {
	if c[name] == "" {
		return nil
	}
	return []string{c[name]}
}

const (
	instanceKey = "sk-or-v1-instance-key"
	ownKey      = "sk-or-v1-own-key-of-ann"
	prompt      = "a prompt that no log may have"
	chat        = `{"model":"openai/gpt-5","messages":[{"role":"user","content":"` + prompt + `"}],"stream":true}`
)

const headerTimeout, idleTimeout = 20 * time.Second, 40 * time.Second

// newScene starts one. It must be closed inside the bubble.
func newScene(t *testing.T, role or3cloud.Role, change func(*Options)) *scene {
	s := &scene{t: t, host: &member{Host: hosttest.Member(role)}, front: newPipes()}
	if role == "" {
		s.host.Host = &hosttest.Host{IP: "192.0.2.1"}
	}
	back := newPipes()
	o := Options{
		Host: s.host, Limits: middleware.NewLimits(time.Now, "", false), OwnKeys: true, Total: Total,
		Upstreams: upstreams(t, settings{
			"OPENROUTER_API_KEY": instanceKey, "OR3_MODEL_UPSTREAMS": "local=http://models.test/api", "OR3_MODEL_UPSTREAM_KEYS": "local=sk-local-key",
			"OR3_OPENROUTER_BASE_URL": "http://openrouter.test/v1",
		}),
		Client: completions.NewClient(completions.Options{Header: headerTimeout, Idle: idleTimeout, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			s.once.Do(s.start) // when a test has said what the upstream does
			return back.dial(ctx, network, address)
		}}),
	}
	if change != nil {
		change(&o)
	}
	s.api = New(o)
	s.router = hosttest.Router(t, s.api.Routes())
	log := logx.New(&s.log, logx.Options{Level: slog.LevelDebug})
	handler := httpapi.Chain(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httpapi.Respond(w, r, s.router.Serve)
	}), func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, httpapi.WithIdentity(r, httpapi.Identity{ClientIP: "192.0.2.1", Host: r.Host, HTTPS: true}))
		})
	}, httpapi.Log(log, time.Now, rand.Reader), httpapi.Recover(log))
	silent := slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	front := &http.Server{Handler: handler, ErrorLog: silent}
	upstream := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body) // only then does it notice that it was abandoned
		r.Body = io.NopCloser(bytes.NewReader(text))
		s.upstream(w, r)
	}), ErrorLog: silent}
	var running sync.WaitGroup
	running.Go(func() { _ = front.Serve(s.front) })
	serve := func() {
		if s.raw == nil {
			_ = upstream.Serve(back)
			return
		}
		for {
			conn, err := back.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.raw(conn) })
		}
	}
	s.start = func() { running.Go(serve) }
	s.client = &http.Client{Transport: &http.Transport{DialContext: s.front.dial}}
	s.close = func() {
		s.client.CloseIdleConnections()
		_ = front.Close()
		o.Client.Close()
		_ = upstream.Close()
		_ = s.front.Close()
		_ = back.Close()
		running.Wait()
	}
	return s
}

// request returns one with header fields.
func (s *scene) request(ctx context.Context, body string, header ...string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, "POST", "http://chat.example/api/openrouter/stream", bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Cookie", "or3_access=a-cookie-of-the-session")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// answer is what a client has received of an answer, and how it ended.
type answer struct {
	status int
	header http.Header
	text   string
	err    error
}

// send sends a chat and reads all of the answer.
func (s *scene) send(body string, header ...string) answer {
	s.t.Helper()
	res, err := s.client.Do(s.request(s.t.Context(), body, header...))
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(text), err}
}

// events begins an answer of an upstream.
func events(w http.ResponseWriter) *http.ResponseController {
	w.Header().Set("Content-Type", "text/event-stream")
	return http.NewResponseController(w)
}

const event = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n"

// whole is an upstream that answers properly.
func whole(w http.ResponseWriter, _ *http.Request) {
	events(w)
	_, _ = io.WriteString(w, event+"data: [DONE]\n\n")
}

// readRequest reads what was sent to an upstream.
func readRequest(conn net.Conn) (*http.Request, []byte, error) {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(r.Body)
	return r, body, err
}
