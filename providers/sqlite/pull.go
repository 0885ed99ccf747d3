package sqlite

import (
	"context"
	"errors"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
)

// Pull implements or3cloud.SyncGatewayAdapter.
func (s *Store) Pull(ctx context.Context, in or3cloud.PullRequest, emit func(*or3cloud.Change) error) (or3cloud.PullPage, error) {
	num, err := s.number(ctx, in.Scope.WorkspaceID)
	if err != nil {
		return or3cloud.PullPage{}, err
	}
	version, horizon, err := s.head(ctx, num)
	if err != nil {
		return or3cloud.PullPage{}, err
	}
	if s.outran(num, version, in.Cursor) {
		err := s.w.do(ctx, func(_ context.Context, t *tx) error {
			if err := t.permit(in.UserID, num, or3cloud.PermWorkspaceRead); err != nil {
				return err
			}
			_, err := t.catchUp(s, num, in.Cursor)
			return err
		})
		if err != nil {
			s.opts.Log.Warn("the counter of a workspace could not be raised above the cursor of a device; its next pull tries again", "error", err)
		}
		return emptyPage(in.Cursor, 0, horizon), nil
	}
	if in.Cursor >= version {
		return emptyPage(in.Cursor, version, horizon), nil
	}
	var page or3cloud.PullPage
	err = s.pool.view(ctx, func(r *reader) error {
		version, horizon, err := r.counter(num)
		if err != nil {
			return err
		}
		// A commit is seen here before its job ends. Polls that come after this one must not say less.
		s.heads.learn(num, version, horizon)
		page, err = r.changes(num, in, version, horizon, emit)
		return err
	})
	s.noticed(in.Scope.WorkspaceID, err)
	return page, err
}

// emptyPage is the answer to a cursor while nothing is delivered. A cursor above the counter comes from before a
// restore: it is kept, never lowered (contract, sync Pitfall 16).
func emptyPage(cursor, version, horizon int64) or3cloud.PullPage {
	page := or3cloud.PullPage{NextCursor: max(version, cursor), RequiresSnapshot: cursor < horizon}
	if horizon > 0 {
		page.OldestRetainedVersion = horizon + 1
	}
	return page
}

func (r *reader) counter(workspace int64) (version, horizon int64, err error) {
	_, err = one(r.st.counter, func(s *sqlite3.Stmt) { version, horizon = s.ColumnInt64(0), s.ColumnInt64(1) }, workspace)
	return version, horizon, err
}

func (r *reader) changes(workspace int64, in or3cloud.PullRequest, version, horizon int64, emit func(*or3cloud.Change) error) (or3cloud.PullPage, error) {
	page := emptyPage(in.Cursor, version, horizon)
	if in.Cursor >= version {
		return page, nil
	}
	st := r.st.changes
	err := bind(st, entryID(workspace, in.Cursor), entryID(workspace, version), tableSet(in.Tables), packID(nil, in.UserID), int64(in.Limit)+1)
	if err != nil {
		return page, err
	}
	defer st.Reset()
	n, size, last := 0, 0, in.Cursor
	var row changeRow
	for st.Step() {
		if n == in.Limit || size >= or3cloud.AnswerBytes {
			page.HasMore, page.NextCursor = true, last
			return page, nil
		}
		c := row.scan(st)
		if err := emit(c); err != nil {
			return page, err
		}
		n, size, last = n+1, size+len(c.Payload)+len(row.text)+len(c.Stamp.DeviceID), c.ServerVersion
	}
	return page, errors.Join(st.Err(), st.Reset())
}

// changeRow is the change of one row after the other. A row costs one allocation: its ids and its hlc are parts of one
// string, the payload is not copied, and the device is mostly that of the row before.
type changeRow struct {
	change or3cloud.Change
	text   []byte
}

func (r *changeRow) scan(s *sqlite3.Stmt) *or3cloud.Change {
	r.text = appendUnpackedID(r.text[:0], s.ColumnRawBlob(4))
	pk := len(r.text)
	r.text = appendUnpackedID(r.text, s.ColumnRawBlob(5))
	opID := len(r.text)
	r.text = append(r.text, s.ColumnRawText(6)...)
	text := string(r.text)

	c := &r.change
	c.ServerVersion = versionOf(s.ColumnInt64(0))
	c.Table, c.Operation = tableName(s.ColumnInt64(1)), operation(s.ColumnInt64(2))
	c.PK = text[:pk]
	c.Stamp.Clock, c.Stamp.OpID, c.Stamp.HLC = s.ColumnInt64(3), text[pk:opID], text[opID:]
	if device := s.ColumnRawText(7); string(device) != c.Stamp.DeviceID {
		c.Stamp.DeviceID = string(device)
	}
	c.Payload = nil
	if s.ColumnType(8) != sqlite3.NULL {
		c.Payload = s.ColumnRawBlob(8)
	}
	return c
}
