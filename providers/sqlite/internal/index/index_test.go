package index

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// testLog is as much of a log as an index needs, and a plain map of what the index has to know about it.
type testLog struct {
	t    testing.TB
	path string
	e    *engine.Engine
	x    *Index
	keys int
	// remade is how often the index was rebuilt, made how many runs were written.
	remade int
	made   int64
	last   int64 // id of the last run

	mu      sync.Mutex
	entries map[int64][]testEntry // by workspace, in the order of their versions
	gone    map[int64]bool        // by id
	winners map[string]Winner     // by record key
}

type testEntry struct {
	version int64
	hash    Key
	op      string // key
	record  string // key
	winner  *Winner
	refs    []string // digests, if it has won
}

func newTestLog(t testing.TB, keys int) *testLog {
	l := &testLog{
		t: t, path: filepath.Join(t.TempDir(), "sync.sqlite"), keys: keys,
		entries: map[int64][]testEntry{}, gone: map[int64]bool{}, winners: map[string]Winner{},
	}
	l.open()
	t.Cleanup(l.close)
	return l
}

// open opens the database, and derives again what was only in memory.
func (l *testLog) open() {
	l.t.Helper()
	var err error
	l.e, err = engine.Open(context.Background(), engine.Options{
		File: sqlitex.Options{Path: l.path, Migrations: os.DirFS("../../migrations"), Synchronous: "OFF"},
		Log:  slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.x, err = New(context.Background(), l.e, Options{RecentKeys: l.keys, Derive: l.derive, Gone: func(_ *engine.Reader, id int64) (bool, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.gone[id], nil
	}})
	if err != nil {
		l.t.Fatal(err)
	}
}

// derive puts what the runs do not know.
func (l *testLog) derive(ctx context.Context, x *Index) (map[int64]error, error) {
	rows, err := l.e.DB.Read.Query("SELECT workspace, indexed FROM counters")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var ws, indexed int64
		if err := rows.Scan(&ws, &indexed); err != nil {
			return nil, err
		}
		err := l.e.Do(ctx, func(context.Context, *engine.Tx) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, e := range l.entries[ws] {
				if e.version > indexed && !l.gone[layout.EntryID(ws, e.version)] {
					won := e.winner
					if won != nil && l.winners[e.record].Version != e.version {
						won = nil // it is superseded
					}
					x.Put(ws, e.hash, e.version, e.record, won)
					if won != nil {
						putReferences(x, ws, e)
					}
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return nil, rows.Err()
}

func (l *testLog) close() {
	l.x.Close()
	l.kill()
}

// kill closes the database as it is, as a kill leaves it.
func (l *testLog) kill() {
	l.x.loop.Close()
	if l.x.next < l.last { // ids start again where none could be read
		l.last = 0
	}
	l.made, l.last = l.made+l.x.next-l.last, l.x.next
	if err := l.e.Close(); err != nil {
		l.t.Error(err)
	}
}

func (l *testLog) do(f func(*engine.Tx) error) error {
	return l.e.Do(context.Background(), func(_ context.Context, t *engine.Tx) error { return f(t) })
}

func (l *testLog) workspace(num int64) {
	l.t.Helper()
	err := l.do(func(t *engine.Tx) error {
		return t.C.Exec(fmt.Sprintf("INSERT INTO workspaces (num, id, name, created_at) VALUES (%[1]d, 'w%[1]d', '', 1); INSERT INTO counters (workspace) VALUES (%[1]d)", num))
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// write adds entries in one job, which fails at the end if wish says so.
func (l *testLog) write(ws int64, entries []testEntry, wish error) {
	l.t.Helper()
	write := func(t *engine.Tx) error {
		for _, e := range entries {
			l.x.Put(ws, e.hash, e.version, e.record, e.winner)
			putReferences(l.x, ws, e)
		}
		if v := l.x.In(t); len(entries) > 0 && entries[len(entries)-1].winner != nil {
			last := entries[len(entries)-1]
			if w, found, err := v.Winner(last.record); err != nil || !found || w != *last.winner {
				l.t.Errorf("in its job, the winner of %q is %v, %t, %v; want %v", last.record, w, found, err, *last.winner)
			}
		}
		return wish
	}
	err := l.repaired(func() error { return l.do(write) })
	if !errors.Is(err, wish) {
		l.t.Fatal(err)
	}
	if wish != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[ws] = append(l.entries[ws], entries...)
	for _, e := range entries {
		if e.winner != nil {
			l.winners[e.record] = *e.winner
		}
	}
}

// settle waits until everything frozen is written, and what is due is merged.
func (l *testLog) settle() {
	l.t.Helper()
	err := l.x.loop.Run(context.Background())
	if sqlitex.IsDamage(err) { // a merge has met it
		err = l.x.loop.Run(context.Background())
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// damage changes what is stored of a run. It is found at the first read, or at the next start.
func (l *testLog) damage(r *rand.Rand) {
	l.t.Helper()
	damage := []string{
		"UPDATE index_pieces SET data = CAST(substr(data, 1, length(data) / 2) || x'00' || substr(data, length(data) / 2 + 2) AS BLOB) WHERE id IN",
		"UPDATE index_pieces SET data = (SELECT data FROM index_pieces p WHERE p.id <> index_pieces.id) WHERE id IN",
		"DELETE FROM index_pieces WHERE id IN",
		"UPDATE index_runs SET entries = entries + 1 WHERE id << 32 IN",
	}[r.IntN(4)]
	err := l.do(func(t *engine.Tx) error {
		return t.C.Exec(fmt.Sprintf("%s (SELECT id FROM index_pieces ORDER BY id LIMIT 1 OFFSET %d)", damage, r.IntN(10)))
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// repaired repeats what fails because the index is damaged, which repairs it.
func (l *testLog) repaired(f func() error) (err error) {
	l.t.Helper()
	for range 3 {
		if err = f(); !sqlitex.IsDamage(err) && !errors.Is(err, errUnmade) {
			return err
		}
		l.remade++
		l.settle()
	}
	return err
}

// readAll reads all of the index, so that all damage is found.
func (l *testLog) readAll() {
	l.t.Helper()
	err := l.repaired(func() error {
		return l.x.Read(context.Background(), func(v *Reader) error {
			records := v.Records(RecordKey(1, 0, nil), "\xff")
			for records.Next() {
			}
			return records.Err()
		})
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// check compares the index with the plain map.
func (l *testLog) check(r *rand.Rand) {
	l.t.Helper()
	err := l.repaired(func() error { return l.compare(r) })
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *testLog) compare(r *rand.Rand) error {
	return l.x.Read(context.Background(), func(v *Reader) error {
		alive := func(key string, version int64) bool { return !l.gone[layout.EntryID(workspaceOf(key), version)] }
		for key, want := range l.winners {
			got, found, err := v.Winner(key)
			if err != nil {
				return err
			}
			if alive(key, want.Version) && (!found || got != want) || found && got != want {
				return fmt.Errorf("winner of %q: %v, %t; want %v", key, got, found, want)
			}
		}
		ops := map[string][]int64{}
		for _, entries := range l.entries {
			for _, e := range entries {
				if alive(e.op, e.version) {
					ops[e.op] = append(ops[e.op], e.version)
				}
			}
		}
		for op, want := range ops {
			var got []int64
			err := v.Versions(op, func(version int64) (bool, error) {
				if alive(op, version) {
					got = append(got, version)
				}
				return true, nil
			})
			slices.Sort(got)
			if got = slices.Compact(got); err != nil || !slices.Equal(got, want) {
				return fmt.Errorf("versions of %x: %v, %w; want %v", op, got, err, want)
			}
		}
		if err := l.compareReferences(v, r); err != nil {
			return err
		}
		all := slices.Sorted(maps.Keys(l.winners))
		for i := range 6 {
			from, until := RecordKey(1, 1, nil), RecordKey(1, 2, nil)
			if len(all) > 0 {
				key := all[r.IntN(len(all))]
				from, until = key[:max(headSize, r.IntN(len(key)+1))], all[r.IntN(len(all))]
				// A range is within one table.
				until = string(append([]byte(from[:headSize]), until[headSize:]...))
				if i%2 == 0 { // all that begin with the same
					from, until = stemOf(key)+"\x00", stemOf(key)+"\x01"
				}
			}
			var want, got []string
			for _, key := range all {
				if key >= from && key < until && alive(key, l.winners[key].Version) {
					want = append(want, fmt.Sprint(key[headSize:], l.winners[key]))
				}
			}
			records := v.Records(from, until)
			for records.Next() {
				if alive(from, records.Version) {
					got = append(got, fmt.Sprint(string(records.Key), records.Winner))
				}
			}
			if records.Err() != nil || !slices.Equal(got, want) {
				return fmt.Errorf("records from %q until %q: %v, %w; want %v", from, until, got, records.Err(), want)
			}
		}
		return nil
	})
}

// testDigests include some that are the beginning of another, in either form.
var testDigests = []string{strings.Repeat("ab", 32), strings.Repeat("ab", 16), "abab", "ab", "a", "x", "x\x01y", strings.Repeat("long", 1000), ""}

func putReferences(x *Index, ws int64, e testEntry) {
	for _, digest := range e.refs {
		PutReference(x, ws, digest, int64(e.record[headSize-1]), []byte(e.record[headSize:]), e.version)
	}
}

// compareReferences compares references with those of the entries that are winners, from the beginning and from one of
// them on.
func (l *testLog) compareReferences(v *Reader, r *rand.Rand) error {
	type ref struct {
		digest, record string
		version        int64
	}
	for ws, entries := range l.entries {
		want := map[ref]bool{}
		for _, e := range entries {
			if e.winner == nil || l.winners[e.record].Version != e.version || l.gone[layout.EntryID(ws, e.version)] {
				continue
			}
			for _, digest := range e.refs {
				want[ref{digest, e.record, e.version}] = true
			}
		}
		read := func(refs *References) (list []ref, err error) {
			for refs.Next() {
				got := ref{refs.Digest, RecordKey(ws, refs.Table, refs.Key), refs.Version}
				if l.gone[layout.EntryID(ws, got.version)] {
					continue // what is collected is dropped later
				}
				if !want[got] {
					return nil, fmt.Errorf("a reference to %.20q of %q that is none", got.digest, got.record)
				}
				list = append(list, got)
			}
			return list, refs.Err()
		}
		all, err := read(v.ReferencesAfter(ws, "", 0, nil))
		if err != nil || len(all) != len(want) {
			return fmt.Errorf("%d references, %w; want %d", len(all), err, len(want))
		}
		for _, digest := range testDigests {
			some := slices.DeleteFunc(slices.Clone(all), func(got ref) bool { return got.digest != digest })
			got, err := read(v.ReferencesTo(ws, digest, 0, nil, 0))
			if err != nil || !slices.Equal(got, some) {
				return fmt.Errorf("references to %.20q: %v, %w; want %v", digest, got, err, some)
			}
			if len(some) > 0 {
				i := r.IntN(len(some))
				at := some[i].record
				got, err := read(v.ReferencesTo(ws, digest, int64(at[headSize-1]), []byte(at[headSize:]), 0))
				if err != nil || !slices.Equal(got, some[i+1:]) {
					return fmt.Errorf("references to %.20q after %q: %v, %w; want %v", digest, at, got, err, some[i+1:])
				}
			}
		}
		if len(all) > 0 {
			i := r.IntN(len(all))
			at := all[i].record
			rest, err := read(v.ReferencesAfter(ws, all[i].digest, int64(at[headSize-1]), []byte(at[headSize:])))
			if err != nil || !slices.Equal(rest, all[i+1:]) {
				return fmt.Errorf("references after %v: %v, %w; want %v", all[i], rest, err, all[i+1:])
			}
		}
	}
	return nil
}

// TestIndexIsAMap puts an index and a plain map through the same: jobs that succeed and fail, groups of them, flushes,
// merges, collections, restarts, damage, and op ids of which many share a hash, while readers read.
func TestIndexIsAMap(t *testing.T) {
	seeds, rounds := uint64(6), 150
	if racing {
		seeds, rounds = 3, 70
	}
	remade := 0
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 25))
			l := newTestLog(t, 40)
			for ws := int64(1); ws <= 3; ws++ {
				l.workspace(ws)
			}
			next := map[int64]int64{1: 1, 2: 1, 3: 1 << 41}
			hash := func() (h [hashSize]byte) { binary.BigEndian.PutUint16(h[:], uint16(r.IntN(300))); return h }
			for round := range rounds {
				ws := 1 + r.Int64N(3)
				var entries []testEntry
				wish := error(nil)
				if r.IntN(6) == 0 {
					wish = errors.New("undone")
				}
				first := next[ws]
				inJob := map[string]Winner{}
				for range r.IntN(30) {
					h := hash()
					e := testEntry{version: next[ws], hash: h, op: OpKey(ws, h)}
					e.record = RecordKey(ws, 1+r.Int64N(7), []byte(strings.Repeat("key", r.IntN(3))+fmt.Sprint(r.IntN(200))))
					if r.IntN(3) == 0 {
						e.record += "\x00u" + fmt.Sprint(r.IntN(4))
					}
					if r.IntN(200) == 0 {
						e.record = RecordKey(ws, 1, bytes.Repeat([]byte("long"), 1000+r.IntN(1000)))
					}
					if r.IntN(5) > 0 {
						before := cmp.Or(inJob[e.record], l.winners[e.record])
						e.winner = &Winner{Version: e.version, State: r.Int64N(8), Nth: (before.Nth + 1) % 64}
						inJob[e.record] = *e.winner
						for _, digest := range testDigests {
							if r.IntN(10) == 0 && !slices.Contains(e.refs, digest) {
								e.refs = append(e.refs, digest)
							}
						}
					}
					entries = append(entries, e)
					next[ws]++
				}
				l.write(ws, entries, wish)
				if wish != nil {
					next[ws] = first
				}
				switch r.IntN(14) {
				case 0:
					l.settle()
				case 1:
					if r.IntN(2) == 0 {
						l.close()
					} else {
						l.kill()
					}
					l.open()
				case 2:
					l.damage(r)
				case 3: // what was superseded is collected, and winners that nothing came after, if the runs know them
					if err := l.repaired(func() error { return l.x.Write(t.Context()) }); err != nil {
						t.Fatal(err)
					}
					l.mu.Lock()
					for _, e := range l.entries[ws] {
						if w := l.winners[e.record]; w.Version > e.version && r.IntN(2) == 0 || w.Version == e.version && r.IntN(20) == 0 {
							l.gone[layout.EntryID(ws, e.version)] = true
						}
					}
					l.mu.Unlock()
					err := l.do(func(t *engine.Tx) error { return t.Q.AddEntriesGone(context.Background(), r.Int64N(200)) })
					if err != nil {
						t.Fatal(err)
					}
				}
				if round%5 == 0 {
					l.check(r)
				}
			}
			l.close()
			l.open() // a directory is read at the start only
			l.readAll()
			l.settle()
			l.check(r)
			remade += l.remade
			// Three runs of each level, and one that has dropped what was collected.
			s := l.x.committed()
			if most := 3*(l.x.level(s.runs[len(s.runs)-1])+2) + 1; len(s.runs) > most || l.made < int64(rounds/3) {
				t.Errorf("%d runs, want at most %d; %d were made", len(s.runs), most, l.made)
			}
			var rows, want int64
			for _, run := range l.x.committed().runs {
				want += run.pieces + run.chunks
			}
			if err := l.e.DB.Read.QueryRow("SELECT count(*) FROM index_pieces").Scan(&rows); err != nil || rows != want {
				t.Errorf("%d rows, %v; want the %d of the runs that are linked", rows, err, want)
			}
		})
	}
	if remade < 2 {
		t.Errorf("the index was made again %d times only", remade)
	}
}

// TestReadersSeeTheirMoment reads while others write: within a read transaction the index has what the transaction's
// counter says.
func TestReadersSeeTheirMoment(t *testing.T) {
	l := newTestLog(t, 200)
	l.workspace(1)
	const writes = 400
	var wait sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		wait.Go(func() {
			for last := false; !last; {
				select {
				case <-done:
					last = true
				default:
				}
				err := l.x.Read(t.Context(), func(r *Reader) error {
					var version int64
					if _, err := engine.One(r.St.Counter, func(s *sqlite3.Stmt) { version = s.ColumnInt64(0) }, int64(1)); err != nil || version == 0 {
						return err
					}
					// Each job writes the record "same", and one other each.
					w, found, err := r.Winner(RecordKey(1, 1, []byte("same")))
					if err != nil || !found || w.Version != version {
						return fmt.Errorf("winner %d, %t, %v at version %d", w.Version, found, err, version)
					}
					n := int64(0)
					records := r.Records(RecordKey(1, 2, nil), RecordKey(1, 3, nil))
					for records.Next() {
						n++
					}
					if records.Err() != nil || n != version {
						return fmt.Errorf("%d records, %v at version %d", n, records.Err(), version)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var version int64
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for i := range writes {
				err := l.do(func(t *engine.Tx) error {
					before := version
					version++
					l.x.Put(1, l.x.Hash([]byte{1}), version, RecordKey(1, 1, []byte("same")), &Winner{Version: version})
					l.x.Put(1, l.x.Hash([]byte{2}), version, RecordKey(1, 2, fmt.Append(nil, version)), &Winner{Version: version})
					if i%10 == 9 {
						version = before
						return errUndone
					}
					return engine.Run(t.St.SetCounter, version, int64(0), int64(1))
				})
				if err != nil && !errors.Is(err, errUndone) {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	close(done)
	wait.Wait()
}

var errUndone = errors.New("undone")

// TestJobsOfAGroupAreUndoneAlone lets jobs share transactions, of which some fail after they have put something. Each
// sees what those before it have left.
func TestJobsOfAGroupAreUndoneAlone(t *testing.T) {
	l := newTestLog(t, 300)
	l.workspace(1)
	r := rand.New(rand.NewPCG(3, 25)) // it belongs to the writer, like what follows
	version := int64(0)
	want := map[string]Winner{}
	job := func(tx *engine.Tx) error {
		mine := maps.Clone(want)
		puts := max(0, r.IntN(36)-6)
		for range puts {
			version++
			key := RecordKey(1, 1, fmt.Append(nil, r.IntN(400)))
			mine[key] = Winner{Version: version}
			l.x.Put(1, l.x.Hash(fmt.Append(nil, version)), version, key, &Winner{Version: version})
		}
		v := l.x.In(tx)
		for key, w := range mine {
			if got, found, err := v.Winner(key); err != nil || !found || got != w {
				return fmt.Errorf("winner of %q: %v, %t, %w; want %v", key, got, found, err, w)
			}
		}
		wish := error(nil)
		if r.IntN(3) == 0 {
			wish = errUndone
		}
		if puts == 0 && l.x.current.frozen.root == nil {
			l.x.freeze()
		}
		if wish == nil {
			want = mine
		}
		return wish
	}
	rounds := 40
	if racing {
		rounds = 10
	}
	for range rounds {
		hold := make(chan struct{})
		var wait sync.WaitGroup
		do := func(f func(*engine.Tx) error) {
			wait.Go(func() {
				if err := l.do(f); err != nil && !errors.Is(err, errUndone) {
					t.Error(err)
				}
			})
		}
		do(func(*engine.Tx) error { <-hold; return nil }) // the first job of a transaction is not undone alone
		for range 12 {
			do(job)
		}
		for l.e.Waiting() < 8 { // the others come while these run, or one by one
			runtime.Gosched()
		}
		close(hold)
		wait.Wait()
		err := l.x.Read(t.Context(), func(v *Reader) error {
			n := 0
			records := v.Records(RecordKey(1, 1, nil), RecordKey(1, 2, nil))
			for ; records.Next(); n++ {
				if w := want[RecordKey(1, 1, records.Key)]; records.Winner != w {
					return fmt.Errorf("winner of %q: %v, want %v", records.Key, records.Winner, w)
				}
			}
			if records.Err() != nil || n != len(want) {
				return fmt.Errorf("%d records, %w; want %d", n, records.Err(), len(want))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamagedPieceIsAnError changes bytes of a piece: reads never go beyond its end or crash.
func TestDamagedPieceIsAnError(t *testing.T) {
	var piece []byte
	w := newRunWriter(1, 10, func(row []byte) error {
		if piece == nil {
			piece = row
		}
		return nil
	})
	for i := range 10 {
		if err := w.add(fmt.Appendf(nil, "\x00\x00\x01\x01%d", i), uint64(i)<<20); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range piece {
		for _, b := range []byte{0, 1, 0x7F, 0x80, 0xFF} {
			changed := bytes.Clone(piece)
			changed[i] = b
			var p pieceReader
			p.reset(changed)
			for {
				more, err := p.next()
				if errors.Is(err, errPiece) {
					refused++
				}
				if !more {
					break
				}
			}
		}
	}
	if refused == 0 {
		t.Error("no damage was noticed")
	}
}

// BenchmarkPut puts the op id and the winner of new entries, with all runs and merges that they cause, after n entries.
func BenchmarkPut(b *testing.B) {
	for _, n := range []int64{1e4, 1e5, 1e6} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := newTestLog(b, recentKeys)
			l.workspace(1)
			version := int64(0)
			r := rand.New(rand.NewPCG(1, 1))
			var text [64]byte
			job := func() {
				err := l.do(func(t *engine.Tx) error {
					for range 200 {
						version++
						binary.LittleEndian.PutUint64(text[:], r.Uint64())
						op := l.x.Hash(text[:16])
						key := RecordKey(1, 1, fmt.Appendf(text[:0], "%08x-%04x-%04x-%04x-%012x", r.Uint32(), r.Uint32()>>16, r.Uint32()>>16, r.Uint32()>>16, r.Uint64()>>16))
						v := l.x.In(t)
						if err := v.Versions(OpKey(1, op), func(int64) (bool, error) { return true, nil }); err != nil {
							return err
						}
						if _, _, err := v.Winner(key); err != nil {
							return err
						}
						l.x.Put(1, op, version, key, &Winner{Version: version})
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			for version < n {
				job()
			}
			l.settle()
			b.ResetTimer()
			begin := version
			for b.Loop() {
				job()
			}
			l.settle()
			ops := float64(version - begin)
			b.ReportMetric(float64(b.Elapsed().Microseconds())/ops, "µs/op")
			var size, kept float64
			s := l.x.committed()
			for _, run := range s.runs {
				kept += float64(8*len(run.filter) + len(run.starts.text) + 4*len(run.starts.ends))
			}
			if err := l.e.DB.Read.QueryRow("SELECT sum(length(data)) FROM index_pieces").Scan(&size); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(size/float64(version), "file-B/op")
			b.ReportMetric(kept/float64(version), "memory-B/op")
			b.ReportMetric(float64(len(s.runs)), "runs")
		})
	}
}
