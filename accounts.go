package or3cloud

import (
	"context"
	"time"
)

// Account is an account of an auth provider, as the operator sees it.
type Account struct {
	// ID is the ProviderSession.UserID of the account.
	ID          string    `json:"id"`
	Email       string    `json:"email"`
	DisplayName string    `json:"displayName,omitempty"`
	CreatedAt   time.Time `json:"createdAt"`
	Disabled    bool      `json:"disabled"`
	// SecondFactor reports whether signing in takes more than a password.
	SecondFactor bool `json:"secondFactor"`
	// PasskeysElsewhere counts the passkeys that belong to a domain other than the server's and so cannot be used.
	PasskeysElsewhere int `json:"passkeysElsewhere,omitempty"`
	// Sessions is the number of signed-in browsers.
	Sessions int `json:"sessions"`
	// SecondFactorDue is the time from which the account can do nothing but set up the second factor that it lacks and
	// that the operator demands. It is zero if none is demanded or the account has one.
	SecondFactorDue time.Time `json:"secondFactorDue,omitzero"`
	// Founder marks the first account that the operator created (ExternalIdentity.Founder).
	Founder bool `json:"-"`
}

// Identity returns the user behind the account in the form that the workspace store expects. provider is the id of the
// auth provider.
func (a Account) Identity(provider string) ExternalIdentity {
	return ExternalIdentity{Provider: provider, ProviderUserID: a.ID, Email: a.Email, DisplayName: a.DisplayName, Founder: a.Founder}
}

// AccountSession is one signed-in browser.
type AccountSession struct {
	ID         string    `json:"id"`
	CreatedAt  time.Time `json:"createdAt"`
	LastSeenAt time.Time `json:"lastSeenAt"`
	ExpiresAt  time.Time `json:"expiresAt"`
	// IPAddress and UserAgent are those of the last renewal. They are empty if unknown.
	IPAddress string `json:"ipAddress,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
}

// AccountAdmin is the optional ability of an AuthProvider to let the operator manage its accounts. An account is named
// by its e-mail address or its id. An unknown name is CodeNotFound, an address that is taken is CodeConflict, and input
// that can never be accepted is CodeInvalid. Each error carries a message for the operator.
type AccountAdmin interface {
	// AddAccount creates an account. If the password is empty, the owner can sign in only after using a ResetLink.
	AddAccount(ctx context.Context, email, displayName, password string) (Account, error)
	// Account returns one account.
	Account(ctx context.Context, name string) (Account, error)
	// ListAccounts returns a page of all accounts, oldest first, and the cursor of the next page, which is empty after
	// the last. The cursor of the first page is empty; a cursor that no page returned is CodeInvalid. A page holds at
	// most limit accounts, or as many as the provider likes if limit is 0. An account that exists throughout the
	// listing appears in it exactly once.
	ListAccounts(ctx context.Context, cursor string, limit int) (accounts []Account, next string, err error)
	// SetPassword replaces the password and ends all sessions.
	SetPassword(ctx context.Context, name, password string) error
	// ResetFactors removes every second factor, passkeys included, from the account of a user who has lost them, and
	// ends all sessions.
	ResetFactors(ctx context.Context, name string) error
	// ResetLink returns the fragment of a one-time link that lets the owner choose a new password, and when it expires.
	ResetLink(ctx context.Context, name string) (fragment string, expires time.Time, err error)
	// SetDisabled disables an account, which ends its sessions, or enables it again.
	SetDisabled(ctx context.Context, name string, disabled bool) error
	// ListSessions returns the live sessions, most recently used first.
	ListSessions(ctx context.Context, name string) ([]AccountSession, error)
	// RevokeSessions ends one session, or all of them if sessionID is empty, and returns the number ended.
	RevokeSessions(ctx context.Context, name, sessionID string) (int, error)
	// DeleteAccount removes the account and, through HostServices.Users, the user behind it. It fails with CodeConflict
	// if the user is the only owner of a workspace that others use.
	DeleteAccount(ctx context.Context, name string) error
}

// LongestExcuse is the longest excuse that a SecondFactorExcuser grants.
const LongestExcuse = 28 * 24 * time.Hour

// SecondFactorExcuser is the optional ability of an AccountAdmin to let an account carry on for a while without the
// second factor that the operator demands.
type SecondFactorExcuser interface {
	// ExcuseSecondFactor excuses an account for a time, at most LongestExcuse; 0 ends the excuse. An excuse never
	// shortens the grace period. It returns the account as it is afterwards.
	ExcuseSecondFactor(ctx context.Context, name string, span time.Duration) (Account, error)
}

// WorkspaceSummary is a workspace, as the operator sees it.
type WorkspaceSummary struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
	Members   int       `json:"members"`
	// Owner is the e-mail address of the owner who has been a member the longest. It is empty if unknown.
	Owner string `json:"owner,omitempty"`
	// OwnerUserID is the id of that owner. It is empty if there is none.
	OwnerUserID string `json:"ownerUserId,omitempty"`
	Description string `json:"description,omitempty"`
	// DeletedAt is zero unless the workspace was deleted.
	DeletedAt time.Time `json:"deletedAt,omitzero"`
}

// WorkspaceDirectory is the optional ability of an AuthWorkspaceStore to look workspaces up for the operator.
type WorkspaceDirectory interface {
	// FindWorkspaces returns the live workspaces with exactly this id or name, or all of them if it is empty, oldest
	// first and at most limit.
	FindWorkspaces(ctx context.Context, idOrName string, limit int) ([]WorkspaceSummary, error)
}

// Fate is what happens to a workspace when one of its members is removed for good.
type Fate string

// The fates.
const (
	// FateDeleted: the user is the only member, so the workspace is deleted.
	FateDeleted Fate = "deleted"
	// FateLeft: the other members keep it.
	FateLeft Fate = "left"
	// FateBlocked: the user is the only owner, and there are other members. The removal is refused until another member
	// becomes an owner.
	FateBlocked Fate = "blocked"
)

// WorkspaceFate is what happens to one workspace.
type WorkspaceFate struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Members is the number of other members.
	Members int  `json:"members"`
	Fate    Fate `json:"fate"`
	// FilesKeptUntil is when the retention of the files ends if a FateDeleted workspace is deleted now. Collections
	// after that erase them. It is zero if the store cannot tell.
	FilesKeptUntil time.Time `json:"filesKeptUntil,omitzero"`
}

// IdentityLister is the optional ability of an AuthWorkspaceStore to tell which identities a user has at auth
// providers. With it and AccountAdmin, the host stops sending anything on behalf of a user whose account was disabled.
type IdentityLister interface {
	// IdentitiesOf returns the identities of a user, without addresses and names. It returns none for an unknown user.
	IdentitiesOf(ctx context.Context, userID string) ([]ExternalIdentity, error)
}

// UserRemover is the optional ability of an AuthWorkspaceStore to remove a user for good.
type UserRemover interface {
	// UserRemoval returns what RemoveUser would do to the workspaces of the user. It returns nothing for an unknown
	// identity.
	UserRemoval(ctx context.Context, id ExternalIdentity) ([]WorkspaceFate, error)
	// RemoveUser removes a user, their memberships, and the workspaces in which they are the only member, in one
	// transaction. It fails with CodeConflict while one of the fates is FateBlocked, and succeeds for an unknown
	// identity.
	RemoveUser(ctx context.Context, id ExternalIdentity) error
}

// InviteStatus is the state of an Invite.
type InviteStatus string

// The states (contract, auth §9).
const (
	InvitePending  InviteStatus = "pending"
	InviteAccepted InviteStatus = "accepted"
	InviteRevoked  InviteStatus = "revoked"
	InviteExpired  InviteStatus = "expired"
)

// Invite lets one person, identified by an e-mail address, into a workspace. The store keeps only the hash of its
// token.
type Invite struct {
	ID          string
	WorkspaceID string
	// Email is in lower case.
	Email           string
	Role            Role
	Status          InviteStatus
	InvitedByUserID string // empty if the operator invited
	TokenHash       string // SHA-256 of the token, lower-case hex
	AcceptedUserID  string
	CreatedAt       time.Time
	UpdatedAt       time.Time
	ExpiresAt       time.Time
	AcceptedAt      time.Time // zero while pending
	RevokedAt       time.Time // zero unless revoked
}

// InviteRefusal is the reason why an invite cannot be used.
type InviteRefusal string

// The refusals, in the order in which they are checked (contract, auth §9).
const (
	InviteNotFound      InviteRefusal = "not_found"
	InviteEmailMismatch InviteRefusal = "email_mismatch"
	InviteAlreadyUsed   InviteRefusal = "already_used"
	InviteWasRevoked    InviteRefusal = "revoked"
	InviteHasExpired    InviteRefusal = "expired"
)

// InviteDetails is what the holder of a valid invite's token may know before joining.
type InviteDetails struct {
	// Email is the address that the invite is for, in lower case.
	Email     string
	Role      Role
	ExpiresAt time.Time
	// WorkspaceName is the name of the workspace to join.
	WorkspaceName string
	// InvitedBy is the inviter's display name, or address if there is no name. It is empty if the operator invited, or
	// if the user is gone.
	InvitedBy string
}

// InviteDescriber is the optional ability of an InviteStore to describe an invite, not just validate it.
type InviteDescriber interface {
	// DescribeInvite returns the details of the invite and an empty refusal, or the refusal that ValidateInvite would
	// return.
	DescribeInvite(ctx context.Context, workspaceID, email, tokenHash string) (InviteDetails, InviteRefusal, error)
}

// ErrInviteExists is the refusal of an invite whose token another invite has. A token encodes the workspace, the
// address and the second of its expiry, and nothing else, so two invites can collide (contract, auth §9).
var ErrInviteExists = Errorf(CodeConflict, "There is an invite with this token already")

// InviteStore is the optional ability of an AuthWorkspaceStore to keep invites (contract, auth §9). Without it, the
// registration mode invite_only admits no new users.
type InviteStore interface {
	// CreateInvite stores a pending invite and returns its id. It reads WorkspaceID, Email, Role, InvitedByUserID,
	// TokenHash and ExpiresAt of in. A workspace that is deleted or unknown is CodeNotFound; a TokenHash that another
	// invite has is ErrInviteExists.
	CreateInvite(ctx context.Context, in Invite) (id string, err error)
	// ListInvites returns the invites of a workspace, newest first. It first marks overdue ones as expired. limit is
	// clamped to 1..500, and 0 means 100. An empty status means all.
	ListInvites(ctx context.Context, workspaceID string, status InviteStatus, limit int) ([]Invite, error)
	// RevokeInvite revokes a pending invite. It leaves any other invite as it is; a missing one is CodeNotFound.
	RevokeInvite(ctx context.Context, workspaceID, inviteID string) error
	// ValidateInvite returns the role that the invite gives and an empty refusal, or the reason why it would be
	// refused.
	ValidateInvite(ctx context.Context, workspaceID, email, tokenHash string) (Role, InviteRefusal, error)
	// AcceptInvite checks the invite, creates the user if new, makes them a member with the invite's role, makes the
	// workspace their active one, and marks the invite accepted, all in one transaction.
	AcceptInvite(ctx context.Context, id ExternalIdentity, workspaceID, tokenHash string) (userID string, refusal InviteRefusal, err error)
}
