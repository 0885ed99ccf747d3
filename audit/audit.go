// Package audit is the contract of the audit trail: what administrators did to an instance, and what was refused
// (requirement 9.2). A sync provider may keep one.
package audit

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
)

// ActorKind is the capacity in which an actor acted on an instance.
type ActorKind string

// The kinds.
const (
	// ActorSuperAdmin is signed in with the credentials of OR3_ADMIN_USERNAME.
	ActorSuperAdmin ActorKind = "super_admin"
	// ActorDeploymentAdmin is a user with a grant (or3cloud.DeploymentAdminStore).
	ActorDeploymentAdmin ActorKind = "deployment_admin"
	// ActorUser is any other signed-in user. Only refusals have one.
	ActorUser ActorKind = "user"
	// ActorAnonymous is not signed in. Only refusals and sign-ins have one.
	ActorAnonymous ActorKind = "anonymous"
	// ActorOperator runs a command on the machine of the instance.
	ActorOperator ActorKind = "operator"
)

// Action names a change of an instance. Names are stable: lower-case words separated by dots, with the object before
// the verb. A Query finds all actions that begin with the same words.
type Action string

// The actions of the admin API and of the command line. An action that both can do has one name.
const (
	SignIn         Action = "auth.login"
	SignOut        Action = "auth.logout"
	ChangePassword Action = "auth.change_password"

	AccountCreate         Action = "account.create"
	AccountSetPassword    Action = "account.set_password"
	AccountResetLink      Action = "account.reset_link"
	AccountResetFactors   Action = "account.reset_factors"
	AccountExcuseFactor   Action = "account.excuse_factor"
	AccountDisable        Action = "account.disable"
	AccountEnable         Action = "account.enable"
	AccountRevokeSessions Action = "account.revoke_sessions"
	AccountDelete         Action = "account.delete"

	AdminGrant  Action = "admin_user.grant"
	AdminRevoke Action = "admin_user.revoke"

	WorkspaceCreate      Action = "workspace.create"
	WorkspaceDelete      Action = "workspace.soft_delete"
	WorkspaceRestore     Action = "workspace.restore"
	WorkspaceGuestAccess Action = "workspace.guest_access.set"
	WorkspaceFreeName    Action = "workspace.free_name"
	WorkspaceNotify      Action = "workspace.notify"
	MemberUpsert         Action = "workspace.members.upsert"
	MemberSetRole        Action = "workspace.members.set_role"
	MemberRemove         Action = "workspace.members.remove"
	InviteCreate         Action = "workspace.invites.create"
	InviteRevoke         Action = "workspace.invites.revoke"

	PluginEnable   Action = "plugin.enable"
	PluginSettings Action = "plugin.settings"

	ConfigWrite    Action = "config.write"
	ProviderAction Action = "provider.action"
	Restart        Action = "system.restart"
	Rebuild        Action = "system.rebuild_restart"
	Update         Action = "update.start"
	CollectFiles   Action = "storage.collect"
	CheckFiles     Action = "storage.check"
	JobAbort       Action = "job.abort"
	LogLevel       Action = "log.level"

	WebhookCreate Action = "webhook.create"
	WebhookUpdate Action = "webhook.update"
	WebhookDelete Action = "webhook.delete"
	WebhookToggle Action = "webhook.toggle"
	WebhookTest   Action = "webhook.test"
)

// Actor is the one who acted. What a client calls itself without proof, such as the name of a failed sign-in, is not
// recorded, because people type passwords there.
type Actor struct {
	Kind ActorKind `json:"kind"`
	// ID is a user of the workspace store. It is empty if the actor is not one.
	ID string `json:"id,omitempty"`
	// Name is the e-mail address of the user, or the name of the super administrator.
	Name string `json:"name,omitempty"`
}

// Target is the object of an action. It holds names of things, never their content.
type Target struct {
	WorkspaceID string `json:"workspaceId,omitempty"`
	// UserID is a user of the workspace store, or the name that the actor gave for one: an e-mail address or an account
	// id.
	UserID string `json:"userId,omitempty"`
	// Settings are names of settings, never values.
	Settings []string `json:"settings,omitempty"`
	// Object is the id of anything else: a webhook, an invite, a provider's action, a plugin.
	Object string `json:"object,omitempty"`
}

// Entry is an action on an instance, done or refused.
type Entry struct {
	At     time.Time `json:"at"`
	Actor  Actor     `json:"actor"`
	Action Action    `json:"action"`
	Target Target    `json:"target"`
	// Refusal is the code of the error. It is empty if the action was done.
	Refusal or3cloud.Code `json:"refusal,omitempty"`
	// Address is the client's address. It is empty for an operator.
	Address string `json:"address,omitempty"`
	// RequestID is the id of the request in the log, or of the last one if there were several.
	RequestID string `json:"requestId,omitempty"`
	// Times is the number of similar refusals that the entry stands for; 0 means one.
	Times int `json:"times,omitempty"`
}

// Outcome selects the entries of a Query by their outcome.
type Outcome string

// The outcomes.
const (
	Any     Outcome = ""
	Done    Outcome = "ok"
	Refused Outcome = "refused"
)

// Query selects entries. Empty fields match all.
type Query struct {
	// Actor is an actor's id or name, or a kind of actor.
	Actor string `json:"actor"`
	// Action is a prefix of the actions, in whole words: "workspace" finds "workspace.create".
	Action      string  `json:"action"`
	WorkspaceID string  `json:"workspaceId"`
	Outcome     Outcome `json:"outcome"`
	// Since is the earliest time, inclusive. Until is exclusive.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Cursor is the Next of the previous page.
	Cursor string `json:"cursor"`
	// Limit is the largest number of entries in the page. 0 means PageSize, which is also the maximum.
	Limit int `json:"limit"`
}

// Page is a page of entries, newest first. It may have fewer than its limit, and even none, and a Next all the same,
// because what one question looks at is bounded.
type Page struct {
	Entries []Entry `json:"entries"`
	// Next is the cursor of the next page; absent from the last.
	Next string `json:"next,omitempty"`
}

// Limits of a Store.
const (
	// PageSize is the largest number of entries in a page.
	PageSize = 500
	// DoneOfAKind and RefusedOfAKind are how many entries of one kind are kept: those with the same kind of actor,
	// action and outcome. The oldest are removed first, so a flood of one kind cannot displace another.
	DoneOfAKind    = 2000
	RefusedOfAKind = 500
	// Retention is how long entries are kept.
	Retention = 400 * 24 * time.Hour
	// MaxText is the length of the longest text in an entry, in bytes, and MaxSettings the largest number of settings
	// it names. A store cuts anything longer.
	MaxText     = 256
	MaxSettings = 100
)

// Store is the optional ability of a sync provider to keep the audit trail of an instance (requirement 9.2).
type Store interface {
	// AppendAudit adds all entries or none, and deletes those beyond the limits. An invalid action name or kind of
	// actor is CodeInvalid.
	AppendAudit(ctx context.Context, entries ...Entry) error
	// ListAudit returns entries, newest first. A cursor that it did not issue is CodeInvalid.
	ListAudit(ctx context.Context, query Query) (Page, error)
}
