package sqlite

import (
	"context"
	"errors"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
)

// reader is a read-only connection with its statements. One goroutine uses it at a time.
type reader struct {
	c  *sqlite3.Conn
	st readStatements
}

func newReader(d *sqlitex.DB) (*reader, error) {
	c, err := d.Conn(true)
	if err != nil {
		return nil, err
	}
	r := &reader{c: c}
	if err := r.st.prepare(c); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *reader) close() error {
	r.st.close()
	return r.c.Close()
}

// readPool hands out a fixed number of readers and opens each when it is first needed. A nil in free is a place
// whose reader is not open yet.
type readPool struct {
	free   chan *reader
	open   func() (*reader, error)
	closed chan struct{}
}

func newReadPool(size int, open func() (*reader, error)) *readPool {
	p := &readPool{free: make(chan *reader, size), open: open, closed: make(chan struct{})}
	for range size {
		p.free <- nil
	}
	return p
}

// view runs f in a read transaction: everything that f reads is of one moment. It waits for a free reader until ctx
// ends. Writers are not held back meanwhile.
func (p *readPool) view(ctx context.Context, f func(*reader) error) (err error) {
	var r *reader
	select {
	case r = <-p.free:
	case <-p.closed:
		return or3cloud.Unavailable(errClosed, "Storage temporarily unavailable", retryAfter)
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { p.free <- r }()
	if r == nil {
		if r, err = p.open(); err != nil {
			return sqlitex.Translate(err)
		}
	}
	if err := r.st.begin.Exec(); err != nil {
		return sqlitex.Translate(err)
	}
	defer func() { err = sqlitex.Translate(errors.Join(err, r.st.commit.Exec())) }()
	return f(r)
}

// close waits for all readers and closes them.
func (p *readPool) close() error {
	var errs []error
	close(p.closed)
	for range cap(p.free) {
		if r := <-p.free; r != nil {
			errs = append(errs, r.close())
		}
	}
	return errors.Join(errs...)
}
