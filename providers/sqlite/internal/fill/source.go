package fill

import (
	"bytes"
	"context"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncrule"
)

// Rows of the log, with what superseded says of them and whether the entry that replaced them still exists; with the
// operation of the entry they replaced, if that is still a row; and with the fingerprints of op_ids.
const (
	rows = `SELECT l.id, l.tbl, l.op, l.prev, l.clock, l.at, l.pk, l.op_id, l.hlc, l.device, l.owner, l.payload, s.replaced_by, s.at, s.pinned,
  EXISTS (SELECT 1 FROM log r WHERE r.id = (l.id >> 43 << 43) | s.replaced_by),
  (SELECT p.op & 1 FROM log p WHERE p.id = (l.id >> 43 << 43) | l.prev)`
	noFingerprints = `, NULL`
	fingerprints   = `, (SELECT o.fingerprint FROM op_ids o WHERE o.workspace = l.id >> 43 AND o.op_id = l.op_id)`
	from           = ` FROM log l LEFT JOIN superseded s ON s.id = l.id WHERE l.id > ? AND l.id <= ? ORDER BY l.id`
	// olderState is the state of a record whose winner is the entry.
	olderState = `SELECT state FROM records WHERE workspace = ? AND tbl = ? AND pk = ? AND version = ?`
)

// source makes blocks of the rows of a workspace.
type source struct {
	older     bool
	num       int64
	size      func(text int) int64
	after     int64          // the id of the last row that was read
	waypoints map[int64]bool // by version

	draft    block.Draft
	writer   block.Writer
	accepted []block.Accepted
	marks    block.Marks
}

// readWaypoints reads which entries are waypoints: one in a few dozen of those that have replaced another one.
func (s *source) readWaypoints(ctx context.Context, e *engine.Engine) error {
	found, err := e.DB.Read.QueryContext(ctx, "SELECT version FROM waypoints WHERE workspace = ?", s.num)
	if err != nil {
		return sqlitex.Translate(err)
	}
	defer found.Close()
	s.waypoints = map[int64]bool{}
	for found.Next() {
		var version int64
		if err := found.Scan(&version); err != nil {
			return sqlitex.Translate(err)
		}
		s.waypoints[version] = true
	}
	return sqlitex.Translate(found.Err())
}

// step makes the next blocks. more is false if they are the last ones of the workspace.
func (s *source) step(r *engine.Reader) (out *step, more bool, err error) {
	text := rows + noFingerprints + from
	if s.older {
		text = rows + fingerprints + from
	}
	list, err := r.Prepare(text)
	if err != nil {
		return nil, false, err
	}
	defer list.Close()
	look := look{stored: entries.Of(r)}
	if s.older {
		if look.state, err = r.Prepare(olderState); err != nil {
			return nil, false, err
		}
		defer look.state.Close()
	}
	if err := engine.Bind(list, s.after, layout.EntryID(s.num, layout.MaxVersion)); err != nil {
		return nil, false, err
	}
	out = &step{num: s.num, first: s.after + 1, last: s.after}
	for size := 0; engine.Step(list); {
		if err := s.add(list, &look, out); err != nil {
			return nil, false, err
		}
		if s.draft.Full() {
			if size += s.finish(out); size >= stepBytes || len(out.blocks) >= stepBlocks {
				return out, true, nil
			}
		}
	}
	s.finish(out)
	return out, false, list.Err()
}

// look finds what a row does not say.
type look struct {
	stored *entries.Reader
	state  *sqlite3.Stmt
}

// add makes an entry of a row.
func (s *source) add(row *sqlite3.Stmt, look *look, out *step) error {
	if !s.draft.Takes(len(row.ColumnRawBlob(11))) {
		s.finish(out)
	}
	id := row.ColumnInt64(0)
	table, pk := row.ColumnInt64(1), layout.UnpackID(row.ColumnRawBlob(6))
	fingerprint, opID := layout.SplitOp(row.ColumnRawBlob(7))
	if row.ColumnType(17) != sqlite3.NULL {
		fingerprint = row.ColumnRawBlob(17)
	}
	op := or3cloud.Op{
		Table: layout.TableName(table), Operation: layout.Operation(row.ColumnInt64(2)), PK: pk,
		Stamp: or3cloud.Stamp{Clock: row.ColumnInt64(4), OpID: layout.UnpackID(opID), HLC: row.ColumnText(8), DeviceID: row.ColumnText(9)},
	}
	k := block.Known{State: row.ColumnInt64(2) >> layout.OpBits, OpID: bytes.Clone(opID), Fingerprint: bytes.Clone(fingerprint)}
	if row.ColumnType(10) != sqlite3.NULL {
		k.Owner = row.ColumnBlob(10, []byte{})
	}
	a := block.Accepted{Version: layout.VersionOf(id), At: row.ColumnInt64(5), Prev: row.ColumnInt64(3)}
	a.Waypoint = s.waypoints[a.Version]
	if a.Prev > 0 {
		var err error
		if a.Revived, err = revived(row, look.stored, s.num, a.Prev); err != nil {
			return err
		}
	}
	n := s.draft.Len()
	wins, collected := true, false
	if row.ColumnType(12) != sqlite3.NULL {
		wins = false
		by, pinned := row.ColumnInt64(12), row.ColumnInt64(14) != 0
		a.Lost = by == a.Version
		known := row.ColumnInt64(15) != 0
		switch {
		case known:
			s.marks.Replace(n, pinned)
		case pinned:
			s.marks.Replace(n, true)
			out.pinned = append(out.pinned, db.AddPinnedParams{ID: id, ReplacedBy: by, At: row.ColumnInt64(13)})
		default: // the collector would not meet the entry that replaced it; since that was collected, this may be as well
			s.marks.Collect(n)
			collected = true
		}
	}
	if wins && look.state != nil {
		key := layout.RecordKey(pk, k.Owner)
		if _, err := engine.One(look.state, func(st *sqlite3.Stmt) { k.State = st.ColumnInt64(0) }, s.num, table, key, a.Version); err != nil {
			return err
		}
	}
	if wins && op.Operation == or3cloud.OpDelete {
		k.State = int64(syncrule.Deleted)
	}
	if row.ColumnType(11) != sqlite3.NULL {
		op.Payload = row.ColumnRawBlob(11) // the draft copies it, and no other statement runs before
		k.Unchecked = syncschema.Unfit(op.Payload) != ""
	}
	s.draft.Add(&op, k)
	s.accepted = append(s.accepted, a)
	if out.before += olderOverhead + int64(len(row.ColumnRawBlob(6))+len(op.Payload)); !collected {
		out.now += s.size(s.draft.Size(n))
	} else if out.gone++; a.Waypoint {
		out.waypoints = append(out.waypoints, waypoint{table, a.Version, layout.RecordKey(pk, k.Owner)})
	}
	s.after, out.last = id, id
	out.entries++
	return nil
}

// revived reports whether an entry has replaced a deletion.
func revived(row *sqlite3.Stmt, stored *entries.Reader, num, prev int64) (bool, error) {
	if row.ColumnType(16) != sqlite3.NULL {
		return row.ColumnInt64(16) == 1, nil
	}
	e, found, err := stored.Head(num, prev)
	return found && e.Operation == or3cloud.OpDelete, err
}

// finish makes a block of the entries that were added, and returns the length of its text.
func (s *source) finish(out *step) int {
	if s.draft.Len() == 0 {
		return 0
	}
	s.draft.Pack()
	s.writer.Reset()
	for i, a := range s.accepted {
		s.writer.Accept(&s.draft, i, a)
	}
	first := s.accepted[0].Version
	heads, text := s.writer.Finish(first)
	m := made{layout.EntryID(s.num, first), bytes.Clone(heads), text, s.marks}
	if len(text) > 4*block.FullText { // a large one is not held twice
		s.draft, s.writer = block.Draft{}, block.Writer{}
	} else {
		m.text = bytes.Clone(text)
		s.draft.Reset()
	}
	out.blocks = append(out.blocks, m)
	s.accepted, s.marks = s.accepted[:0], block.Marks{}
	return len(text)
}
