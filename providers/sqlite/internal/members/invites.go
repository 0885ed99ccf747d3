package members

import (
	"cmp"
	"context"
	"database/sql"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// The limits of a list of invites (contract, auth §9).
const (
	defaultInvites = 100
	maxInvites     = 500
	// keptInvites is how many invites a workspace keeps, whatever their state.
	keptInvites = 1000
)

var errInviteNotFound = or3cloud.Errorf(or3cloud.CodeNotFound, "Invite not found")

// Invites are the invites to workspaces. It implements or3cloud.InviteStore and InviteDescriber.
type Invites struct {
	e  *engine.Engine
	ws *Workspaces
}

// NewInvites returns the invites of a database.
func NewInvites(e *engine.Engine, ws *Workspaces) *Invites { return &Invites{e: e, ws: ws} }

// CreateInvite implements or3cloud.InviteStore.
func (i *Invites) CreateInvite(ctx context.Context, in or3cloud.Invite) (id string, err error) {
	if !in.Role.Valid() {
		return "", or3cloud.Errorf(or3cloud.CodeInvalid, "Unknown role")
	}
	if err := i.e.CheckRoom(); err != nil {
		return "", err
	}
	err = i.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		num, err := liveWorkspace(ctx, t, in.WorkspaceID)
		if err != nil {
			return err
		}
		if in.InvitedByUserID != "" {
			if err := Permit(t, in.InvitedByUserID, num, or3cloud.PermUsersManage); err != nil {
				return err
			}
		}
		if err := roomForInvite(ctx, t, num); err != nil {
			return err
		}
		if id, err = i.e.NewID(); err != nil {
			return err
		}
		err = t.Q.InsertInvite(ctx, db.InsertInviteParams{
			ID: id, Workspace: num, Email: strings.ToLower(in.Email), Role: string(in.Role), InvitedBy: in.InvitedByUserID,
			TokenHash: in.TokenHash, ExpiresAt: in.ExpiresAt.UnixMilli(), Now: t.At,
		})
		if sqlitex.IsUnique(err) {
			return or3cloud.ErrInviteExists
		}
		return err
	})
	return id, err
}

// ListInvites implements or3cloud.InviteStore.
func (i *Invites) ListInvites(ctx context.Context, workspaceID string, status or3cloud.InviteStatus, limit int) ([]or3cloud.Invite, error) {
	if limit == 0 {
		limit = defaultInvites
	}
	var rows []db.Invite
	err := i.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		num, err := liveWorkspace(ctx, t, workspaceID)
		if err != nil {
			return err
		}
		if err := t.Q.ExpireInvites(ctx, db.ExpireInvitesParams{Workspace: num, Now: t.At}); err != nil {
			return err
		}
		rows, err = t.Q.ListInvites(ctx, db.ListInvitesParams{Workspace: num, Status: string(status), Max: int64(min(max(limit, 1), maxInvites))})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]or3cloud.Invite, len(rows))
	for i, r := range rows {
		out[i] = or3cloud.Invite{
			ID: r.ID, WorkspaceID: workspaceID, Email: r.Email, Role: or3cloud.Role(r.Role), Status: or3cloud.InviteStatus(r.Status),
			InvitedByUserID: r.InvitedBy, TokenHash: r.TokenHash, AcceptedUserID: r.AcceptedBy,
			CreatedAt: time.UnixMilli(r.CreatedAt), UpdatedAt: time.UnixMilli(r.UpdatedAt), ExpiresAt: time.UnixMilli(r.ExpiresAt),
			AcceptedAt: optionalTime(r.AcceptedAt), RevokedAt: optionalTime(r.RevokedAt),
		}
	}
	return out, nil
}

func optionalTime(at sql.NullInt64) time.Time {
	if !at.Valid {
		return time.Time{}
	}
	return time.UnixMilli(at.Int64)
}

// RevokeInvite implements or3cloud.InviteStore.
func (i *Invites) RevokeInvite(ctx context.Context, workspaceID, inviteID string) error {
	return i.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		return revokeInvite(ctx, t, workspaceID, inviteID)
	})
}

func revokeInvite(ctx context.Context, t *engine.Tx, workspaceID, inviteID string) error {
	if _, err := t.Q.InviteExists(ctx, db.InviteExistsParams{ID: inviteID, WorkspaceID: workspaceID}); engine.NoRows(err) {
		return errInviteNotFound
	} else if err != nil {
		return err
	}
	return t.Q.RevokeInvite(ctx, db.RevokeInviteParams{ID: inviteID, Now: t.At})
}

// roomForInvite refuses an invite when the workspace keeps as many as it may. Invites that are no longer valid are
// dropped first.
func roomForInvite(ctx context.Context, t *engine.Tx, num int64) error {
	if err := t.Q.ExpireInvites(ctx, db.ExpireInvitesParams{Workspace: num, Now: t.At}); err != nil {
		return err
	}
	if err := t.Q.TrimInvites(ctx, db.TrimInvitesParams{Workspace: num, Keep: keptInvites - 1}); err != nil {
		return err
	}
	kept, err := t.Q.CountInvites(ctx, num)
	if err == nil && kept >= keptInvites {
		err = or3cloud.Errorf(or3cloud.CodeConflict, "The workspace has %d open invites; revoke one first", kept)
	}
	return err
}

// ValidateInvite implements or3cloud.InviteStore.
func (i *Invites) ValidateInvite(ctx context.Context, workspaceID, email, tokenHash string) (or3cloud.Role, or3cloud.InviteRefusal, error) {
	in, err := i.e.Q.InviteByToken(ctx, db.InviteByTokenParams{TokenHash: tokenHash, WorkspaceID: workspaceID})
	if engine.NoRows(err) {
		return "", or3cloud.InviteNotFound, nil
	}
	if err != nil {
		return "", "", sqlitex.Translate(err)
	}
	if refusal := judge(in, email, i.e.Now()); refusal != "" {
		return "", refusal, nil
	}
	return or3cloud.Role(in.Role), "", nil
}

// DescribeInvite implements or3cloud.InviteDescriber.
func (i *Invites) DescribeInvite(ctx context.Context, workspaceID, email, tokenHash string) (d or3cloud.InviteDetails, refusal or3cloud.InviteRefusal, err error) {
	in, err := i.e.Q.InviteWithNames(ctx, db.InviteWithNamesParams{TokenHash: tokenHash, WorkspaceID: workspaceID})
	if engine.NoRows(err) {
		return d, or3cloud.InviteNotFound, nil
	}
	if err != nil {
		return d, "", sqlitex.Translate(err)
	}
	if refusal = judge(in.Invite, email, i.e.Now()); refusal != "" {
		return d, refusal, nil
	}
	return or3cloud.InviteDetails{
		Email: in.Invite.Email, Role: or3cloud.Role(in.Invite.Role), ExpiresAt: time.UnixMilli(in.Invite.ExpiresAt),
		WorkspaceName: in.WorkspaceName, InvitedBy: cmp.Or(in.InviterName, in.InviterEmail),
	}, "", nil
}

// judge says why an invite does not admit someone with this address, in the contract's order.
func judge(in db.Invite, email string, now time.Time) or3cloud.InviteRefusal {
	switch {
	case in.Email != strings.ToLower(email):
		return or3cloud.InviteEmailMismatch
	case in.Status == string(or3cloud.InviteAccepted):
		return or3cloud.InviteAlreadyUsed
	case in.Status == string(or3cloud.InviteRevoked):
		return or3cloud.InviteWasRevoked
	case in.Status == string(or3cloud.InviteExpired), in.ExpiresAt <= now.UnixMilli():
		return or3cloud.InviteHasExpired
	}
	return ""
}

// AcceptInvite implements or3cloud.InviteStore. A page that has just registered asks several times at once who it is,
// and each of these requests brings the invite: for the user who has already accepted it, it is still valid.
func (i *Invites) AcceptInvite(ctx context.Context, id or3cloud.ExternalIdentity, workspaceID, tokenHash string) (userID string, refusal or3cloud.InviteRefusal, err error) {
	err = i.ws.write(ctx, func(ctx context.Context, t *engine.Tx) error {
		in, err := t.Q.InviteByToken(ctx, db.InviteByTokenParams{TokenHash: tokenHash, WorkspaceID: workspaceID})
		if engine.NoRows(err) {
			refusal = or3cloud.InviteNotFound
			return nil
		}
		if err != nil {
			return err
		}
		known, err := engine.Optional(t.Q.UserByIdentity(ctx, db.UserByIdentityParams{Provider: id.Provider, ProviderUserID: id.ProviderUserID}))
		if err != nil {
			return err
		}
		if known != "" && in.AcceptedBy == known {
			userID = known
			return nil
		}
		if refusal = judge(in, id.Email, time.UnixMilli(t.At)); refusal != "" {
			return nil
		}
		userID, err = i.join(ctx, t, id, in, workspaceID)
		return err
	})
	if err != nil || refusal != "" {
		return "", refusal, err
	}
	return userID, "", nil
}

// join uses up an invite for an identity.
func (i *Invites) join(ctx context.Context, t *engine.Tx, id or3cloud.ExternalIdentity, in db.Invite, workspaceID string) (string, error) {
	userID, err := i.ws.userOf(ctx, t, id)
	if err != nil {
		return "", err
	}
	if in.Role != string(or3cloud.RoleOwner) {
		if err := keepAnOwner(ctx, t, in.Workspace, workspaceID, userID); err != nil {
			return "", err
		}
	}
	if err := putRole(ctx, t, in.Workspace, workspaceID, userID, in.Role); err != nil {
		return "", err
	}
	active := db.SetActiveWorkspaceParams{UserID: userID, Workspace: sql.NullInt64{Int64: in.Workspace, Valid: true}}
	if err := t.Q.SetActiveWorkspace(ctx, active); err != nil {
		return "", err
	}
	return userID, t.Q.AcceptInvite(ctx, db.AcceptInviteParams{ID: in.ID, UserID: userID, Now: t.At})
}
