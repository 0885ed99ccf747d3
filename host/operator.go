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
	op.Accounts, _ = run.sessions.auth.(or3cloud.AccountAdmin)
	return f(op)
}
