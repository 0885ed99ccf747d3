package or3cloud

import "context"

// AdminWarning is something that an operator should know about a provider.
type AdminWarning struct {
	Level   string `json:"level"` // AdminLevelWarning or AdminLevelError
	Message string `json:"message"`
}

// AdminAction is something that an operator can make a provider do.
type AdminAction struct {
	ID          string `json:"id"`
	Label       string `json:"label"`
	Description string `json:"description,omitempty"`
	Danger      bool   `json:"danger,omitempty"`
	// Confirmation is what whoever wants it is asked first; empty where nothing is lost.
	Confirmation string `json:"confirmation,omitempty"`
	// Workspace says that it is done to one workspace, which has to be named.
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

// ProviderAdminAdapter shows the state of a provider (requirement 9.2; contract, workspaces-and-admin §8). It answers at once.
type ProviderAdminAdapter interface {
	GetStatus(ctx context.Context) (AdminStatus, error)
}

// AdminActionRunner is the optional ability to run the actions that GetStatus lists. An unknown id is CodeInvalid
// with the text "Unknown action". It may take long, and ends with ctx.
type AdminActionRunner interface {
	RunAction(ctx context.Context, workspaceID, actionID string, payload map[string]any) (any, error)
}
