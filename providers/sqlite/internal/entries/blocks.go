package entries

import (
	"errors"
	"sync"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// Blocks goes through blocks of a workspace in order. A connection goes through one range at a time, and the statements of a Reader may run meanwhile.
type Blocks struct {
	// ID is that of the block at hand.
	ID int64
	// Block is the block at hand, valid until the next call of Next. With texts, Unpack makes those of entries readable.
	block.Block
	// Marks are those of the block at hand.
	Marks block.Marks

	st     *sqlite3.Stmt
	opened bool // whether Block has its text
	buf    *[]byte
	err    error
}

// unpacked are the memory of earlier ranges: one for each connection, or so.
var unpacked = sync.Pool{New: func() any { return new([]byte) }}

// mostUnpacked is how much memory is kept for another range, in bytes: that of a block whose entries are not large.
const mostUnpacked = 2 * block.FullText

// After goes through the blocks with the versions after one, up to another one: from the block that may hold after+1 on, which may have
// entries up to after, to the last one that begins below upto+1, which may have entries beyond. texts says whether there are texts beside heads; those of
// a block are read with the first call of Unpack.
func (r *Reader) After(workspace, after, upto int64, texts bool) *Blocks {
	b := &Blocks{st: r.st.BlockHeadsFrom}
	if texts {
		b.st, b.buf = r.st.BlocksFrom, unpacked.Get().(*[]byte)
	}
	b.err = engine.Bind(b.st, layout.EntryID(workspace, after+1), layout.EntryID(workspace, 0), layout.EntryID(workspace, upto))
	return b
}

// Next goes to the next block and reports whether there is one.
func (b *Blocks) Next() bool {
	if b.err != nil || !engine.Step(b.st) {
		return false
	}
	b.ID, b.opened = b.st.ColumnInt64(0), false
	b.Marks = block.Marks{Skip: uint64(b.st.ColumnInt64(2)), Other: uint64(b.st.ColumnInt64(3))}
	b.err = b.open(nil)
	return b.err == nil
}

func (b *Blocks) open(text []byte) (err error) {
	heads := b.st.ColumnRawBlob(1)
	if err := b.st.Err(); err != nil {
		return err
	}
	b.Block, err = block.Open(layout.VersionOf(b.ID), heads, text)
	return damaged(b.ID, err)
}

// Unpack makes the texts of entries i to j-1 readable, until the next call of Unpack or Next.
func (b *Blocks) Unpack(i, j int) (err error) {
	if !b.opened {
		if err := b.open(b.st.ColumnRawBlob(4)); err != nil {
			return err
		}
		b.opened = true
	}
	*b.buf, err = b.Block.Unpack(*b.buf, i, j)
	return damaged(b.ID, err)
}

// Visible is that of the block, and so are Entry and Run; an error of theirs says which block it is about.
func (b *Blocks) Visible(m block.Marks, w block.Wanted) (mask uint64, err error) {
	mask, err = b.Block.Visible(m, w)
	return mask, damaged(b.ID, err)
}

// Entry returns an entry of the block at hand.
func (b *Blocks) Entry(i int) (e block.Entry, err error) {
	e, err = b.Block.Entry(i)
	return e, damaged(b.ID, err)
}

// Run takes entries off a mask.
func (b *Blocks) Run(mask *uint64, most, size int) (text []byte, n int, last int64, err error) {
	text, n, last, err = b.Block.Run(mask, most, size)
	return text, n, last, damaged(b.ID, err)
}

// Close ends the range, and returns what has ended it before, if it was a fault. It may be called again.
func (b *Blocks) Close() error {
	if b.buf != nil && cap(*b.buf) <= mostUnpacked {
		unpacked.Put(b.buf)
	}
	b.buf = nil
	return errors.Join(b.err, b.st.Err(), b.st.Reset())
}
