// Package adminevent is the contract of the events that webhooks of administrators tell of (contract, workspaces-and-admin §11), and of
// their queue. They come from no op, so there is no log to read them from: a sync provider that keeps webhooks of
// or3cloud.WebhookAdmin writes them down in the transactions of what they tell of.
package adminevent

import (
	"context"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
)

// The events of a webhook of or3cloud.WebhookAdmin.
const (
	UserCreated      = "admin.user.created"
	RoleChanged      = "admin.user.role_changed"
	WorkspaceCreated = "admin.workspace.created"
	WorkspaceDeleted = "admin.workspace.deleted"
	SyncError        = "admin.sync.error"
	StorageError     = "admin.storage.error"
	PluginEnabled    = "admin.plugin.enabled"
	PluginDisabled   = "admin.plugin.disabled"
	JobCompleted     = "admin.job.completed"
	JobFailed        = "admin.job.failed"
	// PluginInstalled can be asked for, and does not happen yet: no plugin is installed here.
	PluginInstalled = "admin.plugin.installed"
)

// Names lists the events that a webhook may name.
var Names = [...]string{
	UserCreated, RoleChanged, WorkspaceCreated, WorkspaceDeleted, PluginInstalled, PluginEnabled, PluginDisabled, SyncError, StorageError,
	JobCompleted, JobFailed,
}

// hooks are the hooks that the host of OR3 Chat calls at these events, which a webhook may name instead (contract,
// workspaces-and-admin §5).
var hooks = map[string]string{
	RoleChanged: "admin.user:action:role_changed", WorkspaceCreated: "admin.workspace:action:created", WorkspaceDeleted: "admin.workspace:action:deleted",
	PluginInstalled: "admin.plugin:action:installed", PluginEnabled: "admin.plugin:action:enabled", PluginDisabled: "admin.plugin:action:disabled",
}

// Hook returns the hook that an event calls; empty if there is none.
func Hook(event string) string { return hooks[event] }

// IsHook reports whether a text is the name of a hook. Which ones there are depends on the host, so all are accepted.
func IsHook(name string) bool {
	return len(name) <= MaxHook && (strings.Contains(name, ":action:") || strings.Contains(name, ":filter:"))
}

// The bounds. MaxHook is the length of the longest name of a hook, in bytes, and MaxHooks how many a webhook names.
const (
	MaxHook  = 200
	MaxHooks = 50
	// KeptOfAKind is how many events with one name wait at most; the oldest give way, so no flood of one kind pushes out another.
	KeptOfAKind = 1000
)

// Event is something that happened to an instance.
type Event struct {
	Name string
	// WorkspaceID is where it happened; empty if it is about none. A webhook with a workspace gets what happened there alone.
	WorkspaceID string
	// At is when it happened, in milliseconds. Whoever reports an event leaves it to the store.
	At time.Time
	// Data is one of the types below, as JSON.
	Data []byte
}

// Queue is the ability of a sync provider to keep events until all webhooks of administrators are told. A WebhookStore that keeps such
// webhooks has it. The provider itself writes down what it changes: users, roles and workspaces.
type Queue interface {
	// ReportAdminEvent writes an event down that is no change of the provider, and reports whether it was kept: where no webhook is
	// enabled, none is.
	ReportAdminEvent(ctx context.Context, e Event) (kept bool, err error)
	// EnqueueAdminEvents goes through the events that enabled webhooks of administrators were not told of yet, and makes deliveries of
	// what deliver returns, in the transaction that moves the webhook on. Events of other workspaces than the webhook's, and those from
	// before since, are passed over. more says that there may be others.
	EnqueueAdminEvents(ctx context.Context, since time.Time, deliver func(*or3cloud.Webhook, *Event) ([]or3cloud.WebhookDelivery, error)) (more bool, err error)
}

// DeploymentAdmin is the Role of whoever administers the whole deployment.
const DeploymentAdmin = "deployment_admin"

// The data of the events. Times are in Unix seconds, as in the events of users.
type (
	// User is the data of UserCreated.
	User struct {
		ID          string  `json:"id"`
		Email       *string `json:"email"`
		DisplayName *string `json:"display_name"`
		CreatedAt   int64   `json:"created_at"`
	}
	// Role is the data of RoleChanged: of a user in a workspace, or, without one, in the deployment. A role that is null is none.
	Role struct {
		ID           string  `json:"id"`
		WorkspaceID  *string `json:"workspace_id"`
		Role         *string `json:"role"`
		PreviousRole *string `json:"previous_role"`
		UpdatedAt    int64   `json:"updated_at"`
	}
	// Workspace is the data of WorkspaceCreated and WorkspaceDeleted.
	Workspace struct {
		ID        string  `json:"id"`
		Name      string  `json:"name"`
		CreatedBy *string `json:"created_by"`
		CreatedAt int64   `json:"created_at"`
		DeletedAt *int64  `json:"deleted_at"`
	}
	// Plugin is the data of PluginEnabled and PluginDisabled: of a plugin in a workspace.
	Plugin struct {
		ID          string `json:"id"`
		WorkspaceID string `json:"workspace_id"`
		UpdatedAt   int64  `json:"updated_at"`
	}
	// Job is the data of JobCompleted and JobFailed: of a background job, without anything of the chat.
	Job struct {
		ID          string  `json:"id"`
		Status      string  `json:"status"` // "completed" or "failed"
		Kind        string  `json:"kind"`
		WorkspaceID *string `json:"workspace_id"`
		CreatedBy   string  `json:"created_by"` // the user
		ThreadID    *string `json:"thread_id"`
		MessageID   *string `json:"message_id"`
		ModelID     *string `json:"model_id"`
		// Attempts is how many workers have had it in hand.
		Attempts    int   `json:"attempts"`
		StartedAt   int64 `json:"started_at"`
		CompletedAt int64 `json:"completed_at"`
		// Error is why it has failed: no text of a chat, nor of a server of models.
		Error *string `json:"error"`
	}
	// Fault is the data of SyncError and StorageError. ID is "sync", "auth" or "storage", whose store it is.
	Fault struct {
		ID string `json:"id"`
		// State is "damaged", or "failed" where nothing could be written any more.
		State string `json:"state"`
		// Faults is how many are known in all: of files, or of a database.
		Faults  int    `json:"faults"`
		Message string `json:"message"`
	}
)

// Optional is nil for an empty text.
func Optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
