package sqlite

import (
	"fmt"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/internal/syncschema"
)

// Notifications belong to one user and are shown to no one else, in a shared workspace neither (contract, sync §10.4).

// localUser is what a client writes as the owner while it does not know its session yet.
const localUser = "local-user"

var errForeignNotification = refusal{or3cloud.OpErrorUnauthorized, "Forbidden: notification owner mismatch"}

// claimNotification puts the session's user where the client did not know it yet. This is the only change ever made
// to a payload.
func claimNotification(op *or3cloud.Op, user string) (err error) {
	if op.Operation != or3cloud.OpPut || op.Facts.UserID != localUser || user == "" {
		return nil
	}
	if op.Payload, err = syncschema.WithUserID(op.Payload, user); err != nil {
		return fmt.Errorf("set the owner of a notification: %w", err)
	}
	op.Facts.UserID = user
	return nil
}

// foreignNotification refuses a put in another user's name, and any op on another user's row. A delete of an unknown
// row passes: a client that makes and deletes a notification while it is offline sends only the delete. It is the
// record of its user alone and blocks the id for no one else.
func (p *push) foreignNotification(op *preparedOp, own record) (*refusal, error) {
	if p.user == "" || op.Operation == or3cloud.OpPut && op.Facts.UserID != p.user {
		return &errForeignNotification, nil
	}
	if own.version > 0 && own.state&stateMask != stateDeleted {
		return nil, nil
	}
	pk := jsstring.SortKey(op.PK)
	taken, err := one(p.st.liveRecordBetween, func(*sqlite3.Stmt) {}, p.workspace, op.table, append(pk[:len(pk):len(pk)], 0), append(pk, 1))
	if err != nil || !taken {
		return nil, err
	}
	return &errForeignNotification, nil
}
