package or3cloud

import (
	"context"
	"crypto/sha256"
	"fmt"
)

// NotificationType says what a notification is about. Clients show an icon of their own for the types that they know.
type NotificationType string

// The types of notifications that the server writes.
const (
	// NotifyWarning is something that the user should look after. Clients know it.
	NotifyWarning NotificationType = "system.warning"
	// NotifyMemberJoined tells an owner that an invite was accepted.
	NotifyMemberJoined NotificationType = "workspace.member.joined"
	// NotifyAnswerComplete and NotifyAnswerFailed tell a user of an answer that was made in the background, and has ended while they did
	// not read along (contract, client-behaviour §13).
	NotifyAnswerComplete NotificationType = "ai.background.complete"
	NotifyAnswerFailed   NotificationType = "ai.background.error"
)

// The bounds of the texts of a notification, in characters. Longer ones are cut.
const (
	MaxNotificationTitle = 200
	MaxNotificationBody  = 2000
)

// Notification is what the server tells one user in a workspace (contract, client-behaviour §13).
type Notification struct {
	// ID names what is told and to whom, once: what was written under it stays. NotificationID makes one.
	ID string
	// WorkspaceID is in whose log it is written, and UserID the member whom alone it is shown.
	WorkspaceID, UserID string
	Type                NotificationType
	Title, Body         string
	// ThreadID is the chat that it is about; empty if there is none.
	ThreadID string
}

// NotificationID returns the UUID that stands for an event and whom it is told: the same for the same parts, so that an event
// which is seen again is not told again. It is of version 8 (RFC 9562).
func NotificationID(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	b := h.Sum(nil)[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Notifier is the optional ability of a sync provider to write notifications of the server into the log of a workspace, as
// changes that every client takes.
type Notifier interface {
	// Notify writes a notification, unless one with its id was written, and wakes whoever watches the workspace. It counts
	// like any other change of the workspace, and is refused with CodeUnavailable where there is no room. A user who is no
	// member of the workspace is CodeForbidden.
	Notify(ctx context.Context, n Notification) error
}
