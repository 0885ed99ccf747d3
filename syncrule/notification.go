package syncrule

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// A notification belongs to one user and is visible to no one else, even in a shared workspace (contract, sync §10.4).

// localUser is the owner that a client writes while it does not know its session yet.
const localUser = "local-user"

// ClaimNotification inserts the session's user where the client did not know it yet. This is the only change ever made
// to a payload.
func ClaimNotification(op *or3cloud.Op, user string) (err error) {
	if op.Operation != or3cloud.OpPut || op.Facts.UserID != localUser || user == "" {
		return nil
	}
	if op.Payload, err = syncschema.WithUserID(op.Payload, user); err != nil {
		return fmt.Errorf("set the owner of a notification: %w", err)
	}
	op.Facts.UserID = user
	return nil
}

// ErrOfAnotherUser refuses an op on a notification of another user.
var ErrOfAnotherUser = &Refusal{or3cloud.OpErrorUnauthorized, "Forbidden: notification owner mismatch"}

// OfAnotherUser refuses a put in another user's name. own is the user's record of the pk. If the user has no live one,
// askOthers means that the caller must refuse the op with ErrOfAnotherUser if another user has one. A delete of a row
// that does not exist passes, because a client that creates and deletes a notification offline sends only the delete.
// The delete becomes a record of its user alone and does not block the id for others.
func OfAnotherUser(op *or3cloud.Op, user string, own *Record) (r *Refusal, askOthers bool) {
	if user == "" || op.Operation == or3cloud.OpPut && op.Facts.UserID != user {
		return ErrOfAnotherUser, false
	}
	return nil, !own.Exists() || own.State.Fate() == Deleted
}

// ownNotification is the payload of a server notification. Clients reject null in place of a text.
type ownNotification struct {
	ID        string `json:"id"`
	UserID    string `json:"user_id"`
	Type      string `json:"type"`
	Title     string `json:"title"`
	Body      string `json:"body,omitempty"`
	ThreadID  string `json:"thread_id,omitempty"`
	Deleted   bool   `json:"deleted"`
	CreatedAt int64  `json:"created_at"`
	UpdatedAt int64  `json:"updated_at"`
	Clock     int64  `json:"clock"`
}

// notificationClock is the clock of a server notification. Clients set it to their own time, in Unix seconds, when the
// user reads one. If the server used its time and that was ahead of theirs, a read notification would become unread
// again (contract, sync §3).
const notificationClock = 1

// Notify returns the put that delivers a server notification to a user. The notification's id is also the op id.
func Notify(n or3cloud.Notification, now time.Time) (or3cloud.Op, error) {
	payload, err := json.Marshal(ownNotification{
		ID: n.ID, UserID: n.UserID, Type: string(n.Type), Title: cut(n.Title, or3cloud.MaxNotificationTitle),
		Body: cut(n.Body, or3cloud.MaxNotificationBody), ThreadID: n.ThreadID,
		CreatedAt: now.Unix(), UpdatedAt: now.Unix(), Clock: notificationClock,
	})
	if err != nil {
		return or3cloud.Op{}, err
	}
	put := ServerPut(or3cloud.TableNotifications, n.ID, n.ID, payload, notificationClock, or3cloud.PayloadFacts{}, now)
	if problem := syncschema.Check(&put); problem != nil || n.UserID == "" || n.Type == "" || n.Title == "" {
		return or3cloud.Op{}, fmt.Errorf("notification %q of type %q for %q: %v", n.ID, n.Type, n.UserID, problem)
	}
	return put, nil
}

// cut returns at most the first most characters of a text.
func cut(text string, most int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
