package or3cloud

import (
	"context"
	"crypto/sha256"
	"fmt"
)

// NotificationType is the subject of a notification. Clients show a specific icon for each type that they know.
type NotificationType string

// The types of notifications that the server writes.
const (
	// NotifyWarning asks the user to look into something. Clients know this type.
	NotifyWarning NotificationType = "system.warning"
	// NotifyMemberJoined tells an owner that an invite was accepted.
	NotifyMemberJoined NotificationType = "workspace.member.joined"
	// NotifyAnswerComplete and NotifyAnswerFailed tell a user that a background answer ended while they were not
	// reading along (contract, client-behaviour §13).
	NotifyAnswerComplete NotificationType = "ai.background.complete"
	NotifyAnswerFailed   NotificationType = "ai.background.error"
)

// Limits on the texts of a notification, in characters. Longer texts are cut.
const (
	MaxNotificationTitle = 200
	MaxNotificationBody  = 2000
)

// Notification is a message from the server to one user in a workspace (contract, client-behaviour §13).
type Notification struct {
	// ID identifies the event and its recipient. A notification is written only once under an ID. NotificationID makes
	// one.
	ID string
	// WorkspaceID is the workspace in whose log the notification is written, and UserID the only member who sees it.
	WorkspaceID, UserID string
	Type                NotificationType
	Title, Body         string
	// ThreadID is the chat that it concerns. It is empty if there is none.
	ThreadID string
}

// NotificationID returns the UUID for an event and its recipient. The same parts give the same UUID, so an event that
// is seen again is not reported again. It is a UUID of version 8 (RFC 9562).
func NotificationID(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	b := h.Sum(nil)[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Notifier is the optional ability of a sync provider to write server notifications into the log of a workspace, as
// changes that every client accepts.
type Notifier interface {
	// Notify writes a notification, unless one with its id exists, and wakes the watchers of the workspace. It counts
	// like any other change of the workspace, and fails with CodeUnavailable if the disk is full. If the user is not a
	// member of the workspace, it returns CodeForbidden.
	Notify(ctx context.Context, n Notification) error
}
