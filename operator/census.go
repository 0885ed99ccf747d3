package operator

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/census"
	"or3.chat/cloud/instance"
)

// The questions about many accounts and workspaces at once, and the answers. Pages are those of census.Accounts.
type (
	// PageQuery asks for a page.
	PageQuery struct {
		Cursor string `json:"cursor"`
		Limit  int    `json:"limit"`
	}
	// AccountSearch asks for a page of the accounts whose address or name contains a text.
	AccountSearch struct {
		Text string `json:"text"`
		PageQuery
	}
	// SignedIn is a page of live sessions.
	SignedIn struct {
		Sessions []census.SignedInSession `json:"sessions"`
		Next     string                   `json:"next,omitempty"`
	}
	// AccountDetails is an account, and who its owner is here.
	AccountDetails struct {
		Account or3cloud.Account `json:"account"`
		// UserID is the user of the workspace store; empty for an account that has never signed in.
		UserID     string                    `json:"userId,omitempty"`
		Admin      bool                      `json:"admin"`
		Sessions   []or3cloud.AccountSession `json:"sessions"`
		Workspaces []AccountWorkspace        `json:"workspaces"`
	}
	// AccountWorkspace is a workspace that the owner of an account is in.
	AccountWorkspace struct {
		ID   string        `json:"id"`
		Name string        `json:"name"`
		Role or3cloud.Role `json:"role"`
	}
	// WorkspaceCensus asks for a page of the workspaces.
	WorkspaceCensus struct {
		Text           string                `json:"text"`
		Order          census.WorkspaceOrder `json:"order"`
		IncludeDeleted bool                  `json:"includeDeleted"`
		PageQuery
	}
	// WeighedWorkspaces are a page of them.
	WeighedWorkspaces struct {
		Workspaces []census.WeighedWorkspace `json:"workspaces"`
		Next       string                    `json:"next,omitempty"`
	}
	// Totals are how much there is of everything. A field is nil if no provider counts it.
	Totals struct {
		Accounts   *census.AccountCounts   `json:"accounts,omitempty"`
		Workspaces *census.WorkspaceCounts `json:"workspaces,omitempty"`
		Mail       *MailTotals             `json:"mail,omitempty"`
	}
	// MailTotals are how many letters are waiting, and how many given-up ones are remembered.
	MailTotals struct {
		Configured bool  `json:"configured"`
		Waiting    int64 `json:"waiting"`
		// Failing says that one of the first waiting letters has failed before.
		Failing bool `json:"failing"`
		Lost    int  `json:"lost"`
	}
)

// The use cases of the census.
var (
	// SearchAccounts returns a page of the accounts.
	SearchAccounts = onAccountCensus("user/census", func(ctx context.Context, all census.Accounts, in AccountSearch) (out Accounts, err error) {
		out.Accounts, out.Next, err = all.SearchAccounts(ctx, census.AccountSearch{Text: in.Text, Cursor: in.Cursor, Limit: in.Limit})
		return out, err
	})
	// ListSignedIn returns a page of the live sessions.
	ListSignedIn = onAccountCensus("user/signed-in", func(ctx context.Context, all census.Accounts, in PageQuery) (out SignedIn, err error) {
		out.Sessions, out.Next, err = all.ListSignedIn(ctx, in.Cursor, in.Limit)
		return out, err
	})
	// DescribeAccount returns everything known about an account.
	DescribeAccount = onAccounts("user/describe", describeAccount)
	// WeighWorkspaces returns a page of the workspaces with the space that they use.
	WeighWorkspaces = onStore("workspace/census", kindOfCensus, weighWorkspaces)
	// DescribeSync reports the sync state of a workspace and its devices.
	DescribeSync = onStore("workspace/sync", kindOfCensus, func(ctx context.Context, _ *Desk, all census.Workspaces, in WorkspaceID) (census.WorkspaceSync, error) {
		return all.DescribeSync(ctx, in.WorkspaceID)
	})
	// CountAll says how much there is of everything.
	CountAll = untilClosing("totals", countAll)
	// ReportMail reports the state of mail delivery.
	ReportMail = untilClosing("mail/state", func(ctx context.Context, op instance.Operator, _ Nothing) (census.MailState, error) {
		reporter := mailOf(op)
		if reporter == nil {
			return census.MailState{}, or3cloud.Errorf(or3cloud.CodeUnsupported, "The account provider does not report the state of its mail.")
		}
		return reporter.MailState(ctx)
	})
)

const kindOfCensus = "Workspace census"

// onAccountCensus makes a use case from a function that needs to see all accounts.
func onAccountCensus[Q, A any](name string, f func(context.Context, census.Accounts, Q) (A, error)) UseCase[Q, A] {
	return onAccounts(name, func(ctx context.Context, _ *Desk, op instance.Operator, question Q) (answer A, err error) {
		all, ok := op.Accounts.(census.Accounts)
		if !ok {
			return answer, or3cloud.Errorf(or3cloud.CodeUnsupported, "the provider %q does not list its accounts by name", op.AuthProvider)
		}
		return f(ctx, all, question)
	})
}

func describeAccount(ctx context.Context, _ *Desk, op instance.Operator, in AccountName) (out AccountDetails, err error) {
	if out.Account, err = op.Accounts.Account(ctx, in.Name); err != nil {
		return out, err
	}
	out.Workspaces = []AccountWorkspace{}
	sessions, err := op.Accounts.ListSessions(ctx, out.Account.ID)
	if out.Sessions = append([]or3cloud.AccountSession{}, sessions...); err != nil {
		return out, err
	}
	if out.UserID, err = op.Store.GetUser(ctx, out.Account.Identity(op.AuthProvider)); err != nil || out.UserID == "" {
		return out, err
	}
	workspaces, err := op.Store.ListUserWorkspaces(ctx, out.UserID)
	if err != nil {
		return out, err
	}
	for _, ws := range workspaces {
		out.Workspaces = append(out.Workspaces, AccountWorkspace{ws.ID, ws.Name, ws.Role})
	}
	if admins, ok := op.Store.(or3cloud.DeploymentAdminStore); ok {
		out.Admin, err = admins.IsDeploymentAdmin(ctx, out.UserID)
	}
	return out, err
}

func weighWorkspaces(ctx context.Context, _ *Desk, all census.Workspaces, in WorkspaceCensus) (out WeighedWorkspaces, err error) {
	out.Workspaces, out.Next, err = all.WeighWorkspaces(ctx, census.WorkspaceQuery{
		Text: in.Text, Order: in.Order, IncludeDeleted: in.IncludeDeleted, Cursor: in.Cursor, Limit: in.Limit,
	})
	return out, err
}

func countAll(ctx context.Context, op instance.Operator, _ Nothing) (out Totals, err error) {
	if all, ok := op.Accounts.(census.Accounts); ok {
		counts, err := all.CountAccounts(ctx)
		if err != nil {
			return out, err
		}
		out.Accounts = &counts
	}
	if all, ok := op.Store.(census.Workspaces); ok {
		counts, err := all.CountWorkspaces(ctx)
		if err != nil {
			return out, err
		}
		out.Workspaces = &counts
	}
	if reporter := mailOf(op); reporter != nil {
		mail, err := reporter.MailState(ctx)
		if err != nil {
			return out, err
		}
		out.Mail = &MailTotals{Configured: mail.Configured, Waiting: mail.WaitingCount, Lost: len(mail.Lost)}
		for _, w := range mail.Waiting {
			out.Mail.Failing = out.Mail.Failing || w.Fault != nil
		}
	}
	return out, nil
}

// mailOf returns the provider that reports the state of mail; nil if there is none.
func mailOf(op instance.Operator) census.Mail {
	for _, place := range op.Places {
		if reporter, ok := place.Admin.(census.Mail); ok && place.Kind == or3cloud.ProviderAuth {
			return reporter
		}
	}
	return nil
}
