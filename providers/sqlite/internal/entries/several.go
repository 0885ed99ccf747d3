package entries

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/block"
)

// Wanted says what is read of several entries. n counts the versions from 0, size is the length of the entry's text.
type Wanted struct {
	// Head is called for each entry, without its text, and reports whether the text is wanted.
	Head func(n int, e *block.Entry, size int) (text bool)
	// Text is called for those whose texts are wanted. An entry is valid during the call.
	Text func(n int, e *block.Entry) error
}

// Several reads entries in the order of their versions, and each block once. It does not check what has happened to
// them: one that does not exist is an error.
func (r *Reader) Several(workspace int64, versions []int64, w Wanted) (err error) {
	s := several{r: r, wanted: w, workspace: workspace, versions: versions}
	defer func() {
		if s.stored != nil {
			err = cmp.Or(err, s.stored.Close())
		}
	}()
	for s.n < len(versions) {
		if err := s.block(); err != nil {
			return err
		}
	}
	return nil
}

// several is the state of Several.
type several struct {
	r         *Reader
	wanted    Wanted
	workspace int64
	versions  []int64
	n         int // the current version
	entry     block.Entry
	texts     []want        // of the current block
	stored    *sqlite3.Blob // the texts of blocks, read in parts: a block has eight frames
	id        int64         // the block whose text that is
	part      []byte
}

type want struct{ n, place int }

// block reads the entries of the block that has the current version, and goes on to the first one of another block.
func (s *several) block() error {
	var first Entry
	found, err := s.r.find(&first, s.workspace, s.versions[s.n])
	if err == nil && !found {
		err = fmt.Errorf("entry %d of workspace %d is missing", s.versions[s.n], s.workspace)
	}
	if err != nil {
		return err
	}
	s.texts = s.texts[:0]
	for ; s.n < len(s.versions); s.n++ {
		i, found, err := s.r.block.Find(s.versions[s.n])
		if err == nil && !found {
			break
		}
		if err == nil {
			s.entry, err = s.r.block.Entry(i)
		}
		if err != nil {
			return damaged(first.Block, err)
		}
		if s.wanted.Head(s.n, &s.entry, s.r.block.Size(i)) {
			s.texts = append(s.texts, want{s.n, i})
		}
	}
	for _, t := range s.texts {
		if err := s.read(first.Block, t.place); err != nil {
			return err
		}
		if s.entry, err = s.r.block.Entry(t.place); err != nil {
			return damaged(first.Block, err)
		}
		if err := s.wanted.Text(t.n, &s.entry); err != nil {
			return err
		}
	}
	return nil
}

// read makes the text of an entry of the current block readable.
func (s *several) read(id int64, place int) (err error) {
	if s.r.block.Readable(place) {
		return nil
	}
	switch {
	case s.stored == nil:
		s.stored, err = s.r.st.BlockText.Conn().OpenBlob("main", "blocks", "text", id, false)
	case s.id != id:
		err = s.stored.Reopen(id)
	}
	if err != nil {
		return err
	}
	s.id = id
	var failed error
	s.r.text, err = s.r.block.UnpackOne(s.r.text, place, func(at, size int) ([]byte, error) {
		if failed = s.seek(at, size); failed != nil {
			return nil, failed
		}
		s.part = slices.Grow(s.part[:0], size)[:size]
		_, failed = io.ReadFull(s.stored, s.part)
		return s.part, failed
	})
	if failed != nil {
		return failed
	}
	return damaged(id, err)
}

// seek goes to a part of the text, if there is one.
func (s *several) seek(at, size int) error {
	sqlitex.Used(s.r.st.BlockText.Conn())
	if int64(at+size) > s.stored.Size() {
		return damaged(s.id, block.ErrDamaged)
	}
	_, err := s.stored.Seek(int64(at), io.SeekStart)
	return err
}
