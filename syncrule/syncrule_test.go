package syncrule

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// engine is a minimal sync engine: the rules over two maps.
type engine struct {
	version int64
	records map[string]Record // by pk
	seen    map[string]seen   // by op id
}

type seen struct {
	version     int64
	fingerprint string
}

func newEngine() *engine { return &engine{records: map[string]Record{}, seen: map[string]seen{}} }

func (e *engine) push(op *or3cloud.Op) or3cloud.OpResult {
	winner := e.records[op.PK]
	fingerprint := string(Fingerprint(op))
	if s, ok := e.seen[op.Stamp.OpID]; ok {
		if s.fingerprint != fingerprint {
			return Reused(op.Stamp.OpID, false).Result()
		}
		res, _ := Replay(s.version, &winner)
		return res
	}
	if r := Refuse(op, &winner, true); r != nil {
		return r.Result()
	}
	wins := winner.LosesTo(op)
	e.version++
	e.seen[op.Stamp.OpID] = seen{e.version, fingerprint}
	if wins {
		e.records[op.PK] = Record{Version: e.version, Revision: op.Stamp.Revision(), State: StateOf(op)}
	}
	return or3cloud.OpResult{Success: true, ServerVersion: e.version, Applied: wins}
}

// winners returns the winners without their versions, which depend on the order.
func (e *engine) winners() map[string]string {
	out := map[string]string{}
	for pk, r := range e.records {
		out[pk] = fmt.Sprint(r.Revision, r.State)
	}
	return out
}

// FuzzTheOrderDoesNotMatter checks that the same ops have the same winners in whatever order and however often they
// arrive, and that a repetition changes nothing.
func FuzzTheOrderDoesNotMatter(f *testing.F) {
	f.Add([]byte("some ops about few records"), uint64(1))
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x00\x01\x02\x03"), uint64(2))
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		var ops []or3cloud.Op
		for i := 0; i+4 <= len(text) && i < 400; i += 4 {
			op := or3cloud.Op{Table: or3cloud.TableMessages, Operation: or3cloud.OpPut, PK: string('a' + text[i]%3), Payload: []byte(`{}`)}
			if text[i+1]%4 == 0 {
				op.Operation, op.Payload = or3cloud.OpDelete, nil
			}
			op.Facts.Deleted = text[i+1]%4 == 1
			op.Stamp = or3cloud.Stamp{
				OpID: fmt.Sprintf("op-%03d", len(ops)), DeviceID: "d", Clock: int64(binary.LittleEndian.Uint16(text[i+2:]) % 8), HLC: string('a' + text[i+1]%3),
			}
			ops = append(ops, op)
		}
		first, second := newEngine(), newEngine()
		for i := range ops {
			first.push(&ops[i])
		}
		rnd := rand.New(rand.NewPCG(seed, 0))
		for _, i := range rnd.Perm(len(ops)) {
			before := second.version
			if res := second.push(&ops[i]); !res.Success || res.ServerVersion != before+1 || res.Replayed {
				t.Fatalf("op %d: %+v", i, res)
			}
			again := ops[rnd.IntN(len(ops))]
			if _, known := second.seen[again.Stamp.OpID]; !known {
				continue
			}
			winners := second.winners()
			res := second.push(&again)
			if !res.Success || !res.Replayed || res.Applied != (second.records[again.PK].Version == res.ServerVersion) ||
				second.version != before+1 || !maps.Equal(winners, second.winners()) {
				t.Fatalf("repetition: %+v", res)
			}
			again.Stamp.HLC += "x"
			if res := second.push(&again); res.Success || res.ErrorCode != or3cloud.OpErrorConflict || second.version != before+1 {
				t.Fatalf("another op with the same id: %+v", res)
			}
		}
		if a, b := first.winners(), second.winners(); !maps.Equal(a, b) {
			t.Errorf("winners %v and %v", a, b)
		}
	})
}

func TestRefusals(t *testing.T) {
	put := func(clock int64) *or3cloud.Op {
		return &or3cloud.Op{Table: or3cloud.TableThreads, Operation: or3cloud.OpPut, PK: "a", Stamp: or3cloud.Stamp{Clock: clock}}
	}
	at := func(clock int64, s State) *Record {
		return &Record{Version: 1, Revision: or3cloud.Revision{Clock: clock}, State: s}
	}
	remove := put(1)
	remove.Operation = or3cloud.OpDelete
	for name, c := range map[string]struct {
		op      *or3cloud.Op
		winner  *Record
		items   bool
		refused bool
	}{
		"the highest clock":                  {put(MaxClock), &Record{}, false, false},
		"a higher one":                       {put(MaxClock + 1), &Record{}, false, true},
		"a step above a higher one":          {put(MaxClock + 5 + ClockStep), at(MaxClock+5, Live), false, false},
		"more than a step":                   {put(MaxClock + 6 + ClockStep), at(MaxClock+5, Live), false, true},
		"an item by who knows them":          {put(1), at(0, Live|Item), true, false},
		"an item by who does not":            {put(1), at(0, SoftDeleted|Item), false, true},
		"the deletion of an item":            {remove, at(0, Live|Item), false, false},
		"the deletion with too high a clock": {&or3cloud.Op{Operation: or3cloud.OpDelete, Stamp: or3cloud.Stamp{Clock: MaxClock + 1}}, &Record{}, true, true},
	} {
		if r := Refuse(c.op, c.winner, c.items); (r != nil) != c.refused {
			t.Errorf("%s: %+v", name, r)
		} else if r != nil && (r.Result().Success || r.Result().ErrorCode != or3cloud.OpErrorValidation || r.Text == "") {
			t.Errorf("%s: %+v", name, r.Result())
		}
	}
}

func TestReplayOfWhatIsGone(t *testing.T) {
	if res, lost := Replay(7, &Record{}); lost || !res.Applied || !res.Replayed || res.ServerVersion != 7 {
		t.Errorf("%+v, lost %v", res, lost)
	}
	if res, lost := Replay(7, &Record{Version: 9}); !lost || res.Applied {
		t.Errorf("%+v, lost %v", res, lost)
	}
	a, b := Reused("id", true).Text, Reused("id", false).Text
	if a == b || !strings.Contains(a, "id") || !strings.Contains(b, "id") {
		t.Errorf("%q, %q", a, b)
	}
}

func TestNotifications(t *testing.T) {
	put := func(user string) *or3cloud.Op {
		return &or3cloud.Op{Table: or3cloud.TableNotifications, Operation: or3cloud.OpPut, Facts: or3cloud.PayloadFacts{UserID: user}, Payload: []byte(`{"user_id":"` + user + `"}`)}
	}
	remove := &or3cloud.Op{Table: or3cloud.TableNotifications, Operation: or3cloud.OpDelete}
	for name, c := range map[string]struct {
		op           *or3cloud.Op
		user         string
		own          Record
		refused, ask bool
	}{
		"a new one":               {put("ann"), "ann", Record{}, false, true},
		"in another's name":       {put("ben"), "ann", Record{}, true, false},
		"without a user":          {put(""), "", Record{}, true, false},
		"one's own again":         {put("ann"), "ann", Record{Version: 1}, false, false},
		"one that one has erased": {put("ann"), "ann", Record{Version: 1, State: Deleted}, false, true},
		"a deletion of one's own": {remove, "ann", Record{Version: 1}, false, false},
		"one that no one knows":   {remove, "ann", Record{}, false, true},
	} {
		r, ask := OfAnotherUser(c.op, c.user, &c.own)
		if (r == ErrOfAnotherUser) != c.refused || ask != c.ask {
			t.Errorf("%s: %+v, ask %v", name, r, ask)
		}
	}
	op := put(localUser)
	if err := ClaimNotification(op, "ann"); err != nil || op.Facts.UserID != "ann" || !strings.Contains(string(op.Payload), `"ann"`) {
		t.Errorf("%v, %+v %s", err, op.Facts, op.Payload)
	}
	if err := ClaimNotification(op, "ben"); err != nil || op.Facts.UserID != "ann" {
		t.Errorf("claimed twice: %v, %+v", err, op.Facts)
	}
}

func TestNamesThatAreTaken(t *testing.T) {
	own := &or3cloud.Op{Table: or3cloud.TableKV, Operation: or3cloud.OpPut, PK: "kv:theme", Facts: or3cloud.PayloadFacts{Name: "theme"}}
	other := &or3cloud.Op{Table: or3cloud.TableKV, Operation: or3cloud.OpPut, PK: "x", Facts: or3cloud.PayloadFacts{Name: "theme"}}
	if r, displace := OfAnotherRow(other, true); r != ErrTakenName || displace {
		t.Errorf("a row without a claim: %v, %v", r, displace)
	}
	for _, wins := range []bool{true, false} {
		if r, displace := OfAnotherRow(own, wins); r != nil || displace != wins {
			t.Errorf("wins %v: %v, %v", wins, r, displace)
		}
	}
	record := func(clock int64, s State) *Record {
		return &Record{Version: 5, Revision: or3cloud.Revision{Clock: clock}, State: s}
	}
	for name, c := range map[string]struct {
		winner    *Record
		lastNamed int64
		want      Displacement
	}{
		"dropped":                        {&Record{}, 3, Displacement{Clock: MaxClock, Rename: true}},
		"has the name":                   {record(1, Live), 5, Displacement{Clock: 1 + ClockStep, Rename: true, Payload: true}},
		"has another name":               {record(1, Live), 3, Displacement{Clock: 1 + ClockStep}},
		"may have the name":              {record(1, SoftDeleted), 0, Displacement{Clock: 1 + ClockStep, Rename: true, Payload: true, OnlyIfNamed: true}},
		"is deleted":                     {record(1, Deleted), 3, Displacement{Clock: 1 + ClockStep, Rename: true}},
		"cannot be raised":               {record(or3cloud.MaxSafeInteger, Live), 5, Displacement{Stuck: true}},
		"can be raised by less than one": {record(or3cloud.MaxSafeInteger-1, Deleted), 5, Displacement{Clock: or3cloud.MaxSafeInteger, Rename: true}},
	} {
		if got := Displace(c.winner, c.lastNamed); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	if _, ok := Bury(record(or3cloud.MaxSafeInteger, Deleted)); ok {
		t.Error("a clock was raised above the highest")
	}
}

// FuzzRenaming checks that, whatever a row contains, the put that renames it passes validation and carries the name
// that the engine is told.
func FuzzRenaming(f *testing.F) {
	f.Add("kv:a", "a", `{"id":"kv:a","name":"a","value":"v","created_at":1,"updated_at":1,"clock":1,"deleted":false}`)
	f.Add("\u2028\"", strings.Repeat("ä", 150), "")
	f.Fuzz(func(t *testing.T, pk, name, payload string) {
		const id = "0f0e3c52-6a50-4b5e-8f3e-000000000001"
		now := time.Unix(1_700_000_000, 0)
		old := or3cloud.Op{Table: or3cloud.TableKV, Operation: or3cloud.OpPut, PK: pk, Payload: []byte(payload), Stamp: or3cloud.Stamp{DeviceID: "d", OpID: id, HLC: "h", Clock: 1}}
		if !utf8.ValidString(name) || syncschema.Check(&or3cloud.Op{Table: or3cloud.TableKV, Operation: or3cloud.OpDelete, PK: pk, Stamp: old.Stamp}) != nil {
			return // no row has such a pk
		}
		if syncschema.Check(&old) != nil {
			old.Payload = nil
		}
		text, facts, err := Renaming(pk, name, id, old.Payload, 7, old.Facts.Deleted, now)
		if err != nil {
			t.Fatal(err)
		}
		put := ServerPut(or3cloud.TableKV, pk, id, text, 7, facts, now)
		if p := syncschema.Check(&put); p != nil {
			t.Fatalf("%s: %s", text, p.Text)
		}
		if put.Facts.Name != facts.Name || put.Facts.Deleted != facts.Deleted || !strings.HasSuffix(facts.Name, "~"+id) {
			t.Errorf("%s: %+v, told %+v", text, put.Facts, facts)
		}
	})
}

func TestDisown(t *testing.T) {
	winner := &Record{Version: 1, Revision: or3cloud.Revision{Clock: 4}, State: SoftDeleted}
	for s, want := range map[State]bool{Live: false, SoftDeleted: true, SoftDeleted | Item: true, Deleted: false} {
		if got := MayDisown(&Record{Version: 1, State: s}); got != want {
			t.Errorf("state %d: %v", s, got)
		}
	}
	if MayDisown(&Record{Version: 1, State: SoftDeleted, Revision: or3cloud.Revision{Clock: or3cloud.MaxSafeInteger}}) {
		t.Error("a row whose clock cannot be raised")
	}
	if put, err := Disown("a", "0f0e3c52-6a50-4b5e-8f3e-000000000001", []byte(`{"hash":"a"}`), winner, time.Unix(1, 0)); put != nil || err != nil {
		t.Errorf("a row without storage_id: %v, %v", put, err)
	}
}

// The id of an event must be the same for the same event, different for any other, and acceptable to clients (contract,
// sync §2).
func TestNotificationIDs(t *testing.T) {
	a := or3cloud.NotificationID("invite", "1", "ann")
	if !syncschema.IsUUID(a) || a != or3cloud.NotificationID("invite", "1", "ann") {
		t.Errorf("%s", a)
	}
	for _, other := range [][]string{{"invite", "1", "bob"}, {"invite", "1a", "nn"}, {"invite", "1ann"}, {}} {
		if or3cloud.NotificationID(other...) == a {
			t.Errorf("%q has the id of another event", other)
		}
	}
}
