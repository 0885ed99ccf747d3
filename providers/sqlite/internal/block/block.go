// Package block is the format in which entries of the log are stored: the accepted ops of one push, as far as they fit,
// are one block. Its text is a JSON array of what pulls send, so a pull copies; its heads are what an engine must know
// of entries besides that. It knows no store.
package block

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"

	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// A block ends with the entry that reaches one of these. They limit what a transaction reads to look at one entry, and
// what it writes to drop one.
const (
	// MaxEntries is how many marks fit into an integer of SQLite.
	MaxEntries = 64
	// FullText is in bytes of JSON; a block may exceed it by one entry.
	FullText = 64 << 10
	// FullHeads is in bytes of heads, which foreign clients' ids make long.
	FullHeads = 16 << 10
)

// ErrDamaged is the error for a block that no encoder has made. It counts as damage of the file (sqlitex.Damaged).
var ErrDamaged error = damage{}

type damage struct{}

func (damage) Error() string { return "a block of the log is damaged" }
func (damage) Damaged()      {}

var errPacked = errors.New("the text of a block is packed")

// The heads of a block, integers in little-endian order:
//
//	format    byte      1; 2 if the text is packed
//	count     byte      number of entries, 1 to MaxEntries
//	tables    byte      bit n: there are entries of table n (layout.TableNumber); bit 0: versions have gaps
//	masks     byte      bit 0: owned follows; bit 1: unchecked follows
//	at        uvarint   when the entries were accepted, in Unix milliseconds; that of the first one if they differ
//	hlc       text      that of the first entry
//	owned     uint64    which entries are shown to one user alone
//	unchecked uint64    which entries may hold what no client can take
//	frames    text      if the text is packed: for each frame a byte, which entry follows it, and a uvarint, its size
//	places    count × { uint32 end of the entry in the text, uint32 end of its head }, counted from the beginnings of the text and of
//	          the heads
//	heads
//
// A text is a uvarint with its length, and its bytes. The text of an entry begins behind the bracket or comma that
// follows the end of the one before. In a packed text, versions may be left out (putVersion). An entry that ends where
// the one before does has none: it is kept for its op id alone.
const (
	plain      = 1 // the format
	packed     = 2
	placeSize  = 8
	gaps       = 1 << 0 // in tables
	hasOwned   = 1 << 0 // in masks
	hasOthers  = 1 << 1
	knownMasks = hasOwned | hasOthers
)

// Block is a block as it is read. Its slices are parts of what it was opened from.
type Block struct {
	first            int64 // the version under which it is found
	at               int64
	count            int
	tables           byte
	owned, unchecked uint64
	hlc              []byte // of the first entry
	places, heads    []byte
	text             []byte
	base             int    // where the text begins that is in memory
	readable         uint64 // the entries whose texts are in memory
	packed, frames   []byte // the text in frames, and where they are
}

// Open returns the block that is stored under a version. text may be nil if no text is needed; otherwise Unpack must be
// called before a text is read. It costs the same whatever the number of entries.
func Open(first int64, heads, text []byte) (b Block, err error) {
	if len(heads) < 4 || heads[0] != plain && heads[0] != packed || heads[1] == 0 || heads[1] > MaxEntries || heads[3] > knownMasks {
		return b, ErrDamaged
	}
	b = Block{first: first, count: int(heads[1]), tables: heads[2], text: text}
	switch {
	case heads[0] == packed:
		b.text, b.packed = nil, text
	case text != nil:
		b.readable = b.All()
	}
	r := reader{b: heads[4:]}
	b.at, b.hlc = r.number(), r.text()
	if heads[3]&hasOwned != 0 {
		b.owned = r.word()
	}
	if heads[3]&hasOthers != 0 {
		b.unchecked = r.word()
	}
	if heads[0] == packed {
		b.frames = r.text()
	}
	b.places = r.bytes(placeSize * b.count)
	b.heads = r.b
	if r.bad || (b.owned|b.unchecked)&^b.All() != 0 {
		return b, ErrDamaged
	}
	return b, nil
}

// Len returns the number of entries.
func (b *Block) Len() int { return b.count }

// Packed reports whether the text is stored packed.
func (b *Block) Packed() bool { return b.frames != nil }

// Size returns the length of an entry's text, which need not be in memory. It is 0 for one that was stripped.
func (b *Block) Size(i int) int { return max(0, b.end(i)-b.end(i-1)-1) }

// TextSize returns approximately how many bytes the texts of all entries take.
func (b *Block) TextSize() int { return b.end(b.count - 1) }

// HeadsSize returns how many bytes the heads of all entries take.
func (b *Block) HeadsSize() int { return len(b.heads) }

// All has a bit for each entry.
func (b *Block) All() uint64 { return between(0, b.count) }

// between has a bit for each of the entries i to j-1, of which there must be at least one.
func between(i, j int) uint64 { return ^uint64(0) >> (64 - (j - i)) << i }

// end returns where an entry ends in the text; -1 stands for the position before the first one.
func (b *Block) end(i int) int {
	if i < 0 {
		return 0
	}
	return int(min(binary.LittleEndian.Uint32(b.places[placeSize*i:]), math.MaxInt32))
}

// span returns the text of entries i to j-1 with the separators between them; nil if they have none.
func (b *Block) span(i, j int) ([]byte, error) {
	begin, end := b.end(i-1)+1, b.end(j-1)
	if end == begin-1 {
		return nil, nil
	}
	if begin, end = begin-b.base, end-b.base; begin < 0 || begin > end || end > len(b.text) || between(i, j)&^b.readable != 0 {
		return nil, ErrDamaged
	}
	return b.text[begin:end:end], nil
}

// head returns the head of an entry.
func (b *Block) head(i int) ([]byte, error) {
	begin, end := 0, int(min(binary.LittleEndian.Uint32(b.places[placeSize*i+4:]), math.MaxInt32))
	if i > 0 {
		begin = int(min(binary.LittleEndian.Uint32(b.places[placeSize*(i-1)+4:]), math.MaxInt32))
	}
	if begin > end || end > len(b.heads) {
		return nil, ErrDamaged
	}
	return b.heads[begin:end], nil
}

// Find returns the place of a version. ok is false if the block does not have it.
func (b *Block) Find(version int64) (i int, ok bool, err error) {
	if version < b.first {
		return 0, false, nil
	}
	if b.tables&gaps == 0 {
		return int(min(version-b.first, MaxEntries)), version-b.first < int64(b.count), nil
	}
	low, high := 0, b.count
	for low < high {
		i = (low + high) / 2
		v, err := b.Version(i)
		if err != nil {
			return 0, false, err
		}
		switch {
		case v == version:
			return i, true, nil
		case v < version:
			low = i + 1
		default:
			high = i
		}
	}
	return low, false, nil
}

// Version returns the version of an entry.
func (b *Block) Version(i int) (int64, error) {
	if b.tables&gaps == 0 {
		return b.first + int64(i), nil
	}
	h, err := b.head(i)
	if err != nil {
		return 0, err
	}
	r := reader{b: h}
	r.bytes(2)
	v := b.first + r.number()
	if r.bad || v > layout.MaxVersion {
		return 0, ErrDamaged
	}
	return v, nil
}

// Marks say what has happened to the entries of a block since it was written: bits by place. They are stored beside the
// block and are the only part that changes.
type Marks struct {
	// Skip are the entries that pulls leave out: those that lost or were replaced.
	Skip uint64
	// Other marks, among the entries that pulls leave out, those that were collected, and among the others those that
	// are pinned: pulls deliver them although they were replaced.
	Other uint64
}

// Replace marks an entry as one that is not the winner of any record.
func (m *Marks) Replace(i int, pinned bool) {
	if pinned {
		m.Skip, m.Other = m.Skip&^(1<<i), m.Other|1<<i
		return
	}
	m.Skip, m.Other = m.Skip|1<<i, m.Other&^(1<<i)
}

// Collect marks an entry as one that no longer exists.
func (m *Marks) Collect(i int) { m.Skip, m.Other = m.Skip|1<<i, m.Other|1<<i }

// Replaced reports whether an entry is not the winner of any record.
func (m Marks) Replaced(i int) bool { return (m.Skip|m.Other)&(1<<i) != 0 }

// Pinned returns the entries that were replaced but are still delivered.
func (m Marks) Pinned() uint64 { return m.Other &^ m.Skip }

// Collected returns the entries that no longer exist.
func (m Marks) Collected() uint64 { return m.Skip & m.Other }

// Without returns the marks as they are after entries were dropped.
func (m Marks) Without(drop uint64) (out Marks) {
	n := 0
	for i := range MaxEntries {
		if drop&(1<<i) == 0 {
			out.Skip |= m.Skip >> i & 1 << n
			out.Other |= m.Other >> i & 1 << n
			n++
		}
	}
	return out
}

// Join returns the marks of a block with n entries joined with those of one that was added to it.
func (m Marks) Join(n int, added Marks) Marks {
	return Marks{m.Skip | added.Skip<<n, m.Other | added.Other<<n}
}

// reader reads numbers and texts from bytes. Once something is missing, everything that follows is empty.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) number() int64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > 1<<62 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[size:]
	return int64(n)
}

func (r *reader) text() []byte { return r.bytes(int(r.number())) }

func (r *reader) word() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// firstOf returns the place of the lowest bit, and how many bits are set from there on without a gap.
func firstOf(mask uint64) (i, n int) {
	i = bits.TrailingZeros64(mask)
	return i, bits.TrailingZeros64(^(mask >> i))
}
