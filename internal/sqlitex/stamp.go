package sqlitex

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/pressly/goose/v3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/background"
)

// The only row of the table store_stamp records to which instance a database belongs, and the run and moment it is
// from. Each provider creates the table in a migration of its own, so that a database can be identified before anything
// in it changes:
//
//	CREATE TABLE store_stamp (id INTEGER PRIMARY KEY CHECK (id = 1), store TEXT, instance TEXT, run TEXT,
//	  previous TEXT, step INTEGER, high INTEGER, at INTEGER, restored_at INTEGER)

// Identity is what Open needs to tell whether a file belongs here.
type Identity struct {
	// Stores decides and remembers. nil disables all of this.
	Stores or3cloud.Stores
	// Name is the store's name in the instance.
	Name string
	// Restore is called in the transaction that stamps a database that is, or may be, an older copy.
	Restore func(ctx context.Context, tx *sql.Tx, a or3cloud.StoreAdmission) error
	Now     func() time.Time
	Log     *slog.Logger
}

// ErrDamaged is returned for a file that is no longer a valid database.
var ErrDamaged = errors.New("is damaged")

// ErrForeign is returned for a database that another program created. Otherwise it would end up with tables of both, or
// with only some of ours.
var ErrForeign = errors.New("is the database of another program")

func foreignFile(path string) error {
	return fmt.Errorf("%s %w, such as OR3 Chat's provider for Node.js. It stays as it is; name a file that does not exist yet, or leave the variable out",
		path, ErrForeign)
}

// content is what a database holds.
type content int

const (
	nothing content = iota
	foreign         // tables, but not the schema version table, which a migration creates first
	ours
)

// headerSize is the size of the header of a database file (https://sqlite.org/fileformat2.html#the_database_header).
const headerSize = 100

const magic = "SQLite format 3\x00"

// find examines the file without changing it.
func (d *DB) find() (or3cloud.StoreFound, error) {
	found := or3cloud.StoreFound{Place: d.opts.Path, Essential: true}
	info, err := os.Stat(d.opts.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		found.Condition = or3cloud.StoreAbsent
		return found, nil
	case err != nil:
		return found, fmt.Errorf("look at the database: %w", err)
	case info.Size() == 0:
		found.Condition = or3cloud.StoreBlank
		return found, nil
	}
	if err := checkHeader(d.opts.Path, info.Size()); err != nil {
		return found, err
	}
	stamp, content, err := d.readStamp("")
	switch {
	case IsDamage(err):
		return found, damaged(d.opts.Path, err)
	case err != nil:
		return found, fmt.Errorf("look at %s: %w", d.opts.Path, err)
	case content == foreign:
		return found, foreignFile(d.opts.Path)
	case stamp.Store != "":
		found.Condition, found.Stamp = or3cloud.StoreStamped, stamp
	case content == ours:
		found.Condition = or3cloud.StoreUnstamped
	default:
		found.Condition = or3cloud.StoreBlank
	}
	return found, nil
}

// damageReasons explain SQLite's codes for damage.
var damageReasons = map[error]string{
	sqlite3.NOTADB:     "the file is not a database",
	sqlite3.CORRUPT:    "its pages contradict each other",
	sqlite3.IOERR_DATA: "a page differs from its checksum",
}

func damaged(path string, cause error) error {
	for code, reason := range damageReasons {
		if errors.Is(cause, code) {
			cause = &foundDamage{reason, cause}
			break
		}
	}
	return fmt.Errorf("%s %w: %w. Restore it from a backup, together with its -wal file if the backup has one; without a backup, move it away and see or3-cloud adopt --help",
		path, ErrDamaged, cause)
}

// Refusal returns the error to report when a store refuses to open because of err. If the file is damaged, however that
// came to light, the result is an ErrDamaged that names the file and what to do.
func (d *DB) Refusal(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrDamaged), d.opts.memory():
		return err
	case IsDamage(err):
		return damaged(d.opts.Path, err)
	case errors.Is(err, sqlite3.FULL):
		return errors.Join(&fs.PathError{Op: "write", Path: d.opts.Path, Err: syscall.ENOSPC}, err)
	}
	if fault := d.damage(ctx); fault != "" {
		return damaged(d.opts.Path, &foundDamage{fault, err})
	}
	return err
}

// foundDamage is damage found after something else had failed because of it.
type foundDamage struct {
	fault string
	err   error
}

func (f *foundDamage) Error() string { return f.fault }
func (f *foundDamage) Unwrap() error { return f.err }

// refusalSpan limits how long a file is read to find out why it cannot be opened.
const refusalSpan = time.Second

// damage returns the damage that a short look at the file finds, or "".
func (d *DB) damage(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 2*refusalSpan)
	defer cancel()
	out, err := d.Check(ctx, "", refusalSpan)
	switch {
	case err != nil:
	case len(out.Faults) > 0:
		return out.Faults[0].Fault
	case out.Next == structure:
		if texts, err := d.checkStructure(ctx, "PRAGMA quick_check(1)"); err == nil && len(texts) > 0 {
			return damageReasons[sqlite3.CORRUPT]
		}
	}
	return ""
}

// checkHeader refuses a file that is not a database, or that is shorter than its header says. It accepts a file with a
// rollback journal, which is repaired when opened, and one with a write-ahead log, which has its newest pages there.
func checkHeader(path string, size int64) error {
	if filled(path+"-journal") || filled(path+"-wal") {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("look at the database: %w", err)
	}
	defer f.Close()
	var h [headerSize]byte
	if _, err := io.ReadFull(f, h[:]); err != nil || string(h[:len(magic)]) != magic {
		return damaged(path, errors.New("the file is not a database"))
	}
	pages, changed, valid := binary.BigEndian.Uint32(h[28:]), binary.BigEndian.Uint32(h[24:]), binary.BigEndian.Uint32(h[92:])
	if want := int64(pages) * pageSize(h); changed == valid && size < want {
		return damaged(path, fmt.Errorf("it has %d bytes of %d", size, want))
	}
	return nil
}

// pageSize returns the page size in a header.
func pageSize(h [headerSize]byte) int64 {
	if n := int64(binary.BigEndian.Uint16(h[16:])); n != 1 {
		return n
	}
	return 65536
}

func filled(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// readStamp returns the stamp, zero if there is none, and what kind of content the database holds. The URI's parameters
// may ask for the file without its write-ahead log (immutable=1).
func (d *DB) readStamp(parameters string) (stamp or3cloud.StoreStamp, holds content, err error) {
	c, err := sqlite3.Open(d.uri + parameters)
	if err != nil {
		return stamp, nothing, err
	}
	defer c.Close()
	// The log must stay as it is until its origin is known.
	if _, err := c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true); err != nil {
		return stamp, nothing, err
	}
	if err := c.Exec(fmt.Sprintf("PRAGMA busy_timeout=%d", busyTimeout.Milliseconds())); err != nil {
		return stamp, nothing, err
	}
	stamped := false
	err = query(c, "SELECT name FROM sqlite_schema", func(s *sqlite3.Stmt) {
		switch name := s.ColumnText(0); {
		case name == goose.DefaultTablename:
			holds = ours
		case holds == nothing:
			holds = foreign
		}
		stamped = stamped || s.ColumnText(0) == "store_stamp"
	})
	if err != nil || !stamped {
		return stamp, holds, err
	}
	err = query(c, "SELECT store, instance, run, previous, step, high, at FROM store_stamp WHERE id = 1", func(s *sqlite3.Stmt) {
		stamp = or3cloud.StoreStamp{
			Store: s.ColumnText(0), Instance: s.ColumnText(1), Run: s.ColumnText(2), Previous: s.ColumnText(3),
			Step: s.ColumnInt64(4), High: s.ColumnInt64(5), At: s.ColumnInt64(6),
		}
	})
	return stamp, holds, err
}

// query calls f for each row.
func query(c *sqlite3.Conn, text string, f func(*sqlite3.Stmt)) error {
	Used(c)
	s, _, err := c.Prepare(text)
	if err != nil {
		return err
	}
	for s.Step() {
		f(s)
	}
	return errors.Join(s.Err(), s.Close())
}

// admit asks Stores whether the file may be opened.
func (d *DB) admit() (or3cloud.StoreAdmission, error) {
	id := d.opts.Identity
	found, err := d.find()
	if err != nil {
		return or3cloud.StoreAdmission{}, err
	}
	a, err := id.Stores.Admit(id.Name, found)
	if err != nil {
		return a, err
	}
	if err := d.checkLog(a); err != nil {
		return a, err
	}
	if a.Age != or3cloud.StoreCurrent {
		id.Log.Warn(warning(a), "database", d.opts.Path, "why", a.Why)
	}
	if newest := max(found.Stamp.At, a.Mark.At); newest > id.Now().Add(ClockTolerance).UnixMilli() {
		d.Behind = true
		id.Log.Warn("THE CLOCK IS BEHIND THE NEWEST TIME IN THE DATABASE: it was ahead before, or is wrong now. Times in the future are replaced by the present",
			"database", d.opts.Path, "clock", id.Now().UTC().Format(time.RFC3339), "newest", time.UnixMilli(newest).UTC().Format(time.RFC3339))
	}
	return a, nil
}

func warning(a or3cloud.StoreAdmission) string {
	if a.Age == or3cloud.StoreCopied {
		return "this data directory is a copy; version counters are raised in case it is an older one"
	}
	return "AN OLDER COPY OF THE DATABASE WAS RESTORED. What came after it is missing; counters are raised, and what has ended since stays ended"
}

// ClockTolerance is how far in the future a stored time may lie and still be believed.
const ClockTolerance = time.Minute

// checkLog refuses a write-ahead log that does not belong to the file beside it, because SQLite would copy its pages
// into the file. A run writes its stamp to the file before anything else, so a matching log is from the same run.
func (d *DB) checkLog(a or3cloud.StoreAdmission) error {
	if a.Mark.Run == "" || !filled(d.opts.Path+"-wal") {
		return nil
	}
	file, _, err := d.readStamp("&immutable=1")
	if err != nil {
		return nil // damage that this cannot detect shows in the check of the pages
	}
	if file.Run == "" || file.Run == a.Mark.Run || file.Previous == a.Mark.Run {
		return nil
	}
	return fmt.Errorf("%s is an older copy, and the write-ahead log %s-wal beside it may belong to another one, which would damage it. "+
		"If the log came out of the same backup, keep it and run or3-cloud adopt %s; otherwise move it away", d.opts.Path, d.opts.Path, d.opts.Identity.Name)
}

// stamp writes the admitted stamp into the database, and then confirms it to the data directory.
func (d *DB) stamp(ctx context.Context, a or3cloud.StoreAdmission) error {
	id, s := d.opts.Identity, a.Stamp
	tx, err := d.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	restored := any(nil)
	if a.Age == or3cloud.StoreOlder {
		restored = id.Now().UnixMilli()
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO store_stamp (id, store, instance, run, previous, step, high, at, restored_at) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET store = excluded.store, instance = excluded.instance, run = excluded.run, previous = excluded.previous, step = excluded.step,
  high = max(high, excluded.high), at = excluded.at, restored_at = coalesce(excluded.restored_at, restored_at)`,
		s.Store, s.Instance, s.Run, s.Previous, s.Step, s.High, s.At, restored)
	if err != nil {
		return err
	}
	if a.Age != or3cloud.StoreCurrent && id.Restore != nil {
		if err := id.Restore(ctx, tx, a); err != nil {
			return fmt.Errorf("make an older copy safe: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if err := d.settle(ctx); err != nil {
		return err
	}
	if err := d.Write.QueryRowContext(ctx, "SELECT high, coalesce(restored_at, 0) FROM store_stamp").Scan(&s.High, &d.restoredAt); err != nil {
		return err
	}
	d.Mark = newMark(id, s)
	return nil
}

// RestoredAt returns when an older copy of the database was last restored, in Unix milliseconds, or 0 if never.
func (d *DB) RestoredAt() int64 { return d.restoredAt }

// sqlStep writes a step into the stamp. Its parameters are the step, the high number and the time.
const sqlStep = "UPDATE store_stamp SET step = ?1, high = max(high, ?2), at = ?3 WHERE id = 1"

// markEvery is how far the mark of a database being written may lag behind. A copy that is younger than that looks like
// a killed process.
const markEvery = time.Second

// Mark keeps a database's mark, which lies outside it, in step with what is committed. A nil Mark does nothing. A
// writer calls Due in each transaction and, if it is true, writes the result of Next into the stamp. After the commit
// it calls Committed. For database/sql, Step does the first two.
type Mark struct {
	id   *Identity
	loop *background.Loop // writes the mark

	closing sync.Once
	lagging atomic.Bool // something was committed after the last step

	mu        sync.Mutex
	stamp     or3cloud.StoreStamp // as committed
	confirmed or3cloud.StoreStamp // as last confirmed
	silenced  bool
	failed    bool // the last Confirm failed and was logged
}

func newMark(id *Identity, s or3cloud.StoreStamp) *Mark {
	m := &Mark{id: id, stamp: s}
	m.confirm()
	m.loop = background.Start(background.Task{
		Name: "writing the mark of " + id.Name, Log: id.Log,
		Run: func(context.Context) error { m.confirm(); return nil },
	})
	return m
}

// Due reports whether the current transaction should take a step.
func (m *Mark) Due(now time.Time) bool {
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	since := now.Sub(time.UnixMilli(m.stamp.At))
	return since >= markEvery || since <= -markEvery
}

// Next returns the stamp for a step.
func (m *Mark) Next(now time.Time, high int64) or3cloud.StoreStamp {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stamp
	s.Step, s.High, s.At = s.Step+1, max(s.High, high), now.UnixMilli()
	return s
}

// Committed must be called after a commit: with the stamp if it took a step, otherwise with nil. It does not wait for
// the disk.
func (m *Mark) Committed(step *or3cloud.StoreStamp) {
	switch {
	case m == nil:
	case step == nil:
		m.lagging.Store(true)
	default:
		m.mu.Lock()
		m.stamp = *step
		m.mu.Unlock()
		m.lagging.Store(false)
		m.loop.Wake()
	}
}

// Step takes a step in a transaction if one is due, and returns the argument for Committed.
func (m *Mark) Step(ctx context.Context, tx *sql.Tx) *or3cloud.StoreStamp {
	if m == nil {
		return nil
	}
	now := m.id.Now()
	if !m.Due(now) {
		return nil
	}
	s := m.Next(now, 0)
	if _, err := tx.ExecContext(ctx, sqlStep, s.Step, s.High, s.At); err != nil {
		return nil // the commit will meet the same fault
	}
	return &s
}

// High returns the high number of the last step.
func (m *Mark) High() int64 {
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stamp.High
}

// Silence is called after a failed fsync. Commits may be lost, and the mark must not be ahead of them.
func (m *Mark) Silence() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.silenced = true
}

// confirm writes the mark. The mark is only evidence: if writing it fails, an older copy may later pass for the newest
// state.
func (m *Mark) confirm() {
	m.mu.Lock()
	s, silenced := m.stamp, m.silenced
	m.mu.Unlock()
	if silenced {
		return
	}
	err := m.id.Stores.Confirm(s)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil && !m.failed {
		m.id.Log.Warn("the mark of a store cannot be written; until it can, an older copy of the store may not be noticed", "store", m.id.Name, "error", err)
	}
	if m.failed = err != nil; !m.failed {
		m.confirmed = s
	}
}

// close takes a last step, so that the next start recognizes every older copy. It may be called repeatedly.
func (m *Mark) close(write *sql.DB) { m.closing.Do(func() { m.end(write) }) }

func (m *Mark) end(write *sql.DB) {
	m.loop.Close()
	m.mu.Lock()
	silenced, late := m.silenced, m.confirmed != m.stamp
	m.mu.Unlock()
	if silenced {
		return
	}
	if !m.lagging.Load() {
		if late {
			m.confirm()
		}
		return
	}
	s := m.Next(m.id.Now(), 0)
	if _, err := write.Exec(sqlStep, s.Step, s.High, s.At); err != nil {
		m.id.Log.Warn("the last step of a store cannot be written", "store", m.id.Name, "error", err)
		return
	}
	m.stamp = s
	m.confirm()
}

// memory reports whether the database lives only in memory.
func (o Options) memory() bool {
	return o.Path == ":memory:" || strings.HasPrefix(o.Path, "file::memory:")
}
