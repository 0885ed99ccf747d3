package sqlite

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/syncrule"
)

// Notify implements or3cloud.Notifier.
func (s *Store) Notify(ctx context.Context, n or3cloud.Notification) error {
	op, err := syncrule.Notify(n, s.opts.Now())
	if err != nil {
		return err
	}
	prepared, err := prepare(op, n.UserID)
	if err != nil {
		return err
	}
	num, err := s.number(ctx, n.WorkspaceID)
	if err == nil {
		err = s.checkRoom()
	}
	if err != nil {
		return err
	}
	p := push{store: s, workspace: num, user: n.UserID}
	return s.w.do(ctx, func(_ context.Context, t *tx) error {
		if err := t.permit(n.UserID, num, or3cloud.PermWorkspaceRead); err != nil {
			return err
		}
		return p.write(t, func(size int64) error {
			if err := checkWorkspaceRoom(size, s.opts.WorkspaceQuota, []preparedOp{prepared}); err != nil {
				return err
			}
			return p.tell(&prepared)
		})
	})
}

// tell writes a notification, unless it was written before, whatever has become of it.
func (p *push) tell(op *preparedOp) error {
	if err := p.reserve(op); err != nil || p.c.Changes() == 0 {
		return err
	}
	winner, exists, err := winnerOf(p.st.record, p.workspace, op.table, op.key)
	if err != nil {
		return err
	}
	if exists { // and the op id was collected since
		return run(p.st.deleteOpID, p.workspace, op.opID)
	}
	return p.accept(op, winner, false, true)
}

var _ or3cloud.Notifier = (*Store)(nil)
