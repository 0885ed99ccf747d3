package instance

import (
	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/trail"
)

// Providers are the opened providers of an instance. Without accounts, every field is nil.
type Providers struct {
	Auth       or3cloud.AuthProvider
	Workspaces or3cloud.AuthWorkspaceStore
	// Sync is nil if clients may not sync.
	Sync or3cloud.SyncGatewayAdapter
	// Storage is nil if storage is off.
	Storage or3cloud.StorageGatewayAdapter
	Invites *Invites
	// Audit records what administrators do. It is nil, which records nothing, if the sync provider lacks the ability.
	Audit *trail.Recorder
	// Routes are the endpoints that providers serve themselves.
	Routes []Route

	byKind map[or3cloud.ProviderKind]*or3cloud.Instance
}

// Route is an endpoint of a provider.
type Route struct {
	// Owner is the provider's id.
	Owner string
	or3cloud.Route
}

// Ability returns the ability T of the provider in a role, whichever of its adapters has it, or nil if it has none or
// the role is off. All optional abilities are found this way, including tokens for other services
// (or3cloud.ProviderTokenBroker) and the provider's administration (or3cloud.ProviderAdminAdapter, AdminActionRunner).
func Ability[T any](p *Providers, kind or3cloud.ProviderKind) (none T) {
	if p == nil || p.byKind[kind] == nil {
		return none
	}
	opened := p.byKind[kind]
	var adapters []any
	switch kind {
	case or3cloud.ProviderAuth:
		adapters = []any{opened.Auth, opened.Broker}
	case or3cloud.ProviderSync:
		adapters = []any{opened.Sync, opened.Workspaces}
	case or3cloud.ProviderStorage:
		adapters = []any{opened.Storage}
	}
	for _, adapter := range append(adapters, opened.Admin[kind]) {
		if a, ok := adapter.(T); ok {
			return a
		}
	}
	return none
}

// The contract's names for the stores that a provider may lack (workspaces-and-admin §7).
const (
	AccessStore   = "Workspace access store"
	SettingsStore = "Workspace settings store"
	AdminStore    = "Admin user store"
)

// StoreAbility returns the ability T of the workspace store of an open instance. If the store lacks it, it returns
// CodeUnsupported in the words of the contract, where what names the kind of store.
func StoreAbility[T any](i *Instance, what string) (T, error) {
	store, ok := i.Providers().Workspaces.(T)
	if !ok {
		return store, or3cloud.Errorf(or3cloud.CodeUnsupported, "%s not implemented for provider: %s", what, i.plan.Sync.ID)
	}
	return store, nil
}
