// Package syncrule holds the decisions of a sync engine about an op, once it has looked up what it has stored: which op
// wins, the answer to a repeated op, what is refused, and what the server writes on its own (contract, sync §5, §8,
// §10). It uses neither a store nor a clock, so all engines decide alike. Whatever can be decided about an op alone was
// decided earlier, by the validation that every op passes on arrival (syncwire.Push.Judge).
package syncrule

import (
	"fmt"

	or3cloud "or3.chat/cloud"
)

// MaxClock is the largest clock that a record may reach at once; it is far above Unix seconds and milliseconds.
// ClockStep is how far an op may raise a higher clock. Without this limit, one op could make a record unchangeable for
// every member.
const (
	MaxClock  = 1 << 41
	ClockStep = 1 << 20
)

// State is the state of a record. Engines may store its number.
type State int64

// The states of a record. Item is added to the first two for a row of workspace Files and Trash.
const (
	Live        State = 0
	SoftDeleted State = 1 // the winning put says deleted:true
	Deleted     State = 2 // the winning op is a delete
	Item        State = 4

	fates State = 3
)

// Fate returns the state without Item.
func (s State) Fate() State { return s & fates }

// StateOf returns the state of a record after this op has won it.
func StateOf(op *or3cloud.Op) State {
	if op.Operation == or3cloud.OpDelete {
		return Deleted
	}
	s := Live
	if op.Facts.Deleted {
		s = SoftDeleted
	}
	if op.Facts.WorkspaceItem {
		s += Item
	}
	return s
}

// Record is the winner of a (table, pk), as far as the rules need it. The zero value means that there is none.
type Record struct {
	Version  int64 // of the winning op, above 0
	Revision or3cloud.Revision
	State    State
}

// Exists reports whether the record has a winner.
func (r *Record) Exists() bool { return r.Version > 0 }

// LosesTo reports whether an op becomes the winner of the record. The later revision wins, in whatever order ops arrive
// (contract, sync §5).
func (r *Record) LosesTo(op *or3cloud.Op) bool {
	return !r.Exists() || r.Revision.Less(op.Stamp.Revision())
}

// Refusal is the reason why an op is not accepted.
type Refusal struct {
	Code or3cloud.OpErrorCode
	// Text is sent to the client.
	Text string
}

// Result returns the result of a refused op. The caller adds the id.
func (r *Refusal) Result() or3cloud.OpResult {
	return or3cloud.OpResult{ErrorCode: r.Code, Error: r.Text}
}

// Refuse checks an op against the record that it addresses. It refuses clocks that would block the record, and puts
// over a row of workspace Files and Trash from a client that does not know these (knowsItems), because they would
// damage it. Names and notifications also depend on other records: see OfAnotherRow and OfAnotherUser.
func Refuse(op *or3cloud.Op, winner *Record, knowsItems bool) *Refusal {
	if highest := max(MaxClock, winner.Revision.Clock+ClockStep); op.Stamp.Clock > highest {
		return &Refusal{or3cloud.OpErrorValidation, fmt.Sprintf("stamp.clock must be at most %d", highest)}
	}
	if op.Operation == or3cloud.OpPut && winner.State&Item != 0 && !knowsItems {
		return &Refusal{or3cloud.OpErrorValidation, "Update OR3 Chat to use workspace Files and Trash"}
	}
	return nil
}

// Replay returns the result of an op that was accepted before, as version; it does not happen again (contract, sync
// §10.3). lost means that the result must include the winner.
func Replay(version int64, winner *Record) (res or3cloud.OpResult, lost bool) {
	res = or3cloud.OpResult{Success: true, ServerVersion: version, Replayed: true}
	// Only a delete that was dropped leaves no record, so the op has been dropped together with what it lost to.
	res.Applied = !winner.Exists() || winner.Version == version
	return res, !res.Applied
}

// Reused refuses an op whose id belongs to another op of the same batch or of an earlier one.
func Reused(opID string, sameBatch bool) *Refusal {
	text := "Conflicting operation reuses processed op_id %s"
	if sameBatch {
		text = "Conflicting operations reuse op_id %s"
	}
	return &Refusal{or3cloud.OpErrorConflict, fmt.Sprintf(text, opID)}
}

// SameHead reports whether two ops are equal apart from their payloads. That has to do for ops stored before
// fingerprints existed.
func SameHead(a, b *or3cloud.Op) bool {
	return a.Table == b.Table && a.Operation == b.Operation && a.PK == b.PK && a.Stamp == b.Stamp
}
