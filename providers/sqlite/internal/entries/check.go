package entries

import (
	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// Check reads blocks with everything in them, from the one that may hold the version after a given one, as much as one
// transaction should read. It returns the last version that it has read, which is the given one at the end; an error
// means damage.
func (r *Reader) Check(workspace, after int64) (last int64, err error) {
	const most = 64 * block.FullText
	blocks := r.After(workspace, after, layout.MaxVersion)
	defer blocks.Close()
	last = after
	for size := 0; size < most && blocks.Next(); {
		end, err := blocks.Version(blocks.Len() - 1)
		if err == nil && end <= after {
			continue
		}
		if err != nil {
			return last, damaged(blocks.ID, err)
		}
		if err := blocks.Unpack(blocks.All()); err != nil {
			return last, err
		}
		var c or3cloud.Change
		for i, previous := 0, layout.VersionOf(blocks.ID)-1; i < blocks.Len(); i++ {
			e, err := blocks.Block.Entry(i)
			if err == nil && !e.Dropped() {
				err = e.Change(&c)
			}
			if err == nil && e.Version <= previous {
				err = block.ErrDamaged
			}
			if err != nil {
				return last, damaged(blocks.ID, err)
			}
			previous, last = e.Version, max(last, e.Version)
			size += blocks.Size(i)
		}
	}
	return last, blocks.Close()
}
