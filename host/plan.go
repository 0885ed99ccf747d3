package host

import (
	"fmt"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/healthapi"
)

// role is one of the three places that a provider can have.
type role struct {
	kind     string // "auth", "sync" or "storage"
	variable string
	id       string
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
		auth:    role{kind: "auth", variable: "AUTH_PROVIDER", id: cfg.String("AUTH_PROVIDER")},
		sync:    role{kind: "sync", variable: "OR3_SYNC_PROVIDER", id: cfg.String("OR3_SYNC_PROVIDER")},
		storage: role{kind: "storage", variable: "NUXT_PUBLIC_STORAGE_PROVIDER", id: cfg.String("NUXT_PUBLIC_STORAGE_PROVIDER")},
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
	if registry != nil {
		r.provider, r.on = registry.Lookup(r.id)
	}
	if r.on {
		return
	}
	have := "none"
	if registry != nil && len(registry.Providers()) > 0 {
		var ids []string
		for _, provider := range registry.Providers() {
			ids = append(ids, provider.ID)
		}
		have = strings.Join(ids, ", ")
	}
	p.problems = append(p.problems, fmt.Sprintf(
		"%s.provider %q is not registered. Install it by adding its package to the program's provider imports and building again, "+
			"or set %s to a provider that is compiled in (%s). Until then %s is off.",
		r.kind, r.id, r.variable, have, r.kind))
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
