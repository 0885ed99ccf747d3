package engine

import (
	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// A commit that makes the write-ahead log longer waits for the file system's metadata as well as for its bytes, which
// is a good part of a lone device's wait. So while commits are small there are zeros after the end of the log that
// SQLite does not know: it takes them for the end of the log, as it does what is left of commits from before the log
// started over. The writer adds them within its transaction, when no one else may write to the log.
const (
	// roomAhead is how many bytes of zeros are added at once, roomLeft the least that there should be, and the size up
	// to which a commit is small.
	roomAhead, roomLeft = 256 << 10, 64 << 10
	// walHeader and frameHeader are what SQLite puts in front of the log, and of each page in it.
	walHeader, frameHeader = 32, 24
)

// room is what the writer knows of the zeros in the write-ahead log.
type room struct {
	frame int64 // how many bytes a page takes
	end   int64 // of the last commit
	size  int64 // of the file, if it is known to be that long
	small bool  // whether the last commit was small
}

func (r *room) prepare(c *sqlite3.Conn) error {
	st, _, err := c.Prepare("PRAGMA page_size")
	if err != nil {
		return err
	}
	defer st.Close()
	_, err = One(st, func(s *sqlite3.Stmt) { r.frame = frameHeader + s.ColumnInt64(0) })
	return err
}

// committed is told how many pages the log has after a commit.
func (r *room) committed(pages int) {
	end := walHeader + int64(pages)*r.frame
	if end < r.end { // the log has started over, and may be shorter
		r.end, r.size = 0, 0
	}
	r.small, r.end = end-r.end <= roomLeft, end
}

// short reports whether the next commit may make the log longer, and is likely to be small.
func (r *room) short() bool { return r.small && r.size-r.end < roomLeft }

// make adds space for a commit. If it cannot, the commit makes the log longer.
func (r *room) make(c *sqlite3.Conn) {
	if !r.short() {
		return
	}
	file, err := c.FileControl("main", sqlite3.FCNTL_JOURNAL_POINTER)
	log, ok := file.(vfs.File)
	if err != nil || !ok {
		return
	}
	if r.size, err = log.Size(); err != nil || !r.short() {
		return
	}
	n, _ := log.WriteAt(make([]byte, roomAhead), r.size)
	r.size += int64(n)
}
