package sqlite

import (
	"io/fs"
	"path/filepath"
	"testing"
	"testing/fstest"

	"or3.chat/cloud/internal/sqlitex"
)

// migrationsBefore are those that the program had before a migration.
func migrationsBefore(t testing.TB, migration string) fs.FS {
	t.Helper()
	older := fstest.MapFS{}
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if base := filepath.Base(name); base < migration {
			body, err := migrationFiles.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			older[base] = &fstest.MapFile{Data: body}
		}
	}
	return older
}

// openBefore makes a database as the program did before a migration, and fills it with rows.
func openBefore(t *testing.T, migration string, rows string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "sync.sqlite")
	d, err := sqlitex.Open(t.Context(), sqlitex.Options{Path: path, Migrations: migrationsBefore(t, migration)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write.Exec(rows); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCursorsFromBeforeKeepHoldingBack upgrades a database in which cursors had no user. That of a lone member becomes
// theirs; where it could belong to several, it stays and no one moves it.
func TestCursorsFromBeforeKeepHoldingBack(t *testing.T) {
	path := openBefore(t, "00003", `
		INSERT INTO users (id, created_at) VALUES ('ann', 1), ('bob', 1);
		INSERT INTO workspaces (num, id, name, created_at) VALUES (1, 'alone', 'A', 1), (2, 'shared', 'S', 1);
		INSERT INTO counters (workspace, version) VALUES (1, 9), (2, 9);
		INSERT INTO members (user_id, workspace, role, created_at)
		VALUES ('ann', 1, 'owner', 1), ('ann', 2, 'owner', 2), ('bob', 2, 'viewer', 3);
		INSERT INTO device_cursors (workspace, device, version, updated_at) VALUES (1, 'd', 3, 5), (2, 'd', 4, 6);
		INSERT INTO log (id, tbl, op, prev, clock, at, pk, op_id, hlc, device, payload)
		VALUES ((1 << 43) + 1, 7, 0, 0, 1, 1, x'0102', x'03', 'h', 'd', x'040506'), ((2 << 43) + 1, 7, 1, 0, 1, 1, x'01', x'03', 'h', 'd', NULL);
		INSERT INTO kv_names (workspace, name, pk) VALUES (2, x'01', x'02');`)
	s, _ := openTest(t, func(o *Options) { o.Path = path })
	want := map[string]int64{"1 ann d": 3, "2  d": 4}
	rows, err := s.engine.DB.Read.Query("SELECT workspace || ' ' || user_id || ' ' || device, version FROM device_cursors")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got := map[string]int64{}
	for rows.Next() {
		var key string
		var version int64
		if err := rows.Scan(&key, &version); err != nil {
			t.Fatal(err)
		}
		got[key] = version
	}
	if len(got) != len(want) || got["1 ann d"] != 3 || got["2  d"] != 4 {
		t.Errorf("cursors %v, want %v", got, want)
	}
	newOlder("ann").sizes(t, s)
	for num := range 2 {
		var by string
		err := s.engine.DB.Read.QueryRow("SELECT created_by FROM workspaces WHERE num = ?", num+1).Scan(&by)
		if err != nil || by != "ann" {
			t.Errorf("workspace %d: made by %q, %v", num+1, by, err)
		}
	}
}
