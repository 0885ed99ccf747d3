package members

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

var errMemberNotFound = or3cloud.Errorf(or3cloud.CodeNotFound, "Member not found")

// AdmitMember implements or3cloud.MemberManager.
func (w *Workspaces) AdmitMember(ctx context.Context, by, workspaceID, userID string, role or3cloud.Role) error {
	if !role.Valid() {
		return errUnknownRole
	}
	return w.in(ctx, workspaceID, func(ctx context.Context, t *engine.Tx, num int64) error {
		if err := Permit(t, by, num, or3cloud.PermUsersManage); err != nil {
			return err
		}
		return admit(ctx, t, num, workspaceID, userID, role)
	})
}

// ChangeMemberRole implements or3cloud.MemberManager.
func (w *Workspaces) ChangeMemberRole(ctx context.Context, by, workspaceID, userID string, role or3cloud.Role) error {
	if !role.Valid() {
		return errUnknownRole
	}
	return w.in(ctx, workspaceID, func(ctx context.Context, t *engine.Tx, num int64) error {
		if err := Permit(t, by, num, or3cloud.PermUsersManage); err != nil {
			return err
		}
		if err := isMember(ctx, t, workspaceID, userID); err != nil {
			return err
		}
		return setRole(ctx, t, num, workspaceID, userID, role)
	})
}

// DismissMember implements or3cloud.MemberManager.
func (w *Workspaces) DismissMember(ctx context.Context, by, workspaceID, userID string) error {
	return w.in(ctx, workspaceID, func(ctx context.Context, t *engine.Tx, num int64) error {
		needed := or3cloud.PermUsersManage
		if by == userID {
			needed = or3cloud.PermWorkspaceRead // everyone may leave
		}
		if err := Permit(t, by, num, needed); err != nil {
			return err
		}
		if err := isMember(ctx, t, workspaceID, userID); err != nil {
			return err
		}
		return removeMember(ctx, t, num, workspaceID, userID)
	})
}

// WithdrawInvite implements or3cloud.MemberManager.
func (w *Workspaces) WithdrawInvite(ctx context.Context, by, workspaceID, inviteID string) error {
	return w.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		num, err := liveWorkspace(ctx, t, workspaceID)
		if err != nil {
			return err
		}
		if err := Permit(t, by, num, or3cloud.PermUsersManage); err != nil {
			return err
		}
		return revokeInvite(ctx, t, workspaceID, inviteID)
	})
}

func isMember(ctx context.Context, t *engine.Tx, workspaceID, userID string) error {
	role, err := engine.Optional(t.Q.MemberRole(ctx, db.MemberRoleParams{WorkspaceID: workspaceID, UserID: userID}))
	if err == nil && role == "" {
		err = errMemberNotFound
	}
	return err
}
