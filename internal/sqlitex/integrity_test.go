package sqlitex

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
)

// filledDatabase creates a closed database with distinct rows, and returns its path.
func filledDatabase(t *testing.T, rows int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db.sqlite")
	db, err := Open(t.Context(), Options{Path: path, Migrations: rowsTable})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Write.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if _, err := tx.Exec("INSERT INTO r VALUES (?, ?)", i, row(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tx.Commit(), db.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

var rowsTable = migrations(map[string]string{"00001_rows.sql": "CREATE TABLE r (id INTEGER PRIMARY KEY, body BLOB) STRICT; CREATE INDEX r_body ON r (body);"})

// row returns the body of a row. Some are longer than a page.
func row(i int) []byte {
	return fmt.Appendf(nil, "%0*d", 20+i%7*1500, i)
}

// checkAll runs a whole check and returns its faults.
func checkAll(t *testing.T, db *DB) (faults []or3cloud.DatabaseFault) {
	t.Helper()
	for after := ""; ; {
		out, err := db.Check(t.Context(), after, 0)
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, out.Faults...)
		if after = out.Next; after == "" {
			return faults
		}
	}
}

// TestRandomDamage checks that, whatever bytes of a database the disk changes, a check finds it and no read returns
// anything but what was written.
func TestRandomDamage(t *testing.T) {
	const rows = 300
	original, err := os.ReadFile(filledDatabase(t, rows))
	if err != nil {
		t.Fatal(err)
	}
	const size = 4096
	random := mathrand.New(mathrand.NewPCG(7, 7))
	opened := 0
	for round := range 30 {
		damaged := append([]byte{}, original...)
		for range 1 + random.IntN(3) {
			page := damaged[random.IntN(len(damaged)/size)*size:][:size]
			switch round % 3 {
			case 0:
				_, _ = rand.Read(page)
			case 1: // a sector
				_, _ = rand.Read(page[random.IntN(8)*512:][:512])
			default: // a bit
				page[random.IntN(size)] ^= 1 << random.IntN(8)
			}
		}
		path := filepath.Join(t.TempDir(), "db.sqlite")
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := Open(t.Context(), Options{Path: path, Migrations: rowsTable, Identity: &Identity{Log: slog.New(slog.DiscardHandler)}})
		if err != nil {
			continue // reported at the start
		}
		opened++
		if faults := checkAll(t, db); len(faults) == 0 {
			t.Errorf("round %d: nothing was found", round)
		}
		for i := range rows {
			var body []byte
			if err := db.Read.QueryRow("SELECT body FROM r WHERE id = ?", i).Scan(&body); err == nil && string(body) != string(row(i)) {
				t.Errorf("round %d: row %d came back as %.40q", round, i, body)
			} else if err != nil && !IsDamage(err) {
				t.Errorf("round %d: row %d: %v", round, i, err)
			}
		}
		db.Close()
	}
	if opened < 10 {
		t.Errorf("only %d of the damaged databases were looked into", opened)
	}
}

// TestMisplacedPagesAreFound checks a page that was written to the place of another, and so has a valid checksum.
func TestMisplacedPagesAreFound(t *testing.T) {
	path := filledDatabase(t, 300)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := len(b) / 4096
	copy(b[n/2*4096:][:4096], b[n/3*4096:][:4096])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), Options{Path: path, Migrations: rowsTable})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if faults := checkAll(t, db); len(faults) == 0 {
		t.Error("nothing was found")
	}
}

// TestSoundDatabasesHaveNoFaults checks databases that are being written and checkpointed, too.
func TestSoundDatabasesHaveNoFaults(t *testing.T) {
	path := filledDatabase(t, 300)
	db, err := Open(t.Context(), Options{Path: path, Migrations: rowsTable})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			_, err := db.Write.Exec("UPDATE r SET body = ? WHERE id = ?", row(i+1), i%300)
			if err == nil && i%10 == 0 {
				_, err = db.Write.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	for range 5 {
		if faults := checkAll(t, db); len(faults) != 0 {
			t.Errorf("%+v", faults)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestChecksumsAreAddedOnce checks that a database from before checksums existed gets them once and keeps its rows.
func TestChecksumsAreAddedOnce(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain.sqlite")
	c, err := sqlite3.Open(plain)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Exec("CREATE TABLE old (id INTEGER PRIMARY KEY); " +
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) INSERT INTO old SELECT i FROM n")
	if err := errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	header := func() byte {
		b, err := os.ReadFile(plain)
		if err != nil {
			t.Fatal(err)
		}
		return b[20]
	}
	if header() != 0 {
		t.Fatal("the database has checksums already")
	}
	for range 2 {
		db, err := Open(t.Context(), Options{Path: plain, Migrations: rowsTable})
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if err := db.Read.QueryRow("SELECT count(*) FROM old").Scan(&n); err != nil || n != 50 {
			t.Errorf("%d rows, %v", n, err)
		}
		if faults := checkAll(t, db); len(faults) != 0 {
			t.Errorf("%+v", faults)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if header() != checksumSize {
			t.Error("no checksums were added")
		}
	}
}

// TestTheWatchReportsDamage checks that damage is reported once in the log and in the state, with the workspace whose
// rows are affected.
func TestTheWatchReportsDamage(t *testing.T) {
	path := filledDatabase(t, 300)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, _ := f.Stat()
	if _, err := f.WriteAt(make([]byte, 4000), info.Size()/2/4096*4096); err != nil {
		t.Fatal(err)
	}
	f.Close()
	log := &countingHandler{}
	db, err := Open(t.Context(), Options{Path: path, Migrations: rowsTable})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := StartWatch(db, slog.New(log), time.Now, func(context.Context) ([]or3cloud.DatabaseFault, error) {
		return []or3cloud.DatabaseFault{{Database: path, WorkspaceID: "w1", Fault: "rows cannot be read"}}, nil
	})
	w.Close() // this test makes the passes
	w.pass(t.Context())
	first := log.errors
	w.pass(t.Context())
	s := w.State()
	if s.State != or3cloud.DatabaseDamaged || s.Faults == 0 || s.DamagedWorkspaces != 1 || s.LastPass == 0 {
		t.Errorf("state %+v", s)
	}
	if first == 0 || log.errors != first {
		t.Errorf("%d errors after the first pass, %d after the second", first, log.errors)
	}
}

// countingHandler counts log records at error level.
type countingHandler struct{ errors int }

func (h *countingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *countingHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		h.errors++
	}
	return nil
}
func (h *countingHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *countingHandler) WithGroup(string) slog.Handler      { return h }
