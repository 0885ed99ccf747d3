package or3cloud

import (
	"context"
	"time"
)

// WebhookScope tells whose events a webhook gets.
type WebhookScope string

// The scopes. A WebhookUser webhook belongs to a member and reports events of one workspace. A WebhookAdmin webhook
// belongs to the operator.
const (
	WebhookUser  WebhookScope = "user"
	WebhookAdmin WebhookScope = "admin"
)

// Administrators stands for the deployment administrators where a method expects a user. WebhookAdmin webhooks belong
// to it.
const Administrators = "*"

// The events of a WebhookUser webhook (contract, workspaces-and-admin §11).
const (
	EventThreadCreated   = "thread.created"
	EventThreadUpdated   = "thread.updated"
	EventThreadDeleted   = "thread.deleted"
	EventMessageCreated  = "message.created"
	EventMessageUpdated  = "message.updated"
	EventDocumentCreated = "document.created"
	EventDocumentUpdated = "document.updated"
	EventDocumentDeleted = "document.deleted"
	EventNotification    = "notification.created"
	// EventMessageCompleted is not an op. It comes from the server that generated or relayed an answer
	// (CompletedMessage).
	EventMessageCompleted = "message.completed"
)

// UserEvents lists the events that a WebhookUser webhook may name.
var UserEvents = [...]string{
	EventThreadCreated, EventThreadUpdated, EventThreadDeleted, EventMessageCreated, EventMessageUpdated, EventMessageCompleted,
	EventDocumentCreated, EventDocumentUpdated, EventDocumentDeleted, EventNotification,
}

// WebhookHealth summarizes the latest deliveries of a webhook.
type WebhookHealth string

// The states of health. A webhook is failing if one of its last three finished deliveries failed, and healthy if all
// three succeeded.
const (
	WebhookHealthy       WebhookHealth = "healthy"
	WebhookFailing       WebhookHealth = "failing"
	WebhookHealthUnknown WebhookHealth = "unknown"
)

// Webhook is an address to which events are sent.
type Webhook struct {
	// ID is a UUID. The caller that creates a webhook chooses it, because SealedSecret is bound to it.
	ID    string
	Scope WebhookScope
	// UserID is the member who owns the webhook, or Administrators for WebhookAdmin.
	UserID string
	// WorkspaceID is the workspace whose events it gets. Empty means all, which only WebhookAdmin allows.
	WorkspaceID string
	URL         string
	Label       string
	Events      []string
	// CustomHooks are the names of hooks whose calls are also sent. Only WebhookAdmin allows any.
	CustomHooks []string
	// SealedSecret is the signing key, encrypted. The store cannot read it.
	SealedSecret []byte
	Enabled      bool
	// Health counts the deliveries since URL was last changed.
	Health               WebhookHealth
	CreatedAt, UpdatedAt time.Time
}

// WebhookChange is a change of a webhook. A nil field stays as it is.
type WebhookChange struct {
	URL, Label          *string
	Events, CustomHooks []string
	Enabled             *bool
}

// DeliveryStatus is the state of a WebhookDelivery.
type DeliveryStatus string

// The states. The first two are open, the others final.
const (
	DeliveryPending   DeliveryStatus = "pending"
	DeliveryInFlight  DeliveryStatus = "in_flight"
	DeliverySuccess   DeliveryStatus = "success"
	DeliveryFailed    DeliveryStatus = "failed"
	DeliveryCancelled DeliveryStatus = "cancelled"
)

// WebhookDelivery is one event on its way to a webhook, and afterwards the outcome.
type WebhookDelivery struct {
	ID        string
	WebhookID string
	// EventID is a UUID, the same in all attempts.
	EventID string
	Event   string
	// Body is sent in all attempts, byte for byte.
	Body []byte
	// Attempt is the number of the next, current or last attempt. It starts at 1.
	Attempt int
	Status  DeliveryStatus
	// ClaimedBy is the worker that has the attempt in hand, or had it last, since ClaimedAt.
	ClaimedBy string
	ClaimedAt time.Time
	// NextAt is when a pending delivery is due.
	NextAt    time.Time
	CreatedAt time.Time
	// Last is the outcome of the last attempt.
	Last DeliveryAttempt
}

// DeliveryAttempt is the outcome of one attempt. The zero value means that there was none.
type DeliveryAttempt struct {
	// HTTPStatus is 0 if there was no response.
	HTTPStatus int
	// Error is empty after a success. It contains no address that the receiver's name resolves to.
	Error string
	// Answer is the beginning of the response body.
	Answer   string
	Duration time.Duration
}

// Limits on what a store keeps and shows of one webhook.
const (
	// OpenDeliveries is the largest number of open deliveries of a webhook. Further events wait in the change log.
	OpenDeliveries = 250
	// LogBytes is the approximate size limit of a webhook's log in an answer, in bytes of JSON.
	LogBytes = 1 << 20
	// KeptDeliveries is the number of finished deliveries kept per webhook. The oldest are removed first.
	KeptDeliveries = 1000
	// WaitingCompletions is the number of completed answers that wait for one webhook. It does not learn of any beyond
	// that.
	WaitingCompletions = 1000
)

// WebhookStore is the optional ability of a sync provider to keep webhooks (contract, host-integration §4). Such a
// provider is also a WebhookQueue. If it keeps WebhookAdmin webhooks, it is also an adminevent.Queue.
//
// Methods that act for a user check again in their transaction whether the user may read the webhook's workspace. They
// return CodeForbidden if not, and also for a webhook of another user or scope. A missing webhook is CodeNotFound.
// Webhooks are deleted together with the membership of their user, the user, or the workspace, in the same transaction.
type WebhookStore interface {
	// CreateWebhook stores a webhook of a user. It returns CodeInvalid if the user would have more than most in all
	// workspaces. The webhook gets the events that are accepted from now on.
	CreateWebhook(ctx context.Context, w Webhook, most int) (Webhook, error)
	// GetWebhook returns a webhook. It does not check who asks.
	GetWebhook(ctx context.Context, id string) (Webhook, error)
	// ListWebhooks returns the webhooks of a user in a workspace, newest first. For Administrators, it returns all of
	// theirs, whatever the workspace.
	ListWebhooks(ctx context.Context, userID, workspaceID string) ([]Webhook, error)
	// UpdateWebhook changes a webhook. Disabling it cancels its pending deliveries. Enabling it again does not deliver
	// the events from between.
	UpdateWebhook(ctx context.Context, userID, id string, change WebhookChange) (Webhook, error)
	// DeleteWebhook removes a webhook and its deliveries.
	DeleteWebhook(ctx context.Context, userID, id string) error
	// DisableAllWebhooks disables the webhooks of a user in a workspace and returns how many were enabled.
	DisableAllWebhooks(ctx context.Context, userID, workspaceID string) (int, error)
	// GetDeliveryLogs returns the deliveries of a webhook that were created since a time, newest first, up to LogBytes.
	GetDeliveryLogs(ctx context.Context, webhookID string, since time.Time) ([]WebhookDelivery, error)
}

// AppliedOp is an op that became the winner of its record when it was accepted, whatever has happened to it since.
type AppliedOp struct {
	WorkspaceID string
	Table       string
	PK          string
	Operation   Operation
	// Payload is valid only during the call that delivers it.
	Payload []byte
	// Existed reports that the record existed before and was not deleted.
	Existed bool
	// OwnerID is the only user who may see the record (notifications). Empty means all members.
	OwnerID string
	// At is when the op was accepted.
	At time.Time
}

// CompletedMessage is a finished answer of a model. Webhooks with EventMessageCompleted are told of it.
type CompletedMessage struct {
	WorkspaceID, ThreadID, MessageID string
	// ModelID is the model's name at the client. JobID is the background job that generated the answer, or empty if the
	// browser received it directly.
	ModelID, JobID string
	At             time.Time
}

// WebhookQueue is the engine's side of a WebhookStore. The queue of each webhook is the change log itself, starting at
// a position that moves in the same transaction that records the deliveries. So nothing that was acknowledged before a
// crash is lost.
type WebhookQueue interface {
	// EnqueueEvents goes through the ops that were applied since the enabled webhooks were last processed, a limited
	// number of them. For each webhook and op, it records the delivery that deliver returns, or nothing if that is nil
	// because the webhook does not want the event. It skips ops that only a user other than the webhook's may see, and
	// ops from before since. more reports that there may be others.
	EnqueueEvents(ctx context.Context, since time.Time, deliver func(*Webhook, *AppliedOp) (*WebhookDelivery, error)) (more bool, err error)
	// ReportCompletion records a completed answer that is not a job of the provider. It records nothing if no webhook
	// wants to know. Jobs are recorded in the transactions that end them. At is when the store learns of it.
	ReportCompletion(ctx context.Context, m CompletedMessage) error
	// EnqueueCompletions goes through the completed answers that enabled webhooks have not been told of, and records
	// the deliveries that deliver returns, in the transactions that strike the answers off. It skips those from before
	// since. more reports that there may be others.
	EnqueueCompletions(ctx context.Context, since time.Time, deliver func(*Webhook, *CompletedMessage) (*WebhookDelivery, error)) (more bool, err error)
	// ClaimDeliveries returns pending deliveries that are due and marks them as in flight. Users take turns, and so do
	// the webhooks of a user. A user never has more than perUser deliveries in flight.
	ClaimDeliveries(ctx context.Context, worker string, limit, perUser int) ([]ClaimedDelivery, error)
	// FinishDelivery records the outcome of an attempt (Status, Attempt, NextAt and Last) for a delivery that is in
	// flight. It leaves other deliveries as they are.
	FinishDelivery(ctx context.Context, d WebhookDelivery) error
	// RecordDelivery adds a finished delivery that was not enqueued.
	RecordDelivery(ctx context.Context, d WebhookDelivery) error
	// ResetStaleDeliveries makes deliveries pending again if they were claimed before a time and are still in flight,
	// or if their worker is known to be gone.
	ResetStaleDeliveries(ctx context.Context, before time.Time) (int, error)
	// PurgeDeliveries removes finished deliveries that were created before a time, and those of deleted webhooks.
	PurgeDeliveries(ctx context.Context, before time.Time) error
}

// ClaimedDelivery is a delivery in flight, with its webhook.
type ClaimedDelivery struct {
	Webhook Webhook
	WebhookDelivery
}
