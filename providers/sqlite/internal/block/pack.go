package block

import (
	"encoding/binary"

	"github.com/klauspost/compress/s2"
)

// The texts of the entries of a block are much alike: a push shrinks to a third of its bytes with S2, and SQLite then
// saves more on its pages than packing costs. Packing is done where texts are made and undone where they are sent,
// never in the writer of the database. A text is packed in frames of some entries, so that reading one entry need not
// unpack all.
const (
	// frameSize is the number of bytes at which a frame ends, after the entry that reaches it.
	frameSize = 4 << 10
	// packedLeast and packedShare say what is not packed: small texts, and texts that hardly shrink.
	packedLeast = 1 << 10
	packedShare = 0.8
	// mostText is the largest size in bytes that a frame may claim: far more than a push may have.
	mostText = 256 << 20
)

// texts is a text in frames.
type texts struct {
	frames []byte // one after the other
	index  []byte // for each: byte number of the entry after it; uvarint its size
	n      byte
}

// reset empties it, and keeps its memory unless there is a lot.
func (t *texts) reset() {
	if cap(t.frames) > mostKept {
		t.frames = nil
	}
	t.frames, t.index, t.n = t.frames[:0], t.index[:0], 0
}

// pack packs a text whose entries end at ends. It is empty afterwards if the text should stay as it is.
func (t *texts) pack(text []byte, ends []int) {
	t.reset()
	if len(text) < packedLeast {
		return
	}
	begin := 0
	for i, end := range ends {
		if last := i == len(ends)-1; last {
			end = len(text)
		} else if end-begin < frameSize {
			continue
		}
		size := len(t.frames)
		t.frames = appendS2(t.frames, text[begin:end])
		t.index = binary.AppendUvarint(append(t.index, byte(i+1)), uint64(len(t.frames)-size))
		t.n, begin = t.n+1, end
	}
	if float64(len(t.frames)) > packedShare*float64(len(text)) {
		t.reset()
	}
}

func appendS2(b, text []byte) []byte {
	n := len(b)
	if most := s2.MaxEncodedLen(len(text)); cap(b)-n < most {
		b = append(make([]byte, 0, 2*cap(b)+most), b...)
	}
	return b[:n+len(s2.Encode(b[n:cap(b)], text))]
}

// Pack packs the text of a draft that gets no more ops. The block is packed if all ops are accepted.
func (d *Draft) Pack() { d.packed.pack(d.text, d.ends) }

// Pack packs the text of a block that gets no more entries. It must come before Finish, and not run in the writer of
// the database.
func (w *Writer) Pack() {
	w.close()
	w.packed.pack(w.joined(), w.ends)
}

// Unpack makes the texts of some entries readable, given as a bit each, and perhaps of some next to them. It does
// nothing if they already are. It uses the memory of buf if that is large enough, and returns the memory it has used;
// the block is valid until that is used again.
func (b *Block) Unpack(buf []byte, wanted uint64) ([]byte, error) {
	if b.packed == nil {
		return buf, nil
	}
	return b.unpack(buf, wanted, func(at, size int) ([]byte, error) {
		if at+size > len(b.packed) {
			return nil, ErrDamaged
		}
		return b.packed[at : at+size], nil
	})
}

// Use gives the block a text of all entries as Unpack has made it for one with the same heads.
func (b *Block) Use(text []byte) { b.text, b.base, b.readable, b.packed = text, 0, b.All(), nil }

// UnpackOne is Unpack of one entry for a block that was opened without its text. read returns a part of the stored
// text.
func (b *Block) UnpackOne(buf []byte, i int, read func(at, size int) ([]byte, error)) ([]byte, error) {
	if b.frames != nil {
		return b.unpack(buf, between(i, i+1), read)
	}
	b.text, b.base, b.readable = nil, 0, 0
	begin, end := b.end(i-1)+1, b.end(i)
	if end < begin {
		return buf, nil
	}
	text, err := read(begin, end-begin)
	if err == nil && len(text) != end-begin {
		err = ErrDamaged
	}
	if err != nil {
		return buf, err
	}
	buf = append(buf[:0], text...)
	b.text, b.base, b.readable = buf, begin, between(i, i+1)
	return buf, nil
}

// Readable reports whether the text of an entry has been made readable.
func (b *Block) Readable(i int) bool { return b.readable&between(i, i+1) != 0 }

func (b *Block) unpack(buf []byte, wanted uint64, read func(at, size int) ([]byte, error)) ([]byte, error) {
	b.text, b.base, b.readable = nil, 0, 0
	buf = buf[:0]
	readable, begin, at := uint64(0), 0, 0 // begin is the first entry of the current frame, at is where that is
	for r := (reader{b: b.frames}); wanted>>begin != 0; {
		behind, size := int(r.byte()), int(r.number())
		if r.bad || behind <= begin || behind > b.count || size < 0 || size > mostText {
			return buf, ErrDamaged
		}
		if frame := between(begin, behind); wanted&frame != 0 {
			if readable == 0 {
				b.base = b.end(begin - 1)
			}
			packed, err := read(at, size)
			if err == nil {
				buf, err = b.frame(buf, packed, begin, behind)
			}
			if err != nil {
				return buf, err
			}
			readable |= frame
		}
		begin, at = behind, at+size
	}
	b.text, b.readable = buf, readable
	for ; readable != 0; readable &= readable - 1 {
		k, _ := firstOf(readable)
		entry, err := b.span(k, k+1)
		if entry == nil && err == nil {
			continue
		}
		version, bad := b.Version(k)
		if err != nil || bad != nil || len(entry) < versionEnd {
			b.text, b.readable = nil, 0
			return buf, ErrDamaged
		}
		putVersion(entry, version)
	}
	return buf, nil
}

// frame unpacks the text of a frame with entries i to j-1 to its place in buf. What is between it and the frame before
// was not requested.
func (b *Block) frame(buf, packed []byte, i, j int) ([]byte, error) {
	size := b.end(j-1) - b.end(i-1)
	if j == b.count {
		size++ // the bracket at the end
	}
	if n, err := s2.DecodedLen(packed); err != nil || n != size || size > mostText {
		return buf, ErrDamaged
	}
	n := b.end(i-1) - b.base
	if n < len(buf) {
		return buf, ErrDamaged
	}
	if cap(buf)-n < size {
		all := b.end(b.count-1) + 1 - b.base
		if all < n+size || all > mostText {
			return buf, ErrDamaged
		}
		buf = append(make([]byte, 0, min(all, n+size+FullText)), buf...)
	}
	text, err := s2.Decode(buf[n:n+size:n+size], packed)
	if err != nil || len(text) != size {
		return buf, ErrDamaged
	}
	return buf[:n+size], nil
}
