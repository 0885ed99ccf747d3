package operator

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
)

// The questions about accounts, and the answers.
type (
	// AccountName names an account by its e-mail address or its id.
	AccountName struct {
		Name string `json:"name"`
	}
	// NewAccount is an account to create.
	NewAccount struct {
		Email       string `json:"email"`
		DisplayName string `json:"displayName"`
		// Password is empty if the person chooses one through a link.
		Password string `json:"password"`
	}
	// AddedAccount is an account that was created, with the link to its first password if it has none.
	AddedAccount struct {
		Account or3cloud.Account `json:"account"`
		Link    *Link            `json:"resetLink,omitempty"`
	}
	// NewPassword is a password for an account.
	NewPassword struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	// Excuse lets an account continue without a second factor.
	Excuse struct {
		Name string `json:"name"`
		// Seconds is for how long, at most or3cloud.LongestExcuse; 0 ends it.
		Seconds int64 `json:"seconds"`
	}
	// Link is something for its owner to open in a browser, once.
	Link struct {
		Link      string    `json:"link"`
		ExpiresAt time.Time `json:"expiresAt"`
	}
	// AccountsQuery asks for a page of the accounts.
	AccountsQuery struct {
		Cursor string `json:"cursor"`
		// Limit is the most accounts that the page can have; 0 leaves that to the provider.
		Limit int `json:"limit"`
	}
	// Accounts are a page of accounts, oldest first.
	Accounts struct {
		Accounts []or3cloud.Account `json:"accounts"`
		// Next is the cursor of the next page; absent on the last.
		Next string `json:"next,omitempty"`
	}
	// Sessions are those of an account, the most recently used first.
	Sessions struct {
		Sessions []or3cloud.AccountSession `json:"sessions"`
	}
	// Revocation names sessions to end.
	Revocation struct {
		Name string `json:"name"`
		// Session is empty for all of them.
		Session string `json:"session"`
	}
	// Revoked is how many sessions were ended.
	Revoked struct {
		Revoked int `json:"revoked"`
	}
	// Deletion is what deleting an account would do.
	Deletion struct {
		Account    or3cloud.Account    `json:"account"`
		Workspaces []WorkspaceDeletion `json:"workspaces"`
	}
	// WorkspaceDeletion is what happens to a workspace, and what is stored in it.
	WorkspaceDeletion struct {
		or3cloud.WorkspaceFate
		// Stored is nil where the files are not on the disk of the instance.
		Stored *Volume `json:"stored,omitempty"`
	}
)

// The use cases of accounts.
var (
	// AddAccount creates an account, and a link to its first password if none is given.
	AddAccount = onAccounts("user/add", addAccount)
	// ListAccounts returns a page of the accounts; AllAccounts goes through all pages.
	ListAccounts = onAccounts("user/list", listAccounts)
	// SetPassword replaces a password and ends all sessions.
	SetPassword = onAccounts("user/passwd", func(ctx context.Context, _ *Desk, op instance.Operator, in NewPassword) (Done, error) {
		return done(op.Accounts.SetPassword(ctx, in.Name, in.Password))
	})
	// ResetFactors removes every second factor of someone who has lost them, and ends all sessions.
	ResetFactors = onAccounts("user/reset-factors", func(ctx context.Context, _ *Desk, op instance.Operator, in AccountName) (Done, error) {
		return done(op.Accounts.ResetFactors(ctx, in.Name))
	})
	// ExcuseFactor lets an account continue for a while without a required second factor.
	ExcuseFactor = onAccounts("user/excuse", func(ctx context.Context, _ *Desk, op instance.Operator, in Excuse) (or3cloud.Account, error) {
		return excuseFactor(ctx, op, in)
	})
	// ResetLink makes a link through which the owner of an account chooses a new password.
	ResetLink = onAccounts("user/reset-link", func(ctx context.Context, d *Desk, op instance.Operator, in AccountName) (Link, error) {
		return resetLink(ctx, d, op, in.Name)
	})
	// DisableAccount switches an account off, which ends its sessions; EnableAccount switches it on again.
	DisableAccount = onAccounts("user/disable", func(ctx context.Context, _ *Desk, op instance.Operator, in AccountName) (Done, error) {
		return done(op.Accounts.SetDisabled(ctx, in.Name, true))
	})
	EnableAccount = onAccounts("user/enable", func(ctx context.Context, _ *Desk, op instance.Operator, in AccountName) (Done, error) {
		return done(op.Accounts.SetDisabled(ctx, in.Name, false))
	})
	// ListSessions returns the live sessions of an account.
	ListSessions = onAccounts("user/sessions", func(ctx context.Context, _ *Desk, op instance.Operator, in AccountName) (Sessions, error) {
		sessions, err := op.Accounts.ListSessions(ctx, in.Name)
		return Sessions{sessions}, err
	})
	// RevokeSessions ends one session of an account or all of them.
	RevokeSessions = onAccounts("user/revoke", func(ctx context.Context, _ *Desk, op instance.Operator, in Revocation) (Revoked, error) {
		n, err := op.Accounts.RevokeSessions(ctx, in.Name, in.Session)
		return Revoked{n}, err
	})
	// PreviewDeletion says what DeleteAccount would do.
	PreviewDeletion = onAccounts("user/removal", previewDeletion)
	// DeleteAccount deletes an account permanently, with the user behind it and the workspaces that no one else is in.
	DeleteAccount = onAccounts("user/delete", func(ctx context.Context, _ *Desk, op instance.Operator, in AccountName) (Done, error) {
		return done(op.Accounts.DeleteAccount(ctx, in.Name))
	})
)

func done(err error) (Done, error) { return Done{OK: err == nil}, err }

// addAccount does not leave an unusable account behind where no link can be made.
func addAccount(ctx context.Context, d *Desk, op instance.Operator, in NewAccount) (AddedAccount, error) {
	if in.Password == "" {
		if _, err := d.links.Entrance(); err != nil {
			return AddedAccount{}, err
		}
	}
	a, err := op.Accounts.AddAccount(ctx, in.Email, in.DisplayName, in.Password)
	if err != nil || in.Password != "" {
		return AddedAccount{Account: a}, err
	}
	l, err := resetLink(ctx, d, op, a.ID)
	return AddedAccount{a, &l}, err
}

func resetLink(ctx context.Context, d *Desk, op instance.Operator, name string) (Link, error) {
	entrance, err := d.links.Entrance()
	if err != nil {
		return Link{}, err
	}
	fragment, expires, err := op.Accounts.ResetLink(ctx, name)
	return Link{entrance.Link(fragment), expires}, err
}

func listAccounts(ctx context.Context, _ *Desk, op instance.Operator, in AccountsQuery) (out Accounts, err error) {
	out.Accounts, out.Next, err = op.Accounts.ListAccounts(ctx, in.Cursor, in.Limit)
	return out, err
}

// AllAccounts requests page after page.
func AllAccounts(ctx context.Context, c Caller) (Accounts, error) {
	all := Accounts{Accounts: []or3cloud.Account{}}
	for query := (AccountsQuery{}); ; {
		page, err := ListAccounts.Ask(ctx, c, query)
		if err != nil {
			return all, err
		}
		all.Accounts = append(all.Accounts, page.Accounts...)
		if page.Next == "" {
			return all, nil
		}
		query.Cursor = page.Next
	}
}

func previewDeletion(ctx context.Context, _ *Desk, op instance.Operator, in AccountName) (Deletion, error) {
	a, err := op.Accounts.Account(ctx, in.Name)
	if err != nil {
		return Deletion{}, err
	}
	users, ok := op.Store.(or3cloud.UserRemover)
	if !ok {
		return Deletion{}, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store cannot remove users")
	}
	fates, err := users.UserRemoval(ctx, a.Identity(op.AuthProvider))
	if err != nil {
		return Deletion{}, err
	}
	what := Deletion{Account: a, Workspaces: []WorkspaceDeletion{}}
	files, stored := op.Files.(or3cloud.BlobChecker)
	for _, fate := range fates {
		ws := WorkspaceDeletion{WorkspaceFate: fate}
		if stored {
			ws.Stored = &Volume{}
			if ws.Stored.Files, ws.Stored.Bytes, err = files.StoredVolume(ctx, fate.ID); err != nil {
				return Deletion{}, err
			}
		}
		what.Workspaces = append(what.Workspaces, ws)
	}
	return what, nil
}

func excuseFactor(ctx context.Context, op instance.Operator, in Excuse) (or3cloud.Account, error) {
	excuser, ok := op.Accounts.(or3cloud.SecondFactorExcuser)
	if !ok {
		return or3cloud.Account{}, or3cloud.Errorf(or3cloud.CodeUnsupported, "the provider %q does not require second factors", op.AuthProvider)
	}
	if in.Seconds < 0 || in.Seconds > int64(or3cloud.LongestExcuse/time.Second) {
		return or3cloud.Account{}, or3cloud.Errorf(or3cloud.CodeInvalid, "an excuse lasts at most %d days", or3cloud.LongestExcuse/(24*time.Hour))
	}
	return excuser.ExcuseSecondFactor(ctx, in.Name, time.Duration(in.Seconds)*time.Second)
}
