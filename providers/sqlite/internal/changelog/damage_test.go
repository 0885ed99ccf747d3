package changelog

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// TestADamagedIndexIsRebuilt damages each kind of page of the tables of the index, and what is stored in intact pages,
// before a start and during a run. The start repairs it, and during a run requests that meet it are told to try again.
// No answer is wrong.
func TestADamagedIndexIsRebuilt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sync.sqlite")
	const entries, records = 2400, 2000
	var p *pusher
	var ops []or3cloud.Op
	open := func(t *testing.T, path string) store {
		s := openWith(t, path, 0)
		if p != nil {
			p = &pusher{t: t, s: s, user: p.user, ws: p.ws, n: p.n}
		}
		return s
	}
	t.Run("before", func(t *testing.T) {
		p = newPusher(t, open(t, path))
		for i := range entries {
			ops = append(ops, p.put(or3cloud.TablePosts, fmt.Sprint("row", i%records), int64(i), ""))
		}
		for some := range slices.Chunk(ops, 200) {
			p.push(some...)
		}
		// The end of the test writes one run.
	})
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pages := indexPages(t, path, sound)
	type damage struct {
		name string
		// file changes the file before the start, text changes the content of the database.
		file  func([]byte)
		empty bool
		text  string
	}
	var all []damage
	for kind, page := range pages {
		all = append(all,
			damage{name: kind + " changed", file: func(b []byte) { b[page*4096+2000] ^= 1 }},
			damage{name: kind + " empty", empty: true, file: func(b []byte) { clear(b[page*4096:][:4096]) }})
	}
	all = append(all,
		damage{name: "a piece with another content", text: "UPDATE index_pieces SET data = (SELECT data FROM index_pieces WHERE id & 0xffffffff = 3) WHERE id & 0xffffffff = 4"},
		damage{name: "a directory with another content", text: "UPDATE index_pieces SET data = zeroblob(length(data)) WHERE id = (SELECT max(id) FROM index_pieces)"},
		damage{name: "missing pieces", text: "DELETE FROM index_pieces WHERE id & 0xffffffff < 9"},
		damage{name: "a run of another size", text: "UPDATE index_runs SET entries = entries - 1"},
		damage{name: "no state", text: "DELETE FROM index_state"})

	check := func(t *testing.T) {
		t.Helper()
		scope := or3cloud.Scope{WorkspaceID: p.ws}
		met := 0
		// ask repeats what is answered with 503, after the index was repaired.
		ask := func(f func() error) {
			t.Helper()
			err := f()
			if err != nil && or3cloud.CodeOf(err) == or3cloud.CodeUnavailable {
				if !sqlitex.IsDamage(err) {
					t.Errorf("%v, which no one would be told of", err)
				}
				met++
				if err := p.s.index.Write(t.Context()); err != nil {
					t.Fatal(err)
				}
				err = f()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		next := int64(1)
		for some := range slices.Chunk(ops, 200) {
			ask(func() error {
				res, err := p.s.Push(t.Context(), or3cloud.PushRequest{Scope: scope, UserID: p.user, Ops: some})
				for i, r := range res.Results {
					if !r.Replayed || r.ServerVersion != next+int64(i) {
						return fmt.Errorf("op %d again: %+v", next+int64(i), r)
					}
				}
				return err
			})
			next += int64(len(some))
		}
		n := 0
		ask(func() error {
			n = 0
			_, err := p.s.Snapshot(t.Context(), or3cloud.SnapshotRequest{Scope: scope, UserID: p.user, PageSize: 5000}, func(it *or3cloud.SnapshotItem) error {
				n++
				return nil
			})
			return err
		})
		if n != records || met > 1 {
			t.Errorf("%d records, want %d; the damage was met %d times", n, records, met)
		}
		p.push(p.put(or3cloud.TablePosts, "row7", 1<<20, ""), p.put(or3cloud.TablePosts, "row9", 1, ""))
	}
	for _, d := range all {
		t.Run(d.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sync.sqlite")
			b := slices.Clone(sound)
			if d.file != nil {
				d.file(b)
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if d.text != "" {
				t.Run("change", func(t *testing.T) {
					s := open(t, path)
					err := s.engine.Do(t.Context(), func(_ context.Context, t *engine.Tx) error { return t.C.Exec(d.text) })
					if err != nil {
						t.Fatal(err)
					}
				})
			}
			t.Run("start", func(t *testing.T) {
				open(t, path)
				check(t)
			})
			t.Run("next start", func(t *testing.T) {
				s := open(t, path)
				check(t)
				// Nothing is left of what was damaged, or only the table that SQLite cannot navigate.
				var aside int
				err := s.engine.DB.Read.QueryRow("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%unreadable%'").Scan(&aside)
				if err != nil || aside > 0 && (!d.empty || aside > 1) {
					t.Errorf("%d tables were put aside, %v", aside, err)
				}
			})
		})
	}
	for _, text := range []string{all[len(all)-5].text, all[len(all)-3].text} {
		t.Run("under way", func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sync.sqlite")
			if err := os.WriteFile(path, sound, 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, path)
			if err := s.engine.Do(t.Context(), func(_ context.Context, t *engine.Tx) error { return t.C.Exec(text) }); err != nil {
				t.Fatal(err)
			}
			check(t)
		})
	}
}

// indexPages returns a page of each kind of the tables of the index.
func indexPages(t testing.TB, path string, b []byte) map[string]int {
	t.Helper()
	d, err := sqlitex.Open(t.Context(), sqlitex.Options{Path: path, Migrations: migrations})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	pages := map[string]int{}
	rows, err := d.Read.Query("SELECT name, rootpage FROM sqlite_schema WHERE name IN ('index_state', 'index_runs', 'index_pieces')")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var root int
		if err := rows.Scan(&name, &root); err != nil {
			t.Fatal(err)
		}
		pages[name] = root - 1
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	page := func(n int) []byte { return b[n*4096:][:4096] }
	const interior, leaf = 5, 13 // https://sqlite.org/fileformat.html
	root := page(pages["index_pieces"])
	if root[0] != interior {
		t.Fatal("too few pieces")
	}
	kids := int(binary.BigEndian.Uint16(root[3:]))
	kid := func(i int) int {
		if i == kids {
			return int(binary.BigEndian.Uint32(root[8:])) - 1
		}
		return int(binary.BigEndian.Uint32(root[binary.BigEndian.Uint16(root[12+2*i:]):])) - 1
	}
	pages["index_pieces: a piece"], pages["index_pieces: the last leaf"] = kid(kids/2), kid(kids)
	last := page(kid(kids))
	if last[0] != leaf {
		t.Fatal("the root has no leaves")
	}
	// The row of the directory continues in pages of which the first is named at the end of its cell.
	cell := last[binary.BigEndian.Uint16(last[8+2*(int(binary.BigEndian.Uint16(last[3:]))-1):]):]
	size, n := binaryVarint(cell)
	_, m := binaryVarint(cell[n:])
	const usable = 4096 - 8
	if size <= usable-35 {
		t.Fatal("the directory is too small")
	}
	least := (usable-12)*32/255 - 23
	local := least + (size-least)%(usable-4)
	if local > usable-35 {
		local = least
	}
	pages["index_pieces: more of the directory"] = int(binary.BigEndian.Uint32(cell[n+m+local:])) - 1
	return pages
}

// binaryVarint reads a number in SQLite's format.
func binaryVarint(b []byte) (v, n int) {
	for {
		v = v<<7 | int(b[n]&0x7F)
		n++
		if b[n-1] < 0x80 {
			return v, n
		}
	}
}
