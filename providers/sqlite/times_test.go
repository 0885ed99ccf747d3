package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/datadir"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
)

// TestEveryStoredTimeSaysHowItIsBelieved: each column of the schema that holds a time has a row in storedTimes.
func TestEveryStoredTimeSaysHowItIsBelieved(t *testing.T) {
	s, _ := openTest(t)
	known := map[string]bool{}
	for _, c := range storedTimes {
		known[c.table+"."+c.column] = true
	}
	rows, err := s.engine.DB.Read.Query(`SELECT m.name || '.' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'goose_db_version'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	seen := 0
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		_, column, _ := strings.Cut(name, ".")
		if column != "at" && column != "since" && column != "until" && !strings.HasSuffix(column, "_at") && !strings.HasSuffix(column, "_until") {
			continue
		}
		seen++
		if !known[name] {
			t.Errorf("%s is not in storedTimes: say how it is believed when the clock was ahead", name)
		}
	}
	if err := rows.Err(); err != nil || seen != len(storedTimes) {
		t.Errorf("%d columns with times, %d in storedTimes, %v", seen, len(storedTimes), err)
	}
}

// TestTimesInTheFutureAreTakenForNow, in every column that something depends on, and this is logged at the start.
func TestTimesInTheFutureAreTakenForNow(t *testing.T) {
	dir, err := datadir.Open(filepath.Join(t.TempDir(), "data"), datadir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	path := filepath.Join(dir.Path(), "sync.sqlite")
	var c *clock
	open := func() *Store {
		s, clock := openTest(t, func(o *Options) {
			o.Path, o.Stores = path, dir
			if c != nil {
				o.Now = c.now
			}
		})
		if c == nil {
			c = clock
		}
		return s
	}
	s := open()
	const years = 5 * 365 * 24 * time.Hour
	c.advance(years)
	user, ws := workspaceOf(t, s)
	if _, err := pushOps(s, user, ws, threadOp(t, 1)); err != nil {
		t.Fatal(err)
	}
	if err := s.UpdateCursor(t.Context(), or3cloud.CursorUpdate{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, DeviceID: "d", Version: 1}); err != nil {
		t.Fatal(err)
	}
	at := c.now().UnixMilli()
	for _, text := range []string{
		"INSERT INTO pinned (id, replaced_by, at) VALUES (77, 78, %[1]d)",
		"INSERT INTO blob_orphans VALUES (1, 'd', %[1]d)",
		"INSERT INTO retired_generations VALUES (1, 'h', 'g', %[1]d)",
		"INSERT INTO upload_intents VALUES (1, 'd', 'i', 1, %[1]d + 3600000)",
		"INSERT INTO invites (id, workspace, email, role, token_hash, expires_at, created_at, updated_at) VALUES ('i', 1, 'e', 'editor', 't', %[1]d + 3600000, %[1]d, %[1]d)",
		"UPDATE workspaces SET deleted_at = %[1]d",
		"INSERT INTO webhooks VALUES (1, 'h', 'admin', NULL, NULL, 'u', '', '[]', '[]', x'00', 1, 0, %[1]d, %[1]d, %[1]d)",
		"INSERT INTO jobs VALUES (1, 'j', 'u', 'w', 't', 'm', 'm', 'chat', 'streaming', 0, %[1]d, 0, '', '', '', '', '', 1, 'w', %[1]d, %[1]d, 1, 1, 0, 0, '', 'c', 'd', 't', %[1]d, 0)",
		"INSERT INTO completions VALUES (1, 1, %[1]d, 't', 'm', 'm', 'j')",
		"INSERT INTO job_cancellations VALUES ('u', 'a', %[1]d)",
		"INSERT INTO admin_events VALUES (1, 'e', %[1]d, '', '{}')",
		"INSERT INTO audit VALUES (1, %[1]d, 'operator', '', '', 'a.b', '', '', '', '[]', '', '', '', 1)",
		"INSERT INTO webhook_deliveries VALUES (1, 'd', 1, 'e', 'e', 1, 'in_flight', 'w', %[1]d, %[1]d + 3600000, %[1]d, 0, '', 0, '', x'')",
	} {
		if err := s.engine.Outside(t.Context(), fmt.Sprintf(text, at)); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c.advance(-years)
	s = open()
	if !s.engine.DB.Behind {
		t.Error("that the clock is behind the newest time was not noticed")
	}
	if n, future := futureOf(t, s, c); n != 1 || future != 0 {
		t.Errorf("%d entries of the log, %d of the future", n, future)
	}
	for _, column := range storedTimes {
		if column.shown != "" {
			continue
		}
		latest := c.now().Add(time.Minute)
		if column.life != nil {
			latest = latest.Add(column.life(s))
		}
		if column.from != "" {
			latest = latest.Add(time.Hour)
		}
		var n, future int
		err := s.engine.DB.Read.QueryRow(fmt.Sprintf("SELECT count(*), count(CASE WHEN %s > %d THEN 1 END) FROM %s", column.column, latest.UnixMilli(), column.table)).Scan(&n, &future)
		if err != nil || n == 0 || future > 0 {
			t.Errorf("%s.%s: %d rows, %d of the future, %v", column.table, column.column, n, future, err)
		}
	}
}

// TestLogOfTheFutureIsCorrectedAfterRestarts: entries written with the right clock hide at the start that it was ahead,
// and a process that ends before its next maintenance has not corrected the log. Deletions must not wait.
func TestLogOfTheFutureIsCorrectedAfterRestarts(t *testing.T) {
	dir, err := datadir.Open(filepath.Join(t.TempDir(), "data"), datadir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	path := filepath.Join(dir.Path(), "sync.sqlite")
	s, c := openTest(t, func(o *Options) { o.Path, o.Stores = path, dir })
	const years = 5 * 365 * 24 * time.Hour
	user, ws := workspaceOf(t, s)
	c.advance(years)
	deletion := threadOp(t, 1)
	deletion.Operation, deletion.Payload, deletion.Facts = or3cloud.OpDelete, nil, or3cloud.PayloadFacts{Deleted: true}
	if _, err := pushOps(s, user, ws, deletion); err != nil {
		t.Fatal(err)
	}
	c.advance(-years)
	if _, err := pushOps(s, user, ws, threadOp(t, 2)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ = openTest(t, func(o *Options) { o.Path, o.Stores, o.Now = path, dir, c.now })
	m := &maintenance{s: s}
	if err := m.pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, future := futureOf(t, s, c); n != 2 || future != 0 {
		t.Errorf("%d entries, %d of the future", n, future)
	}
}

// futureOf returns how many entries there are, and how many of them are in the future.
func futureOf(t *testing.T, s *Store, c *clock) (n, future int) {
	t.Helper()
	for _, e := range entriesOf(t, s) {
		if n++; e.At > c.now().Add(time.Minute).UnixMilli() {
			future++
		}
	}
	return n, future
}

// TestALogOfTheFutureDelaysNothing replaces an entry while the clock is years ahead. When it is right again, the
// collector notices where it stands, and what was replaced is removed after the retention.
func TestALogOfTheFutureDelaysNothing(t *testing.T) {
	s, c := openTest(t, func(o *Options) { o.Retention = changelog.MinRetention })
	user, ws := workspaceOf(t, s)
	push := func(n, clock int) {
		t.Helper()
		op := threadOp(t, 1)
		op.Stamp.OpID, op.Stamp.Clock = fmt.Sprintf("00000000-0000-4000-8000-%012x", n), int64(clock)
		if _, err := pushOps(s, user, ws, op); err != nil {
			t.Fatal(err)
		}
	}
	const years = 5 * 365 * 24 * time.Hour
	push(1, 1)
	c.advance(years)
	for n := range 200 {
		push(2+n, 2+n)
	}
	c.advance(-years)
	m := &maintenance{s: s}
	for range 4 {
		err := s.UpdateCursor(t.Context(), or3cloud.CursorUpdate{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, DeviceID: "d", Version: 201})
		if err == nil {
			err = m.pass(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		c.advance(3 * time.Hour)
	}
	if n, future := futureOf(t, s, c); n != 1 || future != 0 {
		t.Errorf("%d entries, %d of the future; want the winner alone", n, future)
	}
}
