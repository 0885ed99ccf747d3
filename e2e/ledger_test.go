package e2e

import (
	"encoding/json"
	"slices"
)

// ledger is what a workspace's log must hold, kept independently of the server: every acknowledged op with its
// version, and the winner of each record.
type ledger struct {
	entries []entry
	byOp    map[string]int
	// winners maps records to the index of their winning entry.
	winners map[record]int
}

// record names a row.
type record struct{ table, pk string }

// entry is one op of the log; its version is its index plus one.
type entry struct {
	op
	version int64
}

func newLedger() *ledger { return &ledger{byOp: map[string]int{}, winners: map[record]int{}} }

// add takes an op as the server must: a new op id gets the next version, and wins by (clock, hlc, op id).
func (l *ledger) add(o op) (e entry, replayed bool) {
	if i, ok := l.byOp[o.Stamp.OpID]; ok {
		return l.entries[i], true
	}
	e = entry{o, int64(len(l.entries) + 1)}
	l.byOp[o.Stamp.OpID] = len(l.entries)
	l.entries = append(l.entries, e)
	r := record{o.TableName, o.PK}
	if w, ok := l.winners[r]; !ok || l.entries[w].Stamp.less(o.Stamp) {
		l.winners[r] = len(l.entries) - 1
	}
	return e, false
}

// version is the workspace's counter.
func (l *ledger) version() int64 { return int64(len(l.entries)) }

// winner returns the winning entry of an op's record.
func (l *ledger) winner(o op) entry { return l.entries[l.winners[record{o.TableName, o.PK}]] }

// wins reports whether the entry of a version is the winner of its record.
func (l *ledger) wins(version int64) bool {
	e := l.entries[version-1]
	return l.winner(e.op).version == version
}

// changes returns what a pull must return: the winning entries after a cursor.
func (l *ledger) changes(cursor int64, limit int) []entry {
	var out []entry
	for _, e := range l.entries[min(cursor, l.version()):] {
		if l.wins(e.version) && len(out) < limit {
			out = append(out, e)
		}
	}
	return out
}

// live returns the payloads of the rows that exist in the end: winning puts that are not soft deletes.
func (l *ledger) live() map[record]json.RawMessage {
	rows := map[record]json.RawMessage{}
	for r, i := range l.winners {
		if e := l.entries[i]; e.Operation == "put" && !softDeleted(e.Payload) {
			rows[r] = e.Payload
		}
	}
	return rows
}

// softDeleted reports whether a payload carries deleted:true.
func softDeleted(payload json.RawMessage) bool {
	var p struct {
		Deleted bool `json:"deleted"`
	}
	return json.Unmarshal(payload, &p) == nil && p.Deleted
}

// wire returns an entry as a pull returns it.
func (e entry) wire() map[string]any {
	out := obj{"serverVersion": e.version, "tableName": e.TableName, "pk": e.PK, "op": e.Operation, "stamp": e.Stamp}
	if len(e.Payload) > 0 && !slices.Equal(e.Payload, []byte("null")) {
		out["payload"] = e.Payload
	}
	return out
}
