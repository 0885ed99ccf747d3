package changelog

import (
	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/syncrule"
)

// foreignNotification refuses an op on a notification that is not the user's own.
func (p *push) foreignNotification(op *preparedOp, own *syncrule.Record) (*syncrule.Refusal, error) {
	refusal, askOthers := syncrule.OfAnotherUser(&op.Op, p.user, own)
	if !askOthers {
		return refusal, nil
	}
	pk := jsstring.SortKey(op.PK)
	taken, err := engine.One(p.St.LiveRecordBetween, func(*sqlite3.Stmt) {}, p.workspace, op.table, append(pk[:len(pk):len(pk)], 0), append(pk, 1))
	if err != nil || !taken {
		return nil, err
	}
	return syncrule.ErrOfAnotherUser, nil
}
