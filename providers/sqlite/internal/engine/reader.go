package engine

import (
	"context"
	"errors"
	"sync"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/internal/sqlitex"
)

// Reader is a read-only connection with its statements. One goroutine uses it at a time.
type Reader struct {
	c *sqlite3.Conn
	// St are the statements of the connection.
	St ReadStatements
}

func newReader(d *sqlitex.DB) (*Reader, error) {
	c, err := d.Conn(true)
	if err != nil {
		return nil, err
	}
	r := &Reader{c: c}
	if err := r.St.prepare(c); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// Prepare compiles a statement for tables that a database need not have. The caller closes it.
func (r *Reader) Prepare(text string) (*sqlite3.Stmt, error) {
	st, _, err := r.c.Prepare(text)
	return st, err
}

func (r *Reader) close() error {
	r.St.close()
	return r.c.Close()
}

// readPool hands out a fixed number of readers and opens each when it is first needed. The most recently used one is
// handed out first: a lone device uses one connection and keeps its cache warm.
type readPool struct {
	places chan struct{} // one for each reader that may be in use
	open   func() (*Reader, error)
	closed chan struct{}

	mu   sync.Mutex
	idle []*Reader
}

func newReadPool(size int, open func() (*Reader, error)) *readPool {
	return &readPool{places: make(chan struct{}, size), open: open, closed: make(chan struct{})}
}

// take returns an idle reader, or a new one. The caller holds a place.
func (p *readPool) take() (*Reader, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		r := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return r, nil
	}
	return p.open()
}

func (p *readPool) put(r *Reader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, r)
}

// view runs f in a read transaction: everything that f reads is as of one moment. It waits for a free reader until ctx
// ends. Writers are not held back.
func (p *readPool) view(ctx context.Context, f func(*Reader) error) (err error) {
	if err := ctx.Err(); err != nil { // with a free reader, the select below would choose at random
		return err
	}
	select {
	case p.places <- struct{}{}:
		defer func() { <-p.places }()
	case <-p.closed:
		return Unavailable(ErrClosed)
	case <-ctx.Done():
		return ctx.Err()
	}
	r, err := p.take()
	if err != nil {
		return sqlitex.Translate(err)
	}
	defer p.put(r)
	if err := execute(r.St.begin); err != nil {
		return sqlitex.Translate(err)
	}
	defer func() { err = sqlitex.Translate(errors.Join(err, execute(r.St.commit))) }()
	return f(r)
}

// close waits for all readers and closes them.
func (p *readPool) close() error {
	close(p.closed)
	for range cap(p.places) {
		p.places <- struct{}{}
	}
	var errs []error
	for _, r := range p.idle {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}
