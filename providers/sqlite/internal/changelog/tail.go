package changelog

import (
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// tail is what a job adds to the log of a workspace: the block that it is making, whose entries no statement finds
// before it is inserted, and marks of entries that are already in blocks. It belongs to the writer and is empty between
// two jobs, so nothing of one that was undone stays.
type tail struct {
	tx        *engine.Tx
	workspace int64 // 0 between two jobs
	blocks    block.Writer
	first     int64                 // the version of the first entry of the block
	marks     block.Marks           // of its entries
	replaced  map[int64]block.Marks // of entries in the database, by the ids of their blocks
	stored    *entries.Reader
}

// begin assigns the tail to a job.
func (t *tail) begin(tx *engine.Tx, workspace int64) {
	t.tx, t.workspace = tx, workspace
	t.reader(tx)
}

// reader returns a reader of entries in the database, for the writer.
func (t *tail) reader(tx *engine.Tx) *entries.Reader {
	if t.stored == nil {
		t.stored = entries.In(tx)
	}
	return t.stored
}

// end drops what was not written.
func (t *tail) end() {
	t.tx, t.workspace = nil, 0
	t.blocks.Reset()
	t.marks = block.Marks{}
	clear(t.replaced)
}

// number returns the place of an entry in the block that is being made.
func (t *tail) number(workspace, version int64) (i int, ok bool) {
	i = int(version - t.first)
	return i, workspace == t.workspace && i >= 0 && i < t.blocks.Len()
}

// pending returns an entry of the block that is being made. Its slices are valid until the next one is accepted.
func (t *tail) pending(workspace, version int64) (e entries.Entry, ok bool) {
	if _, ok = t.number(workspace, version); ok {
		e.Entry, ok = t.blocks.Pending(version)
	}
	return e, ok
}

// accept adds an op of a draft under the next version.
func (t *tail) accept(d *block.Draft, i int, a block.Accepted) error {
	if !t.blocks.Takes(d, i) {
		if err := t.insert(); err != nil {
			return err
		}
	}
	if t.blocks.Len() == 0 {
		t.first = a.Version
	}
	if a.Lost {
		t.marks.Replace(t.blocks.Len(), false)
	}
	t.blocks.Accept(d, i, a)
	if t.blocks.Full() {
		return t.insert()
	}
	return nil
}

// insert writes the block.
func (t *tail) insert() error {
	heads, text := t.blocks.Finish(t.first)
	err := entries.Insert(t.tx, layout.EntryID(t.workspace, t.first), heads, text, t.marks)
	t.blocks.Reset()
	t.marks = block.Marks{}
	return err
}

// replace marks an entry as no longer a winner. at is where it was found.
func (t *tail) replace(version int64, at entries.Place, pinned bool) error {
	if i, ok := t.number(t.workspace, version); ok {
		t.marks.Replace(i, pinned)
		return nil
	}
	if at.Block == 0 { // it was in a block that has been inserted since
		e, err := known(t.workspace, version, t.stored.Winner)
		if err != nil {
			return err
		}
		at = e.Place
	}
	if t.replaced == nil {
		t.replaced = map[int64]block.Marks{}
	}
	m := t.replaced[at.Block]
	m.Replace(at.Number, pinned)
	t.replaced[at.Block] = m
	return nil
}

// write writes what is left at the end of a job.
func (t *tail) write() error {
	if t.blocks.Len() > 0 {
		if err := t.insert(); err != nil {
			return err
		}
	}
	for id, m := range t.replaced {
		if err := entries.Mark(t.tx, id, m); err != nil {
			return err
		}
	}
	return nil
}
