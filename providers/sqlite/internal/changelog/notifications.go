package changelog

import (
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/providers/sqlite/internal/index"
	"or3.chat/cloud/syncrule"
)

// foreignNotification refuses an op on a notification that is not the user's own.
func (p *push) foreignNotification(op *preparedOp, own *syncrule.Record) (*syncrule.Refusal, error) {
	refusal, askOthers := syncrule.OfAnotherUser(&op.Op, p.user, own)
	if !askOthers {
		return refusal, nil
	}
	pk := jsstring.SortKey(op.PK)
	records := p.log.index.In(p.Tx).Records(
		index.RecordKey(p.workspace, op.table, append(pk[:len(pk):len(pk)], 0)), index.RecordKey(p.workspace, op.table, append(pk, 1)))
	for records.Next() {
		if syncrule.State(records.State).Fate() != syncrule.Deleted {
			return syncrule.ErrOfAnotherUser, nil
		}
	}
	return nil, records.Err()
}
