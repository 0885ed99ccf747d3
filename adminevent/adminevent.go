// Package adminevent is the contract of the events for administrators' webhooks (contract, workspaces-and-admin §11),
// and of their queue. These events come from no op, so there is no log to read them from. A sync provider that keeps
// webhooks of or3cloud.WebhookAdmin records them in the transactions that cause them.
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
	// PluginInstalled can be subscribed to but does not happen yet: no plugin is installed here.
	PluginInstalled = "admin.plugin.installed"
)

// Names lists the events that a webhook may name.
var Names = [...]string{
	UserCreated, RoleChanged, WorkspaceCreated, WorkspaceDeleted, PluginInstalled, PluginEnabled, PluginDisabled, SyncError, StorageError,
	JobCompleted, JobFailed,
}

// hooks maps events to the hooks that the host of OR3 Chat calls for them. A webhook may name the hook instead
// (contract, workspaces-and-admin §5).
var hooks = map[string]string{
	RoleChanged: "admin.user:action:role_changed", WorkspaceCreated: "admin.workspace:action:created", WorkspaceDeleted: "admin.workspace:action:deleted",
	PluginInstalled: "admin.plugin:action:installed", PluginEnabled: "admin.plugin:action:enabled", PluginDisabled: "admin.plugin:action:disabled",
}

// Hook returns the hook of an event, or "" if there is none.
func Hook(event string) string { return hooks[event] }

// IsHook reports whether a text can be the name of a hook. The set of hooks depends on the host, so any well-formed
// name will do.
func IsHook(name string) bool {
	return len(name) <= MaxHook && (strings.Contains(name, ":action:") || strings.Contains(name, ":filter:"))
}

// Limits. MaxHook is the length of the longest name of a hook, in bytes, and MaxHooks the largest number of hooks that
// a webhook names.
const (
	MaxHook  = 200
	MaxHooks = 50
	// KeptOfAKind is the largest number of waiting events with the same name. The oldest are removed first, so a flood
	// of one kind cannot displace another.
	KeptOfAKind = 1000
)

// Event is an event on an instance.
type Event struct {
	Name string
	// WorkspaceID is the workspace where it happened. It is empty if it concerns none. A webhook with a workspace gets
	// only that workspace's events.
	WorkspaceID string
	// At is when it happened, in milliseconds. The caller leaves it zero; the store sets it.
	At time.Time
	// Data is one of the types below, as JSON.
	Data []byte
}

// Queue is the ability of a sync provider to keep events until all administrators' webhooks have been told. A
// WebhookStore that keeps such webhooks has it. The provider itself records the changes that it makes: to users, roles
// and workspaces.
type Queue interface {
	// ReportAdminEvent records an event that is not a change of the provider, and reports whether it was kept. It keeps
	// none if no webhook is enabled.
	ReportAdminEvent(ctx context.Context, e Event) (kept bool, err error)
	// EnqueueAdminEvents goes through the events that the enabled administrators' webhooks have not been told of, and
	// records the deliveries that deliver returns, in the transaction that advances the webhook. It skips events of
	// workspaces other than the webhook's, and events from before since. more reports that there may be others.
	EnqueueAdminEvents(ctx context.Context, since time.Time, deliver func(*or3cloud.Webhook, *Event) ([]or3cloud.WebhookDelivery, error)) (more bool, err error)
}

// DeploymentAdmin is the Role of a deployment administrator.
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
	// Role is the data of RoleChanged: the role of a user in a workspace or, without one, in the deployment. null means
	// no role.
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
	// Plugin is the data of PluginEnabled and PluginDisabled, for a plugin in a workspace.
	Plugin struct {
		ID          string `json:"id"`
		WorkspaceID string `json:"workspace_id"`
		UpdatedAt   int64  `json:"updated_at"`
	}
	// Job is the data of JobCompleted and JobFailed, for a background job. It contains nothing of the chat.
	Job struct {
		ID          string  `json:"id"`
		Status      string  `json:"status"` // "completed" or "failed"
		Kind        string  `json:"kind"`
		WorkspaceID *string `json:"workspace_id"`
		CreatedBy   string  `json:"created_by"` // the user
		ThreadID    *string `json:"thread_id"`
		MessageID   *string `json:"message_id"`
		ModelID     *string `json:"model_id"`
		// Attempts is the number of workers that have held it.
		Attempts    int   `json:"attempts"`
		StartedAt   int64 `json:"started_at"`
		CompletedAt int64 `json:"completed_at"`
		// Error is the reason for the failure. It contains no text of a chat or of a model server.
		Error *string `json:"error"`
	}
	// Fault is the data of SyncError and StorageError. ID is "sync", "auth" or "storage", depending on the store.
	Fault struct {
		ID string `json:"id"`
		// State is "damaged", or "failed" if nothing could be written any more.
		State string `json:"state"`
		// Faults is the total number of known faults, in files or in a database.
		Faults  int    `json:"faults"`
		Message string `json:"message"`
	}
)

// Optional returns nil for an empty text.
func Optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
