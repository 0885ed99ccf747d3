package sqlite

import (
	"fmt"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// Notifications belong to one user and are shown to nobody else, in a shared workspace neither (contract, sync §10.4).

// localUser is what a client writes as the owner while it does not know its session yet.
const localUser = "local-user"

var errForeignNotification = refusal{or3cloud.OpErrorUnauthorized, "Forbidden: notification owner mismatch"}

// claimNotification puts the session's user where the client did not know it yet. This is the only change ever made
// to a payload.
func (p *push) claimNotification(op *or3cloud.Op) (err error) {
	if op.Operation != or3cloud.OpPut || op.Facts.UserID != localUser || p.user == "" {
		return nil
	}
	if op.Payload, err = syncschema.WithUserID(op.Payload, p.user); err != nil {
		return fmt.Errorf("set the owner of a notification: %w", err)
	}
	op.Facts.UserID = p.user
	return nil
}

// foreignNotification refuses a put in another user's name, and any op on another user's row. A delete of an unknown
// row passes: a client that makes and deletes a notification while it is offline sends only the delete.
func (p *push) foreignNotification(op *or3cloud.Op, winner record) (*refusal, error) {
	if p.user == "" || op.Operation == or3cloud.OpPut && op.Facts.UserID != p.user {
		return &errForeignNotification, nil
	}
	if winner.version == 0 {
		return nil, nil
	}
	var owner string
	_, err := one(p.st.entry, func(s *sqlite3.Stmt) { owner = unpackID(s.ColumnRawBlob(9)) }, entryID(p.workspace, winner.version))
	if err != nil || owner == p.user {
		return nil, err
	}
	return &errForeignNotification, nil
}

// owner returns the packed user to whom alone an entry is shown, or nil.
func (p *push) owner(op *or3cloud.Op) []byte {
	if op.Table != or3cloud.TableNotifications {
		return nil
	}
	return packID(nil, p.user)
}
