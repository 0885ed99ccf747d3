package operator

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
)

// The questions about invites, and the answers.
type (
	// NewInvite is an invite to create.
	NewInvite struct {
		Email       string        `json:"email"`
		WorkspaceID string        `json:"workspaceId"`
		Role        or3cloud.Role `json:"role"`
		// Seconds is the lifetime of the invite, between ShortestInvite and LongestInvite; 0 is the configured default.
		Seconds int64 `json:"seconds"`
	}
	// InviteLink is the link of an invite that was created.
	InviteLink struct {
		Email       string        `json:"email"`
		WorkspaceID string        `json:"workspaceId"`
		Role        or3cloud.Role `json:"role"`
		Link
	}
	// Invite is one that was created, without its token, which is not stored.
	Invite struct {
		ID        string                `json:"id"`
		Email     string                `json:"email"`
		Role      or3cloud.Role         `json:"role"`
		Status    or3cloud.InviteStatus `json:"status"`
		CreatedAt time.Time             `json:"createdAt"`
		ExpiresAt time.Time             `json:"expiresAt"`
	}
	// Invites are those of a workspace, the newest first.
	Invites struct {
		WorkspaceID string   `json:"workspaceId"`
		Invites     []Invite `json:"invites"`
	}
	// InviteID names an invite.
	InviteID struct {
		WorkspaceID string `json:"workspaceId"`
		InviteID    string `json:"inviteId"`
	}
)

// The use cases of invites.
var (
	// InviteUser creates an invite and its link.
	InviteUser = onAccounts("user/invite", inviteUser)
	// ListInvites returns the newest invites of a workspace.
	ListInvites = onAccounts("workspace/invites", listInvites)
	// RevokeInvite makes an invite invalid. One that was used stays as it is.
	RevokeInvite = onAccounts("workspace/invites/revoke", revokeInvite)
)

// The limits of an invite's lifetime.
const (
	ShortestInvite = time.Minute
	LongestInvite  = 365 * 24 * time.Hour
)

// listedInvites is how many invites are listed.
const listedInvites = 500

func inviteUser(ctx context.Context, d *Desk, op instance.Operator, in NewInvite) (InviteLink, error) {
	entrance, err := d.links.Entrance()
	if err != nil {
		return InviteLink{}, err
	}
	made, token, err := invite(ctx, op, in, "")
	if err != nil {
		return InviteLink{}, err
	}
	return InviteLink{in.Email, in.WorkspaceID, in.Role, Link{entrance.Invite(token), made.ExpiresAt.UTC()}}, nil
}

// Invite creates an invite and returns it with its token, for callers that make their own links: on behalf of a user,
// who must be allowed to manage the members of the workspace, or of the operator if by is empty.
func (d *Desk) Invite(ctx context.Context, in NewInvite, by string) (made or3cloud.Invite, token string, err error) {
	err = d.instance.Operate(func(op instance.Operator) error {
		made, token, err = invite(ctx, op, in, by)
		return err
	})
	return made, token, err
}

func invite(ctx context.Context, op instance.Operator, in NewInvite, by string) (made or3cloud.Invite, token string, err error) {
	if err := checkRole(in.Role); err != nil {
		return made, "", err
	}
	if in.Seconds != 0 && (in.Seconds < int64(ShortestInvite/time.Second) || in.Seconds > int64(LongestInvite/time.Second)) {
		return made, "", or3cloud.Errorf(or3cloud.CodeInvalid, "an invite is valid for %v to %d days", ShortestInvite, LongestInvite/(24*time.Hour))
	}
	if !IsAddress(in.Email) {
		return made, "", or3cloud.Errorf(or3cloud.CodeInvalid, "%q is not an e-mail address", in.Email)
	}
	if err := checkUninvited(ctx, op, in.Email); err != nil {
		return made, "", err
	}
	made = or3cloud.Invite{WorkspaceID: in.WorkspaceID, Email: in.Email, Role: in.Role, InvitedByUserID: by}
	return op.Invites.Create(ctx, made, time.Duration(in.Seconds)*time.Second)
}

// checkUninvited refuses an invite that would be ignored, as those for people who are already known are (contract, auth
// §9).
func checkUninvited(ctx context.Context, op instance.Operator, email string) error {
	if op.Accounts == nil { // another host knows who has one
		return nil
	}
	a, err := op.Accounts.Account(ctx, email)
	if or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	user, err := op.Store.GetUser(ctx, a.Identity(op.AuthProvider))
	if err == nil && user != "" {
		err = or3cloud.Errorf(or3cloud.CodeConflict, "%s already uses this server; invites are for people who do not", a.Email)
	}
	return err
}

func inviteStore(op instance.Operator) (or3cloud.InviteStore, error) {
	store, ok := op.Store.(or3cloud.InviteStore)
	if !ok {
		return nil, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store does not keep invites")
	}
	return store, nil
}

func listInvites(ctx context.Context, _ *Desk, op instance.Operator, in WorkspaceID) (Invites, error) {
	store, err := inviteStore(op)
	if err != nil {
		return Invites{}, err
	}
	invites, err := store.ListInvites(ctx, in.WorkspaceID, "", listedInvites)
	out := Invites{WorkspaceID: in.WorkspaceID, Invites: make([]Invite, 0, len(invites))}
	for _, i := range invites {
		out.Invites = append(out.Invites, Invite{
			ID: i.ID, Email: i.Email, Role: i.Role, Status: i.Status, CreatedAt: i.CreatedAt.UTC(), ExpiresAt: i.ExpiresAt.UTC(),
		})
	}
	return out, err
}

func revokeInvite(ctx context.Context, _ *Desk, op instance.Operator, in InviteID) (Done, error) {
	store, err := inviteStore(op)
	if err == nil {
		err = store.RevokeInvite(ctx, in.WorkspaceID, in.InviteID)
	}
	return done(err)
}
