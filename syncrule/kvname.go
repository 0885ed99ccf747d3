package syncrule

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// Clients keep a unique index on the names of kv rows, deleted rows included, and a change that violates it stops a
// device permanently (contract, sync Pitfall 15). So a name stays with the row that had it, even after the row was
// renamed or deleted, until that row is displaced: the server renames it by a put, unless its winner already has
// another name, and the engine delivers that entry even if it is superseded. Whatever happens to the row later, each
// device then learns that the row lost the name before it sees the entry that took it.

// ownPrefix turns a name into the pk that all clients use for it. A put of that pk gets its name, whichever row holds
// it.
const ownPrefix = "kv:"

// OwnsName reports whether an op is a put of the pk that clients use for its name.
func OwnsName(op *or3cloud.Op) bool {
	return op.Table == or3cloud.TableKV && op.Operation == or3cloud.OpPut && op.PK == ownPrefix+op.Facts.Name
}

// ErrTakenName refuses a put that would take another row's name.
var ErrTakenName = &Refusal{or3cloud.OpErrorValidation, "Invalid payload for kv: name belongs to another row"}

// OfAnotherRow judges a kv put whose name belongs to another row. The put is refused, or displaces that row, or does
// neither because it does not win.
func OfAnotherRow(op *or3cloud.Op, wins bool) (r *Refusal, displace bool) {
	if !OwnsName(op) {
		return ErrTakenName, false
	}
	return nil, wins
}

// Displacement describes how a row loses its name to another row.
type Displacement struct {
	// Clock is the clock of the put that renames the row.
	Clock int64
	// Stuck means that the row's clock cannot be raised, so the row keeps its name.
	Stuck bool
	// Rename means that the put is needed. OnlyIfNamed means that it is needed only if the row's winner still has the
	// name.
	Rename, OnlyIfNamed bool
	// Payload means that the put is based on the payload of the row's winner rather than on nothing.
	Payload bool
}

// Displace decides how a row loses a name. lastNamed is the version of the last op that gave it the name, or 0 if
// unknown.
func Displace(winner *Record, lastNamed int64) Displacement {
	if !winner.Exists() {
		return Displacement{Clock: MaxClock, Rename: true} // above that of any row whose delete was dropped
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

// raised returns a clock that is at most step above a record's, if there is one.
func raised(winner *Record, step int64) (clock int64, ok bool) {
	clock = min(winner.Revision.Clock+step, or3cloud.MaxSafeInteger)
	return clock, clock > winner.Revision.Clock
}

// maxRenamed is the number of bytes of the old name that a renamed row keeps.
const maxRenamed = 200

// Renaming returns the payload of the put that gives a kv row a name that no row has ever had, made of name and a fresh
// id. A row that is deleted, or that no client could accept, keeps nothing else. payload is nil for a row without a
// winner.
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

// gone returns the payload of a deleted kv row that has only a name.
func gone(pk, name string, now time.Time, clock int64) []byte {
	quotedPK, _ := jsontext.AppendQuote(nil, pk) // both are well-formed by now, or become so here
	quotedName, _ := jsontext.AppendQuote(nil, name)
	return fmt.Appendf(nil, `{"id":%s,"name":%s,"value":null,"deleted":true,"deleted_at":%[3]d,"created_at":%[3]d,"updated_at":%[3]d,"clock":%[4]d}`,
		quotedPK, quotedName, now.Unix(), clock)
}

// Bury returns the clock of the put with deleted:true that follows the delete of a row with superseded entries that are
// still delivered. ok is false if there is no such clock. A base client that sees a put and a delete of a row in one
// page leaves the row alive (contract, client-behaviour §5), but of two puts it keeps the last.
func Bury(winner *Record) (clock int64, ok bool) { return raised(winner, 1) }
