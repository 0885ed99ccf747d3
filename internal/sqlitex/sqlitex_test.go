package sqlitex

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ncruces/go-sqlite3"
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

// TestOpeningCommitsNothing checks this because one more fsync per connection would dominate the time of a start.
func TestOpeningCommitsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db.sqlite")
	for start := range 3 {
		db, err := Open(context.Background(), Options{Path: path, Migrations: migrations(first)})
		if err != nil {
			t.Fatal(err)
		}
		c, err := db.Conn(false)
		if err != nil {
			t.Fatal(err)
		}
		if log, err := os.Stat(path + "-wal"); err != nil || start > 0 && log.Size() != 0 {
			t.Errorf("the write-ahead log has %d bytes behind connections that have written nothing, %v", log.Size(), err)
		}
		var mode int
		if err := db.Read.QueryRow("PRAGMA auto_vacuum").Scan(&mode); err != nil || mode != 2 {
			t.Errorf("auto_vacuum is %d, %v; want 2, which gives free pages back in steps", mode, err)
		}
		if err := errors.Join(c.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
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

func TestOldLibrariesAreRefused(t *testing.T) {
	for version, ok := range map[string]bool{
		"3.51.3": true, "3.51.10": true, "3.52.0": true, "4.0": true, "3.51.2": false, "3.46.1": false, "3.51": false, "2.8.17": false, "": false,
	} {
		if err := checkVersion(version); (err == nil) != ok {
			t.Errorf("%q: %v", version, err)
		}
	}
	if err := checkVersion("3.51.2"); !strings.Contains(err.Error(), "this build links SQLite 3.51.2") || !strings.Contains(err.Error(), "needs at least 3.51.3") {
		t.Error(err)
	}
}

func TestIsFatal(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{nil, false}, {errors.New("other"), false}, {sqlite3.BUSY, false}, {sqlite3.FULL, false},
		{sqlite3.IOERR_FSYNC, true}, {sqlite3.IOERR_READ, true}, {sqlite3.IOERR, true},
		{sqlite3.IOERR_SHMSIZE, false}, {sqlite3.IOERR_LOCK, false},
		{sqlite3.IOERR_WRITE, false},
		{Translate(sqlite3.IOERR_FSYNC), true},
	} {
		if got := IsFatal(tc.err); got != tc.want {
			t.Errorf("%v: %v", tc.err, got)
		}
	}
}

// TestWhatWasLeftInTheLogIsSettled checks that a process does not append to the log that a killed process left behind.
func TestWhatWasLeftInTheLogIsSettled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db.sqlite")
	killed, err := Open(context.Background(), Options{Path: path, Migrations: migrations(first)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := killed.Write.Exec("INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "db.sqlite")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil || len(data) == 0 {
			t.Fatalf("%s: %d bytes, %v", suffix, len(data), err)
		}
		if err := os.WriteFile(copied+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := killed.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := Open(context.Background(), Options{Path: copied, Migrations: migrations(first)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if info, err := os.Stat(copied + "-wal"); err != nil || info.Size() != 0 {
		t.Errorf("the log still has %d bytes, %v", info.Size(), err)
	}
	var n int
	if err := db.Read.QueryRow("SELECT count(*) FROM t").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
}
