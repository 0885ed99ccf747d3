package entries

import (
	"cmp"
	"errors"
	"sync"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// Blocks goes through blocks of a workspace in order. A connection goes through one range at a time; the statements of
// a Reader may run in the meantime.
type Blocks struct {
	// ID is that of the current block.
	ID int64
	// Block is the current block, valid until the next call of Next. Unpack makes texts of entries readable.
	block.Block
	// Marks are those of the current block.
	Marks block.Marks
	// Cache, if set, may have texts.
	Cache *Cache

	st, text *sqlite3.Stmt
	heads    []byte
	buf      *[]byte // nil until a text is wanted
	err      error
}

// unpacked is the memory of earlier ranges, roughly one for each connection.
var unpacked = sync.Pool{New: func() any { return new([]byte) }}

// mostUnpacked is how much memory is kept for another range, in bytes: that of a block whose entries are not large.
const mostUnpacked = 2 * block.FullText

// After goes through the blocks with the versions after one, up to another: from the block that may hold after+1, which
// may also have earlier entries, to the last one that begins below upto+1, which may have later entries. The text of a
// block is read when it is wanted.
func (r *Reader) After(workspace, after, upto int64) *Blocks {
	b := &Blocks{st: r.st.BlocksFrom, text: r.st.BlockText}
	b.err = engine.Bind(b.st, layout.EntryID(workspace, after+1), layout.EntryID(workspace, 0), layout.EntryID(workspace, upto))
	return b
}

// Next goes to the next block and reports whether there is one.
func (b *Blocks) Next() bool {
	if b.err != nil || !engine.Step(b.st) {
		return false
	}
	b.ID = b.st.ColumnInt64(0)
	b.heads = append(b.heads[:0], b.st.ColumnRawBlob(1)...)
	b.Marks = block.Marks{Skip: uint64(b.st.ColumnInt64(2)), Other: uint64(b.st.ColumnInt64(3))}
	if b.err = b.st.Err(); b.err == nil {
		b.Block, b.err = block.Open(layout.VersionOf(b.ID), b.heads, nil)
		b.err = damaged(b.ID, b.err)
	}
	return b.err == nil
}

// Unpack makes the texts of some entries readable, given as a bit each, until the next call of Unpack or Next.
func (b *Blocks) Unpack(wanted uint64) error {
	if b.buf == nil {
		b.buf = unpacked.Get().(*[]byte)
	}
	worth := false
	if b.Cache != nil && b.TextSize() <= mostUnpacked { // a large entry would push out all others
		var found bool
		if *b.buf, found, worth = b.Cache.find(b.ID, b.heads, *b.buf); found {
			b.Use(*b.buf)
			return nil
		}
	}
	var bad error
	found, err := engine.One(b.text, func(s *sqlite3.Stmt) { bad = b.read(s.ColumnRawBlob(0), wanted, worth) }, b.ID)
	if err == nil && !found {
		bad = block.ErrDamaged
	}
	return cmp.Or(err, damaged(b.ID, bad))
}

// read unpacks the stored text: all of it if that is worth keeping. Damage may be in a part that is not wanted.
func (b *Blocks) read(stored []byte, wanted uint64, worth bool) (err error) {
	if worth {
		if b.Block, *b.buf, err = unpack(b.ID, b.heads, stored, *b.buf, b.All()); err == nil {
			b.Cache.keep(b.ID, b.heads, *b.buf)
			return nil
		}
	}
	b.Block, *b.buf, err = unpack(b.ID, b.heads, stored, *b.buf, wanted)
	return err
}

// Visible is that of the block, like Entry and Run; their errors say which block they concern.
func (b *Blocks) Visible(m block.Marks, w block.Wanted) (mask uint64, err error) {
	mask, err = b.Block.Visible(m, w)
	return mask, damaged(b.ID, err)
}

// Entry returns an entry of the current block.
func (b *Blocks) Entry(i int) (e block.Entry, err error) {
	e, err = b.Block.Entry(i)
	return e, damaged(b.ID, err)
}

// Run takes entries off a mask.
func (b *Blocks) Run(mask *uint64, most, size int) (text []byte, n int, last int64, err error) {
	text, n, last, err = b.Block.Run(mask, most, size)
	return text, n, last, damaged(b.ID, err)
}

// Close ends the range, and returns the error that ended it before, if any. It may be called again.
func (b *Blocks) Close() error {
	if b.buf != nil && cap(*b.buf) <= mostUnpacked {
		unpacked.Put(b.buf)
	}
	b.buf = nil
	return errors.Join(b.err, b.st.Err(), b.st.Reset())
}
