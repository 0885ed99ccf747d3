package syncrule

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// Clients keep a unique index on the names of kv rows, deleted rows included, and a change that would break it stops a
// device for good (contract, sync Pitfall 15). So a name stays with the row that had it, renamed and deleted rows
// included, until that row is displaced: the server renames it by a put, unless its winner has another name already, and
// the engine delivers that entry even when it is superseded. Whatever becomes of the row, each device then learns that it
// has lost the name before it sees the entry that took it.

// ownPrefix makes a name the pk that all clients use for it. A put of that pk gets its name, whoever holds it.
const ownPrefix = "kv:"

// OwnsName reports whether an op is a put of the pk that clients use for its name.
func OwnsName(op *or3cloud.Op) bool {
	return op.Table == or3cloud.TableKV && op.Operation == or3cloud.OpPut && op.PK == ownPrefix+op.Facts.Name
}

// ErrTakenName refuses a put that would take the name of another row.
var ErrTakenName = &Refusal{or3cloud.OpErrorValidation, "Invalid payload for kv: name belongs to another row"}

// OfAnotherRow judges a kv put whose name belongs to another row: it is refused, or displaces that row, or does neither
// because it does not win.
func OfAnotherRow(op *or3cloud.Op, wins bool) (r *Refusal, displace bool) {
	if !OwnsName(op) {
		return ErrTakenName, false
	}
	return nil, wins
}

// Displacement is how a row loses its name to another one.
type Displacement struct {
	// Clock is that of the put which renames the row.
	Clock int64
	// Stuck says that the row's clock cannot be raised, so it keeps its name.
	Stuck bool
	// Rename says that the put is needed; OnlyIfNamed, that it is if the row's winner still has the name.
	Rename, OnlyIfNamed bool
	// Payload says that the put is made from the payload of the row's winner, and else from nothing.
	Payload bool
}

// Displace decides how a row loses a name. lastNamed is the version of the op by which it had the name last, 0 if that is
// not known.
func Displace(winner *Record, lastNamed int64) Displacement {
	if !winner.Exists() {
		return Displacement{Clock: MaxClock, Rename: true} // above that of any row whose deletion was dropped
	}
	clock, ok := raised(winner, ClockStep)
	switch {
	case !ok:
		return Displacement{Stuck: true}
	case winner.State.Fate() == Deleted:
		return Displacement{Clock: clock, Rename: true}
	case lastNamed != winner.Version && lastNamed != 0:
		return Displacement{Clock: clock}
	}
	return Displacement{Clock: clock, Rename: true, OnlyIfNamed: lastNamed == 0, Payload: true}
}

// raised returns a clock that is above a record's, by step at most, if there is one.
func raised(winner *Record, step int64) (clock int64, ok bool) {
	clock = min(winner.Revision.Clock+step, or3cloud.MaxSafeInteger)
	return clock, clock > winner.Revision.Clock
}

// maxRenamed is how much of a name a renamed row keeps, in bytes.
const maxRenamed = 200

// Renaming returns the payload of the put that gives a kv row a name which no row ever had, made of name and a fresh id. Of
// a row that is deleted, or that no client could take, nothing else is left; payload is nil for one without a winner.
func Renaming(pk, name, id string, payload []byte, clock int64, deleted bool, now time.Time) ([]byte, or3cloud.PayloadFacts, error) {
	if cut := maxRenamed; len(name) > cut {
		for !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut]
	}
	name += "~" + id
	if payload == nil || syncschema.Unfit(payload) != "" {
		return gone(pk, name, now, clock), or3cloud.PayloadFacts{Name: name, Deleted: true}, nil
	}
	payload, err := syncschema.WithName(payload, name, clock)
	if err != nil {
		return nil, or3cloud.PayloadFacts{}, fmt.Errorf("rename kv row: %w", err)
	}
	return payload, or3cloud.PayloadFacts{Name: name, Deleted: deleted}, nil
}

// gone returns the payload of a kv row that is deleted and has nothing but a name.
func gone(pk, name string, now time.Time, clock int64) []byte {
	quotedPK, _ := jsontext.AppendQuote(nil, pk) // both are well-formed by now, or come out as that
	quotedName, _ := jsontext.AppendQuote(nil, name)
	return fmt.Appendf(nil, `{"id":%s,"name":%s,"value":null,"deleted":true,"deleted_at":%[3]d,"created_at":%[3]d,"updated_at":%[3]d,"clock":%[4]d}`,
		quotedPK, quotedName, now.Unix(), clock)
}

// Bury returns the clock of the put, saying deleted:true, that follows the deletion of a row which has entries that are
// delivered although they are superseded, if there is such a clock. A base client that meets a put and a delete of a row in
// one page leaves the row alive (contract, client-behaviour §5); the last of two puts stays.
func Bury(winner *Record) (clock int64, ok bool) { return raised(winner, 1) }
