package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/ncruces/go-sqlite3"
)

// A run is stored in pieces, each a row that fits on a page. A piece is a list of keys in order: for each, the number
// of bytes that it shares with the one before, the number that follow, these bytes, and its value.

// pieceSize is the largest size of a piece, unless a single key takes more: with what is added, a page of 4096 bytes.
const pieceSize = 4040 - sealSize

// errPiece is damage like that of a page.
var errPiece = fmt.Errorf("what is stored is not what was written: %w", sqlite3.CORRUPT)

// sealSize is the number of bytes after the content of a row of a run: a checksum of it and of its id, because a
// changed piece would lead to another entry. SQLite's own checksums are not in every database.
const sealSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sealOf(id int64, row []byte) uint32 {
	var text [8]byte
	binary.BigEndian.PutUint64(text[:], uint64(id))
	return crc32.Update(crc32.Checksum(text[:], castagnoli), castagnoli, row)
}

func seal(id int64, row []byte) []byte { return binary.LittleEndian.AppendUint32(row, sealOf(id, row)) }

func unseal(id int64, row []byte) ([]byte, error) {
	n := len(row) - sealSize
	if n < 0 || binary.LittleEndian.Uint32(row[n:]) != sealOf(id, row[:n]) {
		return nil, errPiece
	}
	return row[:n], nil
}

// pieceReader goes through a piece. Key and value are those of the current pair.
type pieceReader struct {
	rest  []byte
	key   []byte
	value uint64
}

// reset starts with a piece, which remains the caller's.
func (p *pieceReader) reset(piece []byte) { p.rest, p.key = piece, p.key[:0] }

func (p *pieceReader) next() (bool, error) {
	if len(p.rest) == 0 {
		return false, nil
	}
	shared, n := uvarint(p.rest)
	added, m := uvarint(p.rest[n:])
	if n+m == 0 || shared > uint64(len(p.key)) || added > uint64(len(p.rest)-n-m) {
		return false, errPiece
	}
	p.rest = p.rest[n+m:]
	p.key = append(p.key[:shared], p.rest[:added]...)
	p.rest = p.rest[added:]
	if p.value, n = uvarint(p.rest); n == 0 || len(p.key) < headSize {
		return false, errPiece
	}
	p.rest = p.rest[n:]
	return true, nil
}

// uvarint is binary.Uvarint, but faster for small numbers; n is 0 if there is none.
func uvarint(b []byte) (v uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	if v, n = binary.Uvarint(b); n < 0 {
		n = 0
	}
	return v, n
}

// run is a sorted list of keys that does not change. Its filter and the beginnings of its pieces are in memory.
type run struct {
	id  int64
	age int64 // runs with higher ages hold newer values
	// pieces is how many rows hold the keys; chunks how many after them hold what is kept in memory.
	pieces, chunks int64
	entries        int64
	filter         filter
	starts         starts
}

// rowBits is the part of a row's id that is its number within the run.
const rowBits = 32

func rowID(run, n int64) int64 { return run<<rowBits | n }

// starts are texts between the last key of a piece and the first of the next one.
type starts struct {
	text []byte
	ends []uint32
}

func (s *starts) add(text []byte) {
	s.text = append(s.text, text...)
	s.ends = append(s.ends, uint32(len(s.text)))
}

func (s *starts) at(i int) []byte {
	begin := uint32(0)
	if i > 0 {
		begin = s.ends[i-1]
	}
	return s.text[begin:s.ends[i]]
}

// piece returns the number of the piece in which a key is, if it is in the run at all.
func (s *starts) piece(key string) int64 {
	lo, hi := 0, len(s.ends)-1
	for lo < hi {
		mid := int(uint(lo+hi+1) >> 1)
		if string(s.at(mid)) <= key {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return int64(lo)
}

// runWriter makes a run of keys that come in order.
type runWriter struct {
	run
	seed  seed
	emit  func(row []byte) error // takes a piece, or what is kept in memory; the row then belongs to it
	piece []byte
	last  []byte // key
}

func newRunWriter(s seed, keys int, emit func([]byte) error) *runWriter {
	return &runWriter{seed: s, emit: emit, run: run{filter: newFilter(keys)}}
}

func (w *runWriter) add(key []byte, value uint64) error {
	shared := 0
	for shared < len(key) && shared < len(w.last) && key[shared] == w.last[shared] {
		shared++
	}
	if len(w.piece) > 0 && len(w.piece)+len(key)-shared+3*binary.MaxVarintLen32 > pieceSize {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if len(w.piece) == 0 {
		if w.pieces == 0 {
			w.starts.add(nil)
		} else {
			w.starts.add(key[:shared+1])
		}
		w.piece = make([]byte, 0, pieceSize+sealSize)
		shared = 0
	}
	w.piece = binary.AppendUvarint(w.piece, uint64(shared))
	w.piece = binary.AppendUvarint(w.piece, uint64(len(key)-shared))
	w.piece = append(w.piece, key[shared:]...)
	w.piece = binary.AppendUvarint(w.piece, value)
	w.last = append(w.last[:0], key...)
	w.filter.add(w.seed.sum(string(stem(key))))
	w.entries++
	return nil
}

func (w *runWriter) flush() error {
	piece := w.piece
	w.piece = nil
	w.pieces++
	return w.emit(piece)
}

// chunkSize is how much a row holds of what is kept in memory.
const chunkSize = 32 << 10

// close writes what is left.
func (w *runWriter) close() error {
	if len(w.piece) > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	for rest := w.directory(); len(rest) > 0; w.chunks++ {
		n := min(len(rest), chunkSize)
		if err := w.emit(rest[:n:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// directory returns what is kept in memory as bytes.
func (r *run) directory() []byte {
	b := make([]byte, 0, 32+8*len(r.filter)+len(r.starts.text)+2*len(r.starts.ends))
	for _, n := range []int64{r.age, r.entries, r.pieces, int64(len(r.filter))} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	for _, word := range r.filter {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	begin := uint32(0)
	for _, end := range r.starts.ends {
		b = binary.AppendUvarint(b, uint64(end-begin))
		b = append(b, r.starts.text[begin:end]...)
		begin = end
	}
	return b
}

// restore reads what directory returned.
func (r *run) restore(b []byte) error {
	for _, want := range []int64{r.age, r.entries, r.pieces} {
		got, n := uvarint(b)
		if n == 0 || got != uint64(want) {
			return errPiece
		}
		b = b[n:]
	}
	words, n := uvarint(b)
	if n == 0 || words == 0 || words%lineWords != 0 || words > uint64(len(b)-n)/8 {
		return errPiece
	}
	b = b[n:]
	r.filter = make(filter, words)
	for i := range r.filter {
		r.filter[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	b = b[8*words:]
	r.starts = starts{text: make([]byte, 0, len(b)), ends: make([]uint32, 0, r.pieces)}
	for range r.pieces {
		size, n := uvarint(b)
		if n == 0 || size > uint64(len(b)-n) {
			return errPiece
		}
		r.starts.add(b[n:][:size])
		b = b[n+int(size):]
	}
	if len(b) > 0 {
		return errPiece
	}
	r.starts.text = bytes.Clone(r.starts.text)
	return nil
}
