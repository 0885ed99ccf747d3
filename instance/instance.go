// Package instance is one installation of OR3 Cloud without any protocol: which providers the configuration selects,
// how they are opened and closed, what they can do, how much space their disks have, and what happens when one cannot
// continue.
//
// A front makes it reachable: package host serves the wire contract to browsers, and package engine serves the provider
// protocol to other hosts. An instance knows neither of them. A front is created before its instance is opened, so that
// it can answer that the server is starting. It passes itself to Open, so that providers can ask it about requests, and
// then serves what Providers returns. Everything it does for a client happens between Enter and Leave, because Close
// must not take the providers away from a request in progress:
//
//	front  → Open(ctx, front) → Providers, Ability     opens
//	client → Enter … Leave                             while it is open
//	front  → Drain → Close                             shuts down
//
// The operator's use cases need no front: they open the instance alone, or run inside a running one (Operate).
package instance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/internal/diskspace"
	"or3.chat/cloud/internal/logx"
	"or3.chat/cloud/internal/superadmin"
	"or3.chat/cloud/internal/trail"
)

// Options are everything that an Instance depends on.
type Options struct {
	// Registry has the providers that are compiled in.
	Registry *or3cloud.Registry
	// Config is the resolved configuration of fronts and providers.
	Config or3cloud.Config
	// DataDir is the absolute path of the instance's data directory. The instance itself writes nothing there except
	// the reserve of disk space. Empty means that there is none.
	DataDir string
	// Stores decides whether the stores of the providers may be opened. nil allows all.
	Stores or3cloud.Stores
	// Partial opens the providers that are compiled in and leaves the rest to the front's host (NewPartialPlan).
	Partial bool
	// Production is NODE_ENV=production. Strict is Production or OR3_STRICT_CONFIG=true.
	Production, Strict bool
	Log                *slog.Logger
	// Journal is the log of the program that Log writes to; nil where it cannot be read back, as in commands.
	Journal *logx.Journal
	Now     func() time.Time
	// Rand is read by several goroutines.
	Rand io.Reader
	// Secret is passed to the providers (or3cloud.Env).
	Secret func(name string) (string, error)
	// AccountPage is passed to the providers (or3cloud.Env).
	AccountPage string
	// Fatal, if set, is called once, with the reason, when a provider cannot continue until the program has restarted.
	// It must return at once.
	Fatal func(error)
	// Disk measures file systems; nil asks the operating system.
	Disk func(dir string) (diskspace.Usage, error)
}

// Instance is one installation. It is opened once and closed once.
type Instance struct {
	opt    Options
	plan   Plan
	gate   *gate
	space  *diskspace.Monitor
	fatal  sync.Once
	failed atomic.Bool // a provider cannot continue
	// providers is nil while the instance is not open.
	providers atomic.Pointer[Providers]

	superAdmin func() *superadmin.Admin

	mu     sync.Mutex // held while opening and closing
	opened []opened
	trail  *trail.Recorder
	// past is the reason why an earlier process ended. failedKind is the store that makes this one end.
	past       atomic.Pointer[adminevent.Fault]
	failedKind atomic.Pointer[or3cloud.ProviderKind]
	closed     bool
}

// opened is a provider that Open has opened.
type opened struct {
	id string
	*or3cloud.Instance
}

// New returns an instance that is not open. It does no I/O. In strict mode it fails if configured providers are not
// compiled in, and names all of them.
func New(o Options) (*Instance, error) {
	plan := NewPlan
	if o.Partial {
		plan = NewPartialPlan
	}
	i := &Instance{
		opt: o, plan: plan(o.Config, o.Registry), gate: newGate(),
		space: diskspace.New(diskspace.Options{Log: o.Log, Measure: o.Disk}),
	}
	i.superAdmin = sync.OnceValue(i.newSuperAdmin)
	if o.Strict && len(i.plan.Problems) > 0 {
		return nil, errors.New(strings.Join(i.plan.Problems, "\n"))
	}
	return i, nil
}

// Options returns the options of the instance.
func (i *Instance) Options() Options { return i.opt }

// Plan returns what is opened and what is off.
func (i *Instance) Plan() Plan { return i.plan }

// SuperAdmin returns the administrator configured in the environment. It is nil if there is none, or if there are no
// accounts to administer.
func (i *Instance) SuperAdmin() *superadmin.Admin { return i.superAdmin() }

func (i *Instance) newSuperAdmin() *superadmin.Admin {
	if !i.plan.Cloud() || i.opt.DataDir == "" {
		return nil
	}
	return superadmin.New(superadmin.Options{
		Config: i.opt.Config, DataDir: i.opt.DataDir, Secret: i.opt.Secret, Log: i.opt.Log, Now: i.opt.Now, Rand: i.opt.Rand,
	})
}

// Providers returns the opened providers, or nil while the instance is not open.
func (i *Instance) Providers() *Providers { return i.providers.Load() }

// Open opens the configured providers: first sync, because it has the workspaces, then auth, then storage, which gets
// the sync provider's reference claims. If it fails, it closes what it has opened. Without accounts, it opens nothing
// and does not touch the disk. front answers the providers' questions about requests. It is nil where no requests
// arrive.
func (i *Instance) Open(ctx context.Context, front or3cloud.Front) (err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed || i.providers.Load() != nil {
		return errors.New("instance: opened twice, or after Close")
	}
	for _, problem := range i.plan.Problems {
		i.opt.Log.Warn(problem)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.closeProviders())
			i.space.Close()
		}
	}()
	p := &Providers{byKind: map[or3cloud.ProviderKind]*or3cloud.Instance{}}
	if i.plan.Cloud() {
		if i.opt.DataDir != "" {
			i.space.WatchWithReserve(i.opt.DataDir)
		}
		i.space.Start()
		if front == nil {
			front = noFront{}
		}
		if err := i.openProviders(ctx, p, services{front, i}); err != nil {
			return err
		}
	}
	i.trail = trail.Start(Ability[audit.Store](p, or3cloud.ProviderSync), i.opt.Log, i.opt.Now)
	p.Audit = i.trail
	i.readFault()
	i.providers.Store(p)
	return nil
}

func (i *Instance) openProviders(ctx context.Context, p *Providers, host or3cloud.HostServices) error {
	var err error
	if i.plan.Sync.On {
		gateway, err := i.open(ctx, i.plan.Sync, host, nil)
		if err != nil {
			return err
		}
		p.byKind[or3cloud.ProviderSync] = gateway
		if p.Workspaces = gateway.Workspaces; i.plan.SyncServed {
			p.Sync = gateway.Sync
		}
	}
	if i.plan.Auth.On {
		auth, err := i.open(ctx, i.plan.Auth, host, nil)
		if err != nil {
			return err
		}
		p.byKind[or3cloud.ProviderAuth] = auth
		p.Auth = auth.Auth
	}
	if i.plan.Sync.On && p.Workspaces == nil || i.plan.Auth.On && p.Auth == nil || i.plan.SyncServed && p.Sync == nil {
		return fmt.Errorf("the providers %q (sync) and %q (auth) lack an ability that their role needs", i.plan.Sync.ID, i.plan.Auth.ID)
	}
	tell := notices{log: i.opt.Log}
	if tell.members = Ability[or3cloud.WorkspaceAccessStore](p, or3cloud.ProviderSync); i.plan.SyncServed {
		tell.notifier = Ability[or3cloud.Notifier](p, or3cloud.ProviderSync)
	}
	if p.Invites, err = i.newInvites(p.Workspaces, tell); err != nil {
		return err
	}
	if i.plan.Storage.On {
		storage, err := i.open(ctx, i.plan.Storage, host, Ability[or3cloud.ReferenceClaimer](p, or3cloud.ProviderSync))
		if err != nil {
			return err
		}
		p.byKind[or3cloud.ProviderStorage] = storage
		if p.Storage = storage.Storage; p.Storage == nil {
			return fmt.Errorf("the provider %q stores no files; set %s to another one", i.plan.Storage.ID, i.plan.Storage.variable)
		}
	}
	for _, o := range i.opened {
		for _, route := range o.Routes {
			p.Routes = append(p.Routes, Route{o.id, route})
		}
	}
	return nil
}

// open opens the provider of a role, or returns the instance that another role has opened.
func (i *Instance) open(ctx context.Context, r Role, host or3cloud.HostServices, references or3cloud.ReferenceClaimer) (*or3cloud.Instance, error) {
	for _, o := range i.opened {
		if o.id == r.ID {
			return o.Instance, nil
		}
	}
	inst, err := r.provider.Open(ctx, or3cloud.Env{
		Config: i.opt.Config, Production: i.opt.Production, Strict: i.opt.Strict, DataDir: i.opt.DataDir, Stores: i.opt.Stores,
		Log: i.opt.Log.With("provider", r.ID), Now: i.opt.Now, Rand: i.opt.Rand, Secret: i.opt.Secret, Host: host, References: references,
		AccountPage: i.opt.AccountPage,
		DiskFull:    func(dir string) func() bool { return i.space.Watch(dir).Full },
		Fatal:       func(err error) { i.fail(r.Kind, fmt.Errorf("provider %q: %w", r.ID, err)) },
	})
	if err != nil {
		return nil, fmt.Errorf("opening the %s provider %q: %w", r.Kind, r.ID, err)
	}
	i.opened = append(i.opened, opened{r.ID, inst})
	return inst, nil
}

// fail reports that a provider cannot continue.
func (i *Instance) fail(kind or3cloud.ProviderKind, err error) {
	i.failedKind.CompareAndSwap(nil, &kind)
	i.failed.Store(true)
	i.fatal.Do(func() {
		if i.opt.Fatal != nil {
			i.opt.Fatal(err)
		}
	})
}

// SetupLinks returns the fragments of one-time links for creating the first account. It returns none if there are
// accounts, or if no provider offers a link.
func (i *Instance) SetupLinks(ctx context.Context) ([]string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var links []string
	for _, o := range i.opened {
		if o.Setup == nil {
			continue
		}
		link, err := o.Setup(ctx)
		if err != nil {
			return nil, fmt.Errorf("provider %q: setup link: %w", o.id, err)
		}
		if link != "" {
			links = append(links, link)
		}
	}
	return links, nil
}

// Close closes the providers, last opened first. From then on, no request may enter. It does not wait for those in
// progress; Drain does. Closing again does nothing.
func (i *Instance) Close() error {
	i.gate.close()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	i.providers.Store(nil)
	i.trail.Close()
	i.space.Close()
	err := i.closeProviders()
	i.writeFault()
	return err
}

func (i *Instance) closeProviders() error {
	var errs []error
	for _, o := range slices.Backward(i.opened) {
		if o.Close == nil {
			continue
		}
		if err := o.Close(); err != nil {
			errs = append(errs, fmt.Errorf("closing provider %q: %w", o.id, err))
		}
	}
	i.opened = nil
	return errors.Join(errs...)
}
