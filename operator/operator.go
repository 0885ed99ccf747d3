// Package operator is what an operator can do with an instance, as use cases with typed questions and answers:
// accounts, invites, workspaces and their members, stored files, databases, mail. The command line asks them, through
// the control socket of a running server or in its own process, and so does the admin API. What is allowed, and
// what the result is, is decided here; callers only present questions and answers.
package operator

import (
	"context"
	"sync"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/control"
)

// Desk answers the operator of an open instance.
type Desk struct {
	instance *instance.Instance
	links    Links
	runs     runs
}

// New returns the desk of an instance, which people reach as links says.
func New(i *instance.Instance, links Links) *Desk { return &Desk{instance: i, links: links} }

// UseCase is something that an operator can do. Question and answer travel as JSON, and the command line prints answers
// as they are.
type UseCase[Question, Answer any] struct {
	// Name is that of the command on the control socket, such as "user/add".
	Name   string
	answer func(context.Context, *Desk, Question) (Answer, error)
}

// Do answers a question directly. A refusal is an *or3cloud.Error with a message for the operator.
func (u UseCase[Q, A]) Do(ctx context.Context, d *Desk, question Q) (A, error) {
	return u.answer(ctx, d, question)
}

// Ask asks the desk behind a caller.
func (u UseCase[Q, A]) Ask(ctx context.Context, c Caller, question Q) (answer A, err error) {
	err = c.Call(ctx, u.Name, question, &answer)
	return answer, err
}

// command is the use case for the command line, which leaves an entry in the audit trail.
func (u UseCase[Q, A]) command(d *Desk) (string, control.Command) {
	return u.Name, control.Func(func(ctx context.Context, question Q) (A, error) {
		if d.instance.Enter() { // a shutdown waits for the entry, too
			defer d.instance.Leave()
		}
		answer, err := u.answer(ctx, d, question)
		d.record(ctx, u.Name, question, err)
		return answer, err
	})
}

// Caller asks a desk, in this process or in that of a server.
type Caller interface {
	// Call runs a command and decodes its answer into out. A refusal is an *or3cloud.Error.
	Call(ctx context.Context, name string, in, out any) error
}

// Commands returns all use cases, for a control socket or for a caller in this process.
func (d *Desk) Commands() control.Commands {
	commands := control.Commands{}
	for _, u := range []interface {
		command(*Desk) (string, control.Command)
	}{
		AddAccount, ListAccounts, SetPassword, ResetFactors, ExcuseFactor, ResetLink, DisableAccount, EnableAccount, ListSessions, RevokeSessions,
		PreviewDeletion, DeleteAccount, GrantAdmin, RevokeAdmin, ListAdmins,
		InviteUser, ListInvites, RevokeInvite,
		SearchUsers, SearchWorkspaces, DescribeWorkspace, CreateWorkspace, DeleteWorkspace, RestoreWorkspace,
		FindWorkspaces, ListMembers, AddMember, ChangeRole, RemoveMember, FreeName, TellMembers,
		ListStored, CollectFiles,
		MeasureFiles, CheckDatabase, CheckFiles,
		ListJobs, CountJobs, AbortJob,
		ReadLog, ListAudit, SetSuperAdminPassword,
		DescribeProviders, RunAction,
		ReadJournal, SetLogLevel,
		SearchAccounts, ListSignedIn, DescribeAccount, WeighWorkspaces, DescribeSync, CountAll, ReportMail,
	} {
		name, command := u.command(d)
		commands[name] = command
	}
	return commands
}

// Done is the answer if there is nothing to say but that it is done.
type Done struct {
	OK bool `json:"ok"`
}

// onAccounts makes a use case from a function that needs the accounts.
func onAccounts[Q, A any](name string, f func(context.Context, *Desk, instance.Operator, Q) (A, error)) UseCase[Q, A] {
	return UseCase[Q, A]{name, func(ctx context.Context, d *Desk, question Q) (answer A, err error) {
		err = d.instance.Operate(func(op instance.Operator) error {
			if op.Accounts == nil {
				return or3cloud.Errorf(or3cloud.CodeUnsupported, "the accounts of the provider %q are managed elsewhere", op.AuthProvider)
			}
			answer, err = f(ctx, d, op, question)
			return err
		})
		return answer, err
	}}
}

// onStore makes a use case from a function that needs an ability of the workspace store, wherever the accounts are
// managed. kind is what the contract calls a store with it.
func onStore[S, Q, A any](name, kind string, f func(context.Context, *Desk, S, Q) (A, error)) UseCase[Q, A] {
	return UseCase[Q, A]{name, func(ctx context.Context, d *Desk, question Q) (answer A, err error) {
		err = d.instance.Operate(func(instance.Operator) error {
			store, err := instance.StoreAbility[S](d.instance, kind)
			if err == nil {
				answer, err = f(ctx, d, store, question)
			}
			return err
		})
		return answer, err
	}}
}

// untilClosing makes a use case from a function that may take long. It ends when the server shuts down.
func untilClosing[Q, A any](name string, f func(context.Context, instance.Operator, Q) (A, error)) UseCase[Q, A] {
	return UseCase[Q, A]{name, func(ctx context.Context, d *Desk, question Q) (answer A, err error) {
		err = d.instance.Operate(func(op instance.Operator) error {
			ctx, end := until(ctx, op.Closing)
			defer end()
			answer, err = f(ctx, op, question)
			return err
		})
		return answer, err
	}}
}

// until returns a context that also ends with closing, and a function that must be called in the end.
func until(ctx context.Context, closing <-chan struct{}) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-closing:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel()
		watch.Wait()
	}
}
