package changelog

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/members"
	"or3.chat/cloud/syncrule"
)

// Notify implements or3cloud.Notifier.
func (l *Log) Notify(ctx context.Context, n or3cloud.Notification) error {
	op, err := syncrule.Notify(n, l.e.Now())
	if err != nil {
		return err
	}
	prepared, err := l.encoded(op, n.UserID)
	if err != nil {
		return err
	}
	num, err := l.ws.Number(ctx, n.WorkspaceID)
	if err == nil {
		err = l.e.CheckRoom()
	}
	if err != nil {
		return err
	}
	p := push{log: l, workspace: num, user: n.UserID}
	return l.e.Do(ctx, func(_ context.Context, t *engine.Tx) error {
		if err := members.Permit(t, n.UserID, num, or3cloud.PermWorkspaceRead); err != nil {
			return err
		}
		return p.write(t, func(size int64) error {
			if err := checkWorkspaceRoom(size, l.opts.WorkspaceQuota, []preparedOp{*prepared}); err != nil {
				return err
			}
			return p.tell(prepared)
		})
	})
}

// tell writes a notification, unless it was written before, whatever happened to it since.
func (p *push) tell(op *preparedOp) error {
	before, err := p.log.in(p.Tx).entryOf(p.workspace, op.hash, op.opID)
	if err != nil || before.version > 0 {
		return err
	}
	winner, exists, err := p.winner(op)
	if err != nil || exists { // and the op id has been collected since
		return err
	}
	return p.accept(op, winner, false, true)
}
