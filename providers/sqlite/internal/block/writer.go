package block

import (
	"encoding/binary"
	"slices"
)

// Writer makes blocks. Its buffers are reused for the next one. It is for one goroutine.
type Writer struct {
	entries []Entry
	ends    []int
	text    []byte // of the block, unless it is that of a draft
	heads   []byte
	size    int // approximate size of the heads

	// whole is the draft whose first entries, in order, are the entries so far: its text becomes that of the block in
	// place.
	whole *Draft

	closed bool // whether the text has its end
	packed texts
}

// Reset begins a block.
func (w *Writer) Reset() {
	clear(w.entries) // they hold what requests have sent
	if cap(w.text) > mostKept {
		w.text = nil
	}
	w.entries, w.ends, w.text, w.size, w.whole, w.closed = w.entries[:0], w.ends[:0], w.text[:0], 0, nil, false
	w.packed.reset()
}

// Len returns the number of entries.
func (w *Writer) Len() int { return len(w.entries) }

// Full reports whether the block should get no more entries.
func (w *Writer) Full() bool { return isFull(len(w.entries), w.end(), w.size) }

// Takes reports whether an op of a draft may be accepted into the block (Draft.Takes).
func (w *Writer) Takes(d *Draft, i int) bool {
	return !w.Full() && (len(w.entries) == 0 || d.Size(i) <= FullText)
}

// end returns where the text ends.
func (w *Writer) end() int {
	if len(w.ends) == 0 {
		return 0
	}
	return w.ends[len(w.ends)-1]
}

// Accept adds an op of a draft, with a version above that of the entry before. If all ops of the draft are accepted, in
// order, nothing is copied: the draft is changed. It can be used again after a transaction that has failed.
func (w *Writer) Accept(d *Draft, i int, a Accepted) {
	e := d.entries[i]
	e.Accepted = a
	begin, end := d.place(i)
	if len(w.entries) == 0 && i == 0 {
		w.whole = d
	}
	if w.whole == d && i == len(w.entries) {
		if i > 0 {
			d.text[begin-1] = ','
		}
		w.entries, w.ends = append(w.entries, e), append(w.ends, end)
		putVersion(d.text[begin:end], a.Version)
		w.size += headRoom + len(e.OpID) + len(e.Owner) + len(e.stamp)
		return
	}
	e.text = d.text[begin:end]
	w.Append(e)
}

// Append adds an entry, of another block or of a draft, with its version and its text; without a text it is kept for
// its op id alone.
func (w *Writer) Append(e Entry) {
	if d := w.whole; d != nil {
		w.text, w.whole = append(w.text[:0], d.text[:w.end()]...), nil
	}
	if e.text != nil {
		if len(w.text) == 0 {
			w.text = append(w.text, '[')
		} else {
			w.text = append(w.text, ',')
		}
		begin := len(w.text)
		w.text = append(w.text, e.text...)
		putVersion(w.text[begin:], e.Version)
	}
	w.entries, w.ends = append(w.entries, e), append(w.ends, len(w.text))
	w.size += headRoom + len(e.OpID) + len(e.Owner) + len(e.stamp) + len(e.hlc[0]) + len(e.hlc[1]) + len(e.hlc[2])
}

// close ends the text.
func (w *Writer) close() {
	switch d := w.whole; {
	case w.closed:
	case d != nil:
		d.text[w.end()] = ']'
	case len(w.text) == 0:
		w.text = append(w.text, "[]"...)
	default:
		w.text = append(w.text, ']')
	}
	w.closed = true
}

// joined returns the text once it is closed.
func (w *Writer) joined() []byte {
	if d := w.whole; d != nil {
		return d.text[:w.end()+1]
	}
	return w.text
}

// Finish returns the heads and the text of the block as stored under a version, which is that of the first entry or, if
// entries before it were collected, a lower one. Both are valid until the next Reset, and until the draft changes.
func (w *Writer) Finish(first int64) (heads, text []byte) {
	n := len(w.entries)
	one := &w.entries[0]
	var tables, masks byte
	var owned, unchecked uint64
	for i := range w.entries {
		e := &w.entries[i]
		tables |= 1 << e.Table
		if e.Version != first+int64(i) {
			tables |= gaps
		}
		if e.Owner != nil {
			owned, masks = owned|1<<i, masks|hasOwned
		}
		if e.Unchecked {
			unchecked, masks = unchecked|1<<i, masks|hasOthers
		}
	}
	var buf [64]byte
	base := one.appendHLC(buf[:0])
	h := append(w.heads[:0], plain, byte(n), tables, masks)
	h = appendText(binary.AppendUvarint(h, uint64(one.At)), base)
	if owned != 0 {
		h = binary.LittleEndian.AppendUint64(h, owned)
	}
	if unchecked != 0 {
		h = binary.LittleEndian.AppendUint64(h, unchecked)
	}
	w.close()
	text, frames := w.joined(), &w.packed
	if d := w.whole; d != nil && n == d.Len() && frames.n == 0 {
		frames = &d.packed
	}
	if frames.n > 0 {
		text, h[0] = frames.frames, packed
		h = appendText(h, frames.index)
	}
	places := len(h)
	h = slices.Grow(h, placeSize*n+w.size)[:places+placeSize*n]
	begin := len(h)
	for i := range w.entries {
		h = w.entries[i].appendHead(h, first, one.At, base, tables&gaps != 0)
		binary.LittleEndian.PutUint32(h[places+placeSize*i:], uint32(w.ends[i]))
		binary.LittleEndian.PutUint32(h[places+placeSize*i+4:], uint32(len(h)-begin))
	}
	w.heads = h
	return h, text
}

// Pending returns an entry of the block that is being made, which no statement finds yet.
func (w *Writer) Pending(version int64) (e Entry, ok bool) {
	for i := len(w.entries) - 1; i >= 0; i-- {
		if w.entries[i].Version != version {
			continue
		}
		e = w.entries[i]
		text, begin := w.text, 1
		if d := w.whole; d != nil {
			text = d.text
		}
		if i > 0 {
			begin = w.ends[i-1] + 1
		}
		if e.text = nil; begin <= w.ends[i] {
			e.text = text[begin:w.ends[i]:w.ends[i]]
		}
		return e, true
	}
	return e, false
}

// Copy adds entries of a block that has been unpacked for them: all but those in drop. Those in strip lose their texts,
// and are kept for their op ids. Without and Join give the resulting marks.
func (w *Writer) Copy(b *Block, drop, strip uint64) error {
	if b.packed != nil && b.text == nil {
		return errPacked
	}
	for rest := b.All() &^ drop; rest != 0; rest &= rest - 1 {
		i, _ := firstOf(rest)
		e, err := b.Entry(i)
		if err != nil {
			return err
		}
		if strip&(1<<i) != 0 {
			e.text = nil
		}
		if n := len(w.entries); n >= MaxEntries || n > 0 && e.Version <= w.entries[n-1].Version {
			return ErrDamaged
		}
		w.Append(e)
	}
	return nil
}

// Until replaces acceptance times after a time, in Unix milliseconds, by that time.
func (w *Writer) Until(at int64) {
	for i := range w.entries {
		w.entries[i].At = min(w.entries[i].At, at)
	}
}
