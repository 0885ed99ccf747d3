package operator

import (
	"cmp"
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/fsck"
)

// ListAudit returns a page of the audit trail; TrailOf goes through several.
var ListAudit = untilClosing("audit/list", func(ctx context.Context, op instance.Operator, in audit.Query) (audit.Page, error) {
	return op.Audit.List(ctx, in)
})

// TrailOf requests page after page, until there are most entries.
func TrailOf(ctx context.Context, c Caller, query audit.Query, most int) (audit.Page, error) {
	all := audit.Page{Entries: []audit.Entry{}}
	for {
		query.Limit = min(most-len(all.Entries), audit.PageSize)
		page, err := ListAudit.Ask(ctx, c, query)
		if err != nil {
			return all, err
		}
		all.Entries, all.Next = append(all.Entries, page.Entries...), page.Next
		if page.Next == "" || len(all.Entries) >= most {
			return all, nil
		}
		query.Cursor = page.Next
	}
}

// recorded are the use cases that change something, with their names in the audit trail. The others read.
var recorded = map[string]audit.Action{
	AddAccount.Name: audit.AccountCreate, SetPassword.Name: audit.AccountSetPassword, ResetLink.Name: audit.AccountResetLink,
	ResetFactors.Name: audit.AccountResetFactors, ExcuseFactor.Name: audit.AccountExcuseFactor, DisableAccount.Name: audit.AccountDisable, EnableAccount.Name: audit.AccountEnable,
	RevokeSessions.Name: audit.AccountRevokeSessions, DeleteAccount.Name: audit.AccountDelete,
	InviteUser.Name: audit.InviteCreate, RevokeInvite.Name: audit.InviteRevoke,
	CreateWorkspace.Name: audit.WorkspaceCreate, DeleteWorkspace.Name: audit.WorkspaceDelete, RestoreWorkspace.Name: audit.WorkspaceRestore,
	SetSuperAdminPassword.Name: audit.ChangePassword,
	GrantAdmin.Name:            audit.AdminGrant, RevokeAdmin.Name: audit.AdminRevoke,
	AddMember.Name: audit.MemberUpsert, ChangeRole.Name: audit.MemberSetRole, RemoveMember.Name: audit.MemberRemove,
	FreeName.Name: audit.WorkspaceFreeName, TellMembers.Name: audit.WorkspaceNotify,
	CollectFiles.Name: audit.CollectFiles, CheckFiles.Name: audit.CheckFiles,
	RunAction.Name:   audit.ProviderAction,
	AbortJob.Name:    audit.JobAbort,
	SetLogLevel.Name: audit.LogLevel,
}

// record records what an operator at the command line has asked for. The admin API records its own requests, because it
// knows who sent them.
func (d *Desk) record(ctx context.Context, name string, question any, err error) {
	action, changes := recorded[name]
	target, changesNow := target(question)
	if p := d.instance.Providers(); p != nil && changes && changesNow {
		p.Audit.Record(ctx, audit.Entry{
			Actor: audit.Actor{Kind: audit.ActorOperator}, Action: action, Target: target, Refusal: or3cloud.CodeOf(err),
		})
	}
}

// target returns what a question concerns, and whether its answer changes anything.
func target(question any) (audit.Target, bool) {
	switch q := question.(type) {
	case AccountName:
		return audit.Target{UserID: q.Name}, true
	case NewAccount:
		return audit.Target{UserID: q.Email}, true
	case NewPassword:
		return audit.Target{UserID: q.Name}, true
	case Excuse:
		return audit.Target{UserID: q.Name}, true
	case Revocation:
		return audit.Target{UserID: q.Name, Object: q.Session}, true
	case NewInvite:
		return audit.Target{WorkspaceID: q.WorkspaceID, UserID: q.Email}, true
	case InviteID:
		return audit.Target{WorkspaceID: q.WorkspaceID, Object: q.InviteID}, true
	case NewWorkspace:
		return audit.Target{UserID: cmp.Or(q.OwnerUserID, q.Owner)}, true
	case WorkspaceID:
		return audit.Target{WorkspaceID: q.WorkspaceID}, true
	case Membership:
		return audit.Target{WorkspaceID: q.WorkspaceID, UserID: q.Name}, true
	case SuperAdminPassword:
		return audit.Target{UserID: q.Username}, true
	case KVName:
		return audit.Target{WorkspaceID: q.WorkspaceID, Object: q.Name}, true
	case Message:
		return audit.Target{WorkspaceID: q.WorkspaceID}, true
	case Collecting:
		return audit.Target{WorkspaceID: q.WorkspaceID}, !q.DryRun
	case JobID:
		return audit.Target{Object: q.JobID}, true
	case LogLevel:
		return audit.Target{Object: q.Level}, q.Level != ""
	case ActionRequest:
		return audit.Target{WorkspaceID: q.WorkspaceID, Object: q.ActionID}, true
	case fsck.Request: // one entry for all parts
		return audit.Target{WorkspaceID: q.WorkspaceID}, q.Quarantine && q.After == ""
	}
	return audit.Target{}, true
}
