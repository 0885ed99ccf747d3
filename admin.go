package or3cloud

import "context"

// AdminWarning is a warning about a provider for the operator.
type AdminWarning struct {
	Level   string `json:"level"` // AdminLevelWarning or AdminLevelError
	Message string `json:"message"`
}

// AdminAction is an action of a provider that the operator can run.
type AdminAction struct {
	ID          string `json:"id"`
	Label       string `json:"label"`
	Description string `json:"description,omitempty"`
	Danger      bool   `json:"danger,omitempty"`
	// Confirmation is the question to confirm before the action runs. It is empty if nothing can be lost.
	Confirmation string `json:"confirmation,omitempty"`
	// Workspace reports whether the action applies to one workspace, which the operator has to name.
	Workspace bool `json:"workspace,omitempty"`
}

// The levels of an AdminWarning.
const (
	AdminLevelWarning = "warning"
	AdminLevelError   = "error"
)

// AdminStatus describes a provider to an operator. It contains no secrets.
type AdminStatus struct {
	Details  map[string]any `json:"details,omitempty"`
	Warnings []AdminWarning `json:"warnings"`
	Actions  []AdminAction  `json:"actions"`
}

// ProviderAdminAdapter reports the state of a provider (requirement 9.2; contract, workspaces-and-admin §8). It must
// answer at once.
type ProviderAdminAdapter interface {
	GetStatus(ctx context.Context) (AdminStatus, error)
}

// AdminActionRunner is the optional ability to run the actions that GetStatus lists. An unknown id is CodeInvalid with
// the text "Unknown action". An action may take long, and stops when ctx ends.
type AdminActionRunner interface {
	RunAction(ctx context.Context, workspaceID, actionID string, payload map[string]any) (any, error)
}
