package host

import (
	"fmt"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/healthapi"
)

// role is one of the three places that a provider can have.
type role struct {
	kind     or3cloud.ProviderKind
	variable string
	id       string
	off      string // the variable that makes the role unnecessary
	// on says that the feature is switched on and that its provider is there.
	on       bool
	provider or3cloud.Provider
}

func (r role) name() string {
	if !r.on {
		return "off"
	}
	return r.id
}

// plan is what the configuration makes of the providers that are compiled in.
type plan struct {
	auth, sync, storage role
	// syncRoutes says that /api/sync is served. The sync provider is opened even when it is not, because it keeps the
	// users and workspaces.
	syncRoutes bool
	// problems are the configured providers that are missing, one sentence each.
	problems []string
}

// makePlan decides which providers are opened. Without authentication, or without the provider that keeps the
// workspaces, there is no cloud at all.
func makePlan(cfg or3cloud.Config, registry *or3cloud.Registry) plan {
	p := plan{
		auth:    role{kind: or3cloud.ProviderAuth, variable: "AUTH_PROVIDER", id: cfg.String("AUTH_PROVIDER"), off: "SSR_AUTH_ENABLED"},
		sync:    role{kind: or3cloud.ProviderSync, variable: "OR3_SYNC_PROVIDER", id: cfg.String("OR3_SYNC_PROVIDER"), off: "SSR_AUTH_ENABLED"},
		storage: role{kind: or3cloud.ProviderStorage, variable: "NUXT_PUBLIC_STORAGE_PROVIDER", id: cfg.String("NUXT_PUBLIC_STORAGE_PROVIDER"), off: "OR3_STORAGE_ENABLED"},
	}
	if !cfg.Bool("SSR_AUTH_ENABLED") {
		return p
	}
	p.find(&p.auth, registry)
	p.find(&p.sync, registry)
	if cfg.Bool("OR3_STORAGE_ENABLED") {
		p.find(&p.storage, registry)
	}
	cloud := p.auth.on && p.sync.on
	p.auth.on, p.sync.on, p.storage.on = cloud, cloud, p.storage.on && cloud
	p.syncRoutes = cloud && cfg.Bool("OR3_SYNC_ENABLED")
	return p
}

func (p *plan) find(r *role, registry *or3cloud.Registry) {
	if r.provider, r.on = registry.Serving(r.kind, r.id); !r.on {
		missing := registry.Missing(r.kind, r.variable, r.id, r.off)
		p.problems = append(p.problems, fmt.Sprintf("%s. %s Until then %s is off.", missing.Fault, missing.Fix, r.kind))
	}
}

// disabled returns the prefixes of the endpoints that are switched off.
func (p *plan) disabled() []string {
	if !p.auth.on {
		return []string{"/api/"}
	}
	var out []string
	if !p.syncRoutes {
		out = append(out, "/api/sync/")
	}
	if !p.storage.on {
		out = append(out, "/api/storage/")
	}
	return out
}

func (p *plan) features() healthapi.Features {
	return healthapi.Features{
		Sync:    healthapi.Feature{Available: p.syncRoutes, Provider: p.sync.id},
		Storage: healthapi.Feature{Available: p.storage.on, Provider: p.storage.id},
		Auth:    healthapi.Feature{Available: p.auth.on, Provider: p.auth.id},
	}
}
