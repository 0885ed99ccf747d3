// Package engine is the front over an instance for hosts in other processes, above all OR3 Chat's own host, through the
// npm packages. It serves the provider protocol (docs/engine.md): the contracts of the root package as JSON over HTTP,
// on a socket that only the owner of the data can open, or on a loopback address with a secret.
//
// Every process that can reach it is taken for the host, and is trusted as the Go host is by its providers: it says on
// whose behalf it acts (Caller). What a host has to be told anyway is decided here: whether an op of a push is valid,
// whether a user is a member, and everything that depends on stored rows. Where the Go host serves the same (push,
// pull, snapshot, cursors, live events), the handlers are the Go host's.
//
//	engine.go   the engine, and what a request passes     hello.go    versions, and which methods there are
//	caller.go   on whose behalf a host acts               methods.go  how a method of a contract becomes an endpoint
//	auth.go, workspaces.go, access.go, sync.go, history.go, storage.go, admin.go, jobs.go: the methods of each contract
//	stay.go     who needs the engine                      openapi.go  the description of the protocol
//	place       where it is, and how it is joined
package engine

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/engine/place"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/setting"
)

// Options are everything that an Engine depends on besides its instance.
type Options struct {
	// Version is the program's version.
	Version string
	// Secret is what every request must show; empty if the socket admits only the owner.
	Secret string
	// Memory is the limit of the process, of which requests get their share; the zero value means 1 GiB.
	Memory membudget.Limit
}

// Engine serves one instance. It must be opened before it answers anything but hello.
type Engine struct {
	instance *instance.Instance
	log      *slog.Logger
	now      func() time.Time
	opt      Options
	handler  http.Handler
	foreign  httpapi.ForeignPages
	memory   *membudget.Budget
	streams  eventsapi.Bounds
	// free sets no limit, for handlers that need limits: the host has its own.
	free *middleware.Limits
	// limits are those that hosts keep here, so that all processes of a host share them.
	limits  *ratelimit.Limiter
	keeper  *ratelimit.Keeper // of limits; nil where no provider keeps them
	guests  place.Guests
	running atomic.Pointer[running]
	opened  chan struct{} // closed when all methods can be called
	mu      sync.Mutex    // held while opening and closing
}

// running is the opened engine as requests see it.
type running struct {
	providers *instance.Providers
	methods   httpapi.Router // below place.Prefix
	routes    httpapi.Router // of the providers
	hello     place.Hello
}

// streamMemory is what an open event stream takes, in bytes; together they may take a quarter of the memory.
const streamMemory = 35 << 10

// New returns an engine for an instance that is not open yet. It does no I/O.
func New(of *instance.Instance, o Options) *Engine {
	if o.Memory.Bytes == 0 {
		o.Memory.Bytes = 1 << 30
	}
	made := of.Options()
	e := &Engine{
		instance: of, log: made.Log, now: made.Now, opt: o, memory: membudget.New(o.Memory.Budget()),
		foreign: httpapi.NewForeignPages(made.Config.String(setting.PublicURL), made.Config.List(setting.AllowedOrigins)),
		free:    middleware.NewLimits(made.Now, "", true), limits: ratelimit.New(made.Now), opened: make(chan struct{}),
	}
	e.streams.Total = int(min(eventsapi.DefaultTotal, o.Memory.Bytes/4/streamMemory))
	e.handler = httpapi.Chain(http.HandlerFunc(e.serve), e.identify, httpapi.Log(e.log, e.now, made.Rand), httpapi.Recover(e.log))
	return e
}

// Handler serves all requests. Until Open has finished, and again from the start of a shutdown, everything but hello is
// answered with 503 and Retry-After.
func (e *Engine) Handler() http.Handler { return e.handler }

// Open opens the instance, with e as the front of its providers, and then serves their methods. If it fails, it closes
// what it has opened.
func (e *Engine) Open(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.instance.Open(ctx, e); err != nil {
		return err
	}
	run, err := e.mount(e.instance.Providers())
	if err != nil {
		return errors.Join(err, e.instance.Close())
	}
	if store := instance.Ability[or3cloud.RateLimitStore](run.providers, or3cloud.ProviderSync); store != nil {
		e.keeper = ratelimit.Keep(ctx, e.limits, store, e.log)
	}
	e.running.Store(run)
	close(e.opened)
	plan := e.instance.Plan()
	e.log.Info("ready", "version", e.opt.Version, "auth", plan.Auth.String(), "sync", plan.Sync.String(), "storage", plan.Storage.String())
	return nil
}

// Drain implements httpapi.Front.
func (e *Engine) Drain() <-chan struct{} {
	if e.running.Load() != nil {
		e.log.Info("shutting down")
	}
	return e.instance.Drain()
}

// Close closes the instance. From then on everything is answered with 503. It does not wait for requests under way.
func (e *Engine) Close() error {
	e.instance.Drain()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running.Store(nil)
	e.keeper.Close()
	return e.instance.Close()
}

// mount builds the methods for opened providers.
func (e *Engine) mount(p *instance.Providers) (*running, error) {
	run := &running{providers: p}
	run.methods.Prefix = place.Prefix
	for _, router := range []*httpapi.Router{&run.methods, &run.routes} {
		router.Budget, router.Caller = e.memory, sharer
	}
	run.routes.Guard = e.foreign.Check
	var offered []string
	for _, m := range protocol() {
		route, ok := m.route(e, p)
		if ok {
			offered = append(offered, m.name)
		}
		if err := run.methods.Add("engine", route); err != nil {
			return nil, err
		}
	}
	for _, route := range p.Routes {
		if err := run.routes.Add("provider "+route.Owner, route.Route); err != nil {
			return nil, err
		}
	}
	run.hello = e.describe(p, offered)
	return run, nil
}

// documentPath is where the description is.
const documentPath = "/engine/openapi.json"

func (e *Engine) serve(w http.ResponseWriter, r *http.Request) {
	httpapi.Unhurried(w) // the connection may have served an answer with a deadline before
	respond := func(h httpapi.Handler) {
		if err := h(w, r); err != nil {
			httpapi.WriteFault(w, r, err, func(f httpapi.Fault) any { return faultOf(f) })
		}
	}
	if err := e.admit(r); err != nil {
		respond(func(http.ResponseWriter, *http.Request) error { return err })
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "POST " + place.HelloPath:
		respond(e.hello)
		return
	case "GET " + documentPath:
		respond(func(w http.ResponseWriter, _ *http.Request) error { httpapi.WriteRaw(w, OpenAPI()); return nil })
		return
	case "GET " + place.StayPath: // a shutdown does not wait for this request
		respond(e.stay)
		return
	}
	run := e.running.Load()
	if run == nil || !e.instance.Enter() {
		respond(func(http.ResponseWriter, *http.Request) error { return e.instance.Unavailable() })
		return
	}
	defer e.instance.Leave()
	w, r, leave := e.receive(w, r)
	defer leave()
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, place.Prefix):
		respond(run.methods.Serve)
	case strings.HasPrefix(path, "/api/"):
		e.relay(w, r, run)
	default:
		respond(e.unknown)
	}
}

// admit refuses requests without the secret, or with a caller that cannot be read.
func (e *Engine) admit(r *http.Request) error {
	if e.opt.Secret != "" {
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(e.opt.Secret)) != 1 {
			return or3cloud.Errorf(or3cloud.CodeUnauthenticated, "The engine's secret is missing or wrong")
		}
		r.Header.Del("Authorization")
	}
	return callerOf(r).err
}

// relay answers a browser's request to an endpoint of a provider, which the host passes on unchanged. The answer is for
// the browser, errors included.
func (e *Engine) relay(w http.ResponseWriter, r *http.Request, run *running) {
	httpapi.Respond(w, r, func(w http.ResponseWriter, r *http.Request) error {
		if !callerOf(r).given {
			// Whose address it is, and who is signed in, is too important to be left out by mistake.
			return or3cloud.Errorf(or3cloud.CodeInvalid, "The header %s is missing", callerHeader)
		}
		return run.routes.Serve(w, r)
	})
}

// unknown is the answer to a version of the protocol, or a path, that the engine does not know.
func (e *Engine) unknown(_ http.ResponseWriter, r *http.Request) error {
	if rest, ok := strings.CutPrefix(r.URL.Path, "/engine/v"); ok {
		version, _, _ := strings.Cut(rest, "/")
		return or3cloud.Errorf(or3cloud.CodeConflict, "Version %.20q of the engine protocol was requested; or3-cloud %s speaks %s",
			version, e.opt.Version, place.Spoken)
	}
	return or3cloud.Errorf(or3cloud.CodeNotFound, "The engine has no such path")
}

func faultOf(f httpapi.Fault) place.Fault {
	return place.Fault{Code: f.Code, Message: f.Message, Status: f.Status, RetryAfter: f.RetryAfter, Data: f.Data}
}
