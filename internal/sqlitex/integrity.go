package sqlitex

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/internal/membudget"
)

// Each page of a database carries a checksum, which the driver verifies whenever it reads the page from the disk
// (https://sqlite.org/cksumvfs.html). So data that the disk has changed cause an error and never a wrong answer.

// checksumSize is the number of bytes at the end of a page for the checksum.
const checksumSize = 8

// Damaged is an error about a row that no program could have written this way.
type Damaged interface{ Damaged() }

// IsDamage reports whether err means that the disk has changed the database.
func IsDamage(err error) bool {
	var inRow Damaged
	return errors.As(err, &inRow) || errors.Is(err, sqlite3.CORRUPT) || errors.Is(err, sqlite3.NOTADB) || errors.Is(err, sqlite3.IOERR_DATA)
}

// addChecksums adds checksums to a database without them: at once to a new one, and by rewriting it once if it dates
// from before checksums existed. That needs space for two copies. Without that space, the database is opened as it is.
func (d *DB) addChecksums(ctx context.Context) error {
	if d.opts.memory() {
		return nil
	}
	conn, err := d.Write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(dc any) error {
		c := dc.(driver.Conn).Raw()
		reserved, err := c.FileControl("main", sqlite3.FCNTL_RESERVE_BYTES)
		if err != nil || reserved == checksumSize {
			return err
		}
		if err := c.Exec("PRAGMA temp_store=FILE"); err != nil {
			return err
		}
		err = c.EnableChecksums("main")
		if IsFatal(err) {
			return fmt.Errorf("add checksums to %s: %w", d.opts.Path, err)
		}
		if err != nil {
			d.log().Warn("the pages of the database could not be given checksums, so damage may go unseen; the next start tries again",
				"database", d.opts.Path, "error", err)
		}
		return c.Exec("PRAGMA temp_store=MEMORY")
	})
}

func (d *DB) log() *slog.Logger {
	if d.opts.Identity == nil || d.opts.Identity.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return d.opts.Identity.Log
}

// Limits of one step of a check: the number of pages between two looks at the clock, and how often it rereads a page
// that a checkpoint may have been writing.
const (
	stepPages    = 256
	pageAttempts = 4
	pagePatience = 20 * time.Millisecond
)

// structure is the position of a check after the last page.
const structure = "structure"

// Check reads a stretch of the database. It reads pages from the file itself, so that no reader holds the write-ahead
// log back. After the last page, it checks the structure.
func (d *DB) Check(ctx context.Context, after string, span time.Duration) (or3cloud.DatabaseStretch, error) {
	var out or3cloud.DatabaseStretch
	if d.opts.memory() {
		return out, nil
	}
	if after == structure {
		faults, err := d.checkStructure(ctx, "PRAGMA integrity_check(20)")
		out.Faults = d.faults(faults...)
		return out, err
	}
	page := int64(0)
	if after != "" {
		n, err := strconv.ParseInt(after, 10, 64)
		if err != nil || n < 0 {
			return out, or3cloud.Errorf(or3cloud.CodeInvalid, "%q is not a position of a check", after)
		}
		page = n
	}
	for begun := time.Now(); ; {
		n, bad, err := d.checkPages(ctx, page)
		out.Pages += n
		for _, p := range bad {
			out.Faults = append(out.Faults, d.faults(fmt.Sprintf("page %d has changed on the disk", p))...)
		}
		if err != nil {
			return out, err
		}
		page += n
		switch {
		case n < stepPages:
			out.Next = structure
			return out, nil
		case time.Since(begun) >= span:
			out.Next = strconv.FormatInt(page, 10)
			return out, nil
		}
	}
}

func (d *DB) faults(texts ...string) (out []or3cloud.DatabaseFault) {
	for _, text := range texts {
		out = append(out, or3cloud.DatabaseFault{Database: d.opts.Path, Fault: text})
	}
	return out
}

// checkPages verifies the checksums of at most stepPages pages after a page. In a database without checksums, it only
// reads the pages.
func (d *DB) checkPages(ctx context.Context, after int64) (n int64, bad []int64, err error) {
	f, err := os.Open(d.opts.Path)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	var h [headerSize]byte
	if _, err := f.ReadAt(h[:], 0); err != nil || string(h[:len(magic)]) != magic {
		if after > 0 {
			return 0, nil, nil
		}
		return 1, []int64{1}, nil
	}
	size := pageSize(h)
	if size < 512 || size > 65536 || size&(size-1) != 0 {
		return 1, []int64{1}, nil
	}
	page := make([]byte, size)
	for n < stepPages {
		if err := ctx.Err(); err != nil {
			return n, bad, err
		}
		sound, err := checkPage(ctx, f, page, (after+n)*size, h[20] == checksumSize)
		switch {
		case errors.Is(err, io.EOF):
			return n, bad, nil
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			return n, bad, err
		case err != nil || !sound: // a page that cannot be read is as good as changed
			bad = append(bad, after+n+1)
		}
		n++
	}
	return n, bad, nil
}

func checkPage(ctx context.Context, f *os.File, page []byte, offset int64, verify bool) (sound bool, err error) {
	for range pageAttempts {
		if _, err = f.ReadAt(page, offset); err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if err != nil {
			return false, io.EOF // the end, or a page that is being added
		}
		if !verify || checksum(page[:len(page)-checksumSize]) == [checksumSize]byte(page[len(page)-checksumSize:]) {
			return true, nil
		}
		if err := wait(ctx, pagePatience); err != nil {
			return false, err
		}
	}
	return false, nil
}

// checksum computes the checksum of SQLite's cksumvfs.
func checksum(b []byte) (sum [checksumSize]byte) {
	var s1, s2 uint32
	for ; len(b) >= 8; b = b[8:] {
		s1 += binary.LittleEndian.Uint32(b) + s2
		s2 += binary.LittleEndian.Uint32(b[4:]) + s1
	}
	binary.LittleEndian.PutUint32(sum[:], s1)
	binary.LittleEndian.PutUint32(sum[4:], s2)
	return sum
}

func wait(ctx context.Context, span time.Duration) error {
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// checkStructure runs one of SQLite's checks and returns its findings. It ends early with ctx.
func (d *DB) checkStructure(ctx context.Context, pragma string) (faults []string, err error) {
	c, err := d.Conn(true)
	if err != nil {
		if IsDamage(err) {
			return []string{err.Error()}, nil
		}
		return nil, err
	}
	defer c.Close()
	c.SetInterrupt(ctx)
	err = query(c, pragma, func(s *sqlite3.Stmt) {
		if text := s.ColumnText(0); text != "ok" {
			faults = append(faults, text)
		}
	})
	switch {
	case ctx.Err() != nil:
		return faults, ctx.Err()
	case IsDamage(err):
		return append(faults, err.Error()), nil
	}
	return faults, err
}

// tables returns the names of all tables.
func (d *DB) tables(ctx context.Context) (names []string, err error) {
	rows, err := d.Read.QueryContext(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// The timing of a watch. A step reads a megabyte and is followed by a pause many times as long, to spare a busy machine
// or a slow disk. The check of a table holds the write-ahead log back for at most tableSpan.
const (
	watchDelay = 10 * time.Second
	watchEvery = 24 * time.Hour
	watchShare = 20
	watchPause = 20 * time.Millisecond
	tableSpan  = 10 * time.Second
)

// Watch reads a database repeatedly in the background and knows its integrity.
type Watch struct {
	db      *DB
	log     *slog.Logger
	now     func() time.Time
	examine func(ctx context.Context) ([]or3cloud.DatabaseFault, error)
	loop    *background.Loop

	mu       sync.Mutex
	state    or3cloud.DatabaseState
	reported map[or3cloud.DatabaseFault]bool
}

// StartWatch starts a watch. examine, if set, finds out which rows cannot be read once damage was found.
func StartWatch(db *DB, log *slog.Logger, now func() time.Time, examine func(context.Context) ([]or3cloud.DatabaseFault, error)) *Watch {
	w := &Watch{db: db, log: log, now: now, examine: examine, reported: map[or3cloud.DatabaseFault]bool{}}
	w.state = or3cloud.DatabaseState{State: or3cloud.DatabaseUnchecked, RestoredAt: db.restoredAt}
	w.loop = background.Start(background.Task{
		Name: "the check of the database " + db.opts.Path, Log: log, Delay: watchDelay, Pause: background.Every(watchEvery), Run: w.pass,
	})
	return w
}

// Close ends the watch and waits for it.
func (w *Watch) Close() { w.loop.Close() }

// State returns the current findings.
func (w *Watch) State() or3cloud.DatabaseState {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// pass reads everything once. If it cannot finish, it starts over the next day.
func (w *Watch) pass(ctx context.Context) error {
	var found []or3cloud.DatabaseFault
	pages := int64(0)
	for after := ""; after != structure; {
		begun := time.Now()
		out, err := w.db.Check(ctx, after, 0)
		if err != nil {
			return err
		}
		pages, after = pages+out.Pages, out.Next
		found = append(found, out.Faults...)
		w.Found(out.Faults...)
		if after == "" { // a database in memory
			return nil
		}
		if err := wait(ctx, max(watchPause, watchShare*time.Since(begun))); err != nil {
			return err
		}
	}
	tables, err := w.db.tables(ctx)
	if err != nil && !IsDamage(err) {
		return err
	}
	for _, table := range tables {
		begun := time.Now()
		bounded, cancel := context.WithTimeout(ctx, tableSpan)
		texts, err := w.db.checkStructure(bounded, "PRAGMA quick_check("+sqlite3.QuoteIdentifier(table)+")")
		cancel()
		if err != nil && bounded.Err() == nil {
			return err
		}
		faults := w.db.faults(texts...)
		found = append(found, faults...)
		w.Found(faults...)
		if err := wait(ctx, max(watchPause, watchShare/4*time.Since(begun))); err != nil {
			return err
		}
	}
	if len(found) > 0 && w.examine != nil {
		rows, err := w.examine(ctx)
		if err != nil {
			return err
		}
		w.Found(rows...)
		found = append(found, rows...)
	}
	w.passed(pages, found)
	membudget.Release() // memory of the check's connections and statements, not needed until tomorrow
	return nil
}

// passed replaces the findings with those of a complete pass.
func (w *Watch) passed(pages int64, found []or3cloud.DatabaseFault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.LastPass, w.state.Pages = w.now().UnixMilli(), pages
	w.reported = map[or3cloud.DatabaseFault]bool{}
	for _, f := range found {
		w.reported[f] = true
	}
	w.count()
}

// Found adds faults from any source, and logs each of them once.
func (w *Watch) Found(faults ...or3cloud.DatabaseFault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range faults {
		if w.reported[f] || len(w.reported) >= maxReported {
			continue
		}
		w.reported[f] = true
		w.log.Error("THE DATABASE IS DAMAGED: restore a backup, or see or3-cloud fsck for what can still be read",
			"database", f.Database, "workspace", f.WorkspaceID, "fault", f.Fault)
	}
	w.count()
}

// maxReported is the largest number of faults that are remembered and logged individually.
const maxReported = 1000

func (w *Watch) count() {
	var workspaces []string
	for f := range w.reported {
		if f.WorkspaceID != "" && !slices.Contains(workspaces, f.WorkspaceID) {
			workspaces = append(workspaces, f.WorkspaceID)
		}
	}
	w.state.Faults, w.state.DamagedWorkspaces = len(w.reported), len(workspaces)
	switch {
	case len(w.reported) > 0:
		w.state.State = or3cloud.DatabaseDamaged
	case w.state.LastPass != 0:
		w.state.State = or3cloud.DatabaseSound
	default:
		w.state.State = or3cloud.DatabaseUnchecked
	}
}

// ReadAll steps through all rows of a query and reads every column, so that every page behind them is read.
func ReadAll(ctx context.Context, rows *sql.Rows) error {
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	row := make([]any, len(columns))
	for i := range row {
		row[i] = new(sql.RawBytes)
	}
	for rows.Next() {
		if err := rows.Scan(row...); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return rows.Err()
}
