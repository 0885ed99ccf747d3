package program

import (
	"context"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/control"
)

// What travels between "or3-cloud workspace" and the instance. The answers are also what --json prints.
type (
	memberInput struct {
		WorkspaceID string `json:"workspaceId"`
		// Name is the e-mail address of an account, its id, or the id of the user in the workspace.
		Name string        `json:"name"`
		Role or3cloud.Role `json:"role,omitempty"`
	}
	memberItem struct {
		UserID string        `json:"userId"`
		Email  string        `json:"email,omitempty"`
		Role   or3cloud.Role `json:"role"`
	}
	memberList struct {
		WorkspaceID string       `json:"workspaceId"`
		Members     []memberItem `json:"members"`
	}
	inviteItem struct {
		ID        string                `json:"id"`
		Email     string                `json:"email"`
		Role      or3cloud.Role         `json:"role"`
		Status    or3cloud.InviteStatus `json:"status"`
		CreatedAt time.Time             `json:"createdAt"`
		ExpiresAt time.Time             `json:"expiresAt"`
	}
	inviteList struct {
		WorkspaceID string       `json:"workspaceId"`
		Invites     []inviteItem `json:"invites"`
	}
	revokeInviteInput struct {
		WorkspaceID string `json:"workspaceId"`
		InviteID    string `json:"inviteId"`
	}
)

// workspaceCommands are the commands behind "or3-cloud workspace".
func workspaceCommands(i *instance.Instance) control.Commands {
	return control.Commands{
		"workspace/members": accessCommand(i, func(ctx context.Context, _ instance.Operator, access or3cloud.WorkspaceAccessStore, in memberInput) (memberList, error) {
			return listMembers(ctx, access, in.WorkspaceID)
		}),
		"workspace/members/add":    accessCommand(i, addMember),
		"workspace/members/role":   accessCommand(i, changeRole),
		"workspace/members/remove": accessCommand(i, dropMember),
		"workspace/invites":        operatorCommand(i, listInvites),
		"workspace/invites/revoke": operatorCommand(i, revokeInvite),
	}
}

// accessCommand makes a command of a function that needs the members of a workspace.
func accessCommand[In, Out any](i *instance.Instance, f func(context.Context, instance.Operator, or3cloud.WorkspaceAccessStore, In) (Out, error)) control.Command {
	return operatorCommand(i, func(ctx context.Context, op instance.Operator, in In) (out Out, err error) {
		access, ok := op.Store.(or3cloud.WorkspaceAccessStore)
		if !ok {
			return out, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store does not manage members")
		}
		return f(ctx, op, access, in)
	})
}

func listMembers(ctx context.Context, access or3cloud.WorkspaceAccessStore, workspaceID string) (memberList, error) {
	members, err := access.ListMembers(ctx, workspaceID)
	out := memberList{WorkspaceID: workspaceID, Members: make([]memberItem, 0, len(members))}
	for _, m := range members {
		out.Members = append(out.Members, memberItem{UserID: m.UserID, Email: m.Email, Role: m.Role})
	}
	return out, err
}

// addMember makes the owner of an account a member. Somebody who has never signed in has no user yet and gets one.
func addMember(ctx context.Context, op instance.Operator, access or3cloud.WorkspaceAccessStore, in memberInput) (memberItem, error) {
	a, err := op.Accounts.Account(ctx, in.Name)
	if err != nil {
		return memberItem{}, err
	}
	user, err := op.Store.GetOrCreateUser(ctx, or3cloud.ExternalIdentity{
		Provider: op.AuthProvider, ProviderUserID: a.ID, Email: a.Email, DisplayName: a.DisplayName,
	})
	if err != nil {
		return memberItem{}, err
	}
	return memberItem{UserID: user, Email: a.Email, Role: in.Role}, access.SetMemberRole(ctx, in.WorkspaceID, user, in.Role)
}

func changeRole(ctx context.Context, op instance.Operator, access or3cloud.WorkspaceAccessStore, in memberInput) (memberItem, error) {
	m, err := findMember(ctx, op, access, in)
	if err != nil {
		return memberItem{}, err
	}
	m.Role = in.Role
	return m, access.SetMemberRole(ctx, in.WorkspaceID, m.UserID, in.Role)
}

func dropMember(ctx context.Context, op instance.Operator, access or3cloud.WorkspaceAccessStore, in memberInput) (memberItem, error) {
	m, err := findMember(ctx, op, access, in)
	if err != nil {
		return memberItem{}, err
	}
	return m, access.RemoveMember(ctx, in.WorkspaceID, m.UserID)
}

// findMember returns the member with a name. Whoever has changed the address of the account is found by the new one: the
// account decides, and the address that the workspace store keeps is that of the first sign-in.
func findMember(ctx context.Context, op instance.Operator, access or3cloud.WorkspaceAccessStore, in memberInput) (memberItem, error) {
	list, err := listMembers(ctx, access, in.WorkspaceID)
	if err != nil {
		return memberItem{}, err
	}
	user, email := in.Name, ""
	a, err := op.Accounts.Account(ctx, in.Name)
	switch {
	case err == nil:
		email = a.Email
		if user, err = op.Store.GetUser(ctx, or3cloud.ExternalIdentity{Provider: op.AuthProvider, ProviderUserID: a.ID}); err != nil {
			return memberItem{}, err
		}
	case or3cloud.CodeOf(err) != or3cloud.CodeNotFound:
		return memberItem{}, err
	}
	for _, m := range list.Members {
		if m.UserID == user || email == "" && m.Email != "" && strings.EqualFold(m.Email, strings.TrimSpace(in.Name)) {
			if email != "" {
				m.Email = email
			}
			return m, nil
		}
	}
	return memberItem{}, or3cloud.Errorf(or3cloud.CodeNotFound, "%q is no member of the workspace; see or3-cloud workspace members list", in.Name)
}

func inviteStore(op instance.Operator) (or3cloud.InviteStore, error) {
	store, ok := op.Store.(or3cloud.InviteStore)
	if !ok {
		return nil, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store keeps no invites")
	}
	return store, nil
}

// listedInvites is how many invites are shown, the newest ones.
const listedInvites = 500

func listInvites(ctx context.Context, op instance.Operator, in memberInput) (inviteList, error) {
	store, err := inviteStore(op)
	if err != nil {
		return inviteList{}, err
	}
	invites, err := store.ListInvites(ctx, in.WorkspaceID, "", listedInvites)
	out := inviteList{WorkspaceID: in.WorkspaceID, Invites: make([]inviteItem, 0, len(invites))}
	for _, i := range invites {
		out.Invites = append(out.Invites, inviteItem{
			ID: i.ID, Email: i.Email, Role: i.Role, Status: i.Status, CreatedAt: i.CreatedAt.UTC(), ExpiresAt: i.ExpiresAt.UTC(),
		})
	}
	return out, err
}

func revokeInvite(ctx context.Context, op instance.Operator, in revokeInviteInput) (done, error) {
	store, err := inviteStore(op)
	if err == nil {
		err = store.RevokeInvite(ctx, in.WorkspaceID, in.InviteID)
	}
	return done{OK: err == nil}, err
}
