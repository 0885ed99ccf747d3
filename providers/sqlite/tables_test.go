package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/files"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// bounds says for each table what keeps a member from growing it without end, and which test fills it to that limit.
// The tests are in this package and in providertest.
var bounds = map[string]struct{ bound, test string }{
	"workspaces":          {"Options.WorkspacesPerUser of a user, deleted ones included until their content is gone", "testTooManyWorkspaces"},
	"counters":            {"one row of a workspace", "testTooManyWorkspaces"},
	"chat_heads":          {"one row of a workspace", "testTooManyWorkspaces"},
	"storage_usage":       {"one row of a workspace", "testTooManyWorkspaces"},
	"members":             {"an operator adds members, one row of a user in a workspace", "testMembers"},
	"invites":             {"members.keptInvites of a workspace; an operator makes them", "testTooManyInvites"},
	"blocks":              {"Options.WorkspaceQuota", "TestAFullWorkspace"},
	"marks":               {"Options.WorkspaceQuota: a row of a block", "TestAFullWorkspace"},
	"pinned":              {"Options.WorkspaceQuota: it names entries", "TestAFullWorkspace"},
	"tombstones":          {"Options.WorkspaceQuota: it names entries", "TestAFullWorkspace"},
	"pins":                {"Options.WorkspaceQuota: a pin names an entry, and goes with its record", "TestAFullWorkspace"},
	"index_runs":          {"four of a level, each four times as large as the one below", "TestTheIndexForgets"},
	"index_pieces":        {"Options.WorkspaceQuota: two keys of an entry and one of each reference, until its run is merged with the oldest", "TestTheIndexForgets"},
	"waypoints":           {"Options.WorkspaceQuota: a waypoint comes and goes with its entry", "TestAFullWorkspace"},
	"kv_names":            {"Options.WorkspaceQuota: a name counts as an entry, and stays", "TestAFullWorkspace"},
	"files":               {"Options.WorkspaceQuota: a row of a winner", "TestAFullWorkspace"},
	"blob_refs":           {"Options.WorkspaceQuota: a reference takes as many bytes of its row", "TestAFullWorkspace"},
	"chat_places":         {"Options.WorkspaceQuota: the place of a message takes about as many bytes as its row", "TestAMessageInEverNewThreads"},
	"chat_threads":        {"Options.WorkspaceQuota: a row counts as an entry, and stays", "TestAMessageInEverNewThreads"},
	"blob_orphans":        {"the references of a retention; a collection forgets older ones", "TestOldOrphansAreForgotten"},
	"device_cursors":      {"changelog.MaxCursors of a user in a workspace", "TestDevicesAreBounded"},
	"upload_intents":      {"files.MaxOpenIntents and MaxHolds of a workspace", "TestIntentsAreBounded"},
	"webhooks":            {"OR3_WEBHOOKS_MAX_PER_USER of a user", "testWebhooks"},
	"webhook_deliveries":  {"OpenDeliveries and KeptDeliveries of a webhook; those of one that is gone go within a minute", "testWebhookBounds"},
	"workspace_settings":  {"or3cloud.MaxSettings of a workspace, each of MaxSettingValue at most", "testSettings"},
	"jobs":                {"jobs.Kept of a user, and as many open ones as OR3_BACKGROUND_MAX_JOBS_PER_USER", "testKeptJobs"},
	"job_parts":           {"five of a job, each with a bound of its own", "testJobRefusals"},
	"job_texts":           {"jobs.MaxText of a job, in pieces of some KiB", "testJobTexts"},
	"completions":         {"or3cloud.WaitingCompletions of a webhook, no longer than its log is kept", "testWebhookCompletionBounds"},
	"job_cancellations":   {"jobs.MaxCancellations of a user", "testJobCancellations"},
	"admin_events":        {"adminevent.KeptOfAKind of events with one name, of which there are eleven", "testAdminEventBounds"},
	"audit":               {"audit.DoneOfAKind and RefusedOfAKind of a kind of entries, of which the program knows so many; audit.Retention", "testAuditBounds"},
	"rate_windows":        {"or3cloud.MaxRateWindows", "testRateLimits"},
	"retired_generations": {"one row of a stored file, until its bytes are gone; bytes have the quota of files", "testReferences"},
}

// notAMembers are the tables that no request of a member makes grow.
var notAMembers = map[string]string{
	"goose_db_version":  "one row of a migration",
	"sqlite_sequence":   "SQLite's own",
	"users":             "one row of an account",
	"auth_accounts":     "one row of an account",
	"deployment_admins": "one row of a user; an operator grants them",
	"founder":           "one row",
	"signing_keys":      "one row of a purpose",
	"index_state":       "one row",
	"store_stamp":       "one row",
}

// TestEveryTableHasABound takes the list of tables from the schema: a new one needs a limit, and a test that fills it.
func TestEveryTableHasABound(t *testing.T) {
	s, _ := openTest(t)
	rows, err := s.engine.DB.Read.Query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	tests := testFunctions(t, ".", "../../providertest")
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		b, ok := bounds[name]
		switch {
		case notAMembers[name] != "" && !ok:
		case !ok:
			t.Errorf("the table %s has no bound: say in bounds what keeps a member from growing it, and which test fills it", name)
		case !tests[b.test]:
			t.Errorf("the table %s is bounded by %s, but there is no test %s", name, b.bound, b.test)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

var testFunction = regexp.MustCompile(`(?m)^func ([tT]est\w+)\(`)

// testFunctions returns the names of all test functions in directories.
func testFunctions(t *testing.T, dirs ...string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, dir := range dirs {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range testFunction.FindAllStringSubmatch(string(text), -1) {
				out[m[1]] = true
			}
		}
	}
	return out
}

func rowsOf(t testing.TB, s *Store, table string) (n int) {
	t.Helper()
	if err := s.engine.DB.Read.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// entriesOf returns the heads of the entries of all workspaces that were not collected.
func entriesOf(t testing.TB, s *Store) (out []entries.Entry) {
	t.Helper()
	err := s.engine.View(context.Background(), func(r *engine.Reader) error {
		for num := range int64(rowsOf(t, s, "counters")) {
			blocks := entries.Of(r).After(num+1, 0, layout.MaxVersion)
			for blocks.Next() {
				for i := range blocks.Len() {
					e, err := blocks.Entry(i)
					if err != nil {
						t.Error(err)
					}
					if blocks.Marks.Collected()&(1<<i) == 0 {
						out = append(out, entries.Entry{Entry: e, Place: entries.Place{Block: blocks.ID, Number: i}, Marks: blocks.Marks, Size: blocks.Size(i)})
					}
				}
			}
			if err := blocks.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// checkSize compares the recorded size of a workspace with the sum of its rows.
func checkSize(t testing.TB, s *Store, when string) (bytes int64) {
	t.Helper()
	var rows int64
	err := s.engine.DB.Read.QueryRow(`SELECT (SELECT bytes FROM counters), (SELECT count(*) FROM kv_names) + (SELECT count(*) FROM chat_threads)`).Scan(&bytes, &rows)
	sum := rows * changelog.EntryOverhead
	for _, e := range entriesOf(t, s) {
		sum += changelog.EntrySize(e.Size)
	}
	if err != nil || bytes != sum {
		t.Errorf("%s: the workspace is said to have %d bytes, its rows add up to %d, %v", when, bytes, sum, err)
	}
	return bytes
}

// TestAFullWorkspace writes one record, and kv rows under ever new names, until the workspace is full: an editor is
// told to wait and loses nothing, deletions work for a while longer, and a collection frees space again.
func TestAFullWorkspace(t *testing.T) {
	const quota = 256 << 10
	s, c := openTest(t, func(o *Options) { o.WorkspaceQuota = quota })
	user, ws := workspaceOf(t, s)
	n := 0
	next := func(table string, operation or3cloud.Operation, pk, payload string) or3cloud.Op {
		n++
		op := or3cloud.Op{
			Table: table, Operation: operation, PK: pk, Payload: []byte(payload),
			Stamp: or3cloud.Stamp{DeviceID: "d", OpID: fmt.Sprintf("00000000-0000-4000-8000-%012x", n), HLC: "h", Clock: int64(n)},
		}
		if operation == or3cloud.OpDelete {
			op.Payload = nil
		}
		if p := syncschema.Check(&op); p != nil {
			t.Fatal(p.Text)
		}
		return op
	}
	thread := func(pk string) or3cloud.Op {
		return next(or3cloud.TableThreads, or3cloud.OpPut, pk, fmt.Sprintf(`{"id":%q,"status":"ready","deleted":false,"pinned":false,"created_at":1,"updated_at":1,"clock":1}`, pk))
	}
	kv := func() or3cloud.Op {
		return next(or3cloud.TableKV, or3cloud.OpPut, "kv", fmt.Sprintf(`{"id":"kv","name":"name%d","created_at":1,"updated_at":1,"clock":1}`, n))
	}
	fill := func(make func() or3cloud.Op) (err error) {
		for range 10_000 {
			if _, err = pushOps(s, user, ws, make(), make(), make(), make()); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := pushOps(s, user, ws, kv(), kv(), thread("other")); err != nil {
		t.Fatal(err)
	}
	if err := fill(func() or3cloud.Op { return thread("one") }); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Fatalf("a full workspace: %v, want 503", err)
	}
	if bytes := checkSize(t, s, "full"); bytes < quota || bytes > quota+quota/20 {
		t.Errorf("%d bytes in a workspace with a quota of %d", bytes, quota)
	}
	most := quota/changelog.EntryOverhead + 4
	for _, table := range []string{"blocks", "marks", "pinned", "tombstones", "pins", "kv_names"} {
		if n := rowsOf(t, s, table); n > most {
			t.Errorf("%s has %d rows, want at most %d", table, n, most)
		}
	}
	gone := 0
	remove := func() or3cloud.Op { gone++; return next(or3cloud.TableThreads, or3cloud.OpDelete, "other", "") }
	if err := fill(remove); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable || gone < 10 {
		t.Errorf("%d deletions, then %v; want some and then a bound", gone, err)
	}
	if bytes := checkSize(t, s, "with deletions"); bytes > quota+quota/changelog.DeletionRoom+quota/20 {
		t.Errorf("deletions have made it %d bytes", bytes)
	}
	_, err := s.Pull(t.Context(), or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Limit: 10}, func(*or3cloud.Change) error { return nil })
	if err != nil {
		t.Errorf("a full workspace is read: %v", err)
	}
	c.advance(40 * 24 * time.Hour)
	in := or3cloud.SyncGCRequest{Scope: or3cloud.Scope{WorkspaceID: ws}}
	err = errors.Join(
		s.UpdateCursor(t.Context(), or3cloud.CursorUpdate{Scope: in.Scope, UserID: user, DeviceID: "d", Version: 1 << 40}),
		s.GCChangeLog(t.Context(), in), s.GCTombstones(t.Context(), in))
	if err != nil {
		t.Fatal(err)
	}
	if bytes := checkSize(t, s, "collected"); bytes > quota/4 {
		t.Errorf("%d bytes are left after a collection", bytes)
	}
	if _, err := pushOps(s, user, ws, thread("one")); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	if err := fill(kv); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Errorf("ever new names: %v, want 503", err)
	}
	checkSize(t, s, "full of names")
}

// TestTheIndexForgets writes a few records again and again, and deletes others. What is collected is dropped from the
// runs of the index as well.
func TestTheIndexForgets(t *testing.T) {
	const keys, live = 50, 40
	s, c := openTest(t, func(o *Options) { o.recentKeys = keys })
	user, ws := workspaceOf(t, s)
	n := 0
	for range 60 {
		var ops []or3cloud.Op
		for i := range live {
			n++
			op := threadOp(t, n)
			if pk := fmt.Sprintf("same-%d", i); i < live/2 {
				op.Payload = []byte(strings.ReplaceAll(string(op.Payload), op.PK, pk))
				op.PK, op.Stamp.Clock = pk, int64(n)
				op.Payload = regexp.MustCompile(`"clock":\d+`).ReplaceAll(op.Payload, fmt.Appendf(nil, `"clock":%d`, n))
			} else {
				op = or3cloud.Op{Table: op.Table, Operation: or3cloud.OpDelete, PK: fmt.Sprintf("gone-%d", n), Stamp: op.Stamp}
			}
			ops = append(ops, op)
		}
		if res, err := pushOps(s, user, ws, ops...); err != nil || !res.Results[0].Success {
			t.Fatal(res, err)
		}
		c.advance(4 * 365 * 24 * time.Hour)
		in := or3cloud.SyncGCRequest{Scope: or3cloud.Scope{WorkspaceID: ws}}
		if err := s.UpdateCursor(t.Context(), or3cloud.CursorUpdate{Scope: in.Scope, UserID: user, DeviceID: "d", Version: int64(n)}); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.GCChangeLog(t.Context(), in), s.GCTombstones(t.Context(), in)); err != nil {
			t.Fatal(err)
		}
	}
	var entries, runs int
	err := s.engine.DB.Read.QueryRow("SELECT coalesce(sum(entries), 0), count(*) FROM index_runs").Scan(&entries, &runs)
	if most := 16 * 4 * live; err != nil || entries == 0 || entries > most || len(entriesOf(t, s)) > 2*live {
		t.Errorf("%d keys in %d runs, %v, want at most %d; %d entries after %d ops", entries, runs, err, most, len(entriesOf(t, s)), n)
	}
}

// TestDevicesAreBounded reports more devices than are remembered for a user.
func TestDevicesAreBounded(t *testing.T) {
	s, c := openTest(t)
	user, ws := workspaceOf(t, s)
	report := func(device string) {
		err := s.UpdateCursor(t.Context(), or3cloud.CursorUpdate{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, DeviceID: device})
		if err != nil {
			t.Fatal(err)
		}
		c.advance(time.Second)
	}
	for i := range changelog.MaxCursors {
		report(fmt.Sprint("d", i))
	}
	c.advance(time.Hour)
	report("d0")
	for i := range changelog.MaxCursors / 2 {
		report(fmt.Sprint("new", i))
	}
	if n := rowsOf(t, s, "device_cursors"); n != changelog.MaxCursors {
		t.Errorf("%d cursors, want %d", n, changelog.MaxCursors)
	}
	for device, want := range map[string]int{"d0": 1, "d1": 0, "d99": 1, "new0": 1} {
		if n := rowsOf(t, s, fmt.Sprintf("device_cursors WHERE device = '%s'", device)); n != want {
			t.Errorf("%s: %d rows, want %d: the one that was silent the longest goes first", device, n, want)
		}
	}
}

// TestIntentsAreBounded begins more uploads than a workspace may have open, and commits more than may wait for a row.
func TestIntentsAreBounded(t *testing.T) {
	s, c := openTest(t)
	user, ws := workspaceOf(t, s)
	intent := func(n int) or3cloud.UploadIntent {
		return or3cloud.UploadIntent{
			ID: fmt.Sprint("i", n), WorkspaceID: ws, UserID: user, Hash: or3cloud.BlobHash(fmt.Sprintf("sha256:%064x", n)), SizeBytes: 1,
			ExpiresAt: c.now().Add(time.Hour + time.Duration(n)*time.Second),
		}
	}
	for n := range files.MaxOpenIntents {
		if err := s.ReserveUploadIntent(t.Context(), intent(n)); err != nil {
			t.Fatal(err)
		}
	}
	var e *or3cloud.Error
	again := intent(0)
	again.ID = "another"
	for _, in := range []or3cloud.UploadIntent{intent(files.MaxOpenIntents), again} {
		if err := s.ReserveUploadIntent(t.Context(), in); !errors.As(err, &e) || e.Code != or3cloud.CodeRateLimited || e.RetryAfter <= 0 {
			t.Errorf("one more: %v", err)
		}
	}
	var all sync.WaitGroup
	for n := range files.MaxHolds + 100 {
		all.Go(func() {
			if err := s.ConsumeUploadIntent(t.Context(), intent(n)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := rowsOf(t, s, "upload_intents"); n != files.MaxHolds {
		t.Errorf("%d intents, want %d holds", n, files.MaxHolds)
	}
}

// TestPromisesOfAUserAreBounded begins uploads into several workspaces of a user with a quota: what the writer adds up
// is limited.
func TestPromisesOfAUserAreBounded(t *testing.T) {
	s, c := openTest(t)
	user, ws := workspaceOf(t, s)
	workspaces := []string{ws}
	for len(workspaces) < files.MaxPromises/files.MaxOpenIntents+1 {
		another, err := s.CreateWorkspace(t.Context(), user, "another", "")
		if err != nil {
			t.Fatal(err)
		}
		workspaces = append(workspaces, another)
	}
	reserve := func(n int) error {
		return s.ReserveUploadIntent(t.Context(), or3cloud.UploadIntent{
			ID: fmt.Sprint("i", n), WorkspaceID: workspaces[n%len(workspaces)], UserID: user, SizeBytes: 1, ExpiresAt: c.now().Add(time.Hour),
			Hash: or3cloud.BlobHash(fmt.Sprintf("sha256:%064x", n)), Quota: or3cloud.StorageQuota{UserBytes: 1 << 40},
		})
	}
	var all sync.WaitGroup
	for n := range files.MaxPromises {
		all.Go(func() {
			if err := reserve(n); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var e *or3cloud.Error
	if err := reserve(files.MaxPromises); !errors.As(err, &e) || e.Code != or3cloud.CodeRateLimited || e.RetryAfter <= 0 {
		t.Errorf("one more: %v", err)
	}
	c.advance(2 * time.Hour) // those of other workspaces end as well
	if err := reserve(files.MaxPromises + 1); err != nil {
		t.Errorf("after their end: %v", err)
	}
	if n := rowsOf(t, s, "upload_intents"); n != 1 {
		t.Errorf("%d intents are kept, want 1", n)
	}
}

// TestOldOrphansAreForgotten lets references come and go: when each was lost is known for as long as a claim needs it.
func TestOldOrphansAreForgotten(t *testing.T) {
	s, c := openTest(t)
	user, ws := workspaceOf(t, s)
	for n := range 3 {
		op := or3cloud.Op{
			Table: or3cloud.TableMessages, Operation: or3cloud.OpPut, PK: "m",
			Payload: fmt.Appendf(nil, `{"id":"m","thread_id":"t","role":"user","order_key":"k","index":0,"deleted":false,"created_at":1,"updated_at":1,"clock":%d,"file_hashes":"[\"sha256:%064x\"]"}`, n, n),
			Stamp:   or3cloud.Stamp{DeviceID: "d", OpID: fmt.Sprintf("00000000-0000-4000-8000-%012x", n), HLC: "h", Clock: int64(n)},
		}
		if p := syncschema.Check(&op); p != nil {
			t.Fatal(p.Text)
		}
		if _, err := pushOps(s, user, ws, op); err != nil {
			t.Fatal(err)
		}
	}
	in := or3cloud.SyncGCRequest{Scope: or3cloud.Scope{WorkspaceID: ws}}
	for _, want := range []int{2, 0} {
		if err := s.GCChangeLog(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		if n := rowsOf(t, s, "blob_orphans"); n != want {
			t.Errorf("%d orphans, want %d", n, want)
		}
		c.advance(400 * 24 * time.Hour)
	}
}
