// Package sqlitex opens SQLite databases as OR3 Cloud needs them: pragmas in a fixed order, one writer and a few
// readers, forward-only migrations, and driver errors translated by code. It owns every rule about the database file.
// Its content belongs to the providers.
package sqlitex

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	_ "github.com/ncruces/go-sqlite3/vfs/memdb" // for ":memory:"
	"github.com/pressly/goose/v3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/diskspace"
)

// Options control how a database is opened.
type Options struct {
	// Path is the path of the file, or ":memory:" for a database that lives as long as the DB.
	Path string
	// Migrations holds numbered .sql files at its root. A released file never changes.
	Migrations fs.FS
	// KeepBefore lists, in order, the migrations before which the file is copied (CopyOf), because they change more
	// than a review can cover. If several of them are due, there is one copy, from before the first.
	KeepBefore []int64
	// Measure returns the free space of the file system under a directory. nil asks the operating system.
	Measure func(dir string) (diskspace.Usage, error)
	// Synchronous and JournalMode are the pragmas. Empty means FULL and WAL. "Acknowledged means durable" needs FULL to
	// survive a power cut.
	Synchronous, JournalMode string
	// Readers is the number of read connections. 0 means 4.
	Readers int
	// VFS names the driver's file system. Empty means the operating system's. Tests use it to make the disk fail.
	VFS string
	// Identity, if set, distinguishes the file from others and from older copies of itself.
	Identity *Identity
}

// busyTimeout is how long a connection waits for a lock held by another. The process has only one writer, so it matters
// only for operators' tools.
const busyTimeout = 10 * time.Second

// The page caches of a connection. They are the largest part of its memory and grow with use: a writer holds the pages
// that a transaction changes, and a reader mostly scans ranges. The kernel caches everything else. With 32-bit
// addresses, the driver gives a connection 32 MiB in all, and most of that is needed for rows of up to
// or3cloud.AnswerBytes.
const (
	writerCacheKiB = 3 << 10 >> (2 * narrow)
	readerCacheKiB = 2 << 10 >> (2 * narrow)

	narrow = 1 - ^uint(0)>>63 // 1 with 32-bit addresses, otherwise 0
)

// DB is an open, migrated database.
type DB struct {
	opts Options
	uri  string
	// Write is a pool of exactly one connection; its transactions are BEGIN IMMEDIATE.
	Write *sql.DB
	// Read is a pool of read-only connections.
	Read *sql.DB
	// Mark is what writers keep in step with their commits, or nil if there is no Identity.
	Mark *Mark
	// Behind reports that the clock is behind the newest time in the database.
	Behind bool

	restoredAt int64
}

// Open opens or creates the file with mode 0600, migrates its schema and returns it. It refuses a file written by a
// newer version of the program before it changes anything.
func Open(ctx context.Context, opts Options) (_ *DB, err error) {
	if opts.Synchronous == "" {
		opts.Synchronous = "FULL"
	}
	if opts.JournalMode == "" {
		opts.JournalMode = "WAL"
	}
	registerUnmapped()
	if opts.Readers == 0 {
		opts.Readers = 4
	}
	d := &DB{opts: opts}
	var admission or3cloud.StoreAdmission
	known := opts.Identity != nil && opts.Identity.Stores != nil && !opts.memory()
	if opts.memory() {
		d.uri = "file:/" + memName(d) + "?vfs=memdb"
	} else {
		abs, err := filepath.Abs(opts.Path)
		if err != nil {
			return nil, fmt.Errorf("database path: %w", err)
		}
		// With modeof, the write-ahead log has the mode of the database from its first byte on, whatever the umask.
		d.uri = fileURI(abs, opts.VFS) + "&modeof=" + strings.ReplaceAll(url.QueryEscape(abs), "+", "%20")
		if err := usable(abs); err != nil {
			return nil, fmt.Errorf("open the database: %w", err)
		}
		if known {
			if admission, err = d.admit(); err != nil {
				return nil, err
			}
		}
		if err := os.MkdirAll(filepath.Dir(abs), 0o700); err != nil {
			return nil, fmt.Errorf("create the directory of the database: %w", err)
		}
		f, err := os.OpenFile(abs, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open the database: %w", err)
		}
		f.Close()
	}
	defer func() {
		if err != nil {
			err = errors.Join(d.Refusal(ctx, err), d.Close())
		}
	}()
	if d.Write, err = d.pool("immediate", 1, false); err != nil {
		return nil, err
	}
	if err := checkLibrary(ctx, d.Write); err != nil {
		return nil, err
	}
	if err := migrate(ctx, d.Write, opts); err != nil {
		return nil, err
	}
	if err := d.settle(ctx); err != nil {
		return nil, err
	}
	if err := d.addChecksums(ctx); err != nil {
		return nil, err
	}
	if known {
		if err := d.stamp(ctx, admission); err != nil {
			return nil, fmt.Errorf("stamp of %s: %w", opts.Path, err)
		}
	}
	if d.Read, err = d.pool("deferred", opts.Readers, true); err != nil {
		return nil, err
	}
	// The driver creates the second file with the mode that the umask leaves. Both stay as long as the write connection
	// does. If the volume decides modes, this changes nothing, and the data directory has been checked.
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Chmod(opts.Path+suffix, 0o600)
	}
	return d, nil
}

// fileURI returns the URI of a file by its absolute path.
func fileURI(path, vfs string) string {
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?vfs=" + cmp.Or(vfs, unmapped)
}

// usable checks that the existing files of a database can be read and written, because SQLite does not say which one
// cannot, or why.
func usable(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		f, err := os.OpenFile(path+suffix, os.O_RDWR, 0)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		default:
			f.Close()
		}
	}
	return nil
}

func (d *DB) pool(txlock string, size int, readOnly bool) (*sql.DB, error) {
	uri := d.uri + "&_txlock=" + txlock
	if readOnly {
		uri += "&_pragma=query_only(on)" // configure sets this as well, but the driver asks earlier
	}
	n, err := (&driver.SQLite{}).OpenConnector(uri)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", d.opts.Path, err)
	}
	db := sql.OpenDB(&connector{n, func(c *sqlite3.Conn) error { return d.configure(c, readOnly) }})
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// Conn opens a connection with the driver's own API, for the hot paths. The caller must close it before the DB.
func (d *DB) Conn(readOnly bool) (*sqlite3.Conn, error) {
	c, err := sqlite3.Open(d.uri)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", d.opts.Path, err)
	}
	if err := d.configure(c, readOnly); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// configure sets the pragmas and options of a connection. The busy timeout comes first because switching to WAL can
// itself be busy.
func (d *DB) configure(c *sqlite3.Conn, readOnly bool) error {
	if err := c.BusyTimeout(busyTimeout); err != nil {
		return fmt.Errorf("busy timeout: %w", err)
	}
	pragmas := []string{
		"journal_mode=" + d.opts.JournalMode,
		"synchronous=" + d.opts.Synchronous,
		"foreign_keys=ON",
		"temp_store=MEMORY",
		"journal_size_limit=16777216",
	}
	if readOnly {
		pragmas = append(pragmas, fmt.Sprintf("cache_size=-%d", readerCacheKiB), "query_only=ON")
	} else {
		pragmas = append(pragmas, fmt.Sprintf("cache_size=-%d", writerCacheKiB))
		if err := vacuumInSteps(c); err != nil {
			return err
		}
	}
	for _, p := range pragmas {
		if err := c.Exec("PRAGMA " + p); err != nil {
			return fmt.Errorf("PRAGMA %s: %w", p, err)
		}
	}
	// Plans must not depend on bound values. Otherwise SQLite recompiles a statement, in the middle of a write,
	// whenever a value is bound that its plan might depend on.
	if _, err := c.Config(sqlite3.DBCONFIG_ENABLE_QPSG, true); err != nil {
		return fmt.Errorf("plans of statements: %w", err)
	}
	return nil
}

// vacuumInSteps enables the incremental release of free pages. It works only on a new, empty file. If it is already
// enabled, the pragma would still cost a commit with its fsyncs for each connection, so it is skipped.
func vacuumInSteps(c *sqlite3.Conn) error {
	const incremental = 2
	mode := 0
	err := query(c, "PRAGMA auto_vacuum", func(s *sqlite3.Stmt) { mode = s.ColumnInt(0) })
	if err == nil && mode != incremental {
		err = c.Exec("PRAGMA auto_vacuum=INCREMENTAL")
	}
	if err != nil {
		return fmt.Errorf("PRAGMA auto_vacuum: %w", err)
	}
	return nil
}

// settle moves what an earlier process left in the write-ahead log into the file. After a failed fsync, the log may be
// complete in the kernel's memory but not on the disk, and commits appended to it would be lost with it. A full disk
// has to wait.
func (d *DB) settle(ctx context.Context) error {
	if !strings.EqualFold(d.opts.JournalMode, "WAL") {
		return nil
	}
	if _, err := d.Write.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); IsFatal(err) {
		return fmt.Errorf("checkpoint of %s: %w", d.opts.Path, err)
	}
	return nil
}

// Close closes the pools. Closing the last connection, the writer's, checkpoints the log.
func (d *DB) Close() error {
	var errs []error
	if d.Mark != nil {
		d.Mark.close(d.Write)
	}
	for _, p := range []*sql.DB{d.Read, d.Write} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	return errors.Join(errs...)
}

// ErrNewer is returned when a database was written by a newer version of the program.
var ErrNewer = errors.New("database was written by a newer version of or3-cloud")

func migrate(ctx context.Context, db *sql.DB, opts Options) error {
	migrations, err := scripts(opts.Migrations)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, nil, goose.WithDisableGlobalRegistry(true), goose.WithGoMigrations(migrations...))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("schema version of %s: %w", opts.Path, err)
	}
	if current > target {
		return fmt.Errorf("%s: %w (schema %d, this program knows %d): install that version again or restore a backup",
			opts.Path, ErrNewer, current, target)
	}
	if i := slices.IndexFunc(opts.KeepBefore, func(m int64) bool { return current < m && m <= target }); i >= 0 && current > 0 && !opts.memory() {
		if err := keepCopy(ctx, db, opts, opts.KeepBefore[i]); err != nil {
			return fmt.Errorf("copy %s before its layout changes: %w", opts.Path, err)
		}
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", opts.Path, err)
	}
	return nil
}

// scripts turns each file into a migration that SQLite gets as a whole. Goose would split it into statements, with a
// buffer of 4 MiB for each line. Under the race detector, that takes three quarters of the time to create a new store.
func scripts(files fs.FS) ([]*goose.Migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	list := make([]*goose.Migration, 0, len(names))
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, goose.NewGoMigration(version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			script, err := fs.ReadFile(files, name)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, string(script)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		}}, nil))
	}
	return list, nil
}

// minLibrary is the oldest SQLite that may touch a database. Older ones can lose transactions when the write-ahead log
// restarts while another connection copies it (the WAL-reset bug).
const minLibrary = "3.51.3"

func checkLibrary(ctx context.Context, db *sql.DB) error {
	var version string
	if err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return fmt.Errorf("version of SQLite: %w", err)
	}
	return checkVersion(version)
}

func checkVersion(version string) error {
	if compareVersions(version, minLibrary) < 0 {
		return fmt.Errorf("this build links SQLite %s, which can damage a database in WAL mode when a checkpoint meets a write; it needs at least %s: "+
			"build it with a newer github.com/ncruces/go-sqlite3", version, minLibrary)
	}
	return nil
}

// compareVersions compares dotted numbers. A part that is not a number counts as 0.
func compareVersions(a, b string) int {
	numbers := func(version string) (out []int) {
		for part := range strings.SplitSeq(version, ".") {
			n, _ := strconv.Atoi(part)
			out = append(out, n)
		}
		return out
	}
	return slices.Compare(numbers(a), numbers(b))
}

// IsFatal reports whether err means that the disk is no longer reliable: written data may be lost, and later reads
// cannot be trusted. Nothing may be acknowledged until the process has restarted. Lack of space and locks are not
// fatal. Nor is a failed write, which is how the driver reports a full disk: its transaction is rolled back, and
// nothing written before is in doubt. A damaged page is not fatal either: it was written long ago, and a restart will
// not change it.
func IsFatal(err error) bool {
	for _, passing := range [...]sqlite3.ExtendedErrorCode{
		sqlite3.IOERR_SHMSIZE, sqlite3.IOERR_SHMOPEN, sqlite3.IOERR_SHMMAP, sqlite3.IOERR_SHMLOCK,
		sqlite3.IOERR_LOCK, sqlite3.IOERR_RDLOCK, sqlite3.IOERR_UNLOCK, sqlite3.IOERR_CHECKRESERVEDLOCK, sqlite3.IOERR_NOMEM,
		sqlite3.IOERR_WRITE, sqlite3.IOERR_DATA,
	} {
		if errors.Is(err, passing) {
			return false
		}
	}
	return errors.Is(err, sqlite3.IOERR)
}

// damageRetryAfter is how long a client waits after it has met a damaged page. An operator has to help.
const damageRetryAfter = time.Minute

// Translate turns a driver error into an or3cloud.Error by its code. Busy, full, I/O errors and damaged pages are
// temporary (503, clients keep their edits); everything else remains an internal error. nil and an or3cloud.Error pass
// through.
func Translate(err error) error {
	if err == nil {
		return nil
	}
	var own *or3cloud.Error
	if errors.As(err, &own) {
		return err
	}
	if IsDamage(err) {
		return or3cloud.Unavailable(err, "Storage temporarily unavailable", damageRetryAfter)
	}
	for _, passing := range [...]sqlite3.ErrorCode{
		sqlite3.BUSY, sqlite3.LOCKED, sqlite3.FULL, sqlite3.IOERR, sqlite3.CANTOPEN, sqlite3.NOMEM, sqlite3.READONLY,
	} {
		if errors.Is(err, passing) {
			return or3cloud.Unavailable(err, "Storage temporarily unavailable", 5*time.Second)
		}
	}
	return err
}

// IsUnique reports whether err is a violation of a UNIQUE or PRIMARY KEY constraint.
func IsUnique(err error) bool {
	return errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) || errors.Is(err, sqlite3.CONSTRAINT_PRIMARYKEY) ||
		errors.Is(err, sqlite3.CONSTRAINT_ROWID)
}

// memName gives each in-memory database of the process its own name.
func memName(d *DB) string { return strings.ReplaceAll(fmt.Sprintf("or3-%p", d), "0x", "") }
