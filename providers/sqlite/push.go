package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
)

// The states of a record.
const (
	stateLive        = 0
	stateSoftDeleted = 1 // winning put says deleted:true
	stateDeleted     = 2 // winning op is a delete
	stateMask        = 3
	stateItem        = 4 // added for a row of workspace Files and Trash
)

// Push implements or3cloud.SyncGatewayAdapter.
func (s *Store) Push(ctx context.Context, in or3cloud.PushRequest) (or3cloud.PushResult, error) {
	num, err := s.number(ctx, in.Scope.WorkspaceID)
	if err == nil {
		err = s.checkRoom()
	}
	if err != nil {
		return or3cloud.PushResult{}, err
	}
	var out or3cloud.PushResult
	err = s.w.do(ctx, func(_ context.Context, t *tx) error {
		if err := t.permit(in.UserID, num, or3cloud.PermWorkspaceWrite); err != nil {
			return err
		}
		p := push{
			tx: t, workspace: num, user: in.UserID, items: in.WorkspaceItems,
			results: make([]or3cloud.OpResult, 0, len(in.Ops)), quota: s.opts.WorkspaceQuota,
		}
		if err := p.apply(in.Ops); err != nil {
			return err
		}
		if p.version > p.first {
			t.afterCommit(func() { s.heads.raise(num, p.version, 0) })
		}
		out = or3cloud.PushResult{Results: p.results, ServerVersion: p.version}
		return nil
	})
	s.noticed(in.Scope.WorkspaceID, err)
	return out, err
}

// push is the application of one batch in one transaction.
type push struct {
	*tx
	workspace int64
	user      string
	items     bool  // whether the client knows workspace Files and Trash
	version   int64 // the counter; every accepted op takes the next one
	first     int64 // the counter before the batch
	grown     int64 // what the batch adds to the size of the workspace, in bytes
	quota     int64 // of the workspace; 0 is none
	results   []or3cloud.OpResult
	winners   winners
}

func (p *push) apply(ops []or3cloud.Op) error {
	var size int64
	found, err := one(p.st.counter, func(s *sqlite3.Stmt) { p.version, size = s.ColumnInt64(0), s.ColumnInt64(2) }, p.workspace)
	if err == nil {
		err = checkWorkspaceRoom(size, p.quota, ops)
	}
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("workspace %d has no counter", p.workspace)
	}
	p.first = p.version
	for i := range ops {
		res, err := p.applyOp(&ops[i])
		if err != nil {
			return fmt.Errorf("apply op %d: %w", i, err)
		}
		res.OpID = ops[i].Stamp.OpID
		p.results = append(p.results, res)
	}
	if p.version == p.first {
		return nil
	}
	p.high = max(p.high, p.version)
	return run(p.st.setCounter, p.version, p.grown, p.workspace)
}

// record is the winner of a (table, pk).
type record struct {
	version, state int64
	rev            or3cloud.Revision
}

// applyOp judges one op. The error is for faults of the store only.
func (p *push) applyOp(op *or3cloud.Op) (or3cloud.OpResult, error) {
	if op.Table == or3cloud.TableNotifications {
		if err := p.claimNotification(op); err != nil {
			return or3cloud.OpResult{}, err
		}
	}
	table, key, opID := tableNumber(op.Table), jsstring.SortKey(op.PK), packID(nil, op.Stamp.OpID)
	if p.version >= maxVersion {
		return or3cloud.OpResult{}, fmt.Errorf("workspace %d has used all versions", p.workspace)
	}
	if err := run(p.st.reserveOpID, p.workspace, opID, p.version+1); err != nil {
		return or3cloud.OpResult{}, err
	}
	if p.c.Changes() == 0 {
		return p.replay(op, opID)
	}
	winner, exists, err := p.winner(table, key)
	if err != nil {
		return or3cloud.OpResult{}, err
	}
	if refusal, err := p.refuse(op, key, winner); err != nil || refusal != nil {
		return refused(refusal), errors.Join(err, run(p.st.deleteOpID, p.workspace, opID))
	}
	p.version++
	wins := !exists || winner.rev.Less(op.Stamp.Revision())
	prev := int64(0)
	if wins && exists {
		prev = winner.version
	}
	id, pk := entryID(p.workspace, p.version), packID(nil, op.PK)
	p.grown += entrySize(pk, op.Payload)
	err = run(p.st.insertEntry, id, table, opNumber(op.Operation), prev, op.Stamp.Clock, p.at,
		pk, opID, op.Stamp.HLC, op.Stamp.DeviceID, p.owner(op), op.Payload)
	if err != nil {
		return or3cloud.OpResult{}, err
	}
	res := or3cloud.OpResult{Success: true, ServerVersion: p.version, Applied: wins}
	if !wins {
		if err := run(p.st.supersede, id, p.version, p.at); err != nil {
			return res, err
		}
		res.Winner, err = p.loadWinner(winner.version)
		return res, err
	}
	state := stateOf(op)
	if exists {
		if err := run(p.st.supersede, entryID(p.workspace, winner.version), p.version, p.at); err != nil {
			return res, err
		}
		err = run(p.st.updateRecord, p.version, op.Stamp.Clock, op.Stamp.HLC, opID, state, p.workspace, table, key)
	} else {
		err = run(p.st.insertRecord, p.workspace, table, key, p.version, op.Stamp.Clock, op.Stamp.HLC, opID, state)
	}
	if err != nil {
		return res, err
	}
	return res, p.derive(op, table, key, state, exists)
}

func opNumber(o or3cloud.Operation) int64 {
	if o == or3cloud.OpDelete {
		return 1
	}
	return 0
}

func operation(number int64) or3cloud.Operation {
	if number == 1 {
		return or3cloud.OpDelete
	}
	return or3cloud.OpPut
}

func stateOf(op *or3cloud.Op) int64 {
	state := int64(stateLive)
	switch {
	case op.Operation == or3cloud.OpDelete:
		return stateDeleted
	case op.Facts.Deleted:
		state = stateSoftDeleted
	}
	if op.Facts.WorkspaceItem {
		state += stateItem
	}
	return state
}

// refusal is why an op is not accepted.
type refusal struct {
	code or3cloud.OpErrorCode
	text string
}

func refused(r *refusal) or3cloud.OpResult {
	if r == nil {
		return or3cloud.OpResult{}
	}
	return or3cloud.OpResult{ErrorCode: r.code, Error: r.text}
}

// refuse judges what depends on the rows that are there: ops that clients could not apply, or that would damage
// what others have.
func (p *push) refuse(op *or3cloud.Op, key []byte, winner record) (*refusal, error) {
	switch {
	case op.Table == or3cloud.TableNotifications:
		return p.foreignNotification(op, winner)
	case op.Operation != or3cloud.OpPut:
		return nil, nil
	case op.Table == or3cloud.TableKV:
		return p.takenName(op, key)
	case winner.state&stateItem != 0 && !p.items:
		return &refusal{or3cloud.OpErrorValidation, "Update OR3 Chat to use workspace Files and Trash"}, nil
	}
	return nil, nil
}

// takenName refuses a second pk for a kv name, which would stop every client that meets both rows (contract, sync
// Pitfall 15). A name stays with the first pk that had it, renamed and deleted rows included: a device with an older
// cursor may still hold it.
func (p *push) takenName(op *or3cloud.Op, key []byte) (*refusal, error) {
	taken := false
	_, err := one(p.st.kvNameOwner, func(s *sqlite3.Stmt) { taken = !bytes.Equal(s.ColumnRawBlob(0), key) },
		p.workspace, jsstring.SortKey(op.Facts.Name))
	if err != nil || !taken {
		return nil, err
	}
	return &refusal{or3cloud.OpErrorValidation, "Invalid payload for kv: name belongs to another row"}, nil
}

// winner returns the winner of a record.
func (p *push) winner(table int64, key []byte) (r record, found bool, err error) {
	found, err = one(p.st.record, func(s *sqlite3.Stmt) {
		r.version = s.ColumnInt64(0)
		r.rev = or3cloud.Revision{Clock: s.ColumnInt64(1), HLC: s.ColumnText(2), OpID: unpackID(s.ColumnRawBlob(3))}
		r.state = s.ColumnInt64(4)
	}, p.workspace, table, key)
	return r, found, err
}

// entry is a row of the log.
type entry struct {
	table, op, prev, at int64
	pk, owner           string
	stamp               or3cloud.Stamp
	payload             []byte
}

func scanEntry(s *sqlite3.Stmt) entry {
	e := entry{
		table: s.ColumnInt64(0), op: s.ColumnInt64(1), prev: s.ColumnInt64(2), at: s.ColumnInt64(4),
		pk: unpackID(s.ColumnRawBlob(5)), owner: unpackID(s.ColumnRawBlob(9)),
		stamp: or3cloud.Stamp{
			Clock: s.ColumnInt64(3), OpID: unpackID(s.ColumnRawBlob(6)), HLC: s.ColumnText(7), DeviceID: s.ColumnText(8),
		},
	}
	if s.ColumnType(10) != sqlite3.NULL {
		e.payload = bytes.Clone(s.ColumnRawBlob(10))
	}
	return e
}

// winners are the entries that ops of one batch lost against, by version. Each is read once, and none once the answer
// carries as much as it may: a batch of small ops can lose hundreds of times against one large row.
type winners struct {
	read map[int64]*or3cloud.Winner
	size int // of all payloads that the answer carries, in bytes
}

// loadWinner returns what an op lost against, or nil if the answer is full.
func (p *push) loadWinner(version int64) (*or3cloud.Winner, error) {
	if p.winners.size >= or3cloud.AnswerBytes {
		return nil, nil
	}
	w, ok := p.winners.read[version]
	if !ok {
		var err error
		if w, err = p.readWinner(version); err != nil {
			return nil, err
		}
		if p.winners.read == nil {
			p.winners.read = map[int64]*or3cloud.Winner{}
		}
		p.winners.read[version] = w
	}
	p.winners.size += len(w.Payload)
	return w, nil
}

func (p *push) readWinner(version int64) (*or3cloud.Winner, error) {
	var e entry
	found, err := one(p.st.entry, func(s *sqlite3.Stmt) { e = scanEntry(s) }, entryID(p.workspace, version))
	if err != nil || !found {
		return nil, fmt.Errorf("winning entry %d of workspace %d: found %t: %w", version, p.workspace, found, err)
	}
	w := &or3cloud.Winner{Operation: operation(e.op), Revision: e.stamp.Revision()}
	if w.Operation == or3cloud.OpDelete {
		w.DeletedAt = time.UnixMilli(e.at)
	} else {
		w.Payload = e.payload
	}
	return w, nil
}

// replay answers an op whose id the workspace has seen: with its first version and without effect. The same id with
// other content is a conflict, as long as the log still has the first.
func (p *push) replay(op *or3cloud.Op, opID []byte) (or3cloud.OpResult, error) {
	var version int64
	_, err := one(p.st.opIDVersion, func(s *sqlite3.Stmt) { version = s.ColumnInt64(0) }, p.workspace, opID)
	if err != nil {
		return or3cloud.OpResult{}, err
	}
	var first entry
	kept, err := one(p.st.entry, func(s *sqlite3.Stmt) { first = scanEntry(s) }, entryID(p.workspace, version))
	if err != nil {
		return or3cloud.OpResult{}, err
	}
	if kept && !sameContent(first, op) {
		text := "Conflicting operation reuses processed op_id %s"
		if version > p.first {
			text = "Conflicting operations reuse op_id %s"
		}
		return or3cloud.OpResult{ErrorCode: or3cloud.OpErrorConflict, Error: fmt.Sprintf(text, op.Stamp.OpID)}, nil
	}
	res := or3cloud.OpResult{Success: true, ServerVersion: version, Replayed: true}
	winner, exists, err := p.winner(tableNumber(op.Table), jsstring.SortKey(op.PK))
	if err != nil || !exists {
		// Only a dropped deletion leaves no record; the op is then as gone as what it lost against.
		res.Applied = true
		return res, err
	}
	if res.Applied = winner.version == version; !res.Applied {
		res.Winner, err = p.loadWinner(winner.version)
	}
	return res, err
}

// sameContent reports whether an op is the one that an entry was made from. Payloads are compared as JSON values,
// whatever the order of their keys.
func sameContent(e entry, op *or3cloud.Op) bool {
	return tableName(e.table) == op.Table && operation(e.op) == op.Operation && e.pk == op.PK && e.stamp == op.Stamp &&
		(bytes.Equal(e.payload, op.Payload) || bytes.Equal(canonical(e.payload), canonical(op.Payload)))
}

// canonical returns a JSON text in a form in which equal values are equal bytes, or the text itself if it has none.
func canonical(text []byte) []byte {
	v := jsontext.Value(bytes.Clone(text))
	if err := v.Canonicalize(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)); err != nil {
		return text
	}
	return v
}
