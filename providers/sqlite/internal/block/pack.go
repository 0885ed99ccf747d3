package block

import (
	"encoding/binary"

	"github.com/klauspost/compress/s2"
)

// The texts of the entries of a block are much alike: a push has a third of its bytes after S2, and SQLite then spends less on its pages
// than packing costs. It is done where texts are made and undone where they are sent, never in the writer of the database. A text is
// packed in frames of some entries, so that who wants one entry need not unpack all.
const (
	// frameSize is at how many bytes a frame ends, behind the entry that reaches it.
	frameSize = 4 << 10
	// packedLeast and packedShare say what is not packed: what is small, and what gets little smaller.
	packedLeast = 1 << 10
	packedShare = 0.8
	// mostText is how much a frame may say that it holds, in bytes: far more than a push may have.
	mostText = 256 << 20
)

// texts is a text in frames.
type texts struct {
	frames []byte // one after the other
	index  []byte // for each: byte number of the entry behind it; uvarint its size
	n      byte
}

// reset empties it, and keeps its memory unless there is much.
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

// Pack packs the text of a draft that gets no more ops. The block has it packed if all ops are accepted.
func (d *Draft) Pack() { d.packed.pack(d.text, d.ends) }

// Pack packs the text of a block that gets no more entries. It must come before Finish, and not run in the writer of the database.
func (w *Writer) Pack() {
	w.close()
	w.packed.pack(w.joined(), w.ends)
}

// Unpack makes the texts of entries i to j-1 readable, and perhaps of some beside them. It does nothing where they are. It uses the memory
// of buf, if that is enough, and returns what it has used; the block is valid until that is used again.
func (b *Block) Unpack(buf []byte, i, j int) ([]byte, error) {
	if b.packed == nil {
		return buf, nil
	}
	return b.unpack(buf, i, j, func(at, size int) ([]byte, error) {
		if at+size > len(b.packed) {
			return nil, ErrDamaged
		}
		return b.packed[at : at+size], nil
	})
}

// UnpackParts is Unpack for a block that was opened without its text. read returns a part of what is stored, which must be valid until its next call.
func (b *Block) UnpackParts(buf []byte, i, j int, read func(at, size int) ([]byte, error)) ([]byte, error) {
	if b.frames != nil {
		return b.unpack(buf, i, j, read)
	}
	begin, end := b.end(i-1)+1, b.end(j-1)
	if end < begin {
		b.text, b.base = nil, 0
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
	b.text, b.base = buf, begin
	return buf, nil
}

// Readable reports whether the text of an entry was made readable.
func (b *Block) Readable(i int) bool {
	begin, end := b.end(i-1)+1-b.base, b.end(i)-b.base
	return b.text != nil && begin >= 0 && begin <= end && end <= len(b.text)
}

func (b *Block) unpack(buf []byte, i, j int, read func(at, size int) ([]byte, error)) ([]byte, error) {
	b.text, b.base = nil, 0
	buf = buf[:0]
	first, begin, at := -1, 0, 0 // of the frame at hand: its first entry, and where it lies
	for r := (reader{b: b.frames}); begin < j; {
		behind, size := int(r.byte()), int(r.number())
		if r.bad || behind <= begin || behind > b.count || size < 0 || size > mostText {
			return buf, ErrDamaged
		}
		if behind > i {
			if first < 0 {
				first, b.base = begin, b.end(begin-1)
			}
			packed, err := read(at, size)
			if err == nil {
				buf, err = b.frame(buf, packed, begin, behind)
			}
			if err != nil {
				return buf, err
			}
		}
		begin, at = behind, at+size
	}
	b.text = buf
	for k := max(first, 0); k < begin; k++ {
		entry, err := b.span(k, k+1)
		if entry == nil && err == nil {
			continue
		}
		version, bad := b.Version(k)
		if err != nil || bad != nil || len(entry) < versionEnd {
			b.text = nil
			return buf, ErrDamaged
		}
		putVersion(entry, version)
	}
	return buf, nil
}

// frame appends the text of a frame with entries i to j-1.
func (b *Block) frame(buf, packed []byte, i, j int) ([]byte, error) {
	size := b.end(j-1) - b.end(i-1)
	if j == b.count {
		size++ // the bracket at the end
	}
	if n, err := s2.DecodedLen(packed); err != nil || n != size || size > mostText {
		return buf, ErrDamaged
	}
	n := len(buf)
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
