package entries

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// log is a database with blocks, and what is in them by workspace and version.
type log struct {
	*engine.Engine
	ops       map[int64]map[int64]or3cloud.Op
	collected map[int64]map[int64]bool
}

// logOf fills workspaces with blocks of all sizes, with gaps between and within them.
func logOf(t *testing.T, r *mathrand.Rand, workspaces ...int64) *log {
	t.Helper()
	e, err := engine.Open(t.Context(), engine.Options{
		File: sqlitex.Options{Path: filepath.Join(t.TempDir(), "sync.sqlite"), Migrations: os.DirFS("../../migrations")},
		Log:  slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	l := &log{Engine: e, ops: map[int64]map[int64]or3cloud.Op{}, collected: map[int64]map[int64]bool{}}
	err = e.Do(t.Context(), func(_ context.Context, tx *engine.Tx) error {
		for _, num := range workspaces {
			l.ops[num], l.collected[num] = map[int64]or3cloud.Op{}, map[int64]bool{}
			version := int64(0)
			for range 20 {
				if version += 1; r.IntN(4) == 0 {
					version += 1 + r.Int64N(1000)
				}
				if err := l.insert(tx, r, num, &version); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// insert adds a block that begins with a version, and moves that to its last one.
func (l *log) insert(tx *engine.Tx, r *mathrand.Rand, num int64, version *int64) error {
	first := *version
	var d block.Draft
	var w block.Writer
	var marks block.Marks
	for i := range 1 + r.IntN(block.MaxEntries) {
		op := or3cloud.Op{
			Table: or3cloud.TablePosts, Operation: or3cloud.OpPut, PK: fmt.Sprint("pk ", *version), Payload: []byte(`"` + strings.Repeat("words ", 1+r.IntN(500)) + `"`),
			Stamp: or3cloud.Stamp{DeviceID: `a "device"`, OpID: fmt.Sprintf("00000000-0000-4000-8000-%012x", *version), HLC: "h", Clock: *version},
		}
		d.Add(&op, block.Known{OpID: layout.PackID(nil, op.Stamp.OpID)})
		if i > 0 && r.IntN(10) == 0 {
			*version += r.Int64N(3)
		}
		w.Accept(&d, i, block.Accepted{Version: *version, At: 1})
		if l.ops[num][*version] = op; r.IntN(10) == 0 {
			marks.Collect(i)
			l.collected[num][*version] = true
		}
		if w.Full() {
			break
		}
		*version++
	}
	*version = slices.Max(slices.Collect(keys(l.ops[num])))
	w.Pack()
	heads, text := w.Finish(first)
	return Insert(tx, layout.EntryID(num, first), heads, text, marks)
}

func keys(m map[int64]or3cloud.Op) func(func(int64) bool) {
	return func(yield func(int64) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (l *log) versions(num int64) []int64 { return slices.Sorted(keys(l.ops[num])) }

// is reports whether an entry with its text is the op that was written.
func is(e *block.Entry, version int64, op or3cloud.Op) bool {
	var c or3cloud.Change
	err := e.Change(&c)
	return err == nil && c.ServerVersion == version && c.PK == op.PK && c.Stamp == op.Stamp && bytes.Equal(c.Payload, op.Payload)
}

func TestEntriesAreFound(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(1, 2))
	l := logOf(t, r, 1, 2, 7)
	err := l.View(t.Context(), func(reader *engine.Reader) error {
		entries := Of(reader)
		for num := range l.ops {
			all := l.versions(num)
			for v := range all[len(all)-1] + 2 {
				op, written := l.ops[num][v]
				here := written && !l.collected[num][v]
				e, found, err := entries.Entry(num, v)
				if err != nil || found != here || found && !is(&e.Entry, v, op) {
					t.Fatalf("entry %d of %d: %t, %v", v, num, found, err)
				}
				h, found, err := entries.Head(num, v)
				if err != nil || found != here || found && (h.Version != v || h.Clock != op.Stamp.Clock || !h.Dropped()) {
					t.Fatalf("head %d of %d: %t, %v", v, num, found, err)
				}
				w, found, err := entries.Winner(num, v)
				if err != nil || found != written || found && w.Version != v {
					t.Fatalf("winner %d of %d: %t, %v", v, num, found, err)
				}
				if found, err := entries.Exists(num, v); err != nil || found != here {
					t.Fatalf("%d of %d exists: %t, %v", v, num, found, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRangesHaveEveryEntryOnce(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(3, 4))
	l := logOf(t, r, 1, 2, 7)
	err := l.View(t.Context(), func(reader *engine.Reader) error {
		for range 300 {
			num := []int64{1, 2, 7, 8}[r.IntN(4)]
			all := l.versions(num)
			top := int64(100)
			if len(all) > 0 {
				top = all[len(all)-1] + 2
			}
			after := r.Int64N(top)
			upto := after + r.Int64N(top)
			var got, want []int64
			blocks := Of(reader).After(num, after, upto)
			for blocks.Next() {
				if err := blocks.Unpack(blocks.All()); err != nil {
					return err
				}
				for i := range blocks.Len() {
					e, err := blocks.Entry(i)
					if err != nil || !is(&e, e.Version, l.ops[num][e.Version]) || (blocks.Marks.Collected()>>i&1 == 1) != l.collected[num][e.Version] {
						t.Fatalf("entry %d of %d: %v", e.Version, num, err)
					}
					if e.Version > after && e.Version <= upto {
						got = append(got, e.Version)
					}
				}
			}
			if err := blocks.Close(); err != nil {
				return err
			}
			for _, v := range all {
				if v > after && v <= upto {
					want = append(want, v)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%d to %d of %d: %v, want %v", after, upto, num, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSeveralEntriesAreReadInOrder(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(5, 6))
	l := logOf(t, r, 1, 2)
	err := l.View(t.Context(), func(reader *engine.Reader) error {
		for range 100 {
			num := 1 + r.Int64N(2)
			var versions []int64
			for _, v := range l.versions(num) {
				if r.IntN(3) == 0 {
					versions = append(versions, v)
				}
			}
			heads, texts := 0, []int{}
			var wanted []int
			err := Of(reader).Several(num, versions, Wanted{
				Head: func(n int, e *block.Entry, size int) bool {
					if op := l.ops[num][versions[n]]; n != heads || e.Version != versions[n] || size < len(op.Payload) || size > len(op.Payload)+400 {
						t.Fatalf("head %d of %d bytes is version %d, want %d: %d", n, size, e.Version, heads, versions[n])
					}
					if heads++; r.IntN(2) == 0 {
						return false
					}
					wanted = append(wanted, n)
					return true
				},
				Text: func(n int, e *block.Entry) error {
					if texts = append(texts, n); !is(e, versions[n], l.ops[num][versions[n]]) {
						t.Fatalf("text %d", n)
					}
					return nil
				},
			})
			if err != nil || heads != len(versions) || !slices.Equal(texts, wanted) {
				t.Fatalf("%d of %d heads, texts %v of %v, %v", heads, len(versions), texts, wanted, err)
			}
		}
		top := l.versions(1)[len(l.ops[1])-1]
		for _, missing := range []int64{0, top + 1} {
			w := Wanted{Head: func(int, *block.Entry, int) bool { return true }, Text: func(int, *block.Entry) error { return nil }}
			if err := Of(reader).Several(1, []int64{missing}, w); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("entry %d of workspace 1", missing)) {
				t.Errorf("version %d: %v", missing, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A check goes through everything, large entries and gaps included, and finds what is damaged.
func TestChecksReadEverything(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(7, 8))
	l := logOf(t, r, 1, 2)
	version := l.versions(1)[len(l.ops[1])-1] + 10
	huge := or3cloud.Op{Table: or3cloud.TablePosts, Operation: or3cloud.OpPut, PK: "huge", Payload: bytes.Repeat([]byte(" "), 80*block.FullText), Stamp: or3cloud.Stamp{OpID: "x", HLC: "h"}}
	err := l.Do(t.Context(), func(_ context.Context, tx *engine.Tx) error {
		for range 3 {
			var d block.Draft
			var w block.Writer
			d.Add(&huge, block.Known{OpID: layout.PackID(nil, "x")})
			w.Accept(&d, 0, block.Accepted{Version: version})
			heads, text := w.Finish(version)
			if err := Insert(tx, layout.EntryID(1, version), heads, text, block.Marks{}); err != nil {
				return err
			}
			version += 10
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func() (last int64, err error) {
		for {
			after := last
			err := l.View(t.Context(), func(reader *engine.Reader) (err error) {
				last, err = Of(reader).Check(1, after)
				return err
			})
			if err != nil || last == after {
				return last, err
			}
		}
	}
	if last, err := check(); err != nil || last != version-10 {
		t.Errorf("a sound log is read up to %d of %d: %v", last, version-10, err)
	}
	err = l.Do(t.Context(), func(_ context.Context, tx *engine.Tx) error {
		return tx.C.Exec(fmt.Sprintf("UPDATE blocks SET text = CAST(substr(text, 9) AS BLOB) WHERE id = %d", layout.EntryID(1, version-10)))
	})
	if err != nil {
		t.Fatal(err)
	}
	if last, err := check(); !sqlitex.IsDamage(err) || last != version-20 {
		t.Errorf("a damaged log is read up to %d of %d: %v", last, version-20, err)
	}
}
