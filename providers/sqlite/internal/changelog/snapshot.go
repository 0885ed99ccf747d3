package changelog

import (
	"context"
	"errors"
	"time"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/signed"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/providers/sqlite/internal/members"
)

// snapshotLife is how long the pages of a snapshot can be read.
const snapshotLife = time.Hour

// snapshotSteps is how many records and older entries one page looks at. A page that has not found enough by then ends
// early: records may be other users' or newer than the snapshot, without end.
const snapshotSteps = 10_000

// snapshotToken says where a snapshot goes on. A snapshot is no copy: it is the log read as of one version. The
// winner of a record at that version is the current one or is found by following prev from a waypoint, and the collector
// leaves alone what a snapshot of the last hour may still need. So the token is all the state there is, and it
// survives a restart. It is signed, for one user and workspace: a made-up one could ask for any version.
type snapshotToken struct {
	watermark, issuedAt, tables int64
	// table is where the snapshot stands, and version the winner of the last record that was delivered or passed there
	// when it was; 0 at the beginning of the table. The record itself may have a pk that is too long for a token.
	table, version int64
}

const snapshotOperation = "snapshot"

// claims returns what is signed.
func (t snapshotToken) claims(in or3cloud.SnapshotRequest) signed.Claims {
	return signed.Claims{
		Operation: snapshotOperation, Workspace: in.Scope.WorkspaceID, User: in.UserID,
		Hash:    string(layout.AppendUvarints(nil, t.watermark, t.issuedAt, t.tables, t.table, t.version)),
		Expires: time.UnixMilli(t.issuedAt).Add(snapshotLife),
	}
}

func snapshotTokenOf(c signed.Claims) (t snapshotToken, ok bool) {
	rest, ok := layout.ReadUvarints([]byte(c.Hash), &t.watermark, &t.issuedAt, &t.tables, &t.table, &t.version)
	return t, ok && len(rest) == 0 && c.Operation == snapshotOperation && t.table >= 1 && t.table <= int64(len(or3cloud.SyncTables))
}

// id names the snapshot; it is the same on all its pages.
func (t snapshotToken) id(workspace int64) string {
	return layout.TokenEncoding.EncodeToString(layout.AppendUvarints(nil, workspace, t.watermark, t.issuedAt, t.tables))
}

// Snapshot implements or3cloud.Snapshotter.
func (l *Log) Snapshot(ctx context.Context, in or3cloud.SnapshotRequest, emit func(*or3cloud.SnapshotItem) error) (or3cloud.SnapshotPage, error) {
	num, err := l.ws.Number(ctx, in.Scope.WorkspaceID)
	if err != nil {
		return or3cloud.SnapshotPage{}, err
	}
	at := snapshotToken{issuedAt: l.e.Now().UnixMilli(), tables: layout.TableSet(in.Tables), table: 1}
	if in.PageToken != "" {
		if at, err = l.resume(in); err != nil {
			return or3cloud.SnapshotPage{}, err
		}
	}
	page := or3cloud.SnapshotPage{}
	err = l.View(ctx, func(r *Reader) error {
		version, _, err := counter(r.Reader, num)
		if err != nil {
			return err
		}
		if in.PageToken == "" {
			at.watermark = version
		} else if at.watermark > version {
			return errBadToken
		}
		w := snapshotWalk{Reader: r, snapshotToken: &at, workspace: num, in: in, emit: emit}
		more, err := w.records()
		if err != nil {
			return err
		}
		page = or3cloud.SnapshotPage{SnapshotID: at.id(num), HighWatermark: at.watermark}
		if more {
			page.NextPageToken, err = l.tokens.Sign(at.claims(in))
		}
		return err
	})
	l.opts.Noticed(in.Scope.WorkspaceID, err)
	return page, err
}

var (
	errBadToken        = or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid snapshot page token")
	errSnapshotExpired = or3cloud.Errorf(or3cloud.CodeGone, "Snapshot expired or unavailable")
)

// resume checks a page token against the request that carries it.
func (l *Log) resume(in or3cloud.SnapshotRequest) (snapshotToken, error) {
	claims, err := l.tokens.Verify(in.PageToken)
	if errors.Is(err, signed.ErrExpired) {
		return snapshotToken{}, errSnapshotExpired
	}
	t, ok := snapshotTokenOf(claims)
	switch {
	case err != nil || !ok:
		return t, errBadToken
	case claims.Workspace != in.Scope.WorkspaceID:
		return t, members.ErrForbidden
	case claims.User != in.UserID:
		return t, errBadToken
	case t.tables != layout.TableSet(in.Tables):
		return t, or3cloud.Errorf(or3cloud.CodeInvalid, "Snapshot table filter cannot change between pages")
	case l.e.Now().Before(time.UnixMilli(t.issuedAt)):
		return t, errSnapshotExpired // the clock was set back
	}
	return t, nil
}

// snapshotWalk delivers one page.
type snapshotWalk struct {
	*Reader
	*snapshotToken
	workspace int64
	in        or3cloud.SnapshotRequest
	emit      func(*or3cloud.SnapshotItem) error
	steps     int // records and entries looked at
	n, size   int // items delivered, and their bytes
}

// records delivers records from where the token stands and moves it on. It returns whether there may be more.
func (w *snapshotWalk) records() (more bool, err error) {
	key, err := w.position()
	if err != nil {
		return false, err
	}
	passed := false
	for last := w.table; w.table <= int64(len(or3cloud.SyncTables)); w.table, w.version, key, last = last+1, 0, nil, last+1 {
		if w.tables&(1<<w.table) == 0 {
			continue
		}
		for last < int64(len(or3cloud.SyncTables)) && w.tables&(1<<(last+1)) != 0 {
			last++
		}
		records := RecordsAfter(w.Reader, w.workspace, w.table, key, last)
		for records.Next() {
			if w.n == w.in.PageSize || w.size >= or3cloud.AnswerBytes || w.steps >= snapshotSteps && passed {
				return true, nil
			}
			passed = true
			w.table, w.version = records.Table, records.Version
			w.steps++
			if err := w.deliver(records.Key, records.Version); err != nil {
				return false, err
			}
		}
		if err := records.Err(); err != nil {
			return false, err
		}
	}
	return false, nil
}

// position returns the key of the record that was passed last.
func (w *snapshotWalk) position() (key []byte, err error) {
	if w.version == 0 {
		return nil, nil
	}
	found, err := engine.One(w.St.EntryHead, func(s *sqlite3.Stmt) {
		e := scanHead(s)
		var owner []byte
		if s.ColumnType(9) != sqlite3.NULL {
			owner = layout.PackID(nil, e.owner)
		}
		key = layout.RecordKey(e.pk, owner)
	}, layout.EntryID(w.workspace, w.version))
	if err == nil && !found {
		err = errSnapshotExpired // a deletion that was dropped meanwhile
	}
	return key, err
}

// deliver delivers the entry that was a record's winner at the watermark, if there was one that the user may see.
func (w *snapshotWalk) deliver(key []byte, version int64) error {
	version, err := w.winnerAt(key, version)
	if err != nil || version == 0 {
		return err
	}
	visible := false
	_, err = engine.One(w.St.EntryHead, func(s *sqlite3.Stmt) {
		visible = s.ColumnType(9) == sqlite3.NULL || layout.UnpackID(s.ColumnRawBlob(9)) == w.in.UserID
	}, layout.EntryID(w.workspace, version))
	w.steps++
	if err != nil || !visible {
		return err
	}
	var emitErr error
	found, err := engine.One(w.St.Entry, func(s *sqlite3.Stmt) {
		item := or3cloud.SnapshotItem{
			Table: layout.TableName(w.table), PK: layout.RecordPK(key), Operation: layout.Operation(s.ColumnInt64(1)),
			Revision: or3cloud.Revision{Clock: s.ColumnInt64(3), HLC: s.ColumnText(7), OpID: layout.UnpackID(s.ColumnRawBlob(6))},
		}
		if item.Operation == or3cloud.OpDelete {
			item.DeletedAt = time.UnixMilli(s.ColumnInt64(4))
		} else {
			item.Payload = s.ColumnRawBlob(10)
		}
		w.n++
		w.size += len(item.Payload) + len(item.PK) + len(item.Revision.HLC)
		emitErr = w.emit(&item)
	}, layout.EntryID(w.workspace, version))
	if err == nil && !found {
		err = missing(w.workspace, version)
	}
	return errors.Join(err, emitErr)
}

// winnerAt returns the version that was a record's winner at the watermark; 0 if there was none. It starts from the first
// waypoint behind the watermark, and so looks at waypointEvery entries at most.
func (w *snapshotWalk) winnerAt(key []byte, version int64) (int64, error) {
	if version <= w.watermark {
		return version, nil
	}
	_, err := engine.One(w.St.WaypointAfter, func(s *sqlite3.Stmt) { version = s.ColumnInt64(0) }, w.workspace, w.table, key, w.watermark)
	for version > w.watermark && err == nil {
		prev := int64(0)
		var found bool
		found, err = engine.One(w.St.EntryHead, func(s *sqlite3.Stmt) { prev = s.ColumnInt64(2) }, layout.EntryID(w.workspace, version))
		if err == nil && !found {
			err = missing(w.workspace, version)
		}
		version = prev
		w.steps++
	}
	return version, err
}
