// Package host is the HTTP front over an instance: it serves the endpoints of the wire contract to browsers. It knows
// HTTP, sessions and permissions, and neither SQL nor files; the providers are the instance's.
//
// A request passes: identity → base path → log → count → recover → security headers → CORS → health checks → metrics →
// redirect to HTTPS → names → foreign pages → body limit → route; the route resolves the session, asks or3cloud.Can and
// looks at the rate limit (docs/architecture.md).
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/adminapi"
	"or3.chat/cloud/host/chatapi"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/host/healthapi"
	"or3.chat/cloud/host/internal/answers"
	"or3.chat/cloud/host/internal/lineage"
	"or3.chat/cloud/host/internal/traffic"
	"or3.chat/cloud/host/jobapi"
	"or3.chat/cloud/host/load"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/host/pluginapi"
	"or3.chat/cloud/host/sessionapi"
	"or3.chat/cloud/host/storageapi"
	"or3.chat/cloud/host/streamapi"
	"or3.chat/cloud/host/syncapi"
	"or3.chat/cloud/host/webhookapi"
	"or3.chat/cloud/host/workspaceapi"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/internal/metrics"
	"or3.chat/cloud/internal/networks"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/internal/webhook"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/setting"
)

// Options are everything that a Host depends on besides its instance.
type Options struct {
	// MachineNames are host names under which the machine itself may be addressed, besides OR3_PUBLIC_URL.
	MachineNames []string
	// Web serves every path that is not below /api/; nil answers 404.
	Web http.Handler
	// Client says that Web is a client that people have brought, whose pages for administrators others must not see.
	Client bool
	// WebEndpoints are what other paths begin with that Web serves as well.
	WebEndpoints []string
	// Filters are the hooks of the authorization gate. They can only deny.
	Filters []or3cloud.DecisionFilter
	// Program is what the administration can make of the program that serves.
	Program adminapi.Program
	// Version is the program's version, for the log.
	Version string
	// Memory is the limit that the process has, of which requests get their share; the zero value is one of 1 GiB.
	Memory membudget.Limit
}

// Host serves one instance. It must be opened before it serves anything but health checks.
type Host struct {
	instance *instance.Instance
	config   or3cloud.Config
	log      *slog.Logger
	now      func() time.Time
	opt      Options
	limits   *middleware.Limits
	health   httpapi.Router
	handler  http.Handler
	foreign  httpapi.ForeignPages
	advice   *middleware.Advice
	names    *middleware.Names
	arrivals middleware.Arrivals
	memory   *membudget.Budget
	streams  eventsapi.Bounds
	answers  int // of models, under way at once
	// inBackground are those that are made without their browsers.
	inBackground int
	traffic      *traffic.Traffic
	started      time.Time
	load         *load.Record // nil until it is open
	measured     metrics.Source
	metrics      http.Handler // nil if no one has a token for it
	running      atomic.Pointer[running]
	mu           sync.Mutex // held while opening and closing
}

// running is what requests see of an opened host.
type running struct {
	router   httpapi.Router
	disabled []string  // prefixes of the endpoints that are switched off
	sessions *sessions // nil without accounts
	webhooks *webhook.Engine
	admin    *adminapi.API       // nil without accounts
	web      http.Handler        // what is not below /api/
	models   *completions.Client // nil if no server of models is asked
	answers  *answers.Engine     // nil if none are made in the background
	lineage  *lineage.Tools      // nil if chats cannot be read for models
	sync     *syncapi.API        // nil without sync
	events   *eventsapi.API      // nil if no one tells of changes
}

// New returns a front over an instance that is not open yet. It does no I/O.
func New(of *instance.Instance, o Options) (*Host, error) {
	made := of.Options()
	h := &Host{instance: of, config: made.Config, log: made.Log, now: made.Now, opt: o, traffic: traffic.New(), started: made.Now()}
	if o.Memory.Bytes == 0 {
		o.Memory.Bytes = 1 << 30
	}
	h.opt.Memory = o.Memory
	h.memory = membudget.New(o.Memory.Budget())
	h.streams.Total = int(min(eventsapi.DefaultTotal, o.Memory.Bytes/4/streamMemory))
	h.answers = int(min(streamapi.Total, o.Memory.Bytes/4/streamapi.Memory))
	h.inBackground = max(1, int(o.Memory.Bytes/4/answers.Memory))
	cfg := made.Config
	h.limits = middleware.NewLimits(h.now, cfg.String(setting.RateLimitOverrides), ratelimit.Off(cfg, made.Production))
	allowed := cfg.List(setting.AllowedOrigins)
	h.foreign = httpapi.NewForeignPages(cfg.String(setting.PublicURL), allowed)
	h.advice = middleware.NewAdvice(cfg.String(setting.PublicURL), h.foreign, h.log)
	proxy, err := proxyRule(cfg)
	if err != nil {
		return nil, err
	}
	proxy.Log = h.log
	h.names = middleware.NewNames(middleware.NamesOptions{
		PublicURL: cfg.String(setting.PublicURL), AllowedOrigins: allowed, Log: h.log,
		Machine: slices.Concat(o.MachineNames, cfg.List(setting.AdminAllowedHosts)), // a name for administrators alone is one of ours
	})
	plan := of.Plan()
	health := healthapi.New(healthapi.Options{
		Started: h.started, Now: h.now, Features: features(plan), Degraded: len(plan.Problems) > 0,
		Maintenance: of.Maintenance, Integrity: of.Integrity, Database: of.Database, Disk: of.Disk, Ready: h.ready,
	})
	for _, route := range health.Routes() {
		if err := h.health.Add("host", route); err != nil {
			return nil, err
		}
	}
	h.measured = metrics.Of(h.reporter())
	if token := cfg.String(setting.MetricsToken); token != "" {
		h.metrics = metrics.Behind(token, metrics.Handler(h.log, h.measured))
	}
	steps := []httpapi.Middleware{
		proxy.Identify,
		middleware.BasePath(cfg.String(setting.BasePath)),
		httpapi.Log(h.log, h.now, made.Rand),
		h.traffic.Count,
		httpapi.Recover(h.log),
		middleware.SecurityHeaders,
		middleware.CORS(allowed, h.serves),
		h.answerHealth,
		h.answerMetrics,
	}
	if cfg.Bool(setting.ForceHTTPS) {
		steps = append(steps, middleware.ForceHTTPS(h.log))
	}
	h.handler = httpapi.Chain(http.HandlerFunc(h.serve), steps...)
	return h, nil
}

// features is a plan as the health answer shows it.
func features(p instance.Plan) healthapi.Features {
	return healthapi.Features{
		Sync:    healthapi.Feature{Available: p.SyncServed, Provider: p.Sync.ID},
		Storage: healthapi.Feature{Available: p.Storage.On, Provider: p.Storage.ID},
		Auth:    healthapi.Feature{Available: p.Auth.On, Provider: p.Auth.ID},
	}
}

// disabled returns the prefixes of the endpoints that a plan switches off.
func disabled(p instance.Plan) []string {
	if !p.Cloud() {
		return []string{"/api/"}
	}
	var out []string
	if !p.SyncServed {
		out = append(out, "/api/sync/")
	}
	if !p.Storage.On {
		out = append(out, "/api/storage/")
	}
	return out
}

// streamMemory is what an open event stream takes, in bytes. Streams stand beside the budget of requests, because they
// are many and last: together they may take a quarter of the memory.
const streamMemory = 35 << 10

// Handler serves all requests. Until Open has finished, and again from the beginning of a shutdown, everything but
// health checks is answered 503 with Retry-After, which costs clients nothing (contract, client-behaviour Pitfall 1).
func (h *Host) Handler() http.Handler { return h.handler }

// answerHealth answers health checks, before anything asks under which name, by which protocol or in which state of the
// server they come: probes address a pod or the loopback interface in the clear.
func (h *Host) answerHealth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := h.health.Find(r); ok {
			h.arrivals.Note(r)
			httpapi.Unhurried(w)
			httpapi.Respond(w, r, h.health.Serve)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Arrived returns how the last health check with a mark (middleware.MarkParameter) has come through the proxies.
func (h *Host) Arrived(mark string) (httpapi.Identity, bool) { return h.arrivals.Of(mark) }

// serves reports whether a route answers a request.
func (h *Host) serves(r *http.Request) bool {
	run := h.running.Load()
	if run == nil {
		return false
	}
	_, ok := run.router.Find(r)
	return ok
}

func (h *Host) serve(w http.ResponseWriter, r *http.Request) {
	httpapi.Unhurried(w) // the connection may have served an answer with a deadline before
	if h.names.Answer(w, r) {
		return
	}
	run := h.running.Load()
	if run == nil || !h.instance.Enter() {
		if h.instance.ShuttingDown() {
			w.Header().Set("Connection", "close")
		}
		httpapi.WriteError(w, r, h.instance.Unavailable())
		return
	}
	defer h.instance.Leave()
	if run.sessions != nil {
		w = run.sessions.keepInvite(w, r)
	}
	begins := func(prefix string) bool { return strings.HasPrefix(r.URL.Path, prefix) }
	switch path := r.URL.Path; {
	case path != "/api" && !begins("/api/") || slices.ContainsFunc(h.opt.WebEndpoints, begins):
		httpapi.RecordOf(r).Route = traffic.Client
		run.web.ServeHTTP(w, r)
	case slices.ContainsFunc(run.disabled, begins):
		httpapi.Respond(w, r, httpapi.Disabled)
	default:
		r, m := withMemo(w, r)
		defer m.body.Leave()
		httpapi.Respond(w, r, run.router.Serve)
	}
}

// Identify returns the step that says of a request from whom it comes, as a server with a configuration judges it: for
// anyone who wants to see what a proxy sends before there is a server.
func Identify(cfg or3cloud.Config) (httpapi.Middleware, error) {
	proxy, err := proxyRule(cfg)
	return proxy.Identify, err
}

// proxyRule says whose forwarding headers are believed. A list of networks is stricter than trust in everyone.
func proxyRule(cfg or3cloud.Config) (middleware.Proxy, error) {
	p := middleware.Proxy{ClientHeader: cfg.String(setting.ForwardedForHeader)}
	proxies, err := networks.Parse(cfg.List(setting.TrustedProxies))
	switch {
	case err != nil:
		return p, fmt.Errorf("OR3_TRUSTED_PROXIES: %w", err)
	case len(proxies) > 0:
		p.Proxies = proxies
	default:
		p.Everyone = cfg.Bool(setting.TrustProxy)
	}
	return p, nil
}

// ready returns nil while every route is served, and what clients are told meanwhile otherwise.
func (h *Host) ready() error {
	if h.running.Load() != nil && h.instance.Ready() {
		return nil
	}
	return h.instance.Unavailable()
}

// Open opens the instance, for whose providers h is the front, and then serves their endpoints. If it fails, what it
// has opened is closed again.
func (h *Host) Open(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.instance.Open(ctx, h); err != nil {
		return err
	}
	run, err := h.mount(h.instance.Providers())
	if err != nil {
		return errors.Join(err, h.instance.Close())
	}
	h.limits.Keep(ctx, instance.Ability[or3cloud.RateLimitStore](h.instance.Providers(), or3cloud.ProviderSync), h.log)
	h.load = load.Start(h.log, h.now, h.lookAtLoad)
	h.running.Store(run)
	if run.webhooks != nil {
		run.webhooks.Start()
	}
	if run.answers != nil {
		run.answers.Start()
	}
	plan := h.instance.Plan()
	h.log.Info("ready", "version", h.opt.Version, "auth", plan.Auth.String(), "sync", plan.Sync.String(), "storage", plan.Storage.String())
	return nil
}

// Serve answers requests on ln until ctx ends, as httpapi.Serve does, with the grace of OR3_SHUTDOWN_TIMEOUT_MS.
func Serve(ctx context.Context, ln net.Listener, h *Host) error {
	grace := httpapi.Duration(h.config.Int(setting.ShutdownTimeout), time.Millisecond)
	return httpapi.Serve(ctx, ln, h, httpapi.ServeOptions{Log: h.log, Grace: grace})
}

// Drain implements httpapi.Front. A start that was refused has nothing to shut down.
func (h *Host) Drain() <-chan struct{} {
	if h.running.Load() != nil {
		h.log.Info("shutting down")
	}
	return h.instance.Drain()
}

// Close closes the instance. From then on everything is answered 503. It does not wait for requests under way; Serve
// does.
func (h *Host) Close() error {
	h.instance.Drain()
	h.mu.Lock()
	defer h.mu.Unlock()
	if run := h.running.Swap(nil); run != nil {
		if run.webhooks != nil {
			run.webhooks.Close()
		}
		if run.answers != nil {
			run.answers.Close()
		}
		if run.models != nil {
			run.models.Close()
		}
		h.load.Close()
	}
	h.limits.Close()
	return h.instance.Close()
}

// api is what each package of endpoints makes with New(Options).
type api interface{ Routes() []or3cloud.Route }

// mount puts the endpoints on top of opened providers.
func (h *Host) mount(p *instance.Providers) (*running, error) {
	run := &running{disabled: disabled(h.instance.Plan()), web: h.opt.Web}
	if run.web == nil {
		run.web = http.NotFoundHandler()
	}
	run.router.Budget, run.router.Caller = h.memory, h.caller
	run.router.Guard, run.router.Explain = run.check(h.foreign), h.advice.Explain
	if p.Auth == nil {
		return run, nil
	}
	hooks, hooksOfAdmins, err := h.webhooks(run, p)
	if err != nil {
		return nil, err
	}
	models, err := h.models(run, p)
	if err != nil {
		return nil, err
	}
	administration := h.adminOptions(p, hooksOfAdmins)
	administration.Background = run.answers != nil
	if run.admin, err = adminapi.New(administration); err != nil {
		return nil, err
	}
	ownPages := []string{setting.OwnAdminPages}
	if h.opt.Client {
		run.web = run.admin.Pages(run.web)
	} else {
		ownPages = append(ownPages, h.config.String(setting.AdminBasePath))
	}
	run.web = run.admin.OwnPages(run.web, ownPages...)
	run.sessions = &sessions{
		host: h, auth: p.Auth, store: p.Workspaces, invites: p.Invites, failure: h.config.String(setting.ProvisioningFailure),
	}
	session := sessionapi.Options{Host: h, Limits: h.limits}
	apis := []api{
		workspaceapi.New(workspaceapi.Options{Host: h, Store: p.Workspaces, Limits: h.limits}),
		run.admin, pluginapi.New(pluginapi.Options{}),
	}
	chat := chatapi.Options{Host: h, Streams: models != nil}
	if run.lineage != nil {
		chat.Ready = run.lineage.Ready
	}
	apis = append(apis, chatapi.New(chat), jobapi.New(jobapi.Options{Host: h, Answers: run.answers, Total: h.answers, Closing: h.instance.Closing()}))
	if models != nil {
		apis = append(apis, models)
	}
	if p.Sync != nil {
		run.sync = syncapi.New(syncapi.Options{Host: h, Limits: h.limits, Adapter: p.Sync})
		apis = append(apis, run.sync)
		if watcher := instance.Ability[or3cloud.Watcher](p, or3cloud.ProviderSync); watcher != nil {
			run.events = eventsapi.New(eventsapi.Options{Host: h, Watcher: watcher, Bounds: h.streams, Closing: h.instance.Closing()})
			apis = append(apis, run.events)
		}
		if c := instance.Ability[or3cloud.CapabilityReporter](p, or3cloud.ProviderSync); c != nil {
			session.WorkspaceItems = c.SyncCapabilities().WorkspaceItems == "v1"
		}
		if hooks != nil {
			apis = append(apis, hooks)
		}
	}
	apis = append(apis, sessionapi.New(session))
	if p.Storage != nil {
		apis = append(apis, storageapi.New(h.storageOptions(p)))
	}
	for _, api := range apis {
		for _, route := range api.Routes() {
			if err := run.router.Add("host", route); err != nil {
				return nil, err
			}
		}
	}
	for _, route := range p.Routes {
		if err := run.router.Add("provider "+route.Owner, route.Route); err != nil {
			return nil, err
		}
	}
	return run, nil
}

// check returns the rule about who may ask a route for something, which stands before everything that reads the body.
func (run *running) check(foreign httpapi.ForeignPages) func(*http.Request, or3cloud.Route) error {
	return func(r *http.Request, route or3cloud.Route) error {
		if run.admin != nil && run.admin.Owns(route) {
			return run.admin.Check(r, route)
		}
		return foreign.Check(r, route)
	}
}

func (h *Host) adminOptions(p *instance.Providers, hooks *webhookapi.API) adminapi.Options {
	cfg, made := h.config, h.instance.Options()
	admin := h.instance.SuperAdmin()
	if admin != nil {
		admin.Tell()
	}
	return adminapi.Options{
		Host: h, Instance: h.instance, SuperAdmin: admin, Program: h.opt.Program, Config: cfg, Foreign: h.foreign, Audit: p.Audit, Now: h.now,
		Desk: operator.New(h.instance, operator.Links{
			PublicURL: cfg.String(setting.PublicURL), BasePath: cfg.String(setting.BasePath), Strict: made.Strict, AccountPage: made.AccountPage,
		}),
		Load:     h.Load,
		Webhooks: hooks, Limits: h.limits, Unlimited: ratelimit.AllOff(cfg, made.Production),
	}
}

func (h *Host) storageOptions(p *instance.Providers) storageapi.Options {
	cfg := h.config
	types := cfg.List(setting.AllowedMIMETypes)
	for i, t := range types {
		t, _, _ = strings.Cut(t, ";") // parameters are not compared
		types[i] = strings.ToLower(strings.TrimSpace(t))
	}
	return storageapi.Options{
		Host: h, Limits: h.limits, Adapter: p.Storage, Now: h.now, Rand: h.instance.Options().Rand,
		Intents:     instance.Ability[or3cloud.UploadIntents](p, or3cloud.ProviderSync),
		Canonical:   instance.Ability[or3cloud.CanonicalStorage](p, or3cloud.ProviderSync),
		MaxFileSize: cfg.Int(setting.MaxFileSize),
		Quota: or3cloud.StorageQuota{
			Bytes: cfg.Int(setting.StorageQuotaBytes), Files: cfg.Int(setting.StorageQuotaFiles), UserBytes: cfg.Int(setting.StorageUserQuota),
		},
		MIMETypes:   types,
		AnyMIMEType: cfg.Bool(setting.AllowAnyFileType),
		GCRetention: httpapi.Duration(cfg.Int(setting.StorageGCRetention), time.Second),
		GCCooldown:  httpapi.Duration(cfg.Int(setting.StorageGCCooldown), time.Millisecond),
	}
}
