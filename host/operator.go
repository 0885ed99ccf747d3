package host

import (
	"time"

	or3cloud "or3.chat/cloud"
)

// Operator is what the operator's commands work with.
type Operator struct {
	// AuthProvider is the id of the auth provider, by which the workspace store knows its accounts.
	AuthProvider string
	// Accounts is nil if the auth provider lacks the ability.
	Accounts or3cloud.AccountAdmin
	// Store may have more abilities, such as or3cloud.WorkspaceDirectory.
	Store   or3cloud.AuthWorkspaceStore
	Invites *Invites
	// Files is nil if storage is off. It may have more abilities, such as or3cloud.BlobChecker.
	Files or3cloud.StorageGatewayAdapter
	// Rows and References are the sync provider's, nil if it lacks the ability.
	Rows       or3cloud.CanonicalStorage
	References or3cloud.ReferenceClaimer
	// Databases are the providers that look after a database of their own, by their role: "sync", "auth".
	Databases map[string]or3cloud.DatabaseIntegrity
	// Closing is closed when a shutdown begins: what takes long ends early then.
	Closing <-chan struct{}
}

// Operate calls f with what the operator's commands need. A shutdown waits for it as for a request.
func (h *Host) Operate(f func(Operator) error) error {
	run := h.running.Load()
	if run == nil || !h.gate.enter() {
		return or3cloud.Unavailable(nil, "the server is starting or shutting down; try again in a moment", time.Second)
	}
	defer h.gate.leave()
	if run.sessions == nil {
		return or3cloud.Errorf(or3cloud.CodeUnsupported, "this instance has no accounts (SSR_AUTH_ENABLED is false or a provider is missing)")
	}
	op := Operator{AuthProvider: h.plan.auth.id, Store: run.sessions.store, Invites: run.sessions.invites}
	op.Files, op.Rows, op.References, op.Closing = run.files, run.rows, run.references, h.gate.closing
	op.Databases = run.databases
	op.Accounts, _ = run.sessions.auth.(or3cloud.AccountAdmin)
	return f(op)
}
