// Package entries finds the entries of the log in the blocks in which they are stored (package block), with what has
// happened to them since. Nothing else reads or changes the tables blocks and marks.
package entries

import (
	"cmp"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// Reader finds entries with the statements of one connection, of a reader or of the writer. It keeps nothing but memory
// from one call to the next, and is for one goroutine.
type Reader struct {
	st *engine.BlockStatements

	heads, text []byte
	block       block.Block
}

// Of returns a Reader of a read transaction.
func Of(r *engine.Reader) *Reader { return &Reader{st: &r.St.BlockStatements} }

// In returns a Reader of the transaction of a job. It does not find what the job has accepted and not yet inserted.
func In(t *engine.Tx) *Reader { return &Reader{st: &t.St.BlockStatements} }

// Place is where an entry is: the id of its block, and its number there.
type Place struct {
	Block  int64
	Number int
}

// Entry is an entry with what has happened to it. Its slices are valid until the next call of its Reader.
type Entry struct {
	block.Entry
	Place
	// Size is the length of its text, whether that was read or not.
	Size int
	// Marks are those of its block; ask them about Place.Number.
	Marks block.Marks
}

// Winner returns an entry that is known to exist, without its text and without checking what has happened to it: Marks
// are empty. It is for winners, of which only deletions are ever collected. found is false if there is no such entry.
func (r *Reader) Winner(workspace, version int64) (e Entry, found bool, err error) {
	if found, err = r.find(&e, workspace, version); err != nil || !found {
		return Entry{}, false, err
	}
	return e, true, r.entry(&e)
}

// Head returns an entry without its text. found is false if there is no such entry, or if it was collected.
func (r *Reader) Head(workspace, version int64) (e Entry, found bool, err error) {
	if found, err = r.marked(&e, workspace, version); err != nil || !found {
		return Entry{}, false, err
	}
	return e, true, r.entry(&e)
}

// Exists reports whether there is an entry, and whether it was not collected.
func (r *Reader) Exists(workspace, version int64) (found bool, err error) {
	var e Entry
	return r.marked(&e, workspace, version)
}

// Entry returns an entry with its text, and so with its pk and its payload. found is as in Head. It unpacks little more
// than the entry.
func (r *Reader) Entry(workspace, version int64) (e Entry, found bool, err error) {
	if found, err = r.marked(&e, workspace, version); err != nil || !found {
		return Entry{}, false, err
	}
	var bad error
	found, err = engine.One(r.st.BlockText, func(s *sqlite3.Stmt) {
		r.block, r.text, bad = unpack(e.Block, r.heads, s.ColumnRawBlob(0), r.text, 1<<e.Number)
	}, e.Block)
	if err == nil && !found {
		bad = block.ErrDamaged
	}
	if err != nil || bad != nil {
		return Entry{}, false, cmp.Or(err, damaged(e.Block, bad))
	}
	return e, true, r.entry(&e)
}

// Block returns the heads of a block and what has happened to its entries. found is false if there is no such block. It
// is valid until the next call of the Reader.
func (r *Reader) Block(id int64) (b block.Block, m block.Marks, found bool, err error) {
	found, err = engine.One(r.st.BlockHeads, func(s *sqlite3.Stmt) { r.heads = append(r.heads[:0], s.ColumnRawBlob(1)...) }, id, id)
	if err != nil || !found {
		return b, m, false, err
	}
	if b, err = block.Open(layout.VersionOf(id), r.heads, nil); err == nil {
		m, err = r.Marks(id)
	}
	return b, m, true, damaged(id, err)
}

// BlockAfter returns the id of the next block after one; -1 if there is none.
func (r *Reader) BlockAfter(id int64) (next int64, err error) {
	_, err = engine.One(r.st.BlockAfter, func(s *sqlite3.Stmt) { next = s.ColumnInt64(0) }, id)
	return next, err
}

// Load returns a block with the texts of some entries, given as a bit each. Its memory is the caller's.
func (r *Reader) Load(id int64, wanted uint64) (b block.Block, err error) {
	var heads, text []byte
	found, err := engine.One(r.st.BlockHeads, func(s *sqlite3.Stmt) { heads = s.ColumnBlob(1, nil) }, id, id)
	if err == nil && found {
		found, err = engine.One(r.st.BlockText, func(s *sqlite3.Stmt) { text = s.ColumnBlob(0, nil) }, id)
	}
	if err == nil && !found {
		err = block.ErrDamaged
	}
	if err == nil {
		b, err = block.Open(layout.VersionOf(id), heads, text)
	}
	if err == nil {
		_, err = b.Unpack(nil, wanted)
	}
	return b, damaged(id, err)
}

// find opens the block that holds a version, without its text.
func (r *Reader) find(e *Entry, workspace, version int64) (found bool, err error) {
	found, err = engine.One(r.st.BlockHeads, func(s *sqlite3.Stmt) {
		e.Block, r.heads = s.ColumnInt64(0), append(r.heads[:0], s.ColumnRawBlob(1)...)
	}, layout.EntryID(workspace, 0), layout.EntryID(workspace, version))
	if err != nil || !found {
		return false, err
	}
	if r.block, err = block.Open(layout.VersionOf(e.Block), r.heads, nil); err == nil {
		e.Number, found, err = r.block.Find(version)
	}
	return found, damaged(e.Block, err)
}

// marked is find for an entry that was not collected.
func (r *Reader) marked(e *Entry, workspace, version int64) (found bool, err error) {
	if found, err = r.find(e, workspace, version); err != nil || !found {
		return false, err
	}
	if e.Marks, err = r.Marks(e.Block); err != nil {
		return false, err
	}
	return e.Marks.Collected()&(1<<e.Number) == 0, nil
}

// entry reads the entry that was found.
func (r *Reader) entry(e *Entry) (err error) {
	e.Size = r.block.Size(e.Number)
	e.Entry, err = r.block.Entry(e.Number)
	return damaged(e.Block, err)
}

// unpack opens a block and makes the texts of some entries readable. It uses the memory of buf if that is large enough,
// and returns the memory it has used; the block is valid until that or the heads are used again, whatever happens to
// what is stored.
func unpack(id int64, heads, stored, buf []byte, wanted uint64) (block.Block, []byte, error) {
	b, err := block.Open(layout.VersionOf(id), heads, stored)
	if err == nil && b.Packed() {
		buf, err = b.Unpack(buf, wanted)
	} else if err == nil {
		buf = append(buf[:0], stored...)
		b, err = block.Open(layout.VersionOf(id), heads, buf)
	}
	return b, buf, err
}

// Marks returns what has happened to the entries of a block.
func (r *Reader) Marks(id int64) (m block.Marks, err error) {
	_, err = engine.One(r.st.Marks, func(s *sqlite3.Stmt) {
		m = block.Marks{Skip: uint64(s.ColumnInt64(0)), Other: uint64(s.ColumnInt64(1))}
	}, id)
	return m, err
}

// damaged adds to an error which block it concerns.
func damaged(id int64, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("block %d of workspace %d: %w", layout.VersionOf(id), id>>layout.VersionBits, err)
}
