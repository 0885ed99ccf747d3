// Package audit is the contract of the audit trail: what administrators have done to an instance, and what was refused (requirement 9.2).
// A sync provider may keep one.
package audit

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
)

// ActorKind is the capacity in which someone has acted on an instance.
type ActorKind string

// The kinds.
const (
	// ActorSuperAdmin is who has signed in with the credentials of OR3_ADMIN_USERNAME.
	ActorSuperAdmin ActorKind = "super_admin"
	// ActorDeploymentAdmin is a user with a grant (or3cloud.DeploymentAdminStore).
	ActorDeploymentAdmin ActorKind = "deployment_admin"
	// ActorUser is any other user who is signed in; only refusals have one.
	ActorUser ActorKind = "user"
	// ActorAnonymous is whoever is not signed in; only refusals and sign-ins have one.
	ActorAnonymous ActorKind = "anonymous"
	// ActorOperator is whoever runs a command on the machine of the instance.
	ActorOperator ActorKind = "operator"
)

// Action names something that changes an instance. Names are stable: lower-case words with dots in between, the thing before
// what is done with it. A Query finds all that begin with the same words.
type Action string

// The actions of the admin API and of the command line. What both can do has one name.
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

// Actor is who has done something. What a client calls itself without proof, such as the name of a failed sign-in, is no part of
// it: people type passwords there.
type Actor struct {
	Kind ActorKind `json:"kind"`
	// ID is a user of the workspace store; empty for whoever is none.
	ID string `json:"id,omitempty"`
	// Name is the e-mail address of the user, or the name of the super administrator.
	Name string `json:"name,omitempty"`
}

// Target is on what something was done: names of things, and nothing of what is in them.
type Target struct {
	WorkspaceID string `json:"workspaceId,omitempty"`
	// UserID is a user of the workspace store, or how whoever asked has named one: an e-mail address, an id of an account.
	UserID string `json:"userId,omitempty"`
	// Settings are names of settings, never values.
	Settings []string `json:"settings,omitempty"`
	// Object is the id of anything else: a webhook, an invite, the action of a provider, a plugin.
	Object string `json:"object,omitempty"`
}

// Entry is something that was done to an instance, or that was refused.
type Entry struct {
	At     time.Time `json:"at"`
	Actor  Actor     `json:"actor"`
	Action Action    `json:"action"`
	Target Target    `json:"target"`
	// Refusal is the code of the error; empty if it was done.
	Refusal or3cloud.Code `json:"refusal,omitempty"`
	// Address is that of the client; empty for an operator.
	Address string `json:"address,omitempty"`
	// RequestID is the id of the request in the log; of the last one if there were several.
	RequestID string `json:"requestId,omitempty"`
	// Times is how many refusals of a moment the entry stands for; 0 is one.
	Times int `json:"times,omitempty"`
}

// Outcome says which entries a Query finds by their outcome.
type Outcome string

// The outcomes.
const (
	Any     Outcome = ""
	Done    Outcome = "ok"
	Refused Outcome = "refused"
)

// Query asks for entries; what is empty says nothing.
type Query struct {
	// Actor is an id or a name of one, or a kind.
	Actor string `json:"actor"`
	// Action is what the actions begin with, in whole words: "workspace" finds "workspace.create".
	Action      string  `json:"action"`
	WorkspaceID string  `json:"workspaceId"`
	Outcome     Outcome `json:"outcome"`
	// Since is the earliest time, and Until the first that is too late.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Cursor is the Next of the page before.
	Cursor string `json:"cursor"`
	// Limit is how many entries the page has at most; 0 is PageSize, which is also the most.
	Limit int `json:"limit"`
}

// Page is a page of entries, newest first.
type Page struct {
	Entries []Entry `json:"entries"`
	// Next is the cursor of the next page; absent from the last.
	Next string `json:"next,omitempty"`
}

// The bounds of a Store.
const (
	// PageSize is how many entries a page has at most.
	PageSize = 500
	// DoneOfAKind and RefusedOfAKind are how many entries of one kind are kept: those with one kind of actor, one action and
	// one outcome. The oldest give way, so no flood of one kind covers up another.
	DoneOfAKind    = 2000
	RefusedOfAKind = 500
	// Retention is how long entries are kept.
	Retention = 400 * 24 * time.Hour
	// MaxText is the length of the longest text in an entry, in bytes, and MaxSettings how many settings it names. A store cuts
	// what is longer.
	MaxText     = 256
	MaxSettings = 100
)

// Store is the optional ability of a sync provider to keep the trail of what administrators have done to an instance
// (requirement 9.2).
type Store interface {
	// AppendAudit adds entries, all or none of them, and forgets what is beyond the bounds. An action that is no such name, or an actor of
	// no kind, is CodeInvalid.
	AppendAudit(ctx context.Context, entries ...Entry) error
	// ListAudit returns entries, newest first. A cursor that it has not made is CodeInvalid.
	ListAudit(ctx context.Context, query Query) (Page, error)
}
