package block

import "github.com/klauspost/compress/s2"

// The texts of the entries of a block are much alike: a push has a third of its bytes after S2, and SQLite then spends less on its pages than
// packing costs. It is done where texts are made and undone where they are sent, never in the writer of the database.
const (
	// packedLeast and packedShare say what is not packed: what is small, and what gets little smaller.
	packedLeast = 1 << 10
	packedShare = 0.8
	// mostText is how much a packed text may say that it holds, in bytes: far more than a push may have.
	mostText = 256 << 20
)

// pack returns the packed text, in the memory of dst if that is enough; nil if the text should stay as it is.
func pack(dst, text []byte) []byte {
	if len(text) < packedLeast {
		return nil
	}
	if dst = s2.Encode(dst[:cap(dst)], text); float64(len(dst)) > packedShare*float64(len(text)) {
		return nil
	}
	return dst
}

// Pack packs the text of a draft that gets no more ops. The block has it packed if all ops are accepted.
func (d *Draft) Pack() {
	if d.packed = pack(d.buffer, d.text); d.packed != nil {
		d.buffer = d.packed
	}
}

// Pack packs the text of a block that gets no more entries. It must come before Finish, and not run in the writer of the database.
func (w *Writer) Pack() {
	w.close()
	if w.packed = pack(w.buffer, w.joined()); w.packed != nil {
		w.buffer = w.packed
	}
}

// Unpack makes the texts of entries readable. It does nothing where they are. It uses the memory of buf, if that is enough, and returns
// what it has used; the block is valid until that is used again.
func (b *Block) Unpack(buf []byte) ([]byte, error) {
	if b.packed == nil {
		return buf, nil
	}
	size := b.end(b.count-1) + 1
	if n, err := s2.DecodedLen(b.packed); err != nil || n != size || size > mostText {
		return buf, ErrDamaged
	}
	if cap(buf) < size {
		buf = make([]byte, size)
	}
	text, err := s2.Decode(buf[:size], b.packed)
	if err != nil || len(text) != size {
		return buf, ErrDamaged
	}
	b.text, b.packed = text, nil
	for i := range b.count {
		entry, err := b.span(i, i+1)
		if entry == nil && err == nil {
			continue
		}
		version, bad := b.Version(i)
		if err != nil || bad != nil || len(entry) < versionEnd {
			b.text = nil
			return buf, ErrDamaged
		}
		putVersion(entry, version)
	}
	return text, nil
}
