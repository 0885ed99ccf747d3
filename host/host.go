// Package host is the HTTP host: it opens the configured providers and serves the endpoints of the wire contract on
// top of them. It knows HTTP, sessions and permissions, and neither SQL nor files; providers come from a Registry.
//
// A request passes: identity → log → recover → security headers → CORS → health checks → redirect to HTTPS → names →
// foreign pages → body limit → route; the route resolves the session, asks or3cloud.Can and looks at the rate limit (docs/architecture.md).
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/host/healthapi"
	"or3.chat/cloud/host/httpx"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/host/sessionapi"
	"or3.chat/cloud/host/storageapi"
	"or3.chat/cloud/host/syncapi"
	"or3.chat/cloud/host/workspaceapi"
	"or3.chat/cloud/internal/diskspace"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/internal/networks"
)

// Options are everything that a Host depends on.
type Options struct {
	// Registry has the providers that are compiled in.
	Registry *or3cloud.Registry
	// Config is the resolved configuration of host and providers.
	Config or3cloud.Config
	// DataDir is the absolute path of the instance's data directory. The host itself writes nothing there but the
	// reserve of disk space; empty means that there is none.
	DataDir string
	// Stores decides whether the stores of the providers may be opened; nil lets all of them.
	Stores or3cloud.Stores
	// Production is NODE_ENV=production. Strict is that or OR3_STRICT_CONFIG=true.
	Production, Strict bool
	Log                *slog.Logger
	Now                func() time.Time
	// Rand is read by several goroutines.
	Rand io.Reader
	// Secret is handed to the providers (or3cloud.Env).
	Secret func(name string) (string, error)
	// MachineNames are host names under which the machine itself may be addressed, besides OR3_PUBLIC_URL.
	MachineNames []string
	// Web serves every path that is not below /api/; nil answers 404.
	Web http.Handler
	// Filters are the hooks of the authorization gate. They can only deny.
	Filters []or3cloud.DecisionFilter
	// Version is the program's version, for the log.
	Version string
	// Fatal, if set, is called when a provider cannot go on until the program has started anew, with the reason. It
	// returns at once; it is called once.
	Fatal func(error)
	// Memory is the limit that the process has, of which requests get their share; the zero value is one of 1 GiB.
	Memory membudget.Limit
	// Disk measures file systems; nil asks the operating system.
	Disk func(dir string) (diskspace.Usage, error)
}

// Host serves one instance. It must be opened before it serves anything but health checks.
type Host struct {
	opt     Options
	plan    plan
	limits  *middleware.Limits
	health  httpx.Router
	handler http.Handler
	foreign middleware.ForeignPages
	advice  *middleware.Advice
	names   *middleware.Names
	gate    *gate
	space   *diskspace.Monitor
	memory  *membudget.Budget
	fatal   sync.Once
	failed  atomic.Bool // a provider cannot go on
	streams eventsapi.Bounds
	running atomic.Pointer[running]

	mu     sync.Mutex // held while opening and closing
	opened []opened
	closed bool
}

// opened is a provider that Open has opened.
type opened struct {
	id string
	*or3cloud.Instance
}

// running is what requests see of an opened host.
type running struct {
	router   httpx.Router
	disabled []string // prefixes of the endpoints that are switched off
	sessions *sessions
	upkeep   or3cloud.MaintenanceReporter // nil if the sync provider has none
	// What the operator's commands and the health answer look at; nil if there is none.
	files      or3cloud.StorageGatewayAdapter
	rows       or3cloud.CanonicalStorage
	references or3cloud.ReferenceClaimer
	// databases are the providers that look after a database of their own, by their role.
	databases map[string]or3cloud.DatabaseIntegrity
}

// New returns a host that serves nothing yet. It does no I/O. In strict mode it fails when a configured provider is
// not compiled in, naming all of them.
func New(o Options) (*Host, error) {
	h := &Host{
		opt: o, plan: makePlan(o.Config, o.Registry), gate: newGate(),
		space: diskspace.New(diskspace.Options{Log: o.Log, Measure: o.Disk}),
	}
	if o.Strict && len(h.plan.problems) > 0 {
		return nil, errors.New(strings.Join(h.plan.problems, "\n"))
	}
	if o.Memory.Bytes == 0 {
		o.Memory.Bytes = 1 << 30
	}
	h.memory = membudget.New(o.Memory.Budget())
	h.streams.Total = int(min(eventsapi.DefaultTotal, o.Memory.Bytes/4/streamMemory))
	cfg := o.Config
	h.limits = middleware.NewLimits(o.Now, cfg.String("OR3_RATE_LIMIT_OVERRIDES_JSON"),
		!cfg.Bool("OR3_LIMITS_ENABLED") || cfg.String("DISABLE_RATE_LIMIT") == "1" && !o.Production)
	allowed := cfg.List("OR3_ALLOWED_ORIGINS")
	h.foreign = middleware.NewForeignPages(cfg.String("OR3_PUBLIC_URL"), allowed)
	h.advice = middleware.NewAdvice(cfg.String("OR3_PUBLIC_URL"), h.foreign, o.Log)
	proxy, err := proxyRule(cfg)
	if err != nil {
		return nil, err
	}
	proxy.Log = o.Log
	h.names = middleware.NewNames(middleware.NamesOptions{
		PublicURL: cfg.String("OR3_PUBLIC_URL"), AllowedOrigins: allowed, Machine: o.MachineNames, Log: o.Log,
	})
	health := healthapi.API{
		Started: o.Now(), Now: o.Now, Features: h.plan.features(), Degraded: len(h.plan.problems) > 0,
		Maintenance: h.maintenance, Integrity: h.integrity, Databases: h.databaseStates, Disk: h.space.Report, Ready: h.ready,
	}
	for _, route := range health.Routes() {
		if err := h.health.Add("host", route); err != nil {
			return nil, err
		}
	}
	steps := []middleware.Middleware{
		proxy.Identify,
		middleware.Log(o.Log, o.Now, o.Rand),
		middleware.Recover(o.Log),
		middleware.SecurityHeaders,
		middleware.CORS(allowed, h.serves),
		h.answerHealth,
	}
	if cfg.Bool("OR3_FORCE_HTTPS") {
		steps = append(steps, middleware.ForceHTTPS(o.Log))
	}
	h.handler = middleware.Chain(http.HandlerFunc(h.serve), steps...)
	return h, nil
}

// streamMemory is what an open event stream takes, in bytes. Streams stand beside the budget of requests, because they are many
// and last: together they may take a quarter of the memory.
const streamMemory = 35 << 10

// Handler serves all requests. Until Open has finished, and again from the beginning of a shutdown, everything but
// health checks is answered 503 with Retry-After, which costs clients nothing (contract, client-behaviour Pitfall 1).
func (h *Host) Handler() http.Handler { return h.handler }

// answerHealth answers health checks, before anything asks under which name, by which protocol or in which state of the
// server they come: probes address a pod or the loopback interface in the clear.
func (h *Host) answerHealth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := h.health.Find(r); ok {
			httpx.Unhurried(w)
			httpx.Respond(w, r, h.health.Serve)
			return
		}
		next.ServeHTTP(w, r)
	})
}

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
	httpx.Unhurried(w) // the connection may have served an answer with a deadline before
	if h.names.Answer(w, r) {
		return
	}
	run := h.running.Load()
	if run == nil || !h.gate.enter() {
		httpx.WriteError(w, r, h.unavailable(w))
		return
	}
	defer h.gate.leave()
	if run.sessions != nil {
		w = run.sessions.invites.keepInvite(w, r)
	}
	switch path := r.URL.Path; {
	case path != "/api" && !strings.HasPrefix(path, "/api/"):
		h.serveWeb(w, r)
	case slices.ContainsFunc(run.disabled, func(prefix string) bool { return strings.HasPrefix(path, prefix) }):
		httpx.Respond(w, r, httpx.Disabled)
	default:
		r, leave := withMemo(w, r)
		defer leave()
		httpx.Respond(w, r, run.router.Serve)
	}
}

// proxyRule says whose forwarding headers are believed. A list of networks is stricter than trust in everyone.
func proxyRule(cfg or3cloud.Config) (middleware.Proxy, error) {
	p := middleware.Proxy{ClientHeader: cfg.String("OR3_FORWARDED_FOR_HEADER")}
	proxies, err := networks.Parse(cfg.List("OR3_TRUSTED_PROXIES"))
	switch {
	case err != nil:
		return p, fmt.Errorf("OR3_TRUSTED_PROXIES: %w", err)
	case len(proxies) > 0:
		p.Proxies = proxies
	default:
		p.Everyone = cfg.Bool("OR3_TRUST_PROXY")
	}
	return p, nil
}

func (h *Host) serveWeb(w http.ResponseWriter, r *http.Request) {
	if h.opt.Web == nil {
		http.NotFound(w, r)
		return
	}
	h.opt.Web.ServeHTTP(w, r)
}

func (h *Host) unavailable(w http.ResponseWriter) error {
	if h.gate.isClosed() {
		w.Header().Set("Connection", "close")
	}
	return or3cloud.Unavailable(nil, h.notReady(), time.Second)
}

// ready returns nil while every route is served, and what clients are told meanwhile otherwise.
func (h *Host) ready() error {
	if h.running.Load() != nil && !h.gate.isClosed() && !h.failed.Load() {
		return nil
	}
	return or3cloud.Unavailable(nil, h.notReady(), time.Second)
}

func (h *Host) notReady() string {
	switch {
	case h.gate.isClosed():
		return "The server is shutting down"
	case h.failed.Load():
		return "The server is about to start again"
	default:
		return "The server is starting"
	}
}

// Open opens the configured providers: sync first, since it has the workspaces, then auth, then storage, which gets
// the sync provider's reference claims. If it fails, it has closed again what it opened. With SSR_AUTH_ENABLED=false
// there is nothing to open, and nothing on the disk is touched.
func (h *Host) Open(ctx context.Context) (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.running.Load() != nil {
		return errors.New("host: opened twice, or after Close")
	}
	for _, problem := range h.plan.problems {
		h.opt.Log.Warn(problem)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.closeProviders())
			h.space.Close()
		}
	}()
	run := &running{disabled: h.plan.disabled()}
	run.router.Budget, run.router.Caller = h.memory, h.caller
	run.router.Guard, run.router.Explain = h.foreign.Check, h.advice.Explain
	if h.plan.auth.on {
		if h.opt.DataDir != "" {
			h.space.WatchWithReserve(h.opt.DataDir)
		}
		h.space.Start()
		if run.sessions, err = h.openProviders(ctx, run); err != nil {
			return err
		}
	}
	h.running.Store(run)
	h.opt.Log.Info("ready", "version", h.opt.Version, "auth", h.plan.auth.name(), "sync", h.plan.sync.name(), "storage", h.plan.storage.name())
	return nil
}

func (h *Host) openProviders(ctx context.Context, run *running) (*sessions, error) {
	gateway, err := h.open(ctx, h.plan.sync, nil)
	if err != nil {
		return nil, err
	}
	auth, err := h.open(ctx, h.plan.auth, nil)
	if err != nil {
		return nil, err
	}
	if gateway.Workspaces == nil || auth.Auth == nil || h.plan.syncRoutes && gateway.Sync == nil {
		return nil, fmt.Errorf("the providers %q (sync) and %q (auth) lack an ability that their role needs", h.plan.sync.id, h.plan.auth.id)
	}
	run.databases = map[string]or3cloud.DatabaseIntegrity{}
	if d := ability[or3cloud.DatabaseIntegrity](gateway); d != nil {
		run.databases["sync"] = d
	}
	if d, ok := auth.Auth.(or3cloud.DatabaseIntegrity); ok {
		run.databases["auth"] = d
	}
	s := &sessions{
		host: h, auth: auth.Auth, store: gateway.Workspaces, failure: h.opt.Config.String("OR3_SESSION_PROVISIONING_FAILURE"),
	}
	if s.invites, err = h.newInvites(gateway.Workspaces); err != nil {
		return nil, err
	}
	session := sessionapi.API{Host: h, Limits: h.limits}
	var routes []or3cloud.Route
	if h.plan.syncRoutes {
		routes = append(routes, syncapi.New(h, h.limits, gateway.Sync).Routes()...)
		if watcher := ability[or3cloud.Watcher](gateway); watcher != nil {
			routes = append(routes, eventsapi.New(h, watcher, h.streams, h.gate.closing).Mount()...)
		}
		if c := ability[or3cloud.CapabilityReporter](gateway); c != nil {
			session.WorkspaceItems = c.SyncCapabilities().WorkspaceItems == "v1"
		}
		run.upkeep = ability[or3cloud.MaintenanceReporter](gateway)
	}
	routes = slices.Concat(routes, session.Routes(), workspaceapi.API{Host: h, Store: gateway.Workspaces, Limits: h.limits}.Routes())
	if h.plan.storage.on {
		run.rows, run.references = ability[or3cloud.CanonicalStorage](gateway), ability[or3cloud.ReferenceClaimer](gateway)
		storage, err := h.open(ctx, h.plan.storage, run.references)
		if err != nil {
			return nil, err
		}
		if storage.Storage == nil {
			return nil, fmt.Errorf("the provider %q stores no files; set %s to another one", h.plan.storage.id, h.plan.storage.variable)
		}
		run.files = storage.Storage
		routes = append(routes, h.storageAPI(storage.Storage, gateway).Routes()...)
	}
	for _, route := range routes {
		if err := run.router.Add("host", route); err != nil {
			return nil, err
		}
	}
	for _, inst := range h.opened {
		for _, route := range inst.Routes {
			if err := run.router.Add("provider "+inst.id, route); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

func (h *Host) storageAPI(adapter or3cloud.StorageGatewayAdapter, gateway *or3cloud.Instance) *storageapi.API {
	cfg := h.opt.Config
	types := cfg.List("OR3_STORAGE_ALLOWED_MIME_TYPES")
	for i, t := range types {
		types[i] = strings.ToLower(strings.TrimSpace(t))
	}
	return storageapi.New(storageapi.Options{
		Host: h, Limits: h.limits, Adapter: adapter, Now: h.opt.Now, Rand: h.opt.Rand,
		Intents: ability[or3cloud.UploadIntents](gateway), Canonical: ability[or3cloud.CanonicalStorage](gateway),
		MaxFileSize: cfg.Int("OR3_MAX_CLOUD_FILE_SIZE_BYTES"),
		Quota: or3cloud.StorageQuota{
			Bytes: cfg.Int("OR3_STORAGE_WORKSPACE_QUOTA_BYTES"), Files: cfg.Int("OR3_STORAGE_WORKSPACE_QUOTA_FILES"),
		},
		MIMETypes:   types,
		AnyMIMEType: cfg.Bool("OR3_STORAGE_ALLOW_ANY_FILE_TYPE"),
		GCRetention: httpx.Duration(cfg.Int("OR3_STORAGE_GC_RETENTION_SECONDS"), time.Second),
		GCCooldown:  httpx.Duration(cfg.Int("OR3_STORAGE_GC_COOLDOWN_MS"), time.Millisecond),
	})
}

// maintenance returns what the sync provider's background maintenance is doing; nil when it is not known.
func (h *Host) maintenance() *or3cloud.MaintenanceState {
	run := h.running.Load()
	if run == nil || run.upkeep == nil {
		return nil
	}
	state := run.upkeep.MaintenanceState()
	return &state
}

// integrity returns how sound the stored files are; nil when it is not known.
func (h *Host) integrity() *or3cloud.IntegrityState {
	run := h.running.Load()
	if run == nil {
		return nil
	}
	reporter, ok := run.files.(or3cloud.IntegrityReporter)
	if !ok {
		return nil
	}
	state := reporter.IntegrityState()
	return &state
}

// databaseStates returns how sound the databases of the sync and auth providers are; nil where it is not known.
func (h *Host) databaseStates() (sync, auth *or3cloud.DatabaseState) {
	run := h.running.Load()
	if run == nil {
		return nil, nil
	}
	state := func(role string) *or3cloud.DatabaseState {
		d, ok := run.databases[role]
		if !ok {
			return nil
		}
		state := d.DatabaseState()
		return &state
	}
	return state("sync"), state("auth")
}

// ability returns the optional ability T of an instance, wherever in it that lives; nil if it has none.
func ability[T any](inst *or3cloud.Instance) (none T) {
	if a, ok := inst.Sync.(T); ok {
		return a
	}
	if a, ok := inst.Workspaces.(T); ok {
		return a
	}
	return none
}

// open opens the provider of a role, or returns the instance of it that another role has opened.
func (h *Host) open(ctx context.Context, rl role, references or3cloud.ReferenceClaimer) (*or3cloud.Instance, error) {
	for _, inst := range h.opened {
		if inst.id == rl.id {
			return inst.Instance, nil
		}
	}
	inst, err := rl.provider.Open(ctx, or3cloud.Env{
		Config: h.opt.Config, Production: h.opt.Production, Strict: h.opt.Strict, DataDir: h.opt.DataDir, Stores: h.opt.Stores,
		Log: h.opt.Log.With("provider", rl.id), Now: h.opt.Now, Rand: h.opt.Rand, Secret: h.opt.Secret, Host: h, References: references,
		DiskFull: func(dir string) func() bool { return h.space.Watch(dir).Full },
		Fatal:    func(err error) { h.fail(fmt.Errorf("provider %q: %w", rl.id, err)) },
	})
	if err != nil {
		return nil, fmt.Errorf("opening the %s provider %q: %w", rl.kind, rl.id, err)
	}
	h.opened = append(h.opened, opened{rl.id, inst})
	return inst, nil
}

// fail passes on that a provider cannot go on.
func (h *Host) fail(err error) {
	h.failed.Store(true)
	h.fatal.Do(func() {
		if h.opt.Fatal != nil {
			h.opt.Fatal(err)
		}
	})
}

// SetupLinks returns the fragments for one-time links with which the first account can be created; none when there are
// accounts, or when no provider offers one.
func (h *Host) SetupLinks(ctx context.Context) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var links []string
	for _, inst := range h.opened {
		if inst.Setup == nil {
			continue
		}
		link, err := inst.Setup(ctx)
		if err != nil {
			return nil, fmt.Errorf("provider %q: setup link: %w", inst.id, err)
		}
		if link != "" {
			links = append(links, link)
		}
	}
	return links, nil
}

// Close closes the providers, the last one opened first. From then on everything is answered 503. It does not wait
// for requests under way; Serve does.
func (h *Host) Close() error {
	h.gate.close()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.running.Store(nil)
	h.space.Close()
	return h.closeProviders()
}

func (h *Host) closeProviders() error {
	var errs []error
	for _, inst := range slices.Backward(h.opened) {
		if inst.Close == nil {
			continue
		}
		if err := inst.Close(); err != nil {
			errs = append(errs, fmt.Errorf("closing provider %q: %w", inst.id, err))
		}
	}
	h.opened = nil
	return errors.Join(errs...)
}
