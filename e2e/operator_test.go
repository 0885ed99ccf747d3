package e2e

import (
	"crypto/rand"
	"database/sql"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3/driver"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite"
)

// setRole gives a user a role in a workspace of a stopped server.
func setRole(t testing.TB, s *server, workspaceID, userID string, role or3cloud.Role) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: s.database("sync"), Log: slog.New(slog.DiscardHandler), Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.SetMemberRole(t.Context(), workspaceID, userID, role); err != nil {
		t.Fatal(err)
	}
}

// database returns the path of the database whose name contains a text.
func (s *server) database(name string) string {
	s.t.Helper()
	for file := range s.files() {
		if strings.HasSuffix(file, ".sqlite") && strings.Contains(filepath.Base(file), name) {
			return filepath.Join(s.data, file)
		}
	}
	s.t.Fatalf("no database %q among %v", name, s.files())
	return ""
}

// openDatabase opens a database for reading, as an operator's tool does. The server may be running.
func openDatabase(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := driver.Open("file:" + path + "?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// rowCounts counts the rows of every table of a database.
func rowCounts(t testing.TB, path string) map[string]int {
	t.Helper()
	db := openDatabase(t, path)
	defer db.Close()
	rows, err := db.Query("SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	counts := map[string]int{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		counts[name] = 0
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for name := range counts {
		var n int
		if err := db.QueryRow(`SELECT count(*) FROM "` + name + `"`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		counts[name] = n
	}
	return counts
}

// checkIntegrity makes SQLite check a database.
func checkIntegrity(t testing.TB, path string) {
	t.Helper()
	db := openDatabase(t, path)
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity of %s: %s %v", filepath.Base(path), verdict, err)
	}
}
