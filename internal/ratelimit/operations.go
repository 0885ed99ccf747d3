package ratelimit

import (
	"time"

	"or3.chat/cloud/setting"
)

// Operation names a budget.
type Operation string

// The operations that the host limits (contract, security-middleware §8), and some of our own.
const (
	SyncPush        Operation = "sync:push"
	SyncPull        Operation = "sync:pull"
	SyncSnapshot    Operation = "sync:snapshot"
	SyncCursor      Operation = "sync:cursor"
	SyncGC          Operation = "sync:gc"
	StorageUpload   Operation = "storage:upload"
	StorageDownload Operation = "storage:download"
	StorageCommit   Operation = "storage:commit"
	AuthSession     Operation = "auth:session"
	WorkspaceCreate Operation = "workspace:create"
	WorkspaceChange Operation = "workspace:change"
	StorageGCRun    Operation = "storage:gc-run"
	WebhookChange   Operation = "webhook:change"
	WebhookTest     Operation = "webhook:test"
	AdminLogin      Operation = "admin:login"
	AdminAPI        Operation = "admin-api"
	LLMMinute       Operation = "llm:minute"
	LLMDay          Operation = "llm:day"
)

// The operations of endpoints that this server does not offer. They have names so that a configuration for OR3 Chat's
// own server is not an error here.
const (
	WorkflowBackground Operation = "workflow:background"
	WorkflowHITL       Operation = "workflow:hitl"
	NetExchange        Operation = "auth:or3-net-exchange"
	ExtensionInstall   Operation = "extension:install"
)

// Budget is the allowance of an operation.
type Budget struct {
	Operation Operation
	// Subject is who gets a separate budget.
	Subject Subject
	// Limit is the default. A Max of 0 means no limit.
	Limit Limit
	// By names the setting that changes the limit. It is empty if there is none.
	By string
	// Offered reports whether the server has an endpoint for this operation.
	Offered bool
}

// Subject is who gets a separate budget.
type Subject string

// The subjects. A network is an IPv4 address or the first 64 bits of an IPv6 address.
const (
	PerUser        Subject = "user"
	PerVisitor     Subject = "user, or network if signed out"
	PerNetwork     Subject = "network"
	PerWorkspace   Subject = "workspace"
	PerNetworkName Subject = "network and user name"
	PerServer      Subject = "server"
)

// Budgets returns all limits of the contract. The accounts provider has more of its own (docs/accounts.md).
//
// The defaults of sync, files and the session are deliberately far above upstream's: a refused pull restarts a
// bootstrap, a refused cursor update starts a reconnect loop, a refused page load locks the app, and a client gives up
// a refused upload after five quick attempts (contract, sync §5, client-behaviour Pitfall 6, auth Pitfall 11, storage
// Pitfall 4). Both routes share sync:gc, which every open tab of an older client calls every ten minutes.
func Budgets() []Budget {
	perMinute := func(op Operation, who Subject, n int, offered bool) Budget {
		return Budget{op, who, Limit{Max: n, Window: time.Minute}, setting.RateLimitOverrides, offered}
	}
	return []Budget{
		perMinute(SyncPush, PerUser, 600, true),
		perMinute(SyncPull, PerUser, 1200, true),
		perMinute(SyncSnapshot, PerUser, 1200, true),
		perMinute(SyncCursor, PerUser, 1200, true),
		perMinute(SyncGC, PerUser, 60, true),
		perMinute(StorageUpload, PerUser, 600, true),
		perMinute(StorageDownload, PerUser, 1200, true),
		perMinute(StorageCommit, PerUser, 600, true),
		perMinute(AuthSession, PerVisitor, 600, true),
		perMinute(WorkspaceCreate, PerUser, 10, true),
		perMinute(WorkspaceChange, PerUser, 60, true),
		perMinute(WebhookChange, PerUser, 60, true),
		perMinute(WebhookTest, PerUser, 20, true),
		perMinute(WorkflowBackground, PerUser, 30, false),
		perMinute(WorkflowHITL, PerUser, 120, false),
		perMinute(NetExchange, PerNetwork, 30, false),
		{StorageGCRun, PerWorkspace, Limit{Max: 1, Window: time.Minute}, setting.StorageGCCooldown, true},
		// The accounts provider limits these itself (contract, auth §8.3).
		{"basic-auth:sign-in", PerNetwork, Limit{Max: 20, Window: time.Minute}, "", true},
		{"basic-auth:refresh", PerNetwork, Limit{Max: 120, Window: time.Minute}, "", true},
		{"basic-auth:sign-out", PerNetwork, Limit{Max: 60, Window: time.Minute}, "", true},
		{"basic-auth:change-password", PerNetwork, Limit{Max: 20, Window: time.Minute}, "", true},
		{"basic-auth:register", PerNetwork, Limit{Max: 10, Window: time.Minute}, "", true},
		{LLMMinute, PerVisitor, Limit{Max: 20, Window: time.Minute}, setting.RequestsPerMinute, true},
		{LLMDay, PerVisitor, Limit{Window: 24 * time.Hour}, setting.MaxMessagesPerDay, true},
		{AdminLogin, PerNetworkName, Limit{Max: 5, Window: 15 * time.Minute}, "", true},
		{AdminAPI, PerNetwork, Limit{Max: 20, Window: time.Minute}, "", true},
		{ExtensionInstall, PerServer, Limit{Max: 5, Window: time.Hour}, "", false},
	}
}

// Default returns the default limit of an operation.
func Default(op Operation) Limit {
	for _, b := range Budgets() {
		if b.Operation == op {
			return b.Limit
		}
	}
	return Limit{}
}
