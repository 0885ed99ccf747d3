package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
)

// snapshotLife is how long the pages of a snapshot can be read.
const snapshotLife = time.Hour

// snapshotToken says where a snapshot goes on. A snapshot is no copy: it is the log read as of one version. The
// winner of a record at that version is the current one or is found by following prev from it, and the collector
// leaves alone what a snapshot of the last hour may still need. So the token is all the state there is, and it
// survives a restart.
type snapshotToken struct {
	workspace, watermark, issuedAt, tables int64
	// table and pk are the last record that was delivered or passed.
	table int64
	pk    []byte
}

const snapshotTokenVersion = 1

func (t snapshotToken) encode() string {
	b := appendUvarints([]byte{snapshotTokenVersion}, t.workspace, t.watermark, t.issuedAt, t.tables, t.table)
	return tokenEncoding.EncodeToString(append(b, t.pk...))
}

func decodeSnapshotToken(text string) (t snapshotToken, ok bool) {
	b, err := tokenEncoding.DecodeString(text)
	if err != nil || len(b) == 0 || b[0] != snapshotTokenVersion {
		return t, false
	}
	t.pk, ok = readUvarints(b[1:], &t.workspace, &t.watermark, &t.issuedAt, &t.tables, &t.table)
	return t, ok && t.table >= 1 && t.table <= int64(len(or3cloud.SyncTables))
}

// id names the snapshot; it is the same on all its pages.
func (t snapshotToken) id() string {
	return tokenEncoding.EncodeToString(appendUvarints(nil, t.workspace, t.watermark, t.issuedAt, t.tables))
}

// Snapshot implements or3cloud.Snapshotter.
func (s *Store) Snapshot(ctx context.Context, in or3cloud.SnapshotRequest, emit func(*or3cloud.SnapshotItem) error) (or3cloud.SnapshotPage, error) {
	num, err := s.number(ctx, in.Scope.WorkspaceID)
	if err != nil {
		return or3cloud.SnapshotPage{}, err
	}
	at := snapshotToken{workspace: num, issuedAt: s.opts.Now().UnixMilli(), tables: tableSet(in.Tables), table: 1}
	if in.PageToken != "" {
		if at, err = s.resume(num, in); err != nil {
			return or3cloud.SnapshotPage{}, err
		}
	}
	var page or3cloud.SnapshotPage
	err = s.pool.view(ctx, func(r *reader) error {
		version, _, err := r.counter(num)
		if err != nil {
			return err
		}
		if in.PageToken == "" {
			at.watermark = version
		} else if at.watermark > version {
			return errBadToken
		}
		more, err := r.records(&at, in, emit)
		page = or3cloud.SnapshotPage{SnapshotID: at.id(), HighWatermark: at.watermark}
		if more {
			page.NextPageToken = at.encode()
		}
		return err
	})
	s.noticed(in.Scope.WorkspaceID, err)
	return page, err
}

var errBadToken = or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid snapshot page token")

// resume checks a page token against the request that carries it.
func (s *Store) resume(num int64, in or3cloud.SnapshotRequest) (snapshotToken, error) {
	t, ok := decodeSnapshotToken(in.PageToken)
	switch age := s.opts.Now().Sub(time.UnixMilli(t.issuedAt)); {
	case !ok:
		return t, errBadToken
	case t.workspace != num:
		return t, errForbidden
	case t.tables != tableSet(in.Tables):
		return t, or3cloud.Errorf(or3cloud.CodeInvalid, "Snapshot table filter cannot change between pages")
	case age < 0 || age > snapshotLife:
		return t, or3cloud.Errorf(or3cloud.CodeGone, "Snapshot expired or unavailable")
	}
	return t, nil
}

// records delivers up to limit records from where t stands and moves t on. It returns whether there may be more.
func (r *reader) records(t *snapshotToken, in or3cloud.SnapshotRequest, emit func(*or3cloud.SnapshotItem) error) (more bool, err error) {
	n, size := 0, 0
	for ; t.table <= int64(len(or3cloud.SyncTables)); t.table, t.pk = t.table+1, nil {
		if t.tables&(1<<t.table) == 0 {
			continue
		}
		for {
			pk, version, found, err := r.recordAfter(t.workspace, t.table, t.pk)
			if err != nil {
				return false, err
			}
			if !found {
				break
			}
			if n == in.PageSize || size >= or3cloud.AnswerBytes {
				return true, nil
			}
			t.pk = pk
			delivered, bytes, err := r.recordAt(t, version, in.UserID, emit)
			if err != nil {
				return false, err
			}
			if delivered {
				n++
			}
			size += bytes
		}
	}
	return false, nil
}

// recordAfter returns the next record of a table after a pk.
func (r *reader) recordAfter(workspace, table int64, after []byte) (pk []byte, version int64, found bool, err error) {
	if after == nil {
		after = []byte{}
	}
	found, err = one(r.st.recordsAfter, func(s *sqlite3.Stmt) {
		pk, version = s.ColumnBlob(1, nil), s.ColumnInt64(2)
	}, workspace, table, after, int64(1))
	return pk, version, found, err
}

// recordAt delivers the entry that was the record's winner at the watermark, if there was one that the user may see.
func (r *reader) recordAt(t *snapshotToken, version int64, user string, emit func(*or3cloud.SnapshotItem) error) (delivered bool, size int, err error) {
	for version > 0 {
		prev := int64(0)
		var emitErr error
		hidden := false
		found, err := one(r.st.entry, func(s *sqlite3.Stmt) {
			prev = s.ColumnInt64(2)
			if version > t.watermark {
				return
			}
			if hidden = s.ColumnType(9) != sqlite3.NULL && unpackID(s.ColumnRawBlob(9)) != user; hidden {
				return
			}
			item := or3cloud.SnapshotItem{
				Table: tableName(t.table), PK: jsstring.FromSortKey(t.pk), Operation: operation(s.ColumnInt64(1)),
				Revision: or3cloud.Revision{Clock: s.ColumnInt64(3), HLC: s.ColumnText(7), OpID: unpackID(s.ColumnRawBlob(6))},
			}
			if item.Operation == or3cloud.OpDelete {
				item.DeletedAt = time.UnixMilli(s.ColumnInt64(4))
			} else {
				item.Payload = s.ColumnRawBlob(10)
			}
			delivered, size = true, len(item.Payload)+len(item.PK)+len(item.Revision.HLC)
			emitErr = emit(&item)
		}, entryID(t.workspace, version))
		if err := errors.Join(err, emitErr); err != nil || delivered || hidden {
			return delivered, size, err
		}
		if !found {
			return false, 0, fmt.Errorf("entry %d of workspace %d is missing", version, t.workspace)
		}
		version = prev
	}
	return false, 0, nil
}
