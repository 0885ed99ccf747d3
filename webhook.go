package or3cloud

import (
	"context"
	"time"
)

// WebhookScope says whose events a webhook gets.
type WebhookScope string

// The scopes. A webhook of WebhookUser is a member's and tells of one workspace; one of WebhookAdmin is the operator's.
const (
	WebhookUser  WebhookScope = "user"
	WebhookAdmin WebhookScope = "admin"
)

// Administrators stands for those of the deployment where a method asks for a user: theirs are the webhooks of WebhookAdmin.
const Administrators = "*"

// The events of a webhook of WebhookUser (contract, workspaces-and-admin §11).
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
	// EventMessageCompleted is no op: the server that has made or passed on an answer says it (CompletedMessage).
	EventMessageCompleted = "message.completed"
)

// UserEvents lists the events that a webhook of WebhookUser may name.
var UserEvents = [...]string{
	EventThreadCreated, EventThreadUpdated, EventThreadDeleted, EventMessageCreated, EventMessageUpdated, EventMessageCompleted,
	EventDocumentCreated, EventDocumentUpdated, EventDocumentDeleted, EventNotification,
}

// WebhookHealth is how the latest deliveries of a webhook went.
type WebhookHealth string

// The states of health. A webhook is failing if one of its last three finished deliveries has failed, and healthy if all
// three have succeeded.
const (
	WebhookHealthy       WebhookHealth = "healthy"
	WebhookFailing       WebhookHealth = "failing"
	WebhookHealthUnknown WebhookHealth = "unknown"
)

// Webhook is an address to which events are sent.
type Webhook struct {
	// ID is a UUID. Whoever creates a webhook chooses it, because SealedSecret is bound to it.
	ID    string
	Scope WebhookScope
	// UserID is the member whose webhook it is; Administrators for WebhookAdmin.
	UserID string
	// WorkspaceID is the workspace that it tells of; empty for all of them, which only WebhookAdmin may.
	WorkspaceID string
	URL         string
	Label       string
	Events      []string
	// CustomHooks are the names of hooks whose calls are sent as well; only WebhookAdmin may have any.
	CustomHooks []string
	// SealedSecret is the key of its signatures, encrypted. A store knows no more of it.
	SealedSecret []byte
	Enabled      bool
	// Health counts the deliveries since URL was last changed.
	Health               WebhookHealth
	CreatedAt, UpdatedAt time.Time
}

// WebhookChange is a change of a webhook; what is nil stays as it is.
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

// WebhookDelivery is one event on its way to a webhook, and afterwards what became of it.
type WebhookDelivery struct {
	ID        string
	WebhookID string
	// EventID is a UUID, the same in all tries.
	EventID string
	Event   string
	// Body is sent in all tries, byte for byte.
	Body []byte
	// Attempt is the number of the try that comes next, is under way, or was the last one; it begins with 1.
	Attempt int
	Status  DeliveryStatus
	// ClaimedBy is who has the try in hand or had it last, since ClaimedAt.
	ClaimedBy string
	ClaimedAt time.Time
	// NextAt is when a pending one is due.
	NextAt    time.Time
	CreatedAt time.Time
	// Last is what the last try has come to.
	Last DeliveryAttempt
}

// DeliveryAttempt is what one try has come to; the zero value says that there was none.
type DeliveryAttempt struct {
	// HTTPStatus is 0 if there was no answer.
	HTTPStatus int
	// Error is empty after a success. It names no address that the receiver's name stands for.
	Error string
	// Answer is the beginning of the answer's body.
	Answer   string
	Duration time.Duration
}

// The bounds of what a store keeps of one webhook, and shows.
const (
	// OpenDeliveries is how many deliveries of a webhook may be open. Further events wait in the change log.
	OpenDeliveries = 250
	// LogBytes is about how long the log of a webhook is in an answer, in bytes of JSON.
	LogBytes = 1 << 20
	// KeptDeliveries is how many finished deliveries of a webhook are kept; the oldest give way.
	KeptDeliveries = 1000
	// WaitingCompletions is how many ends of answers wait for one webhook; it is not told of those beyond.
	WaitingCompletions = 1000
)

// WebhookStore is the optional ability of a sync provider to keep webhooks (contract, host-integration §4). A provider that
// has it is a WebhookQueue as well. One that keeps webhooks of WebhookAdmin is an adminevent.Queue, too.
//
// Methods that act for a user ask again in their transaction whether the user may read the webhook's workspace:
// CodeForbidden if not, as for the webhook of another user or of another scope. A webhook that is not there is CodeNotFound. Webhooks
// end with the membership of their user, with the user, and with the workspace, in the same transaction.
type WebhookStore interface {
	// CreateWebhook stores a webhook of a user, who may have most of them in all workspaces; one more is CodeInvalid. It gets the
	// events that are accepted from now on.
	CreateWebhook(ctx context.Context, w Webhook, most int) (Webhook, error)
	// GetWebhook returns a webhook, whoever asks.
	GetWebhook(ctx context.Context, id string) (Webhook, error)
	// ListWebhooks returns the webhooks of a user in a workspace, newest first; all of those of Administrators, of whatever workspace.
	ListWebhooks(ctx context.Context, userID, workspaceID string) ([]Webhook, error)
	// UpdateWebhook changes a webhook. One that is disabled loses its pending deliveries, which are cancelled, and one that
	// is enabled again does not get the events from between.
	UpdateWebhook(ctx context.Context, userID, id string, change WebhookChange) (Webhook, error)
	// DeleteWebhook removes a webhook and its deliveries.
	DeleteWebhook(ctx context.Context, userID, id string) error
	// DisableAllWebhooks disables the webhooks of a user in a workspace and returns how many were enabled.
	DisableAllWebhooks(ctx context.Context, userID, workspaceID string) (int, error)
	// GetDeliveryLogs returns the deliveries of a webhook that were made since a time, newest first, without those beyond
	// LogBytes.
	GetDeliveryLogs(ctx context.Context, webhookID string, since time.Time) ([]WebhookDelivery, error)
}

// AppliedOp is an op that became the winner of its record when it was accepted, whatever became of it since.
type AppliedOp struct {
	WorkspaceID string
	Table       string
	PK          string
	Operation   Operation
	// Payload is valid only during the call that delivers it.
	Payload []byte
	// Existed says that the record was there before and was not deleted.
	Existed bool
	// OwnerID is the user to whom alone the record is shown (notifications); empty for all members.
	OwnerID string
	// At is when the op was accepted.
	At time.Time
}

// CompletedMessage is an answer of a model that has come to its end, of which webhooks with EventMessageCompleted are told.
type CompletedMessage struct {
	WorkspaceID, ThreadID, MessageID string
	// ModelID is the model as the client calls it. JobID is the background job that has made the answer; empty if its browser has read it.
	ModelID, JobID string
	At             time.Time
}

// WebhookQueue is the engine's side of a WebhookStore. The queue of each webhook is the change log itself, from a position
// on that moves in the transaction which writes the deliveries down: what was acknowledged before a crash is found after it.
type WebhookQueue interface {
	// EnqueueEvents goes through the ops that were applied since enabled webhooks were last looked at, a bounded number of them, and
	// makes deliveries of what deliver returns for a webhook and an op; nil if the op is none of its events. An op that is
	// shown to another user than the webhook's is passed over, and so is one from before the time since. more says that there may be others.
	EnqueueEvents(ctx context.Context, since time.Time, deliver func(*Webhook, *AppliedOp) (*WebhookDelivery, error)) (more bool, err error)
	// ReportCompletion writes down that an answer is complete which is no job of the provider; where no webhook is told, nothing is kept.
	// Jobs are written down in the transactions that end them. At is when the store hears of it.
	ReportCompletion(ctx context.Context, m CompletedMessage) error
	// EnqueueCompletions goes through the answers that enabled webhooks were not told of yet, and makes deliveries of what deliver returns,
	// in the transactions that strike them off. Those from before since are passed over. more says that there may be others.
	EnqueueCompletions(ctx context.Context, since time.Time, deliver func(*Webhook, *CompletedMessage) (*WebhookDelivery, error)) (more bool, err error)
	// ClaimDeliveries hands out pending deliveries that are due, as being in flight. Users take turns, and so do the webhooks of a
	// user; no one has more than perUser of them in flight.
	ClaimDeliveries(ctx context.Context, worker string, limit, perUser int) ([]ClaimedDelivery, error)
	// FinishDelivery writes down what became of a try: Status, Attempt, NextAt and Last of a delivery that is in flight. Others
	// stay as they are.
	FinishDelivery(ctx context.Context, d WebhookDelivery) error
	// RecordDelivery adds a finished delivery that was not enqueued.
	RecordDelivery(ctx context.Context, d WebhookDelivery) error
	// ResetStaleDeliveries makes deliveries pending again that were claimed before a time and are still in flight, and those of
	// workers that are known to be gone.
	ResetStaleDeliveries(ctx context.Context, before time.Time) (int, error)
	// PurgeDeliveries removes finished deliveries that were made before a time, and those of webhooks that are gone.
	PurgeDeliveries(ctx context.Context, before time.Time) error
}

// ClaimedDelivery is a delivery in flight with its webhook.
type ClaimedDelivery struct {
	Webhook Webhook
	WebhookDelivery
}
