package instance

import (
	"cmp"
	"context"
	"log/slog"

	or3cloud "or3.chat/cloud"
)

// notices tells users what happened while they were doing something else. None of it is worth failing for: what cannot
// be written becomes a line in the log.
type notices struct {
	notifier or3cloud.Notifier             // nil if the sync provider writes none, or nothing is synced
	members  or3cloud.WorkspaceAccessStore // nil if the members of a workspace are not known
	log      *slog.Logger
}

// mostOwners is the largest number of owners of a workspace that are notified.
const mostOwners = 20

// joined tells the owners of a workspace that a user accepted an invite, which hash identifies. Parallel requests of
// the new member cause only one notification.
func (n notices) joined(ctx context.Context, workspaceID, userID string, who or3cloud.ExternalIdentity, inviteHash string) {
	if n.notifier == nil || n.members == nil {
		return
	}
	ctx = context.WithoutCancel(ctx) // the member stays, whatever happens to the request
	members, err := n.members.ListMembers(ctx, workspaceID)
	told := 0
	for _, m := range members {
		if m.Role != or3cloud.RoleOwner || m.UserID == userID || told == mostOwners {
			continue
		}
		told++
		err = cmp.Or(err, n.notifier.Notify(ctx, or3cloud.Notification{
			ID:          or3cloud.NotificationID(string(or3cloud.NotifyMemberJoined), workspaceID, inviteHash, m.UserID),
			WorkspaceID: workspaceID, UserID: m.UserID, Type: or3cloud.NotifyMemberJoined,
			Title: "New member", Body: cmp.Or(who.DisplayName, who.Email) + " has accepted an invite to this workspace.",
		}))
	}
	if err != nil {
		n.log.Warn("the owners of a workspace could not be told about a new member", "workspace", workspaceID, "error", err)
	}
}
