// Package driver writes and reads the product's tables with the SQLite driver alone: the measure of what a server adds.
package driver

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/bench/internal/corpus"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/internal/syncschema"
)

// Ceiling writes and reads the product's tables with the driver alone: no HTTP, no JSON, no goroutine, nothing checked
// and nothing answered. It does for an op what every implementation of this schema has to do: reserve the op id, look
// the winner up, append to the log, replace the winner, and keep names and references. Nothing that runs the same
// statements can be faster, so it is the measure of what the server adds.
type Ceiling struct {
	db        *sqlitex.DB
	c         *sqlite3.Conn
	version   int64
	workspace int64

	begin, commit, counter, setCounter, reserve, record, insertEntry, supersede, insertRecord, updateRecord,
	kvOwner, claimName, upsertFile, refs, insertRef *sqlite3.Stmt
}

// versionBits is the version's share of a log id; see the provider's migration.
const versionBits = 43

// OpenCeiling creates a database with the product's migrations and pragmas.
func OpenCeiling(ctx context.Context, path string, migrations fs.FS) (*Ceiling, error) {
	d, err := sqlitex.Open(ctx, sqlitex.Options{Path: path, Migrations: migrations, Synchronous: "FULL"})
	if err != nil {
		return nil, err
	}
	c := &Ceiling{db: d, workspace: 1}
	if c.c, err = d.Conn(false); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	err = c.c.Exec(`INSERT INTO workspaces (num, id, name, created_at) VALUES (1, 'w', 'w', 0); INSERT INTO counters (workspace) VALUES (1)`)
	return c, errors.Join(err, prepare(c.c, map[**sqlite3.Stmt]string{
		&c.begin:        `BEGIN IMMEDIATE`,
		&c.commit:       `COMMIT`,
		&c.counter:      `SELECT version FROM counters WHERE workspace = ?`,
		&c.setCounter:   `UPDATE counters SET version = ? WHERE workspace = ?`,
		&c.reserve:      `INSERT INTO op_ids (workspace, op_id, version) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
		&c.record:       `SELECT version, clock, hlc, op_id FROM records WHERE workspace = ? AND tbl = ? AND pk = ?`,
		&c.insertEntry:  `INSERT INTO log (id, tbl, op, prev, clock, at, pk, op_id, hlc, device, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		&c.supersede:    `INSERT INTO superseded (id, replaced_by, at) VALUES (?, ?, ?)`,
		&c.insertRecord: `INSERT INTO records (workspace, tbl, pk, version, clock, hlc, op_id, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		&c.updateRecord: `UPDATE records SET version = ?, clock = ?, hlc = ?, op_id = ?, state = ? WHERE workspace = ? AND tbl = ? AND pk = ?`,
		&c.kvOwner:      `SELECT pk FROM kv_names WHERE workspace = ? AND name = ?`,
		&c.claimName:    `INSERT INTO kv_names (workspace, name, pk) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
		&c.upsertFile: `INSERT INTO files (workspace, digest, pk, size_bytes, updated_at, storage_id, mime_type, name, kind)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (workspace, digest, pk) DO UPDATE SET size_bytes = excluded.size_bytes,
			updated_at = excluded.updated_at, storage_id = excluded.storage_id, mime_type = excluded.mime_type, name = excluded.name, kind = excluded.kind`,
		&c.refs:      `SELECT digest FROM blob_refs WHERE workspace = ? AND tbl = ? AND pk = ?`,
		&c.insertRef: `INSERT INTO blob_refs (workspace, digest, tbl, pk) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
	}))
}

func prepare(c *sqlite3.Conn, statements map[**sqlite3.Stmt]string) error {
	for dst, text := range statements {
		st, _, err := c.PrepareFlags(text, sqlite3.PREPARE_PERSISTENT)
		if err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		*dst = st
	}
	return nil
}

// Close closes the database.
func (c *Ceiling) Close() error { return errors.Join(c.c.Close(), c.db.Close()) }

// Row is an op in the form in which it is stored.
type Row struct {
	table, op, state, clock int64
	key, pk, opID           []byte
	hlc, device             string
	payload                 []byte
	name                    []byte // of a kv put
	file                    *or3cloud.FileFacts
	digests                 []string
	keepsRefs               bool
}

// Rows returns the next n ops of a source, ready to be written.
func Rows(s *corpus.Source, n int) ([]Row, error) {
	ops, err := s.Ops(n)
	if err != nil {
		return nil, err
	}
	out := make([]Row, n)
	for i := range ops {
		o := &ops[i]
		table, _ := slices.BinarySearch(or3cloud.SyncTables[:], o.Table)
		r := Row{
			table: int64(table) + 1, clock: o.Stamp.Clock, key: jsstring.SortKey(o.PK), pk: packID(o.PK), opID: packID(o.Stamp.OpID),
			hlc: o.Stamp.HLC, device: o.Stamp.DeviceID, payload: o.Payload,
		}
		switch {
		case o.Operation == or3cloud.OpDelete:
			r.op, r.state = 1, 2
		case o.Facts.Deleted:
			r.state = 1
		}
		switch o.Table {
		case or3cloud.TableKV:
			if r.op == 0 {
				r.name = jsstring.SortKey(o.Facts.Name)
			}
		case or3cloud.TableFileMeta:
			r.keepsRefs = true
			if r.state == 0 {
				r.file, r.digests = &o.Facts.File, []string{syncschema.Digest(o.PK)}
			}
		case or3cloud.TableMessages, or3cloud.TablePosts:
			r.keepsRefs = true
			if r.state == 0 {
				r.digests = o.Facts.FileHashes
			}
		}
		out[i] = r
	}
	return out, nil
}

// packID is the provider's form of ids: a byte that tells the kind, and the bytes of a UUID or a digest.
func packID(id string) []byte {
	if len(id) == 36 {
		if b, err := hex.DecodeString(strings.ReplaceAll(id, "-", "")); err == nil {
			return append([]byte{1}, b...)
		}
	}
	if rest, ok := strings.CutPrefix(id, "sha256:"); ok {
		if b, err := hex.DecodeString(rest); err == nil {
			return append([]byte{2}, b...)
		}
	}
	return append([]byte{0}, id...)
}

// Write writes rows in transactions of size ops; batch of them were one push.
func (c *Ceiling) Write(rows []Row, size, batch int) error {
	for tx := range slices.Chunk(rows, size) {
		at := time.Now().UnixMilli()
		if err := c.begin.Exec(); err != nil {
			return err
		}
		for part := range slices.Chunk(tx, batch) { // each push of the group reads and writes its counter
			if _, err := c.find(c.counter, func(s *sqlite3.Stmt) { c.version = s.ColumnInt64(0) }, c.workspace); err != nil {
				return err
			}
			for i := range part {
				if err := c.apply(&part[i], at); err != nil {
					return err
				}
			}
			if err := runStmt(c.setCounter, c.version, c.workspace); err != nil {
				return err
			}
		}
		if err := c.commit.Exec(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Ceiling) apply(r *Row, at int64) error {
	w := c.workspace
	c.version++
	if err := runStmt(c.reserve, w, r.opID, c.version); err != nil {
		return err
	}
	if r.name != nil {
		if _, err := c.find(c.kvOwner, func(*sqlite3.Stmt) {}, w, r.name); err != nil {
			return err
		}
	}
	var prev, clock int64
	var hlc, opID string
	exists, err := c.find(c.record, func(s *sqlite3.Stmt) {
		prev, clock, hlc, opID = s.ColumnInt64(0), s.ColumnInt64(1), s.ColumnText(2), string(s.ColumnRawBlob(3))
	}, w, r.table, r.key)
	if err != nil {
		return err
	}
	wins := !exists || clock < r.clock || clock == r.clock && (hlc < r.hlc || hlc == r.hlc && opID < string(r.opID))
	id := w<<versionBits | c.version
	replaced := int64(0)
	if wins {
		replaced = prev
	}
	if err := runStmt(c.insertEntry, id, r.table, r.op, replaced, r.clock, at, r.pk, r.opID, r.hlc, r.device, r.payload); err != nil {
		return err
	}
	switch {
	case !wins:
		return runStmt(c.supersede, id, c.version, at)
	case exists:
		if err := runStmt(c.supersede, w<<versionBits|prev, c.version, at); err != nil {
			return err
		}
		err = runStmt(c.updateRecord, c.version, r.clock, r.hlc, r.opID, r.state, w, r.table, r.key)
	default:
		err = runStmt(c.insertRecord, w, r.table, r.key, c.version, r.clock, r.hlc, r.opID, r.state)
	}
	if err != nil {
		return err
	}
	if r.name != nil {
		return runStmt(c.claimName, w, r.name, r.key)
	}
	if f := r.file; f != nil {
		if err := runStmt(c.upsertFile, w, r.digests[0], r.key, f.SizeBytes, f.UpdatedAt, f.StorageID, f.MIMEType, f.Name, f.Kind); err != nil {
			return err
		}
	}
	if !r.keepsRefs {
		return nil
	}
	if exists {
		if _, err := c.find(c.refs, func(*sqlite3.Stmt) {}, w, r.table, r.key); err != nil {
			return err
		}
	}
	for _, d := range r.digests {
		if err := runStmt(c.insertRef, w, d, r.table, r.key); err != nil {
			return err
		}
	}
	return nil
}

// bindAll gives a statement its arguments.
func bindAll(s *sqlite3.Stmt, args []any) (err error) {
	for i, a := range args {
		switch v := a.(type) {
		case int64:
			err = s.BindInt64(i+1, v)
		case float64:
			err = s.BindFloat(i+1, v)
		case string:
			err = s.BindText(i+1, v)
		case []byte:
			if v == nil {
				err = s.BindNull(i + 1)
			} else {
				err = s.BindBlob(i+1, v)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func runStmt(s *sqlite3.Stmt, args ...any) error {
	if err := bindAll(s, args); err != nil {
		return err
	}
	return s.Exec()
}

// find runs a statement that returns at most one row.
func (c *Ceiling) find(s *sqlite3.Stmt, scan func(*sqlite3.Stmt), args ...any) (found bool, err error) {
	if err := bindAll(s, args); err != nil {
		return false, err
	}
	if found = s.Step(); found {
		scan(s)
	}
	return found, errors.Join(s.Err(), s.Reset())
}

// Log reads pages of a log with the driver alone.
type Log struct {
	c    *sqlite3.Conn
	st   *sqlite3.Stmt
	page []byte
}

// OpenLog opens a database for reading beside the server that owns it.
func OpenLog(path string) (*Log, error) {
	c, err := sqlite3.OpenFlags("file:"+path, sqlite3.OPEN_READONLY|sqlite3.OPEN_URI)
	if err != nil {
		return nil, err
	}
	r := &Log{c: c}
	err = c.Exec(`PRAGMA busy_timeout=10000; PRAGMA cache_size=-4096`)
	return r, errors.Join(err, prepare(c, map[**sqlite3.Stmt]string{&r.st: `
		SELECT l.id, l.tbl, l.op, l.clock, l.pk, l.op_id, l.hlc, l.device, l.payload FROM log l
		LEFT JOIN superseded s ON s.id = l.id WHERE l.id > ? AND l.id < ? AND s.id IS NULL ORDER BY l.id LIMIT ?`}))
}

// Read reads up to limit winning entries after a version, copying what a page needs, and returns how many it found.
func (r *Log) Read(workspace, after int64, limit int) (n int, last int64, err error) {
	s := r.st
	if err := errors.Join(s.BindInt64(1, workspace<<versionBits|after), s.BindInt64(2, (workspace+1)<<versionBits), s.BindInt(3, limit)); err != nil {
		return 0, 0, err
	}
	r.page = r.page[:0]
	for s.Step() {
		n++
		last = s.ColumnInt64(0)
		_, _, _ = s.ColumnInt64(1), s.ColumnInt64(2), s.ColumnInt64(3)
		for i := 4; i < 9; i++ {
			r.page = append(r.page, s.ColumnRawBlob(i)...)
		}
	}
	return n, last & (1<<versionBits - 1), errors.Join(s.Err(), s.Reset())
}

// Number returns the number of a workspace.
func (r *Log) Number(workspace string) (num int64, err error) {
	st, _, err := r.c.Prepare(`SELECT num FROM workspaces WHERE id = ?`)
	if err != nil {
		return 0, err
	}
	defer st.Close()
	if err := st.BindText(1, workspace); err != nil {
		return 0, err
	}
	if !st.Step() {
		return 0, errors.Join(fmt.Errorf("workspace %q not found", workspace), st.Err())
	}
	return st.ColumnInt64(0), nil
}

// Groups returns how many transactions wrote the entries of a workspace after a version, and how many entries those
// are: the entries of one transaction carry the same time. Transactions that began within one millisecond count as
// one, which is less than one takes.
func (r *Log) Groups(workspace, after int64) (transactions, entries int64, err error) {
	st, _, err := r.c.Prepare(`SELECT count(DISTINCT at), count(*) FROM log WHERE id > ? AND id < ?`)
	if err != nil {
		return 0, 0, err
	}
	defer st.Close()
	if err := errors.Join(st.BindInt64(1, workspace<<versionBits|after), st.BindInt64(2, (workspace+1)<<versionBits)); err != nil {
		return 0, 0, err
	}
	if st.Step() {
		transactions, entries = st.ColumnInt64(0), st.ColumnInt64(1)
	}
	return transactions, entries, st.Err()
}

// Close closes the connection.
func (r *Log) Close() error { return errors.Join(r.st.Close(), r.c.Close()) }
