package block

import (
	"bytes"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncwire"
)

// Wanted is what a pull may get of a block.
type Wanted struct {
	After  int64  // the cursor
	Tables int64  // layout.TableSet
	User   []byte // packed
}

// Visible returns the entries that a pull delivers. It looks at entries one by one only if the block has tables that
// are not wanted, or rows of single users.
func (b *Block) Visible(m Marks, w Wanted) (mask uint64, err error) {
	mask = b.All() &^ m.Skip
	if w.After >= b.first {
		i, found, err := b.Find(w.After)
		if err != nil {
			return 0, err
		}
		if found {
			i++
		}
		mask = mask >> i << i
	}
	others := b.tables&^gaps&^byte(w.Tables) != 0
	for rest := mask; (others || rest&b.owned != 0) && rest != 0; rest &= rest - 1 {
		i, _ := firstOf(rest)
		if !others && b.owned&(1<<i) == 0 {
			continue
		}
		h, err := b.head(i)
		if err != nil {
			return 0, err
		}
		if len(h) == 0 {
			return 0, ErrDamaged
		}
		if w.Tables&(1<<(h[0]&tableBits)) == 0 {
			mask &^= 1 << i
			continue
		}
		if b.owned&(1<<i) != 0 {
			e, err := b.Entry(i)
			if err != nil {
				return 0, err
			}
			if !bytes.Equal(e.Owner, w.User) {
				mask &^= 1 << i
			}
		}
	}
	return mask, nil
}

// Unchecked returns the entries of a mask that may hold something that clients cannot take. Their text must be checked
// before it is copied.
func (b *Block) Unchecked(mask uint64) uint64 { return mask & b.unchecked }

// Run takes the first entries off a mask that are adjacent, at most most of them and none after the one that reaches
// size. It returns their text, with the commas between them, their number, and the version of the last one.
func (b *Block) Run(mask *uint64, most, size int) (text []byte, n int, last int64, err error) {
	i, n := firstOf(*mask)
	n = min(n, most)
	for j := 1; j < n; j++ {
		if b.end(i+j-1)-b.end(i-1) >= size {
			n = j
		}
	}
	*mask &^= between(i, i+n)
	if text, err = b.span(i, i+n); err != nil {
		return nil, 0, 0, err
	}
	last, err = b.Version(i + n - 1)
	return text, n, last, err
}

// Change fills in a change from an entry. The payload is a part of the block.
func (e *Entry) Change(c *or3cloud.Change) error {
	pk, err := e.PK()
	if err != nil {
		return err
	}
	device, err := e.Device()
	*c = or3cloud.Change{
		ServerVersion: e.Version, Table: layout.TableName(e.Table), PK: pk, Operation: e.Operation, Payload: e.Payload(),
		Stamp: or3cloud.Stamp{DeviceID: device, OpID: layout.UnpackID(e.OpID), HLC: e.HLC(), Clock: e.Clock},
	}
	return err
}

// AppendItem appends an entry as snapshots send it.
func (e *Entry) AppendItem(b []byte) ([]byte, error) {
	end := e.before - len(e.tail())
	if e.text == nil || end < versionEnd {
		return b, ErrDamaged
	}
	it := or3cloud.SnapshotItem{Operation: e.Operation, Revision: e.Revision()}
	b = append(syncwire.AppendItemBegin(b, e.Operation), e.text[versionEnd:end]...)
	if e.Operation == or3cloud.OpDelete {
		it.DeletedAt = time.UnixMilli(e.At)
	} else {
		b = append(append(b, `,"payload":`...), e.Payload()...)
	}
	return syncwire.AppendItemTail(b, &it), nil
}
