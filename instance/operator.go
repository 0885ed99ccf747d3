package instance

import (
	"io"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/superadmin"
	"or3.chat/cloud/internal/trail"
)

// Operator is what the operator's use cases work with.
type Operator struct {
	// AuthProvider is the id of the auth provider under which the workspace store knows its accounts.
	AuthProvider string
	// Accounts is nil if the auth provider lacks the ability.
	Accounts or3cloud.AccountAdmin
	// Store may have more abilities, such as or3cloud.WorkspaceDirectory.
	Store   or3cloud.AuthWorkspaceStore
	Invites *Invites
	// Files is nil if storage is off. It may have more abilities, such as or3cloud.BlobChecker.
	Files or3cloud.StorageGatewayAdapter
	// Rows and References are the sync provider's, nil if it lacks the ability or if storage is off.
	Rows       or3cloud.CanonicalStorage
	References or3cloud.ReferenceClaimer
	// Notifier is nil if the sync provider lacks the ability, or if nothing is synced.
	Notifier or3cloud.Notifier
	// Audit is nil, which keeps nothing, if the sync provider lacks the ability.
	Audit *trail.Recorder
	// Databases are the providers with a database of their own, by role: "sync", "auth".
	Databases map[string]or3cloud.DatabaseIntegrity
	// SuperAdmin is the administrator configured in the environment, or nil.
	SuperAdmin *superadmin.Admin
	// Places are the roles that providers fill, in the order auth, sync, storage.
	Places []Place
	Config or3cloud.Config
	Now    func() time.Time
	Rand   io.Reader
	// Closing is closed when a shutdown begins. Long operations must then end early.
	Closing <-chan struct{}
}

// Place is a role that a provider can fill.
type Place struct {
	Kind or3cloud.ProviderKind
	// Provider is the id of the configured provider.
	Provider string
	// On reports that it serves clients.
	On bool
	// Admin is nil if there is no provider, or if it does not report its state. It may be an
	// or3cloud.AdminActionRunner.
	Admin or3cloud.ProviderAdminAdapter
}

func placesOf(plan Plan, p *Providers) (places []Place) {
	for _, r := range []Role{plan.Auth, plan.Sync, plan.Storage} {
		on := r.On
		if r.Kind == or3cloud.ProviderSync {
			on = plan.SyncServed
		}
		places = append(places, Place{r.Kind, r.ID, on, Ability[or3cloud.ProviderAdminAdapter](p, r.Kind)})
	}
	return places
}

// Operate calls f with what the operator's use cases need. A shutdown waits for it as for a request. It returns the
// error of f, CodeUnavailable while the instance is starting or shutting down, or CodeUnsupported if there are no
// accounts.
func (i *Instance) Operate(f func(Operator) error) error {
	p := i.Providers()
	if p == nil || !i.Enter() {
		return or3cloud.Unavailable(nil, "the server is starting or shutting down; try again in a moment", pause)
	}
	defer i.Leave()
	if !i.plan.Auth.On || !i.plan.Sync.On {
		return or3cloud.Errorf(or3cloud.CodeUnsupported, "this instance has no accounts (SSR_AUTH_ENABLED is false or a provider is missing)")
	}
	op := Operator{
		SuperAdmin:   i.SuperAdmin(),
		AuthProvider: i.plan.Auth.ID, Store: p.Workspaces, Invites: p.Invites, Files: p.Storage, Audit: p.Audit, Closing: i.Closing(),
		Accounts: Ability[or3cloud.AccountAdmin](p, or3cloud.ProviderAuth), Databases: map[string]or3cloud.DatabaseIntegrity{},
		Places: placesOf(i.plan, p), Config: i.opt.Config, Now: i.opt.Now, Rand: i.opt.Rand,
	}
	if p.Sync != nil {
		op.Notifier = Ability[or3cloud.Notifier](p, or3cloud.ProviderSync)
	}
	if p.Storage != nil {
		op.Rows = Ability[or3cloud.CanonicalStorage](p, or3cloud.ProviderSync)
		op.References = Ability[or3cloud.ReferenceClaimer](p, or3cloud.ProviderSync)
	}
	for _, kind := range []or3cloud.ProviderKind{or3cloud.ProviderSync, or3cloud.ProviderAuth} {
		if d := Ability[or3cloud.DatabaseIntegrity](p, kind); d != nil {
			op.Databases[string(kind)] = d
		}
	}
	return f(op)
}
