package index

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// state is everything that the index knows at one moment. It does not change.
type state struct {
	generation int64
	recent     tree
	frozen     tree   // what was recent and is being written into a run
	runs       []*run // the newest first
	// fault is why nothing can be looked up; blind are the workspaces in which nothing can, because their entries could
	// not all be read.
	fault error
	blind map[int64]error
}

// View is the index as of one transaction, which reads its pieces.
type View struct {
	index *Index
	state state
	piece *sqlite3.Stmt
	// What one look-up leaves to the next: buffers for a piece and for a key.
	buffer []byte
	reader pieceReader
}

// Hash returns the key of an op id.
func (v *View) Hash(opID []byte) Key { return v.index.Hash(opID) }

// usable returns why nothing can be looked up.
func (v *View) usable(key string) error {
	err := v.state.fault
	if err == nil && len(v.state.blind) > 0 {
		err = v.state.blind[workspaceOf(key)]
	}
	if err != nil {
		return engine.Unavailable(err)
	}
	return nil
}

// load reads a piece.
func (v *View) load(r *run, n int64, buffer []byte) ([]byte, error) {
	id := rowID(r.id, n)
	found, err := engine.One(v.piece, func(s *sqlite3.Stmt) { buffer = append(buffer[:0], s.ColumnRawBlob(0)...) }, id)
	if err == nil && !found {
		err = fmt.Errorf("%w: it is missing", errPiece)
	}
	if err == nil {
		buffer, err = unseal(id, buffer)
	}
	return buffer, v.damaged(r, n, err)
}

// damaged causes the index to be rebuilt if a piece cannot be read.
func (v *View) damaged(r *run, n int64, err error) error {
	if err == nil {
		return nil
	}
	if slices.Contains(v.index.committed().runs, r) { // and not only in a transaction from before the index was rebuilt
		v.index.notice(err)
	}
	return fmt.Errorf("piece %d of run %d of the index: %w", n, r.id, err)
}

// Winner returns what is known about the winner of a record. A winner that was a deletion may have been collected,
// which the index does not know.
func (v *View) Winner(key string) (w Winner, found bool, err error) {
	if err := v.usable(key); err != nil {
		return w, false, err
	}
	value, found := v.state.recent.get(key)
	if !found {
		value, found = v.state.frozen.get(key)
	}
	if found {
		return unpackWinner(value), true, nil
	}
	sum := v.index.seed.sum(stemOf(key))
	for _, r := range v.state.runs {
		if !r.filter.has(sum) {
			continue
		}
		n := r.starts.piece(key)
		if v.buffer, err = v.load(r, n, v.buffer); err != nil {
			return w, false, err
		}
		p := &v.reader
		p.reset(v.buffer)
		for {
			more, err := p.next()
			if err != nil {
				return w, false, v.damaged(r, n, err)
			}
			if !more {
				break
			}
			if string(p.key) < key {
				continue
			}
			if string(p.key) == key {
				return unpackWinner(p.value), true, nil
			}
			break
		}
	}
	return w, false, nil
}

// Versions calls f with the versions under which op ids with this hash may have been written, the newest first within
// what is recent, until f returns false. The log knows whose they are, and whether they still exist.
func (v *View) Versions(key string, f func(version int64) (more bool, err error)) error {
	if err := v.usable(key); err != nil {
		return err
	}
	for _, t := range []*tree{&v.state.recent, &v.state.frozen} {
		if !t.hasPrefix(key) { // as for nearly all op ids
			continue
		}
		if more, err := versions(t.from(key), key, f); err != nil || !more {
			return err
		}
	}
	sum := v.index.seed.sum(key)
	for _, r := range v.state.runs {
		if !r.filter.has(sum) {
			continue
		}
		c := runCursor{pieceReader: v.reader, v: v, r: r, n: r.starts.piece(key), piece: v.buffer}
		c.reset(nil)
		v.reader, v.buffer = pieceReader{}, nil // f may look something up
		more, err := versions(&c, key, f)
		if v.reader, v.buffer = c.pieceReader, c.piece; err != nil || !more {
			return err
		}
	}
	return nil
}

func versions(c cursor, key string, f func(int64) (bool, error)) (more bool, err error) {
	for {
		found, err := c.next()
		if err != nil || !found {
			return true, err
		}
		at, _ := c.at()
		if !strings.HasPrefix(string(at), key) {
			if string(at) < key {
				continue
			}
			return true, nil
		}
		if more, err := f(versionOf(at)); err != nil || !more {
			return false, err
		}
	}
}

// cursor goes through keys in order. What at returns is valid until the next call.
type cursor interface {
	next() (bool, error)
	at() (key []byte, value uint64)
}

// runCursor goes through a run from a piece on. It may begin before the key that was requested.
type runCursor struct {
	pieceReader
	v     *View
	r     *run
	n     int64 // the next piece
	piece []byte
}

func (v *View) from(r *run, key string) *runCursor {
	return &runCursor{v: v, r: r, n: r.starts.piece(key)}
}

func (c *runCursor) next() (bool, error) {
	for {
		more, err := c.pieceReader.next()
		if err != nil {
			return false, c.v.damaged(c.r, c.n-1, err)
		}
		if more || c.n >= c.r.pieces {
			return more, nil
		}
		if c.piece, err = c.v.load(c.r, c.n, c.piece); err != nil {
			return false, err
		}
		c.reset(c.piece)
		c.n++
	}
}

func (c *runCursor) at() ([]byte, uint64) { return c.key, c.value }

// merged goes through several cursors at once. Of equal keys it delivers the one of the first cursor.
type merged struct {
	cursors []cursor // each is at a pair
	begun   bool
	first   int
	key     []byte
}

// newMerged starts at the first key that is not below from.
func newMerged(from string, cursors ...cursor) (*merged, error) {
	m := &merged{}
	for _, c := range cursors {
		for {
			more, err := c.next()
			if err != nil {
				return nil, err
			}
			if !more {
				break
			}
			if key, _ := c.at(); string(key) >= from {
				m.cursors = append(m.cursors, c)
				break
			}
		}
	}
	return m, nil
}

func (m *merged) next() (bool, error) {
	if m.begun {
		// All that are at the key that was delivered move on.
		m.key = append(m.key[:0], m.keyOf(m.first)...)
		for i := 0; i < len(m.cursors); {
			if !bytes.Equal(m.keyOf(i), m.key) {
				i++
				continue
			}
			more, err := m.cursors[i].next()
			if err != nil {
				return false, err
			}
			if more {
				i++
			} else {
				m.cursors = append(m.cursors[:i], m.cursors[i+1:]...)
			}
		}
	}
	m.begun = true
	if len(m.cursors) == 0 {
		return false, nil
	}
	m.first = 0
	for i := 1; i < len(m.cursors); i++ {
		if bytes.Compare(m.keyOf(i), m.keyOf(m.first)) < 0 {
			m.first = i
		}
	}
	return true, nil
}

func (m *merged) keyOf(i int) []byte { key, _ := m.cursors[i].at(); return key }

func (m *merged) at() ([]byte, uint64) { return m.cursors[m.first].at() }

// Records goes through the winners of records in order.
type Records struct {
	cursor cursor
	until  string
	// Table is the number of the record's table, and Key its key there, which is valid until the next call of Next.
	Table int64
	Key   []byte
	Winner
	err error
}

// Records returns the records between two keys of RecordKey: not below from, and below until. If all begin with the
// same text and a zero byte, runs without such a key are rarely searched.
func (v *View) Records(from, until string) *Records {
	if err := v.usable(from); err != nil {
		return &Records{err: err}
	}
	cursors := []cursor{v.state.recent.from(from), v.state.frozen.from(from)}
	all := stemOfAll(from, until)
	sum := v.index.seed.sum(all)
	for _, r := range v.state.runs {
		if all == "" || r.filter.has(sum) {
			cursors = append(cursors, v.from(r, from))
		}
	}
	m, err := newMerged(from, cursors...)
	return &Records{cursor: m, until: until, err: err}
}

// Next goes to the next record and reports whether there is one.
func (r *Records) Next() bool {
	if r.err != nil {
		return false
	}
	more, err := r.cursor.next()
	if err != nil || !more {
		r.err = err
		return false
	}
	key, value := r.cursor.at()
	if string(key) >= r.until {
		return false
	}
	r.Table, r.Key, r.Winner = int64(key[headSize-1]), key[headSize:], unpackWinner(value)
	return true
}

// Err returns the error that ended the records, if any.
func (r *Records) Err() error { return r.err }

var errBehind = errors.New("the index in memory has moved on")
