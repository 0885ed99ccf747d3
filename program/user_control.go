package program

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/control"
)

// What travels between "or3-cloud user" and the instance. The answers are also what --json prints.
type (
	accountName struct {
		Name string `json:"name"`
	}
	addInput struct {
		Email       string `json:"email"`
		DisplayName string `json:"displayName"`
		// Password is empty if the person chooses one, with a link.
		Password string `json:"password"`
	}
	passwordInput struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	revokeInput struct {
		Name string `json:"name"`
		// Session is empty for all of them.
		Session string `json:"session"`
	}
	link struct {
		Link      string    `json:"link"`
		ExpiresAt time.Time `json:"expiresAt"`
	}
	added struct {
		Account or3cloud.Account `json:"account"`
		Link    *link            `json:"resetLink,omitempty"`
	}
	// accountQuery asks for a page of the accounts.
	accountQuery struct {
		Cursor string `json:"cursor"`
		// Limit is how many accounts the page has at most; 0 is as many as the provider likes.
		Limit int `json:"limit"`
	}
	accountList struct {
		Accounts []or3cloud.Account `json:"accounts"`
		// Next is the cursor of the next page; absent from the last.
		Next string `json:"next,omitempty"`
	}
	sessionList struct {
		Sessions []or3cloud.AccountSession `json:"sessions"`
	}
	revoked struct {
		Revoked int `json:"revoked"`
	}
	removal struct {
		Account    or3cloud.Account   `json:"account"`
		Workspaces []workspaceRemoval `json:"workspaces"`
	}
	// workspaceRemoval is what becomes of a workspace, and what is stored in it.
	workspaceRemoval struct {
		or3cloud.WorkspaceFate
		// Stored is nil where the files are not on the disk of the instance.
		Stored *volume `json:"stored,omitempty"`
	}
	done struct {
		OK bool `json:"ok"`
	}
)

// operatorCommand makes a command of a function that needs the accounts.
func operatorCommand[In, Out any](i *instance.Instance, f func(context.Context, instance.Operator, In) (Out, error)) control.Command {
	return control.Func(func(ctx context.Context, in In) (out Out, err error) {
		err = i.Operate(func(op instance.Operator) error {
			if op.Accounts == nil {
				return or3cloud.Errorf(or3cloud.CodeUnsupported, "the accounts of the provider %q are managed elsewhere", op.AuthProvider)
			}
			out, err = f(ctx, op, in)
			return err
		})
		return out, err
	})
}

// accountCommand makes a command of a function that does something to an account and returns nothing.
func accountCommand(i *instance.Instance, f func(context.Context, or3cloud.AccountAdmin, string) error) control.Command {
	return operatorCommand(i, func(ctx context.Context, op instance.Operator, in accountName) (done, error) {
		err := f(ctx, op.Accounts, in.Name)
		return done{OK: err == nil}, err
	})
}

// userCommands are the commands behind "or3-cloud user". origin is what links begin with.
func userCommands(i *instance.Instance, origin func() (string, error)) control.Commands {
	return control.Commands{
		"user/add": operatorCommand(i, func(ctx context.Context, op instance.Operator, in addInput) (added, error) {
			return addUser(ctx, op.Accounts, origin, in)
		}),
		"user/list": operatorCommand(i, func(ctx context.Context, op instance.Operator, in accountQuery) (out accountList, err error) {
			out.Accounts, out.Next, err = op.Accounts.ListAccounts(ctx, in.Cursor, in.Limit)
			return out, err
		}),
		"user/passwd": operatorCommand(i, func(ctx context.Context, op instance.Operator, in passwordInput) (done, error) {
			err := op.Accounts.SetPassword(ctx, in.Name, in.Password)
			return done{OK: err == nil}, err
		}),
		"user/reset-factors": accountCommand(i, func(ctx context.Context, a or3cloud.AccountAdmin, name string) error {
			return a.ResetFactors(ctx, name)
		}),
		"user/reset-link": operatorCommand(i, func(ctx context.Context, op instance.Operator, in accountName) (link, error) {
			return resetLink(ctx, op.Accounts, origin, in.Name)
		}),
		"user/disable": accountCommand(i, func(ctx context.Context, a or3cloud.AccountAdmin, name string) error {
			return a.SetDisabled(ctx, name, true)
		}),
		"user/enable": accountCommand(i, func(ctx context.Context, a or3cloud.AccountAdmin, name string) error {
			return a.SetDisabled(ctx, name, false)
		}),
		"user/sessions": operatorCommand(i, func(ctx context.Context, op instance.Operator, in accountName) (sessionList, error) {
			sessions, err := op.Accounts.ListSessions(ctx, in.Name)
			return sessionList{sessions}, err
		}),
		"user/revoke": operatorCommand(i, func(ctx context.Context, op instance.Operator, in revokeInput) (revoked, error) {
			n, err := op.Accounts.RevokeSessions(ctx, in.Name, in.Session)
			return revoked{n}, err
		}),
		"user/removal": operatorCommand(i, userRemoval),
		"user/delete": accountCommand(i, func(ctx context.Context, a or3cloud.AccountAdmin, name string) error {
			return a.DeleteAccount(ctx, name)
		}),
	}
}

// addUser creates an account, and the link to its first password if none is given. Where no link can be made, no account is left
// behind that nobody can use.
func addUser(ctx context.Context, accounts or3cloud.AccountAdmin, origin func() (string, error), in addInput) (added, error) {
	if in.Password == "" {
		if _, err := origin(); err != nil {
			return added{}, err
		}
	}
	a, err := accounts.AddAccount(ctx, in.Email, in.DisplayName, in.Password)
	if err != nil || in.Password != "" {
		return added{Account: a}, err
	}
	l, err := resetLink(ctx, accounts, origin, a.ID)
	return added{a, &l}, err
}

func resetLink(ctx context.Context, accounts or3cloud.AccountAdmin, origin func() (string, error), name string) (link, error) {
	url, err := origin()
	if err != nil {
		return link{}, err
	}
	fragment, expires, err := accounts.ResetLink(ctx, name)
	return link{url + "/#" + fragment, expires}, err
}

// userRemoval says what deleting an account would do.
func userRemoval(ctx context.Context, op instance.Operator, in accountName) (removal, error) {
	a, err := op.Accounts.Account(ctx, in.Name)
	if err != nil {
		return removal{}, err
	}
	users, ok := op.Store.(or3cloud.UserRemover)
	if !ok {
		return removal{}, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store cannot remove users")
	}
	fates, err := users.UserRemoval(ctx, or3cloud.ExternalIdentity{Provider: op.AuthProvider, ProviderUserID: a.ID})
	if err != nil {
		return removal{}, err
	}
	what := removal{Account: a, Workspaces: []workspaceRemoval{}}
	files, stored := op.Files.(or3cloud.BlobChecker)
	for _, fate := range fates {
		ws := workspaceRemoval{WorkspaceFate: fate}
		if stored {
			ws.Stored = &volume{}
			if ws.Stored.Files, ws.Stored.Bytes, err = files.StoredVolume(ctx, fate.ID); err != nil {
				return removal{}, err
			}
		}
		what.Workspaces = append(what.Workspaces, ws)
	}
	return what, nil
}
