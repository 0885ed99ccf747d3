package sqlite

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// fileOps makes random ops on few records that name few contents, in all the ways in which clients may spell them.
type fileOps struct {
	t testing.TB
	r *rand.Rand
	n int
}

// namable are contents: of both algorithms, and some that only a hostile client would name.
func namable() (all []string) {
	for i := range 6 {
		all = append(all, strings.Repeat(fmt.Sprintf("%02x", 0xa0+i), 32), strings.Repeat(fmt.Sprintf("%02x", 0xa0+i), 16))
	}
	return append(all, "abc", "ab", "odd one", "é", strings.Repeat("ab", 31))
}

func (f *fileOps) hash() string {
	digests := namable()
	digest := digests[f.r.IntN(len(digests))]
	switch f.r.IntN(5) {
	case 0:
		return digest
	case 1:
		return strings.ToUpper(digest)
	case 2:
		return "other:" + digest
	}
	if len(digest) == 32 {
		return "md5:" + digest
	}
	return "sha256:" + digest
}

func (f *fileOps) next() or3cloud.Op {
	f.t.Helper()
	f.n++
	op := or3cloud.Op{
		Table: []string{or3cloud.TableFileMeta, or3cloud.TableMessages, or3cloud.TablePosts}[f.r.IntN(3)], Operation: or3cloud.OpPut,
		PK: fmt.Sprint("row", f.r.IntN(12)),
		Stamp: or3cloud.Stamp{
			DeviceID: "d", OpID: fmt.Sprintf("00000000-0000-4000-8000-%012x", f.n), HLC: fmt.Sprintf("%09d:000:d", f.n), Clock: int64(1 + f.n/4 + f.r.IntN(9)),
		},
	}
	var hashes []string
	for range f.r.IntN(4) {
		hashes = append(hashes, fmt.Sprintf(`\"%s\"`, f.hash()))
	}
	members := `"id":"` + op.PK + `","file_hashes":"[` + strings.Join(hashes, ",") + `]"`
	switch op.Table {
	case or3cloud.TableFileMeta:
		op.PK = f.hash()
		members = fmt.Sprintf(`"hash":%q,"size_bytes":%d,"storage_id":"s%d","name":"n","mime_type":"image/png","kind":"image"`, op.PK, f.r.IntN(1000), f.n)
	case or3cloud.TableMessages:
		members += `,"thread_id":"t","role":"user","order_key":"k","index":0`
	case or3cloud.TablePosts:
		members += `,"title":"","content":"","post_type":"doc"`
	}
	if f.r.IntN(8) == 0 {
		op.Operation = or3cloud.OpDelete
	} else {
		op.Payload = fmt.Appendf(nil, `{%s,"deleted":%t,"created_at":1,"updated_at":%d,"clock":%d}`, members, f.r.IntN(6) == 0, f.n, op.Stamp.Clock)
	}
	if p := syncschema.Check(&op); p != nil {
		f.t.Fatal(p.Text)
	}
	return op
}

// named is what the rows of a workspace say about a content.
type named struct {
	rows  []string // that name it
	sizes []int64  // in its file_meta rows
}

// namedBy reads all rows of a workspace, as a client does, and returns what each content is named by, and the live
// file_meta rows.
func namedBy(t testing.TB, s *Store, user, ws string) (all map[string]named, files map[string]or3cloud.FileFacts) {
	t.Helper()
	all, files = map[string]named{}, map[string]or3cloud.FileFacts{}
	in := or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Limit: 1000}
	for more := true; more; {
		page, err := s.Pull(t.Context(), in, func(c *or3cloud.Change) error {
			op := or3cloud.Op{Table: c.Table, Operation: c.Operation, PK: c.PK, Payload: c.Payload, Stamp: c.Stamp}
			if p := syncschema.Check(&op); p != nil {
				return errors.New(p.Text)
			}
			if op.Operation == or3cloud.OpDelete || strings.Contains(string(op.Payload), `"deleted":true`) {
				return nil
			}
			digests := op.Facts.FileHashes
			if op.Table == or3cloud.TableFileMeta {
				digests = []string{syncschema.Digest(op.PK)}
				files[op.PK] = op.Facts.File
			}
			for _, digest := range digests {
				n := all[digest]
				n.rows = append(n.rows, op.Table+" "+op.PK)
				if op.Table == or3cloud.TableFileMeta {
					n.sizes = append(n.sizes, op.Facts.File.SizeBytes)
				}
				all[digest] = n
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		in.Cursor, more = page.NextCursor, page.HasMore
	}
	return all, files
}

// canonicalItems are all items of a canonical query, read in pages of size.
func canonicalItems(t testing.TB, s *Store, ws, kind, hash string, size int) (all []or3cloud.CanonicalStorageItem) {
	t.Helper()
	in := or3cloud.CanonicalStorageQuery{Scope: or3cloud.Scope{WorkspaceID: ws}, Kind: kind, Hash: hash, Limit: size}
	for {
		items, next, err := s.QueryCanonicalStorage(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, items...)
		if in.Cursor = next; next == "" {
			return all
		}
	}
}

// checkNamed compares the answers about contents with what rows say. lost says when each lost its last reference.
func checkNamed(t testing.TB, s *Store, user, ws string, lost map[string]time.Time, size int) {
	t.Helper()
	all, files := namedBy(t, s, user, ws)
	var bytes int64
	for _, f := range files {
		bytes += f.SizeBytes
	}
	use, err := s.StorageUsage(t.Context(), ws)
	if err != nil || use.Bytes != bytes || use.Files != int64(len(files)) {
		t.Fatalf("use: %+v, %v; want %d bytes in %d files", use, err, bytes, len(files))
	}
	edges := 0
	for _, hash := range []string{"", "x"} {
		digests := []string{hash}
		if hash != "" {
			digests = namable()
		}
		got := map[string]or3cloud.FileFacts{}
		named := map[string][]string{}
		for _, digest := range digests {
			for _, it := range canonicalItems(t, s, ws, or3cloud.CanonicalLiveMetadata, digest, size) {
				if _, twice := got[it.Hash]; twice || digest != "" && syncschema.Digest(it.Hash) != digest {
					t.Fatalf("file %q of %q: twice %t", it.Hash, digest, twice)
				}
				got[it.Hash] = it.File
			}
			for _, it := range canonicalItems(t, s, ws, or3cloud.CanonicalReferenceEdges, digest, size) {
				edges++
				named[it.Hash] = append(named[it.Hash], it.SourceTable+" "+it.SourceID)
			}
		}
		if !maps.Equal(got, files) {
			t.Fatalf("live files: %v, want %v", got, files)
		}
		for digest, want := range all {
			rows := slices.DeleteFunc(slices.Clone(want.rows), func(row string) bool { return strings.HasPrefix(row, or3cloud.TableFileMeta) })
			slices.Sort(rows)
			if slices.Sort(named[digest]); !slices.Equal(named[digest], rows) {
				t.Fatalf("%q is named by %v, want %v", digest, named[digest], rows)
			}
			delete(named, digest)
		}
		if len(named) > 0 {
			t.Fatalf("named by nothing: %v", named)
		}
	}
	for _, digest := range namable() {
		state, err := s.ReferenceState(t.Context(), ws, or3cloud.BlobHash("sha256:"+digest))
		if got := state.Files + state.Messages + state.Posts; err != nil || got != int64(len(all[digest].rows)) {
			t.Fatalf("%q: %d references, %v; want %v", digest, got, err, all[digest].rows)
		}
		if len(all[digest].rows) == 0 && !state.LostAt.Equal(lost[digest]) || len(all[digest].rows) > 0 && !state.LostAt.IsZero() {
			t.Fatalf("%q, which %v name, was lost at %v, want %v", digest, all[digest].rows, state.LostAt, lost[digest])
		}
	}
}

// TestReferencesAreThoseOfTheWinners lets devices name contents and stop naming them, in ops that win and lose, and
// lets the server be killed, collect, and find its index damaged. What is held, for how long, and how much space files
// take is what the rows say.
func TestReferencesAreThoseOfTheWinners(t *testing.T) {
	for seed := range uint64(2) {
		path := filepath.Join(t.TempDir(), "sync.sqlite")
		var clock atomic.Int64 // one that stands still unless it is moved
		clock.Store(time.Now().UnixMilli())
		now := func() time.Time { return time.UnixMilli(clock.Load()) }
		s, _ := openTest(t, func(o *Options) { o.Path, o.Synchronous, o.Now = path, "OFF", now })
		user, ws := workspaceOf(t, s)
		f := &fileOps{t: t, r: rand.New(rand.NewPCG(seed, 22))}
		lost, before := map[string]time.Time{}, map[string]named{}
		far := time.Now().AddDate(100, 0, 0)
		for round := range 80 {
			// Of several ops in one push only the last state counts, so the moment is the same.
			var ops []or3cloud.Op
			for range 1 + f.r.IntN(2)*f.r.IntN(6) {
				ops = append(ops, f.next())
			}
			clock.Add(time.Minute.Milliseconds())
			if _, err := pushOps(s, user, ws, ops...); err != nil {
				t.Fatal(err)
			}
			names, _ := namedBy(t, s, user, ws)
			touched := map[string]bool{} // what one op of several may have named and another one dropped
			for _, op := range ops[:len(ops)-1] {
				for _, digest := range append(op.Facts.FileHashes, syncschema.Digest(op.PK)) {
					touched[digest] = true
				}
			}
			for _, digest := range namable() {
				state, err := s.ReferenceState(t.Context(), ws, or3cloud.BlobHash("sha256:"+digest))
				if err != nil {
					t.Fatal(err)
				}
				if len(names[digest].rows) == 0 && (len(before[digest].rows) > 0 || touched[digest] && state.LostAt.Equal(now())) {
					lost[digest] = now()
				}
				if len(names[digest].rows) > 0 && round%5 == 0 {
					granted, err := s.RetireGeneration(t.Context(), or3cloud.RetireRequest{
						WorkspaceID: ws, Hash: or3cloud.BlobHash("sha256:" + digest), Generation: fmt.Sprint(round), UnreferencedSince: far,
					})
					if err != nil || granted {
						t.Fatalf("a claim of %q, which %v name: granted %t, %v", digest, names[digest].rows, granted, err)
					}
				}
			}
			before = names
			switch f.r.IntN(10) {
			case 0, 1: // killed: what was in memory is lost, and perhaps the disk has changed what is in runs
				if f.r.IntN(3) == 0 {
					err := s.engine.Do(t.Context(), func(_ context.Context, t *engine.Tx) error { return t.C.Exec("UPDATE index_pieces SET data = x'FF'") })
					if err != nil {
						t.Fatal(err)
					}
				}
				copied := filepath.Join(t.TempDir(), "sync.sqlite")
				for _, end := range []string{"", "-wal"} {
					b, err := os.ReadFile(path + end)
					if err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(copied+end, b, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				path = copied
				s, _ = openTest(t, func(o *Options) { o.Path, o.Synchronous, o.Now = path, "OFF", now })
			case 2:
				if err := s.GCChangeLog(t.Context(), or3cloud.SyncGCRequest{Scope: or3cloud.Scope{WorkspaceID: ws}}); err != nil {
					t.Fatal(err)
				}
				clock.Add((24 * time.Hour).Milliseconds())
			}
			if round%4 == 0 {
				checkNamed(t, s, user, ws, lost, 1+f.r.IntN(7))
			}
		}
		checkNamed(t, s, user, ws, lost, 500)
	}
}

// TestReferencesOfAnOlderDatabase gives a database the tables of references from before migration 22, and starts with
// it, interrupted again and again.
func TestReferencesOfAnOlderDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sync.sqlite")
	s, c := openTest(t, func(o *Options) { o.Path = path })
	user, ws := workspaceOf(t, s)
	f := &fileOps{t: t, r: rand.New(rand.NewPCG(7, 22))}
	for range 40 {
		c.advance(time.Minute)
		if _, err := pushOps(s, user, ws, f.next(), f.next(), f.next(), f.next(), f.next()); err != nil {
			t.Fatal(err)
		}
	}
	lost := map[string]time.Time{}
	for _, digest := range namable() {
		state, err := s.ReferenceState(t.Context(), ws, or3cloud.BlobHash("sha256:"+digest))
		if err != nil {
			t.Fatal(err)
		}
		lost[digest] = state.LostAt
	}
	checkNamed(t, s, user, ws, lost, 500)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	newOlder(user).makeOlder(t, path, 22)
	interrupted := startInterrupted(t, path, c)
	s, _ = openTest(t, func(o *Options) { o.Path, o.Now = path, c.now })
	checkNamed(t, s, user, ws, lost, 500)
	for _, table := range []string{"older_files", "older_blob_refs"} {
		var there bool
		err := s.engine.DB.Read.QueryRow("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?)", table).Scan(&there)
		if err != nil || there {
			t.Errorf("%s: there %t, %v", table, there, err)
		}
	}
	if interrupted < 3 {
		t.Errorf("the start was interrupted %d times only", interrupted)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// olderReferences gives a database the tables of references from before migration 22.
const olderReferences = `
CREATE TABLE older_files (workspace INTEGER NOT NULL, digest TEXT NOT NULL, pk BLOB NOT NULL, size_bytes INTEGER NOT NULL, updated_at REAL NOT NULL,
	storage_id TEXT NOT NULL, mime_type TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (workspace, digest, pk)) STRICT, WITHOUT ROWID;
CREATE TABLE older_refs (workspace INTEGER NOT NULL, digest TEXT NOT NULL, tbl INTEGER NOT NULL, pk BLOB NOT NULL,
	PRIMARY KEY (workspace, digest, tbl, pk)) STRICT, WITHOUT ROWID;
CREATE INDEX blob_refs_by_record ON older_refs (workspace, tbl, pk);
`

// referencesOf is what entries name.
type referencesOf struct {
	files   map[int64]bool // by the ids of entries
	digests map[int64][]string
}

func readReferences(t testing.TB, e *engine.Engine) referencesOf {
	t.Helper()
	files, err := e.Q.FilesBetween(t.Context(), db.FilesBetweenParams{Upto: math.MaxInt64})
	if err != nil {
		t.Fatal(err)
	}
	refs, err := e.Q.ReferencesBetween(t.Context(), db.ReferencesBetweenParams{Upto: math.MaxInt64})
	if err != nil {
		t.Fatal(err)
	}
	r := referencesOf{map[int64]bool{}, map[int64][]string{}}
	for _, id := range files {
		r.files[id] = true
	}
	for _, row := range refs {
		for b := row.Digests; len(b) > 0; {
			digest, rest, ok := layout.ReadDigest(b)
			if !ok {
				t.Fatal(hex.EncodeToString(b))
			}
			r.digests[row.ID], b = append(r.digests[row.ID], digest), rest
		}
	}
	return r
}

// makeOlder writes what an entry names into the tables of olderReferences.
func (r referencesOf) makeOlder(id, table int64, pk string, exec func(string, ...any)) {
	workspace, key := id>>layout.VersionBits, layout.RecordKey(pk, nil)
	for _, digest := range r.digests[id] {
		exec("INSERT INTO older_refs VALUES (?, ?, ?, ?)", workspace, digest, table, key)
	}
	if r.files[id] {
		digest := syncschema.Digest(pk)
		exec("INSERT INTO older_refs VALUES (?, ?, ?, ?)", workspace, digest, table, key)
		exec("INSERT INTO older_files SELECT ?, ?, ?, size_bytes, updated_at, storage_id, mime_type, name, kind FROM files WHERE id = ?", workspace, digest, key, id)
	}
}

// olderReferencesDone follows when all entries have been through makeOlder.
const olderReferencesDone = `
DROP TABLE files; DROP TABLE blob_refs; ALTER TABLE older_files RENAME TO files; ALTER TABLE older_refs RENAME TO blob_refs;
CREATE TRIGGER file_added AFTER INSERT ON files BEGIN SELECT 1; END;
CREATE TRIGGER file_changed AFTER UPDATE OF size_bytes ON files BEGIN SELECT 1; END;
CREATE TRIGGER file_removed AFTER DELETE ON files BEGIN SELECT 1; END`

// startInterrupted starts with a database until a start is not interrupted, each later than the one before, and returns
// how many were.
func startInterrupted(t *testing.T, path string, c *clock) (interrupted int) {
	t.Helper()
	for calls := 1; ; calls = calls*3/2 + 1 {
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int64
		s, err := Open(ctx, Options{Path: path, Log: testLog(t), Rand: zeros{}, recentKeys: 50, Now: func() time.Time {
			if n.Add(1) == int64(calls) {
				cancel()
			}
			return c.now()
		}})
		cancel()
		if err != nil {
			interrupted++
			continue
		}
		s.Close()
		return interrupted
	}
}
