package instance

import (
	"fmt"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/setting"
)

// Role is one of the three roles that a provider can fill.
type Role struct {
	// Kind is the role's kind.
	Kind or3cloud.ProviderKind
	// ID is the id of the configured provider.
	ID string
	// On reports that the feature is enabled and its provider is compiled in.
	On bool

	variable string // selects the provider
	off      string // the variable that makes the role unnecessary
	provider or3cloud.Provider
}

// String returns the id of the provider, or "off".
func (r Role) String() string {
	if !r.On {
		return "off"
	}
	return r.ID
}

// Plan is the set of providers to open, according to the configuration and the providers that are compiled in.
type Plan struct {
	Auth, Sync, Storage Role
	// SyncServed reports whether clients may sync. The sync provider is opened even if they may not, because it keeps
	// the users and workspaces.
	SyncServed bool
	// Problems describes the configured providers that are missing, in one sentence each.
	Problems []string
}

// NewPlan decides which providers are opened. Without authentication, or without the provider that keeps the
// workspaces, there is no cloud at all. It does no I/O.
func NewPlan(cfg or3cloud.Config, registry *or3cloud.Registry) Plan {
	p := parts(cfg, registry)
	cloud := p.Auth.On && p.Sync.On
	p.Auth.On, p.Sync.On, p.Storage.On = cloud, cloud, p.Storage.On && cloud
	p.SyncServed = p.SyncServed && cloud
	return p
}

// NewPartialPlan is like NewPlan, for a front whose host may have providers of its own. Each provider that is compiled
// in is opened independently, and none counts as missing.
func NewPartialPlan(cfg or3cloud.Config, registry *or3cloud.Registry) Plan {
	p := parts(cfg, registry)
	p.Problems = nil
	return p
}

// parts finds the provider of each role that is on.
func parts(cfg or3cloud.Config, registry *or3cloud.Registry) Plan {
	p := Plan{
		Auth:    Role{Kind: or3cloud.ProviderAuth, variable: setting.AuthProvider, off: setting.SSRAuthEnabled},
		Sync:    Role{Kind: or3cloud.ProviderSync, variable: setting.SyncProvider, off: setting.SSRAuthEnabled},
		Storage: Role{Kind: or3cloud.ProviderStorage, variable: setting.StorageProvider, off: setting.StorageEnabled},
	}
	for _, r := range []*Role{&p.Auth, &p.Sync, &p.Storage} {
		r.ID = cfg.String(r.variable)
	}
	if !cfg.Bool(setting.SSRAuthEnabled) {
		return p
	}
	p.find(&p.Auth, registry)
	p.find(&p.Sync, registry)
	if cfg.Bool(setting.StorageEnabled) {
		p.find(&p.Storage, registry)
	}
	p.SyncServed = p.Sync.On && cfg.Bool(setting.SyncEnabled)
	return p
}

func (p *Plan) find(r *Role, registry *or3cloud.Registry) {
	if r.provider, r.On = registry.Serving(r.Kind, r.ID); !r.On {
		missing := registry.Missing(r.Kind, r.variable, r.ID, r.off)
		p.Problems = append(p.Problems, fmt.Sprintf("%s. %s Until then %s is off.", missing.Fault, missing.Fix, r.Kind))
	}
}

// Cloud reports whether there is anything to open: accounts, and a provider for them and for their workspaces. For a
// partial plan, any provider is enough.
func (p Plan) Cloud() bool { return p.Auth.On || p.Sync.On || p.Storage.On }
