package syncrule

import (
	"fmt"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// Notifications belong to one user and are shown to no one else, in a shared workspace neither (contract, sync §10.4).

// localUser is what a client writes as the owner while it does not know its session yet.
const localUser = "local-user"

// ClaimNotification puts the session's user where the client did not know it yet. This is the only change ever made
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

// OfAnotherUser refuses a put in another user's name. own is the user's record of the pk. Where the user has no live one,
// askOthers says that the op has to be refused with ErrOfAnotherUser if another user has. A delete of a row that no one has
// passes: a client that makes and deletes a notification while it is offline sends only the delete. It is the record of
// its user alone and blocks the id for no one else.
func OfAnotherUser(op *or3cloud.Op, user string, own *Record) (r *Refusal, askOthers bool) {
	if user == "" || op.Operation == or3cloud.OpPut && op.Facts.UserID != user {
		return ErrOfAnotherUser, false
	}
	return nil, !own.Exists() || own.State.Fate() == Deleted
}
