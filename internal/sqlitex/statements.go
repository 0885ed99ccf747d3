package sqlitex

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
)

// A provider has hundreds of statements, of which a run needs a few dozen. Each compiled statement takes some kilobytes
// of its connection's memory and some of the time of a start. So a connection compiles a statement on first use and
// keeps it for the next time.

// mostKept is how many statements a connection keeps: more than providers have, but a limit for texts that are
// assembled.
const mostKept = 512

// connector creates connections that keep their statements.
type connector struct {
	sqldriver.Connector
	configure func(*sqlite3.Conn) error
}

// Connect implements driver.Connector of database/sql.
func (n *connector) Connect(ctx context.Context) (sqldriver.Conn, error) {
	c, err := n.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	k := &keeper{connection: c.(connection), kept: map[string]*statement{}}
	if err := n.configure(k.Raw()); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// connection is the driver's connection.
type connection interface {
	driver.Conn
	sqldriver.ExecerContext
	sqldriver.NamedValueChecker
}

// keeper is a connection that keeps its statements. database/sql lets only one goroutine use it at a time.
type keeper struct {
	connection
	kept map[string]*statement // those not in use, by text; nil once the connection is closed
}

// PrepareContext implements driver.ConnPrepareContext of database/sql.
func (k *keeper) PrepareContext(ctx context.Context, text string) (sqldriver.Stmt, error) {
	if s := k.kept[text]; s != nil {
		delete(k.kept, text)
		return s, nil
	}
	s, err := k.connection.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return &statement{compiled: s.(compiled), of: k, text: text}, nil
}

// Close implements driver.Conn of database/sql.
func (k *keeper) Close() error {
	var errs []error
	for _, s := range k.kept {
		errs = append(errs, s.compiled.Close())
	}
	k.kept = nil
	return errors.Join(append(errs, k.connection.Close())...)
}

// compiled is the driver's statement.
type compiled interface {
	sqldriver.Stmt
	sqldriver.StmtExecContext
	sqldriver.StmtQueryContext
	sqldriver.NamedValueChecker
}

// statement is a statement that returns to its connection when it is closed. The driver has reset it by then.
type statement struct {
	compiled
	of   *keeper
	text string
}

// Close implements driver.Stmt of database/sql.
func (s *statement) Close() error {
	if k := s.of; k.kept != nil && k.kept[s.text] == nil && len(k.kept) < mostKept {
		k.kept[s.text] = s
		return nil
	}
	return s.compiled.Close()
}
