package block

import (
	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncwire"
)

// Draft is a block prepared as far as possible before it is known which ops are accepted, and under which versions. It
// is made in the goroutine of the request. The zero value is empty.
type Draft struct {
	text    []byte
	ends    []int // of the entries in the text
	entries []Entry
	heads   int // approximate size of their heads
	packed  texts
}

// Known is what an engine knows of an op when it encodes it. Its slices become parts of the draft.
type Known struct {
	State       int64
	OpID, Owner []byte // packed; Owner is nil for an op that everyone sees
	Fingerprint []byte
	// Unchecked says that the op is from before ops were checked.
	Unchecked bool
}

// Reset empties the draft and keeps its memory, unless a large entry has made it large.
func (d *Draft) Reset() {
	clear(d.entries) // they hold what requests have sent
	if cap(d.text) > mostKept {
		d.text = nil
	}
	d.text, d.ends, d.entries, d.heads = d.text[:0], d.ends[:0], d.entries[:0], 0
	d.packed.reset()
}

// mostKept is the size in bytes up to which the memory of a text is kept for the next block.
const mostKept = 4 * FullText

// Full reports whether the draft should get no more ops.
func (d *Draft) Full() bool { return isFull(len(d.entries), len(d.text), d.heads) }

// Takes reports whether an op with a payload of this many bytes may be added. A large one is alone in its block:
// reading another entry of a block reads the text of all.
func (d *Draft) Takes(payload int) bool {
	return !d.Full() && (len(d.entries) == 0 || payload <= FullText)
}

func isFull(n, text, heads int) bool {
	return n >= MaxEntries || text >= FullText || heads >= FullHeads
}

// Len returns the number of ops.
func (d *Draft) Len() int { return len(d.entries) }

// Size returns the length of the text of an op.
func (d *Draft) Size(i int) int {
	begin, end := d.place(i)
	return end - begin
}

// Add encodes an op.
func (d *Draft) Add(op *or3cloud.Op, k Known) {
	d.packed.reset()
	e := Entry{
		Table: layout.TableNumber(op.Table), Operation: op.Operation, State: k.State, Clock: op.Stamp.Clock,
		OpID: k.OpID, Owner: k.Owner, Fingerprint: k.Fingerprint, Unchecked: k.Unchecked, payload: op.Payload != nil,
		stamp: op.Stamp.HLC,
	}
	c := or3cloud.Change{ServerVersion: layout.MaxVersion, Table: op.Table, PK: op.PK, Operation: op.Operation, Payload: op.Payload, Stamp: op.Stamp}
	if len(d.entries) == 0 {
		d.text = append(d.text, '[')
	} else {
		d.text[len(d.text)-1] = ','
	}
	begin := len(d.text)
	d.text = syncwire.AppendChangeHead(d.text, &c)
	e.before = len(d.text) - begin
	d.text = append(d.text, c.Payload...)
	tail := len(d.text)
	d.text = syncwire.AppendChangeTail(d.text, &c)
	e.after = len(d.text) - tail
	putVersion(d.text[begin:], 0)
	d.ends, d.entries = append(d.ends, len(d.text)), append(d.entries, e)
	d.text = append(d.text, ']')
	d.heads += headRoom + len(k.OpID) + len(k.Owner) + len(op.Stamp.HLC)
}

// place returns where an entry begins and ends in the text.
func (d *Draft) place(i int) (begin, end int) {
	if i > 0 {
		begin = d.ends[i-1]
	}
	return begin + 1, d.ends[i]
}

// headRoom is what a head takes besides texts of any length.
const headRoom = 72
