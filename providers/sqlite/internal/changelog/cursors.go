package changelog

import (
	"context"
	"time"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/members"
)

const (
	// MaxCursors is how many devices of one user a workspace remembers; the one that was silent the longest goes first.
	// A device without a cursor syncs like any other: it only no longer holds back what is collected.
	MaxCursors = 100
	// cursorPause is how far the time of a cursor may lag, so that a device that reports the same version again and
	// again costs a read.
	cursorPause = time.Minute
)

// UpdateCursor implements or3cloud.SyncGatewayAdapter. Cursors belong to the user who reports them: every member who
// reads what a device has written knows its id.
func (l *Log) UpdateCursor(ctx context.Context, in or3cloud.CursorUpdate) error {
	num, err := l.ws.Number(ctx, in.Scope.WorkspaceID)
	if err != nil {
		return err
	}
	return l.e.Do(ctx, func(_ context.Context, t *engine.Tx) error {
		if err := members.Permit(t, in.UserID, num, or3cloud.PermWorkspaceRead); err != nil {
			return err
		}
		version, err := l.catchUp(t, num, in.Version)
		if err != nil {
			return err
		}
		return keepCursor(t, num, in.UserID, in.DeviceID, min(version, in.Version))
	})
}

// keepCursor stores the highest version that a device has reported.
func keepCursor(t *engine.Tx, num int64, user, device string, version int64) error {
	var known, at int64
	found, err := engine.One(t.St.DeviceCursor, func(s *sqlite3.Stmt) { known, at = s.ColumnInt64(0), s.ColumnInt64(1) }, num, user, device)
	switch {
	case err != nil:
		return err
	case !found:
		if err := engine.Run(t.St.InsertCursor, num, user, device, version, t.At); err != nil {
			return err
		}
		return engine.Run(t.St.TrimCursors, num, user, int64(MaxCursors))
	case version <= known && at <= t.At && t.At-at < cursorPause.Milliseconds():
		return nil
	}
	return engine.Run(t.St.AdvanceCursor, version, t.At, num, user, device)
}
