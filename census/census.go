// Package census is the contract of what administrators see of many accounts and workspaces at once. Lists come in
// pages: the first one has an empty cursor, the last one no next. A page may have fewer entries than its limit, and
// even none, and a next all the same, because what one question looks at is limited: ask again for a full page. A
// cursor that no page has returned is CodeInvalid.
package census

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
)

// AccountCounts are how many accounts there are.
type AccountCounts struct {
	Accounts int64 `json:"accounts"`
	Disabled int64 `json:"disabled"`
	// SignedIn is how many of them have a live session, Sessions how many sessions these are.
	SignedIn int64 `json:"signedIn"`
	Sessions int64 `json:"sessions"`
}

// AccountSearch asks for a page of accounts.
type AccountSearch struct {
	// Text is contained in the address or the display name, whatever its case; empty finds all.
	Text   string
	Cursor string
	// Limit is 1 to MaxPage.
	Limit int
}

// SignedInSession is a live session, and whose it is.
type SignedInSession struct {
	AccountID   string `json:"accountId"`
	Email       string `json:"email"`
	DisplayName string `json:"displayName,omitempty"`
	or3cloud.AccountSession
}

// MaxPage is how many entries a page has at most.
const MaxPage = 100

// Accounts is the optional ability of an or3cloud.AccountAdmin to show administrators all accounts.
type Accounts interface {
	CountAccounts(ctx context.Context) (AccountCounts, error)
	// SearchAccounts returns accounts, the oldest first.
	SearchAccounts(ctx context.Context, in AccountSearch) (page []or3cloud.Account, next string, err error)
	// ListSignedIn returns live sessions of all accounts, the one that was used last first.
	ListSignedIn(ctx context.Context, cursor string, limit int) (page []SignedInSession, next string, err error)
}

// MailFault is why a letter was not delivered. Nothing of the letter or of its address is in it.
type MailFault struct {
	At time.Time `json:"at"`
	// Step is where it failed, such as "connect" or "recipient", and Code what the mail server replied, 0 for nothing.
	Step string `json:"step,omitempty"`
	Code int    `json:"code,omitempty"`
	// Fault says what is wrong, and Advice what the operator can do; empty if there is nothing to say.
	Fault  string `json:"fault"`
	Advice string `json:"advice,omitempty"`
}

// WaitingMail is a letter that the mail server has not taken yet.
type WaitingMail struct {
	ID   int64  `json:"id"`
	Kind string `json:"kind"`
	// AccountID and Email are those of the account that it is about; empty if it is about none.
	AccountID string    `json:"accountId,omitempty"`
	Email     string    `json:"email,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	// ExpiresAt is when it is given up.
	ExpiresAt time.Time `json:"expiresAt"`
	Attempts  int       `json:"attempts"`
	// NextAt is when it is tried again.
	NextAt time.Time `json:"nextAt"`
	// Fault is why the last attempt has failed; nil before the first.
	Fault *MailFault `json:"fault,omitempty"`
}

// LostMail is a letter that was given up.
type LostMail struct {
	ID        int64     `json:"id"`
	Kind      string    `json:"kind"`
	AccountID string    `json:"accountId,omitempty"`
	Email     string    `json:"email,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	LostAt    time.Time `json:"lostAt"`
	Attempts  int       `json:"attempts"`
	// Reason is "refused" if the mail server will never take it, "expired" if it has waited for too long.
	Reason string     `json:"reason"`
	Fault  *MailFault `json:"fault,omitempty"`
}

// The reasons of LostMail.
const (
	MailRefused = "refused"
	MailExpired = "expired"
)

// MailState is how the delivery of mail fares.
type MailState struct {
	// Configured says whether there is a mail server; Server and From are its address and that of the sender.
	Configured bool   `json:"configured"`
	Server     string `json:"server,omitempty"`
	From       string `json:"from,omitempty"`
	// WaitingCount is how many letters wait, Waiting the first of them, in the order in which they are tried.
	WaitingCount int64         `json:"waitingCount"`
	Waiting      []WaitingMail `json:"waiting"`
	// Lost are the letters that were given up last, the newest first.
	Lost []LostMail `json:"lost"`
}

// Mail is the optional ability of an auth provider's or3cloud.ProviderAdminAdapter to show the mail that it sends.
type Mail interface {
	MailState(ctx context.Context) (MailState, error)
}

// WorkspaceOrder is in which order a Workspaces lists workspaces.
type WorkspaceOrder string

// The orders.
const (
	NewestFirst  WorkspaceOrder = "newest"
	LargestFirst WorkspaceOrder = "largest"
)

// WorkspaceQuery asks for a page of workspaces.
type WorkspaceQuery struct {
	// Text is contained in the name, the description or the id, whatever its case; empty finds all.
	Text           string
	Order          WorkspaceOrder
	IncludeDeleted bool
	Cursor         string
	// Limit is 1 to MaxPage.
	Limit int
}

// WeighedWorkspace is a workspace and what it takes.
type WeighedWorkspace struct {
	or3cloud.WorkspaceSummary
	// Files and FileBytes are those of live file_meta rows, LogBytes is what its changes take in the database by the
	// count of the quota.
	Files     int64 `json:"files"`
	FileBytes int64 `json:"fileBytes"`
	LogBytes  int64 `json:"logBytes"`
}

// WorkspaceCounts are how many workspaces there are, and what all of them take.
type WorkspaceCounts struct {
	Workspaces int64 `json:"workspaces"`
	Deleted    int64 `json:"deleted"`
	Files      int64 `json:"files"`
	FileBytes  int64 `json:"fileBytes"`
	LogBytes   int64 `json:"logBytes"`
}

// SyncDevice is a device that has said how far it is.
type SyncDevice struct {
	DeviceID string `json:"deviceId"`
	UserID   string `json:"userId,omitempty"`
	Email    string `json:"email,omitempty"`
	// Version is up to where it has the log, and Behind how many versions are beyond that.
	Version int64     `json:"version"`
	Behind  int64     `json:"behind"`
	SeenAt  time.Time `json:"seenAt"`
	// Forgotten says that it has been silent for so long that nothing is kept for it any more.
	Forgotten bool `json:"forgotten,omitempty"`
}

// WorkspaceSync is how far a workspace and its devices are.
type WorkspaceSync struct {
	// Version is that of the newest change.
	Version  int64 `json:"version"`
	LogBytes int64 `json:"logBytes"`
	// LogQuota is how many LogBytes there may be; 0 means no limit.
	LogQuota int64 `json:"logQuota,omitempty"`
	// Devices are those that were heard of last, the latest first, MaxPage at most.
	Devices []SyncDevice `json:"devices"`
}

// Workspaces is the optional ability of a sync provider to show administrators what workspaces take, deleted ones
// included.
type Workspaces interface {
	CountWorkspaces(ctx context.Context) (WorkspaceCounts, error)
	WeighWorkspaces(ctx context.Context, in WorkspaceQuery) (page []WeighedWorkspace, next string, err error)
	// DescribeSync returns how far one is. A workspace that never was is CodeNotFound.
	DescribeSync(ctx context.Context, workspaceID string) (WorkspaceSync, error)
}
