package changelog

import (
	"context"
	"errors"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/providers/sqlite/internal/members"
)

// Pull implements or3cloud.SyncGatewayAdapter.
func (l *Log) Pull(ctx context.Context, in or3cloud.PullRequest, emit func(*or3cloud.Change) error) (or3cloud.PullPage, error) {
	num, err := l.ws.Number(ctx, in.Scope.WorkspaceID)
	if err != nil {
		return or3cloud.PullPage{}, err
	}
	version, horizon, err := l.head(ctx, num)
	if err != nil {
		return or3cloud.PullPage{}, err
	}
	if l.outran(num, version, in.Cursor) {
		err := l.e.Do(ctx, func(_ context.Context, t *engine.Tx) error {
			if err := members.Permit(t, in.UserID, num, or3cloud.PermWorkspaceRead); err != nil {
				return err
			}
			_, err := l.catchUp(t, num, in.Cursor)
			return err
		})
		if err != nil {
			l.e.Log.Warn("the counter of a workspace could not be raised above the cursor of a device; its next pull tries again", "error", err)
		}
		return emptyPage(in.Cursor, 0, horizon), nil
	}
	if in.Cursor >= version {
		return emptyPage(in.Cursor, version, horizon), nil
	}
	var page or3cloud.PullPage
	err = l.e.View(ctx, func(r *engine.Reader) error {
		version, horizon, err := counter(r, num)
		if err != nil {
			return err
		}
		// A commit is seen here before its job ends. Polls that come after this one must not say less.
		l.heads.learn(num, version, horizon)
		page, err = changes(r, num, in, version, horizon, emit)
		return err
	})
	l.opts.Noticed(in.Scope.WorkspaceID, err)
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

func counter(r *engine.Reader, workspace int64) (version, horizon int64, err error) {
	_, err = engine.One(r.St.Counter, func(s *sqlite3.Stmt) { version, horizon = s.ColumnInt64(0), s.ColumnInt64(1) }, workspace)
	return version, horizon, err
}

func changes(r *engine.Reader, workspace int64, in or3cloud.PullRequest, version, horizon int64, emit func(*or3cloud.Change) error) (or3cloud.PullPage, error) {
	page := emptyPage(in.Cursor, version, horizon)
	if in.Cursor >= version {
		return page, nil
	}
	st := r.St.Changes
	err := engine.Bind(st, layout.EntryID(workspace, in.Cursor), layout.EntryID(workspace, version), layout.TableSet(in.Tables), layout.PackID(nil, in.UserID), int64(in.Limit)+1)
	if err != nil {
		return page, err
	}
	defer st.Reset()
	n, size, last := 0, 0, in.Cursor
	var row changeRow
	for engine.Step(st) {
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
	r.text = layout.AppendUnpackedID(r.text[:0], s.ColumnRawBlob(4))
	pk := len(r.text)
	r.text = layout.AppendUnpackedID(r.text, s.ColumnRawBlob(5))
	opID := len(r.text)
	r.text = append(r.text, s.ColumnRawText(6)...)
	text := string(r.text)

	c := &r.change
	c.ServerVersion = layout.VersionOf(s.ColumnInt64(0))
	c.Table, c.Operation = layout.TableName(s.ColumnInt64(1)), layout.Operation(s.ColumnInt64(2))
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
