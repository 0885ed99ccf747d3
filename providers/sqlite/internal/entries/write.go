package entries

import (
	"errors"

	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// Insert adds a block with the marks of its entries.
func Insert(t *engine.Tx, id int64, heads, text []byte, m block.Marks) error {
	err := engine.Run(t.St.InsertBlock, id, heads, text)
	if err != nil || m == (block.Marks{}) {
		return err
	}
	return engine.Run(t.St.SetMarks, id, int64(m.Skip), int64(m.Other))
}

// Mark adds marks to those of a block. None is ever removed.
func Mark(t *engine.Tx, id int64, m block.Marks) error {
	return engine.Run(t.St.AddMarks, id, int64(m.Skip), int64(m.Other))
}

// Replace puts a block in the place of one that has the same id, with its marks.
func Replace(t *engine.Tx, id int64, heads, text []byte, m block.Marks) error {
	err := engine.Run(t.St.ReplaceBlock, heads, text, id)
	if m == (block.Marks{}) {
		return errors.Join(err, engine.Run(t.St.DeleteMarks, id))
	}
	return errors.Join(err, engine.Run(t.St.SetMarks, id, int64(m.Skip), int64(m.Other)))
}

// Delete removes a block with its marks.
func Delete(t *engine.Tx, id int64) error {
	return errors.Join(engine.Run(t.St.DeleteBlock, id), engine.Run(t.St.DeleteMarks, id))
}
