package sqlite

import (
	"context"
	"time"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
)

const (
	// maxCursors is how many devices of one user a workspace remembers; the one that was silent the longest goes first.
	// A device without a cursor syncs like any other: it only no longer holds back what is collected.
	maxCursors = 100
	// cursorPause is how far the time of a cursor may lag behind, so that a device which reports the same version again
	// and again costs a read.
	cursorPause = time.Minute
)

// UpdateCursor implements or3cloud.SyncGatewayAdapter. Cursors belong to the user who reports them: the id of a device is
// known to every member who reads what it has written.
func (s *Store) UpdateCursor(ctx context.Context, in or3cloud.CursorUpdate) error {
	num, err := s.number(ctx, in.Scope.WorkspaceID)
	if err != nil {
		return err
	}
	return s.w.do(ctx, func(_ context.Context, t *tx) error {
		if err := t.permit(in.UserID, num, or3cloud.PermWorkspaceRead); err != nil {
			return err
		}
		version, err := t.catchUp(s, num, in.Version)
		if err != nil {
			return err
		}
		return t.keepCursor(num, in.UserID, in.DeviceID, min(version, in.Version))
	})
}

// keepCursor writes down the highest version that a device has reported.
func (t *tx) keepCursor(num int64, user, device string, version int64) error {
	var known, at int64
	found, err := one(t.st.deviceCursor, func(s *sqlite3.Stmt) { known, at = s.ColumnInt64(0), s.ColumnInt64(1) }, num, user, device)
	switch {
	case err != nil:
		return err
	case !found:
		if err := run(t.st.insertCursor, num, user, device, version, t.at); err != nil {
			return err
		}
		return run(t.st.trimCursors, num, user, int64(maxCursors))
	case version <= known && at <= t.at && t.at-at < cursorPause.Milliseconds():
		return nil
	}
	return run(t.st.advanceCursor, version, t.at, num, user, device)
}
