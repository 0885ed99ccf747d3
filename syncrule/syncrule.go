// Package syncrule is what a sync engine decides about an op once it has looked up what it has stored: which op wins, what
// a repeated op is answered, what is refused, and what the server writes by itself (contract, sync §5, §8, §10). It asks no
// store and takes no time of its own, so all engines decide alike. What can be said of an op alone is decided before, by
// the check that every op passes at the door (syncwire.Push.Judge).
package syncrule

import (
	"fmt"

	or3cloud "or3.chat/cloud"
)

// MaxClock is how high the clock of a record may be at once, which is far above Unix seconds and milliseconds; ClockStep
// is how far an op may raise a higher one. Without a bound, one op could make a record unchangeable for everyone.
const (
	MaxClock  = 1 << 41
	ClockStep = 1 << 20
)

// State is what has become of a record. Engines may store its number.
type State int64

// The states of a record; Item is added to the first two for a row of workspace Files and Trash.
const (
	Live        State = 0
	SoftDeleted State = 1 // the winning put says deleted:true
	Deleted     State = 2 // the winning op is a delete
	Item        State = 4

	fates State = 3
)

// Fate returns the state without Item.
func (s State) Fate() State { return s & fates }

// StateOf returns the state of a record that an op has won.
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

// Record is the winner of a (table, pk) as far as the rules ask for it; the zero value if there is none.
type Record struct {
	Version  int64 // of the winning op, above 0
	Revision or3cloud.Revision
	State    State
}

// Exists reports whether the record has a winner.
func (r *Record) Exists() bool { return r.Version > 0 }

// LosesTo reports whether an op becomes the winner of the record: the later revision wins, whatever the order in which
// ops arrive (contract, sync §5).
func (r *Record) LosesTo(op *or3cloud.Op) bool {
	return !r.Exists() || r.Revision.Less(op.Stamp.Revision())
}

// Refusal is why an op is not accepted.
type Refusal struct {
	Code or3cloud.OpErrorCode
	// Text is sent to the client.
	Text string
}

// Result returns the result of an op that is refused. The id is for the caller to add.
func (r *Refusal) Result() or3cloud.OpResult {
	return or3cloud.OpResult{ErrorCode: r.Code, Error: r.Text}
}

// Refuse judges an op by the record that it addresses: clocks that would block the record, and puts of a client that does
// not know workspace Files and Trash (knowsItems) over a row of theirs, which would damage it. Names and notifications
// depend on other records, too: OfAnotherRow, OfAnotherUser.
func Refuse(op *or3cloud.Op, winner *Record, knowsItems bool) *Refusal {
	if highest := max(MaxClock, winner.Revision.Clock+ClockStep); op.Stamp.Clock > highest {
		return &Refusal{or3cloud.OpErrorValidation, fmt.Sprintf("stamp.clock must be at most %d", highest)}
	}
	if op.Operation == or3cloud.OpPut && winner.State&Item != 0 && !knowsItems {
		return &Refusal{or3cloud.OpErrorValidation, "Update OR3 Chat to use workspace Files and Trash"}
	}
	return nil
}

// Replay returns the result of an op that was accepted before, as version: nothing happens again (contract, sync §10.3).
// lost says that the winner belongs into it.
func Replay(version int64, winner *Record) (res or3cloud.OpResult, lost bool) {
	res = or3cloud.OpResult{Success: true, ServerVersion: version, Replayed: true}
	// Only a dropped deletion leaves no record; the op is then as gone as what it lost against.
	res.Applied = !winner.Exists() || winner.Version == version
	return res, !res.Applied
}

// Reused refuses an op whose id stands for another op, of the same batch or of an earlier one.
func Reused(opID string, sameBatch bool) *Refusal {
	text := "Conflicting operation reuses processed op_id %s"
	if sameBatch {
		text = "Conflicting operations reuse op_id %s"
	}
	return &Refusal{or3cloud.OpErrorConflict, fmt.Sprintf(text, opID)}
}

// SameHead reports whether two ops are the same but for their payloads: enough for those from before there were
// fingerprints.
func SameHead(a, b *or3cloud.Op) bool {
	return a.Table == b.Table && a.Operation == b.Operation && a.PK == b.PK && a.Stamp == b.Stamp
}
