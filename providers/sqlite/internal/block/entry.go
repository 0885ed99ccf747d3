package block

import (
	"bytes"
	"encoding/binary"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncwire"
)

// Accepted is what is known of an op once it is accepted.
type Accepted struct {
	Version int64
	// At is the time of acceptance, in Unix milliseconds.
	At int64
	// Prev is the version of the entry that it replaced as the winner of its record, 0 if there was none.
	Prev int64
	// Lost says that it was never the winner of its record, Revived that the entry it replaced was a deletion, and
	// Waypoint that snapshots use it as a waypoint.
	Lost, Revived, Waypoint bool
}

// Entry is an entry as it is stored. Its slices are parts of the block.
type Entry struct {
	// Table is its number (layout.TableNumber).
	Table     int64
	Operation or3cloud.Operation
	// State is what the entry would make of its record (syncrule.State), 0 to 7.
	State int64
	Clock int64
	Accepted
	// Unchecked says that the op is from before ops were checked: it may hold something that clients cannot take.
	Unchecked bool
	// OpID and Owner are packed (layout.PackID). Owner is the only user who sees the entry, nil for everyone.
	OpID, Owner []byte
	Fingerprint []byte

	stamp string    // the hlc, if it comes from an op
	hlc   [3][]byte // otherwise in parts
	text  []byte    // as a pull sends it; nil if it was dropped or has not been read
	// where the payload begins in the text, and the length of what follows it
	before, after int
	payload       bool
}

// HLC returns the hlc of the entry's stamp.
func (e *Entry) HLC() string {
	if e.stamp != "" {
		return e.stamp
	}
	var buf [64]byte
	return string(e.appendHLC(buf[:0]))
}

func (e *Entry) appendHLC(b []byte) []byte {
	return append(append(append(append(b, e.stamp...), e.hlc[0]...), e.hlc[1]...), e.hlc[2]...)
}

// Revision returns the revision of the entry.
func (e *Entry) Revision() or3cloud.Revision {
	return or3cloud.Revision{Clock: e.Clock, HLC: e.HLC(), OpID: layout.UnpackID(e.OpID)}
}

// Dropped reports whether the entry is kept for its op id alone. It is true for a block that was opened without its
// text.
func (e *Entry) Dropped() bool { return e.text == nil }

// Text returns the entry as a pull sends it.
func (e *Entry) Text() []byte { return e.text }

// Payload returns the payload as it arrived; nil if the op had none.
func (e *Entry) Payload() []byte {
	if !e.payload || e.text == nil {
		return nil
	}
	return e.text[e.before : len(e.text)-e.after]
}

// The first two bytes of a head.
const (
	tableBits   = 1<<3 - 1
	isDelete    = 1 << 3
	stateShift  = 4
	stateBits   = 1<<3 - 1
	lost        = 1 << 7
	hasPrev     = 1 << 0
	hasTime     = 1 << 1
	hasPayload  = 1 << 2
	isUUID      = 1 << 3 // the op id has idSize bytes, and no length
	wholePrint  = 1 << 4 // the fingerprint has printSize bytes, and no length
	revived     = 1 << 5
	waypoint    = 1 << 6
	knownFlags  = 1<<7 - 1
	idSize      = 17 // a packed UUID
	printSize   = 16
	longestPart = 255
)

// A head, in this order:
//
//	table, operation, state, lost             byte
//	what follows, revived, waypoint           byte
//	version      uvarint   above that of the block; if versions have gaps
//	clock        uvarint
//	prev         uvarint   below the version; if there is one
//	at           varint    after that of the block; if it differs
//	before       uvarint   where the payload begins in the text
//	after        uvarint   how many bytes follow it
//	op id        idSize bytes, or a text: its packed form
//	fingerprint  printSize bytes, or a text
//	hlc          byte, byte, text: how many bytes it has from the beginning and the end of the block's, and what is between them
//	owner        text      if the block says that there is one
func (e *Entry) appendHead(b []byte, first, at int64, baseHLC []byte, sparse bool) []byte {
	one, two := byte(e.Table)|byte(e.State)<<stateShift, byte(0)
	if e.Operation == or3cloud.OpDelete {
		one |= isDelete
	}
	if e.Lost {
		one |= lost
	}
	if e.Prev > 0 {
		two |= hasPrev
	}
	if e.Revived {
		two |= revived
	}
	if e.Waypoint {
		two |= waypoint
	}
	if e.At != at {
		two |= hasTime
	}
	if e.payload {
		two |= hasPayload
	}
	if len(e.OpID) == idSize {
		two |= isUUID
	}
	if len(e.Fingerprint) == printSize {
		two |= wholePrint
	}
	b = append(b, one, two)
	if sparse {
		b = binary.AppendUvarint(b, uint64(e.Version-first))
	}
	b = binary.AppendUvarint(b, uint64(e.Clock))
	if two&hasPrev != 0 {
		b = binary.AppendUvarint(b, uint64(e.Version-e.Prev))
	}
	if two&hasTime != 0 {
		b = binary.AppendVarint(b, e.At-at)
	}
	b = binary.AppendUvarint(b, uint64(e.before))
	b = binary.AppendUvarint(b, uint64(e.after))
	if two&isUUID != 0 {
		b = append(b, e.OpID...)
	} else {
		b = appendText(b, e.OpID)
	}
	if two&wholePrint != 0 {
		b = append(b, e.Fingerprint...)
	} else {
		b = appendText(b, e.Fingerprint)
	}
	b = appendShortened(b, e, baseHLC)
	if e.Owner != nil {
		b = appendText(b, e.Owner)
	}
	return b
}

func appendText(b, text []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// appendShortened appends the hlc of an entry without what it shares with another one: those of one device within some
// minutes differ in a few digits.
func appendShortened(b []byte, e *Entry, base []byte) []byte {
	var buf [64]byte
	h := e.appendHLC(buf[:0])
	most := min(len(h), len(base), longestPart)
	begin, end := 0, 0
	for begin < most && h[begin] == base[begin] {
		begin++
	}
	for end < most-begin && h[len(h)-1-end] == base[len(base)-1-end] {
		end++
	}
	return appendText(append(b, byte(begin), byte(end)), h[begin:len(h)-end])
}

// Entry returns an entry. It reads no other one.
func (b *Block) Entry(i int) (e Entry, err error) {
	h, err := b.head(i)
	if err != nil {
		return e, err
	}
	r := reader{b: h}
	one, two := r.byte(), r.byte()
	e.Table, e.State, e.Lost, e.Operation = int64(one&tableBits), int64(one>>stateShift&stateBits), one&lost != 0, or3cloud.OpPut
	e.Revived, e.Waypoint = two&revived != 0, two&waypoint != 0
	if one&isDelete != 0 {
		e.Operation = or3cloud.OpDelete
	}
	if e.Version = b.first + int64(i); b.tables&gaps != 0 {
		e.Version = b.first + r.number()
	}
	e.Clock = r.number()
	if two&hasPrev != 0 {
		e.Prev = e.Version - r.number()
	}
	if e.At = b.at; two&hasTime != 0 {
		d, n := binary.Varint(r.b)
		if n <= 0 {
			return e, ErrDamaged
		}
		r.bytes(n)
		e.At += d
	}
	before, after := r.number(), r.number()
	e.payload = two&hasPayload != 0
	e.OpID, e.Fingerprint = r.fixed(two&isUUID != 0, idSize), r.fixed(two&wholePrint != 0, printSize)
	begin, end := int(r.byte()), int(r.byte())
	if begin+end > len(b.hlc) {
		return e, ErrDamaged
	}
	e.hlc = [3][]byte{b.hlc[:begin], r.text(), b.hlc[len(b.hlc)-end:]}
	if b.owned&(1<<i) != 0 {
		e.Owner = r.text()
	}
	e.Unchecked = b.unchecked&(1<<i) != 0
	if r.bad || len(r.b) > 0 || e.Table == 0 || two > knownFlags || e.Prev < 0 || e.Version > layout.MaxVersion {
		return e, ErrDamaged
	}
	if b.text != nil {
		if e.text, err = b.span(i, i+1); err != nil {
			return e, err
		}
		// The parts that are copied into answers have a version in front and an op in front of the payload.
		if n := int64(len(e.text)); e.text != nil && (n < int64(versionEnd) || before > n || after > n-before || before < int64(versionEnd+len(e.tail()))) {
			return e, ErrDamaged
		}
	}
	e.before, e.after = int(before), int(after)
	return e, nil
}

// PK returns the pk of the record.
func (e *Entry) PK() (string, error) {
	begin, end := versionEnd+len(`,"tableName":"`)+len(layout.TableName(e.Table))+len(`","pk":`), e.before-len(e.tail())
	if e.text == nil || begin > end {
		return "", ErrDamaged
	}
	pk, err := jsontext.AppendUnquote(nil, e.text[begin:end])
	if err != nil {
		return "", ErrDamaged
	}
	return string(pk), nil
}

// Device returns the device of the entry's stamp.
func (e *Entry) Device() (string, error) {
	if e.text == nil || e.after > len(e.text) {
		return "", ErrDamaged
	}
	rest, ok := bytes.CutPrefix(e.text[len(e.text)-e.after:], []byte(stampBegin))
	for i := 1; ok && i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			device, err := jsontext.AppendUnquote(nil, rest[:i+1])
			if err != nil {
				return "", ErrDamaged
			}
			return string(device), nil
		}
	}
	return "", ErrDamaged
}

// stampBegin is the beginning of a stamp.
const stampBegin = `,"stamp":{"deviceId":`

// fixed reads bytes of a known number, or a text.
func (r *reader) fixed(known bool, n int) []byte {
	if known {
		return r.bytes(n)
	}
	return r.text()
}

// tail returns the text between the pk and the payload, or the stamp if there is no payload.
func (e *Entry) tail() string {
	switch {
	case e.Operation == or3cloud.OpPut && e.payload:
		return `,"op":"put","payload":`
	case e.Operation == or3cloud.OpPut:
		return `,"op":"put"`
	case e.payload:
		return `,"op":"delete","payload":`
	}
	return `,"op":"delete"`
}

// The version of an entry has a fixed width in its text, so that it can be written last. It is padded with spaces,
// which JSON allows in front of a number.
const (
	versionWidth = 13 // digits of layout.MaxVersion
	versionBegin = len(syncwire.ChangeBegin)
	versionEnd   = versionBegin + versionWidth
)

// putVersion writes a version into the space that an entry's text has for it.
func putVersion(text []byte, version int64) {
	room := text[versionBegin:versionEnd]
	for i := len(room) - 1; i >= 0; i-- {
		if version == 0 {
			room[i] = ' '
			continue
		}
		room[i] = byte('0' + version%10)
		version /= 10
	}
}
