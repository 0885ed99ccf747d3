package changelog

import (
	"bytes"
	"context"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/index"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncrule"
)

// Reader is a read transaction with the index as of that transaction.
type Reader = index.Reader

// View runs f in a read transaction. It may restart the transaction before f runs.
func (l *Log) View(ctx context.Context, f func(*Reader) error) error { return l.index.Read(ctx, f) }

// lookup finds entries in a transaction. The index says where an entry is; the log says whether it still exists, and
// what it is.
type lookup struct {
	index  *index.View
	stored *entries.Reader
	tail   *tail // what a job has accepted; nil for a reader
	pinOf  *sqlite3.Stmt
}

// in returns a lookup of a job.
func (l *Log) in(t *engine.Tx) lookup {
	return lookup{l.index.In(t), l.tail.reader(t), &l.tail, t.St.PinOf}
}

func of(r *Reader) lookup {
	return lookup{index: &r.View, stored: entries.Of(r.Reader), pinOf: r.St.PinOf}
}

// head returns an entry without its text, unless it was collected.
func (l lookup) head(workspace, version int64) (entries.Entry, bool, error) {
	if e, ok := l.pending(workspace, version); ok {
		return e, true, nil
	}
	return l.stored.Head(workspace, version)
}

// entry returns an entry, unless it was collected.
func (l lookup) entry(workspace, version int64) (entries.Entry, bool, error) {
	if e, ok := l.pending(workspace, version); ok {
		return e, true, nil
	}
	return l.stored.Entry(workspace, version)
}

func (l lookup) pending(workspace, version int64) (e entries.Entry, ok bool) {
	if l.tail != nil {
		e, ok = l.tail.pending(workspace, version)
	}
	return e, ok
}

// record is the winner of a (table, pk).
type record struct {
	syncrule.Record
	nth    int64 // how many there have been, modulo 64
	pinned int64 // the version of the last pinned entry
	place  entries.Place
}

// missing is the error for an entry that does not exist but was never collected.
func missing(workspace, version int64) error {
	return fmt.Errorf("entry %d of workspace %d is missing", version, workspace)
}

// known returns an entry that was never collected, so it has to exist. find is a method of a lookup or of an
// entries.Reader.
func known(workspace, version int64, find func(workspace, version int64) (entries.Entry, bool, error)) (entries.Entry, error) {
	e, found, err := find(workspace, version)
	if err == nil && !found {
		err = missing(workspace, version)
	}
	return e, err
}

// winner returns the winner of a record, which is found by its key or by its full key in the index; the zero record if
// there is none.
func (l lookup) winner(workspace, table int64, key []byte, indexKey string) (r record, found bool, err error) {
	w, found, err := l.index.Winner(indexKey)
	if err != nil || !found {
		return r, false, err
	}
	e, found := l.pending(workspace, w.Version)
	switch {
	case found:
	case syncrule.State(w.State).Fate() == syncrule.Deleted:
		e, found, err = l.stored.Head(workspace, w.Version)
	default:
		e, err = known(workspace, w.Version, l.stored.Winner)
		found = err == nil
	}
	if err != nil || !found { // a deletion that was collected
		return r, false, err
	}
	r.Version, r.State, r.nth, r.place, r.Revision = w.Version, syncrule.State(w.State), w.Nth, e.Place, e.Revision()
	if layout.TableName(table) == or3cloud.TableKV {
		_, err = engine.One(l.pinOf, func(s *sqlite3.Stmt) { r.pinned = s.ColumnInt64(0) }, workspace, key)
	}
	return r, true, err
}

// winnerOf is winner for a key that is looked up only once.
func (l lookup) winnerOf(workspace, table int64, key []byte) (r record, found bool, err error) {
	return l.winner(workspace, table, key, index.RecordKey(workspace, table, key))
}

// origin is an entry as found by its op id.
type origin struct {
	version     int64
	fingerprint []byte // if it is not that of its content, or was stored before contents were compared
}

// entryOf returns where an op was written; the zero value if it was not, or if it has been collected.
func (l lookup) entryOf(workspace int64, hash index.Key, opID []byte) (w origin, err error) {
	err = l.index.Versions(index.OpKey(workspace, hash), func(version int64) (more bool, err error) {
		e, found, err := l.head(workspace, version)
		if found && bytes.Equal(e.OpID, opID) {
			w = origin{version, bytes.Clone(e.Fingerprint)}
		}
		return w.version == 0, err
	})
	return w, err
}

// same reports whether an entry was made from this op. Its cost grows with the size of both, so it is not for the
// writer.
func (l lookup) same(workspace int64, before origin, op *preparedOp) (bool, error) {
	if len(before.fingerprint) > 0 {
		return bytes.Equal(before.fingerprint, op.print()), nil
	}
	e, err := known(workspace, before.version, l.entry)
	if err != nil {
		return false, err
	}
	var c or3cloud.Change
	if err := e.Change(&c); err != nil {
		return false, err
	}
	stored := or3cloud.Op{Table: c.Table, PK: c.PK, Operation: c.Operation, Payload: c.Payload, Stamp: c.Stamp}
	if e.Unchecked { // nothing with such a payload is accepted any more
		return syncrule.SameHead(&stored, &op.Op), nil
	}
	return bytes.Equal(syncrule.Fingerprint(&stored), op.print()), nil
}

// Records goes through records in the order of their tables and keys. Deletions that were collected are left out.
type Records struct {
	*index.Records
	stored    *entries.Reader
	workspace int64
	err       error
}

// RecordsAfter returns the records of a table after a key, and those of the following tables up to the last.
func RecordsAfter(r *Reader, workspace, table int64, after []byte, last int64) *Records {
	from := index.RecordKey(workspace, table, after)
	if len(after) > 0 {
		from += "\x00"
	}
	return &Records{Records: r.Records(from, index.RecordKey(workspace, last+1, nil)), stored: entries.Of(r.Reader), workspace: workspace}
}

// Next goes to the next record and reports whether there is one.
func (r *Records) Next() bool {
	for r.err == nil && r.Records.Next() {
		if syncrule.State(r.State).Fate() != syncrule.Deleted {
			return true
		}
		var exists bool
		exists, r.err = r.stored.Exists(r.workspace, r.Version)
		if exists && r.err == nil {
			return true
		}
	}
	return false
}

// Err returns the error that ended the records, if any.
func (r *Records) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.Records.Err()
}

// payloadOf returns a copy of the payload of a version; nil if it has none.
func payloadOf(r *Reader, workspace, version int64) ([]byte, error) {
	e, err := known(workspace, version, entries.Of(r.Reader).Entry)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(e.Payload()), nil
}
