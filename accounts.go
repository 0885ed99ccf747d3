package or3cloud

import (
	"context"
	"time"
)

// Account is an account of an auth provider as its operator sees it.
type Account struct {
	// ID is the ProviderSession.UserID of the account.
	ID          string    `json:"id"`
	Email       string    `json:"email"`
	DisplayName string    `json:"displayName,omitempty"`
	CreatedAt   time.Time `json:"createdAt"`
	Disabled    bool      `json:"disabled"`
	// SecondFactor says whether a password alone does not suffice to sign in.
	SecondFactor bool `json:"secondFactor"`
	// PasskeysElsewhere is how many passkeys belong to another domain than the server's and cannot be used.
	PasskeysElsewhere int `json:"passkeysElsewhere,omitempty"`
	// Sessions is how many browsers are signed in.
	Sessions int `json:"sessions"`
	// SecondFactorDue is from when on the account can do nothing but set up a second factor, which is demanded and which it does
	// not have; zero if none is demanded, or if it has one.
	SecondFactorDue time.Time `json:"secondFactorDue,omitzero"`
	// Founder says that this is the account that whoever runs the server has made first (ExternalIdentity.Founder).
	Founder bool `json:"-"`
}

// Identity returns the user of the account, as the workspace store is asked for it. provider is the id of the auth provider.
func (a Account) Identity(provider string) ExternalIdentity {
	return ExternalIdentity{Provider: provider, ProviderUserID: a.ID, Email: a.Email, DisplayName: a.DisplayName, Founder: a.Founder}
}

// AccountSession is one signed-in browser.
type AccountSession struct {
	ID         string    `json:"id"`
	CreatedAt  time.Time `json:"createdAt"`
	LastSeenAt time.Time `json:"lastSeenAt"`
	ExpiresAt  time.Time `json:"expiresAt"`
	// IPAddress and UserAgent are those of the last renewal; empty when unknown.
	IPAddress string `json:"ipAddress,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
}

// AccountAdmin is the optional ability of an AuthProvider to let the operator manage its accounts. An account is named by
// its e-mail address or its id. A name that fits none is CodeNotFound, an address that is taken CodeConflict, and what
// can never be accepted CodeInvalid, each with a message for the operator.
type AccountAdmin interface {
	// AddAccount creates an account. With an empty password nobody can sign in to it until ResetLink was used.
	AddAccount(ctx context.Context, email, displayName, password string) (Account, error)
	// Account returns one account.
	Account(ctx context.Context, name string) (Account, error)
	// ListAccounts returns a page of all accounts, oldest first, and the cursor of the next page, which is empty after the
	// last. The first page has an empty cursor; one that no page has returned is CodeInvalid. A page has no more than limit
	// accounts, or as many as the provider likes if limit is 0. Who is there during the whole listing is in it once.
	ListAccounts(ctx context.Context, cursor string, limit int) (accounts []Account, next string, err error)
	// SetPassword replaces the password and ends all sessions.
	SetPassword(ctx context.Context, name, password string) error
	// ResetFactors removes every second factor, passkeys included, of somebody who has lost them, and ends all sessions.
	ResetFactors(ctx context.Context, name string) error
	// ResetLink returns the fragment of a one-time link with which the owner chooses a new password, and when it expires.
	ResetLink(ctx context.Context, name string) (fragment string, expires time.Time, err error)
	// SetDisabled switches an account off, which ends its sessions, or on again.
	SetDisabled(ctx context.Context, name string, disabled bool) error
	// ListSessions returns the live sessions, the one that was used last first.
	ListSessions(ctx context.Context, name string) ([]AccountSession, error)
	// RevokeSessions ends one session, or all of them if sessionID is empty, and returns how many it ended.
	RevokeSessions(ctx context.Context, name, sessionID string) (int, error)
	// DeleteAccount removes the account and, through HostServices.Users, the user behind it. It refuses with CodeConflict
	// when the user is the only owner of a workspace that others use.
	DeleteAccount(ctx context.Context, name string) error
}

// LongestExcuse bounds an excuse of SecondFactorExcuser.
const LongestExcuse = 28 * 24 * time.Hour

// SecondFactorExcuser is the optional ability of an AccountAdmin to let an account go on for a while without a second factor that
// the operator demands.
type SecondFactorExcuser interface {
	// ExcuseSecondFactor excuses an account for a time, LongestExcuse at most; 0 ends that. An excuse makes no grace shorter. It
	// returns the account as it is then.
	ExcuseSecondFactor(ctx context.Context, name string, span time.Duration) (Account, error)
}

// WorkspaceSummary is a workspace as its operator sees it.
type WorkspaceSummary struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
	Members   int       `json:"members"`
	// Owner is the e-mail address of the owner who has been in it the longest; empty if unknown.
	Owner string `json:"owner,omitempty"`
	// OwnerUserID is that owner; empty if there is none.
	OwnerUserID string `json:"ownerUserId,omitempty"`
	Description string `json:"description,omitempty"`
	// DeletedAt is zero if it was not deleted.
	DeletedAt time.Time `json:"deletedAt,omitzero"`
}

// WorkspaceDirectory is the optional ability of an AuthWorkspaceStore to look workspaces up for the operator.
type WorkspaceDirectory interface {
	// FindWorkspaces returns the live workspaces with this id or this very name, all of them if it is empty, oldest first and
	// no more than limit.
	FindWorkspaces(ctx context.Context, idOrName string, limit int) ([]WorkspaceSummary, error)
}

// Fate is what becomes of a workspace when one of its members is removed for good.
type Fate string

// The fates.
const (
	// FateDeleted: nobody else is a member, so the workspace is deleted.
	FateDeleted Fate = "deleted"
	// FateLeft: the others keep it.
	FateLeft Fate = "left"
	// FateBlocked: others use it and nobody else owns it. The removal is refused until somebody else does.
	FateBlocked Fate = "blocked"
)

// WorkspaceFate is what becomes of one workspace.
type WorkspaceFate struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Members is how many others are in it.
	Members int  `json:"members"`
	Fate    Fate `json:"fate"`
	// FilesKeptUntil is when the retention of the files of a workspace that is FateDeleted ends, if it is deleted now: the
	// next collections erase them. It is zero if the store cannot say.
	FilesKeptUntil time.Time `json:"filesKeptUntil,omitzero"`
}

// IdentityLister is the optional ability of an AuthWorkspaceStore to say who a user is to auth providers. With it, and with
// AccountAdmin, nothing is sent any more in the name of a user whose account was switched off.
type IdentityLister interface {
	// IdentitiesOf returns the identities of a user, without addresses and names; none for an unknown user.
	IdentitiesOf(ctx context.Context, userID string) ([]ExternalIdentity, error)
}

// UserRemover is the optional ability of an AuthWorkspaceStore to remove a user for good.
type UserRemover interface {
	// UserRemoval says what RemoveUser would do to the workspaces of the user; nothing for an unknown identity.
	UserRemoval(ctx context.Context, id ExternalIdentity) ([]WorkspaceFate, error)
	// RemoveUser removes a user, their memberships and the workspaces that nobody else is in, in one transaction. It
	// refuses with CodeConflict while one of the fates is FateBlocked, and succeeds for an unknown identity.
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

// Invite lets one person, known by an e-mail address, into a workspace. Only the hash of its token is kept.
type Invite struct {
	ID          string
	WorkspaceID string
	// Email is lower case.
	Email           string
	Role            Role
	Status          InviteStatus
	InvitedByUserID string // empty when the operator invited
	TokenHash       string // SHA-256 of the token, lower-case hex
	AcceptedUserID  string
	CreatedAt       time.Time
	UpdatedAt       time.Time
	ExpiresAt       time.Time
	AcceptedAt      time.Time // zero while pending
	RevokedAt       time.Time // zero unless revoked
}

// InviteRefusal says why an invite admits nobody.
type InviteRefusal string

// The refusals, in the order in which they are looked for (contract, auth §9).
const (
	InviteNotFound      InviteRefusal = "not_found"
	InviteEmailMismatch InviteRefusal = "email_mismatch"
	InviteAlreadyUsed   InviteRefusal = "already_used"
	InviteWasRevoked    InviteRefusal = "revoked"
	InviteHasExpired    InviteRefusal = "expired"
)

// InviteDetails is what whoever holds the token of a good invite may know before they join.
type InviteDetails struct {
	// Email is whom the invite is for, in lower case.
	Email     string
	Role      Role
	ExpiresAt time.Time
	// WorkspaceName is the name of the workspace that the invite leads to.
	WorkspaceName string
	// InvitedBy is how the one who invited is called: the display name, or the address if there is none. Empty if it was the
	// operator, or a user who is gone.
	InvitedBy string
}

// InviteDescriber is the optional ability of an InviteStore to say more of an invite than that it is good.
type InviteDescriber interface {
	// DescribeInvite returns why the invite would be refused, as ValidateInvite does, or "" and its details.
	DescribeInvite(ctx context.Context, workspaceID, email, tokenHash string) (InviteDetails, InviteRefusal, error)
}

// ErrInviteExists is the refusal of an invite whose token another one has: a token says workspace, address and second of its end, and
// nothing else (contract, auth §9).
var ErrInviteExists = Errorf(CodeConflict, "There is an invite with this token already")

// InviteStore is the optional ability of an AuthWorkspaceStore to keep invites (contract, auth §9). Without it nobody
// can register in the mode invite_only.
type InviteStore interface {
	// CreateInvite stores a pending invite and returns its id. Of in, WorkspaceID, Email, Role, InvitedByUserID,
	// TokenHash and ExpiresAt are read. A workspace that is deleted or unknown is CodeNotFound, a TokenHash that another invite has
	// is ErrInviteExists.
	CreateInvite(ctx context.Context, in Invite) (id string, err error)
	// ListInvites returns the invites of a workspace, newest first; limit is clamped to 1..500 and 0 means 100. Overdue
	// ones are marked expired first. An empty status means all.
	ListInvites(ctx context.Context, workspaceID string, status InviteStatus, limit int) ([]Invite, error)
	// RevokeInvite makes a pending invite worthless; one that is not pending is left as it is, and a missing one is
	// CodeNotFound.
	RevokeInvite(ctx context.Context, workspaceID, inviteID string) error
	// ValidateInvite returns why the invite would be refused, or "" and the role that it gives.
	ValidateInvite(ctx context.Context, workspaceID, email, tokenHash string) (Role, InviteRefusal, error)
	// AcceptInvite checks the invite, creates the user if it is new, makes it a member with the invite's role and its
	// workspace the active one, and marks the invite accepted, all in one transaction.
	AcceptInvite(ctx context.Context, id ExternalIdentity, workspaceID, tokenHash string) (userID string, refusal InviteRefusal, err error)
}
