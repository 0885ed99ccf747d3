package follow

import (
	"context"
	"database/sql"
	"encoding/hex"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/index"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncrule"
)

// Until migration 22 files and references had tables in the order of digests. When the program starts they are moved:
// rows under the entries of winners, digests into the index. The tables are dropped when the runs of the index have
// everything, so a start that was interrupted is repeated from the beginning, and what it has already done is written
// again unchanged.

// olderRow is what one row names.
type olderRow struct {
	workspace, table int64
	key              []byte
	digests          []string
	bytes            int64
	insert           []any // what the new table has after the id
}

const (
	olderFiles = `
SELECT workspace, digest, pk, size_bytes, updated_at, storage_id, mime_type, name, kind FROM older_files
WHERE (workspace, digest, pk) > (?, ?, ?) ORDER BY workspace, digest, pk LIMIT ?`
	newFile = `INSERT OR REPLACE INTO files (id, size_bytes, updated_at, storage_id, mime_type, name, kind) VALUES (?, ?, ?, ?, ?, ?, ?)`

	olderRefs = `
SELECT workspace, tbl, pk, group_concat(hex(digest)) FROM older_blob_refs
WHERE (workspace, tbl, pk) > (?, ?, ?) AND tbl <> ? GROUP BY workspace, tbl, pk ORDER BY workspace, tbl, pk LIMIT ?`
	newRefs = `INSERT OR REPLACE INTO blob_refs (id, digests) VALUES (?, ?)`
)

// What is moved at once, in a transaction of this many rows, or this many bytes.
const (
	moveStep  = 256
	moveBytes = 8 << 20
	// olderRefCost is approximately how many bytes a row of an earlier table takes.
	olderRefCost = 512
)

// steps divides rows into what is moved at once.
func steps(rows []olderRow) (out [][]olderRow) {
	begin, total := 0, int64(0)
	for i, r := range rows {
		if total += r.bytes; i > begin && (i-begin == moveStep || total > moveBytes) {
			out, begin, total = append(out, rows[begin:i]), i, r.bytes
		}
	}
	if begin < len(rows) {
		out = append(out, rows[begin:])
	}
	return out
}

// MoveReferences moves what earlier tables say about files, if they exist.
func MoveReferences(ctx context.Context, e *engine.Engine, x *index.Index) error {
	f := follow{e: e, index: x, told: e.Now()}
	var there bool
	err := e.DB.Read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'older_files')").Scan(&there)
	if err != nil || !there {
		return sqlitex.Translate(err)
	}
	fileMeta := layout.TableNumber(or3cloud.TableFileMeta)
	err = f.move(ctx, newFile, []any{int64(0), "", []byte{}}, olderFiles, nil, func(rows *sql.Rows) (r olderRow, after []any, err error) {
		var digest, storageID, mimeType, name, kind string
		var size int64
		var updated float64
		err = rows.Scan(&r.workspace, &digest, &r.key, &size, &updated, &storageID, &mimeType, &name, &kind)
		r.table, r.digests, r.insert = fileMeta, []string{digest}, []any{size, updated, storageID, mimeType, name, kind}
		r.bytes = int64(len(r.key) + len(storageID) + len(name))
		return r, []any{r.workspace, digest, r.key}, err
	})
	if err != nil {
		return err
	}
	err = f.move(ctx, newRefs, []any{int64(0), int64(0), []byte{}}, olderRefs, []any{fileMeta}, func(rows *sql.Rows) (r olderRow, after []any, err error) {
		var list string
		if err = rows.Scan(&r.workspace, &r.table, &r.key, &list); err != nil {
			return r, nil, err
		}
		for text := range strings.SplitSeq(list, ",") {
			digest, err := hex.DecodeString(text)
			if err != nil {
				return r, nil, err
			}
			r.digests = append(r.digests, string(digest))
		}
		slices.Sort(r.digests)
		r.insert = []any{layout.PackDigests(r.digests)}
		r.bytes = olderRefCost * int64(len(r.digests))
		return r, []any{r.workspace, r.table, r.key}, nil
	})
	if err != nil {
		return err
	}
	if f.entries > 0 {
		if err := f.index.Write(ctx); err != nil {
			return err
		}
	}
	return f.e.Do(ctx, func(_ context.Context, t *engine.Tx) error {
		return t.C.Exec("DROP TABLE older_files; DROP TABLE older_blob_refs")
	})
}

// move goes through a table in pages. scan returns a row, and where the next page begins.
func (f *follow) move(ctx context.Context, insert string, after []any, find string, more []any, scan func(*sql.Rows) (olderRow, []any, error)) error {
	for {
		var page []olderRow
		rows, err := f.e.DB.Read.QueryContext(ctx, find, slices.Concat(after, more, []any{followPage})...)
		if err != nil {
			return sqlitex.Translate(err)
		}
		for err == nil && rows.Next() {
			var r olderRow
			if r, after, err = scan(rows); err == nil {
				page = append(page, r)
			}
		}
		if err == nil {
			err = rows.Err()
		}
		rows.Close()
		if err != nil {
			return sqlitex.Translate(err)
		}
		for _, some := range steps(page) {
			full := false
			err := f.e.Do(ctx, func(ctx context.Context, t *engine.Tx) (err error) {
				full, err = f.moveStep(ctx, t, insert, some)
				return err
			})
			if err == nil && full {
				err = f.index.Write(ctx)
			}
			if err != nil {
				return err
			}
		}
		f.tell(len(page))
		if len(page) < followPage {
			return nil
		}
	}
}

func (f *follow) moveStep(ctx context.Context, t *engine.Tx, insert string, rows []olderRow) (full bool, err error) {
	st, err := t.Conn.PrepareContext(ctx, insert)
	if err != nil {
		return false, err
	}
	defer st.Close()
	for _, r := range rows {
		winner, found, err := f.index.In(t).Winner(index.RecordKey(r.workspace, r.table, r.key))
		if err != nil {
			return false, err
		}
		if !found || syncrule.State(winner.State).Fate() != syncrule.Live {
			continue
		}
		if _, err := st.ExecContext(ctx, append([]any{layout.EntryID(r.workspace, winner.Version)}, r.insert...)...); err != nil {
			return false, err
		}
		for _, digest := range r.digests {
			index.PutReference(f.index, r.workspace, digest, r.table, r.key, winner.Version)
		}
	}
	return f.index.Full(), nil
}
