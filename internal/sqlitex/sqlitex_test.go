package sqlitex

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

func migrations(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, body := range files {
		m[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + body)}
	}
	return m
}

var first = map[string]string{"00001_first.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT;"}

func TestOpen(t *testing.T) {
	for _, path := range []string{":memory:", filepath.Join(t.TempDir(), "new dir", "a ?#%.sqlite")} {
		t.Run(path, func(t *testing.T) {
			db, err := Open(context.Background(), Options{Path: path, Migrations: migrations(first)})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Write.Exec("INSERT INTO t VALUES (7)"); err != nil {
				t.Fatal(err)
			}
			var id int
			if err := db.Read.QueryRow("SELECT id FROM t").Scan(&id); err != nil || id != 7 {
				t.Fatalf("the readers must see what the writer wrote: %d, %v", id, err)
			}
			if _, err := db.Read.Exec("INSERT INTO t VALUES (8)"); err == nil {
				t.Fatal("a read connection must not write")
			}
			_, err = db.Write.Exec("INSERT INTO t VALUES (7)")
			if !IsUnique(err) {
				t.Fatalf("IsUnique(%v) = false", err)
			}
			c, err := db.Conn(true)
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			if path != ":memory:" {
				for _, suffix := range []string{"", "-wal", "-shm"} {
					st, err := os.Stat(path + suffix)
					if err != nil || st.Mode().Perm() != 0o600 {
						t.Fatalf("%s: mode %v, %v; want 0600", suffix, st.Mode(), err)
					}
				}
			}
		})
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db.sqlite")
	two := map[string]string{"00002_second.sql": "CREATE TABLE u (id INTEGER) STRICT;"}
	for k, v := range first {
		two[k] = v
	}
	db, err := Open(context.Background(), Options{Path: path, Migrations: migrations(two)})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), Options{Path: path, Migrations: migrations(first)}); !errors.Is(err, ErrNewer) {
		t.Fatalf("got %v, want ErrNewer", err)
	}
}
