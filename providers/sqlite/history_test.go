package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/syncrule"
)

// turn announces the answer a to the question u in the thread t.
func turn(user, ws, generation string) or3cloud.ChatGeneration {
	record := func(id, more string) []byte {
		return fmt.Appendf(nil, `{"id":%q,"deleted":false,"created_at":1,"updated_at":1,"clock":1,%s}`, id, more)
	}
	message := func(id, role string, index int) []byte {
		return record(id, fmt.Sprintf(`"thread_id":"t","role":%q,"order_key":"k","index":%d,"pending":true,"data":{"content":""}`, role, index))
	}
	return or3cloud.ChatGeneration{
		Kind: or3cloud.NewTurn, WorkspaceID: ws, UserID: user, AdmissionID: "x", GenerationID: generation, ThreadID: "t", MessageID: "a",
		Thread: record("t", `"status":"ready","pinned":false`), UserMessage: message("u", "user", 1), AssistantMessage: message("a", "assistant", 2),
	}
}

func complete(text string) or3cloud.GenerationSnapshot {
	quoted, _ := json.Marshal(text)
	return or3cloud.GenerationSnapshot{Status: or3cloud.GenerationComplete, Content: quoted, CompletedAt: time.UnixMilli(1)}
}

// idsOf returns the ids of the messages of a thread, in their order.
func idsOf(t testing.TB, s *Store, user, ws, thread string) (ids []string) {
	t.Helper()
	q := or3cloud.ChatQuery{WorkspaceID: ws, UserID: user, Kind: or3cloud.ChatThreadPage, ThreadID: thread, Limit: 100}
	_, err := s.ReadChatHistory(t.Context(), q, func(message []byte) error {
		var row struct{ ID string }
		err := json.Unmarshal(message, &row)
		ids = append(ids, row.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// execute changes rows without the provider's packages.
func execute(t testing.TB, s *Store, statement string) {
	t.Helper()
	err := s.engine.Do(t.Context(), func(_ context.Context, tx *engine.Tx) error { return tx.C.Exec(statement) })
	if err != nil {
		t.Fatal(err)
	}
}

// TestGenerationsOutliveTheProcess ends the process between the stages of a generation: the next process goes on, and
// reports what was done.
func TestGenerationsOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sync.sqlite")
	again := func() *Store {
		s, _ := openTest(t, func(o *Options) { o.Path = path })
		return s
	}
	s := again()
	user, ws := workspaceOf(t, s)
	g := turn(user, ws, "g")
	for _, c := range []struct {
		stage string
		do    func() (or3cloud.GenerationReceipt, error)
		want  or3cloud.GenerationReceipt
	}{
		{"admission", func() (or3cloud.GenerationReceipt, error) { return s.AdmitChatGeneration(t.Context(), g) }, or3cloud.GenerationReceipt{ServerVersion: 3}},
		{"admission, again", func() (or3cloud.GenerationReceipt, error) { return s.AdmitChatGeneration(t.Context(), g) }, or3cloud.GenerationReceipt{ServerVersion: 3, Replayed: true}},
		{"end", func() (or3cloud.GenerationReceipt, error) {
			return s.FinalizeChatGeneration(t.Context(), g, complete("done"))
		}, or3cloud.GenerationReceipt{ServerVersion: 4}},
		{"end, again", func() (or3cloud.GenerationReceipt, error) {
			return s.FinalizeChatGeneration(t.Context(), g, complete("done"))
		}, or3cloud.GenerationReceipt{ServerVersion: 4, Replayed: true}},
	} {
		if r, err := c.do(); err != nil || r != c.want {
			t.Fatalf("%s: %+v, %v; want %+v", c.stage, r, err, c.want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = again()
	}
	if ids := idsOf(t, s, user, ws, "t"); !slices.Equal(ids, []string{"u", "a"}) {
		t.Errorf("messages %v", ids)
	}
}

// TestGenerationsThatFindNoRoom are refused as a whole, with a temporary error, and succeed once there is room.
func TestGenerationsThatFindNoRoom(t *testing.T) {
	full := true
	s, _ := openTest(t, func(o *Options) { o.Full = func() bool { return full } })
	user, ws := workspaceOf(t, s)
	g := turn(user, ws, "g")
	refused := func(what string) func(or3cloud.GenerationReceipt, error) {
		return func(r or3cloud.GenerationReceipt, err error) {
			t.Helper()
			if or3cloud.CodeOf(err) != or3cloud.CodeUnavailable || r != (or3cloud.GenerationReceipt{}) || rowsOf(t, s, "blocks") != 0 {
				t.Errorf("%s: %+v, %v", what, r, err)
			}
			if text := strings.ToLower(err.Error()); strings.Contains(text, "invalid") || strings.Contains(text, "conflict") {
				t.Errorf("%s: a host gives up after %q", what, text)
			}
		}
	}
	refused("a full disk")(s.AdmitChatGeneration(t.Context(), g))
	full = false
	for range 2 {
		if r, err := s.AdmitChatGeneration(t.Context(), g); err != nil || r.ServerVersion != 3 {
			t.Fatal(r, err)
		}
		full = true // what exists already needs none
	}

	s, _ = openTest(t, func(o *Options) { o.WorkspaceQuota = 1 })
	user, ws = workspaceOf(t, s)
	if _, err := pushOps(s, user, ws); err != nil {
		t.Fatal(err)
	}
	execute(t, s, "UPDATE counters SET bytes = 1")
	refused("a full workspace")(s.AdmitChatGeneration(t.Context(), turn(user, ws, "g")))
}

// TestChatsFromBefore upgrades a database that does not know where messages are, with rows that no client could have
// sent.
func TestChatsFromBefore(t *testing.T) {
	rows := `
		INSERT INTO users (id, created_at) VALUES ('ann', 1);
		INSERT INTO workspaces (num, id, name, created_at) VALUES (1, 'w', 'A', 1);
		INSERT INTO counters (workspace, version, bytes) VALUES (1, 99, 0);
		INSERT INTO members (user_id, workspace, role, created_at) VALUES ('ann', 1, 'owner', 1);`
	version := 0
	add := func(table int, pk string, state int, payload string) {
		version++
		rows += fmt.Sprintf(`
			INSERT INTO log (id, tbl, op, prev, clock, at, pk, op_id, hlc, device, payload) VALUES ((1 << 43) + %[1]d, %[2]d, %[3]d / 2, 0, 1, 1, x'00%[4]x', x'00%02[1]x', 'h', 'd', %[5]s);
			INSERT INTO records (workspace, tbl, pk, version, clock, hlc, op_id, state) VALUES (1, %[2]d, x'%[4]x', %[1]d, 1, 'h', x'00%02[1]x', %[3]d);`,
			version, table, state, pk, payload)
	}
	message := func(id, thread string, index, order string) string {
		return fmt.Sprintf(`CAST('{"id":"%s","thread_id":"%s","index":%s,"order_key":"%s","role":"user","data":"\ud83d"}' AS BLOB)`, id, thread, index, order)
	}
	add(3, "second", 0, message("second", "t", "1.5", "k"))
	add(3, "first", 1, message("first", "t", "-1000", "z"))
	add(3, "third", 0, message("third", "t", "1.5", "ka"))
	add(3, "gone", 2, "NULL")
	add(3, "bare", 0, "NULL")
	add(3, "broken", 0, "CAST('{' AS BLOB)")
	add(3, "deep", 0, "CAST('"+`{"id":"deep","data":`+strings.Repeat("[", 3000)+strings.Repeat("]", 3000)+"}' AS BLOB)")
	add(3, "elsewhere", 0, message("elsewhere", "u", "1", "k"))
	add(5, "post", 0, message("post", "t", "1", "k"))
	path := openBefore(t, "00007", rows)
	s, _ := openTest(t, func(o *Options) { o.Path = path })
	if ids := idsOf(t, s, "ann", "w", "t"); !slices.Equal(ids, []string{"first", "second", "third"}) {
		t.Errorf("messages %v", ids)
	}
	if threads := rowsOf(t, s, "chat_threads"); threads != 3 {
		t.Errorf("%d threads", threads) // t, u, and the thread of the rows that cannot be read
	}
	checkSize(t, s, "with chats from before")
	q := or3cloud.ChatQuery{WorkspaceID: "w", UserID: "ann", Kind: or3cloud.ChatThread, ThreadID: "t"}
	if page, err := s.ReadChatHistory(t.Context(), q, nil); err != nil || page.Revision != "3" {
		t.Errorf("%+v, %v", page, err)
	}
	op := or3cloud.Op{
		Table: or3cloud.TableMessages, Operation: or3cloud.OpPut, PK: "second",
		Payload: []byte(`{"id":"second","thread_id":"t","index":7,"order_key":"k","role":"user","deleted":false,"created_at":1,"updated_at":1,"clock":2}`),
		Stamp:   or3cloud.Stamp{DeviceID: "d", OpID: "00000000-0000-4000-8000-000000000001", HLC: "h", Clock: 2},
	}
	if p := syncschema.Check(&op); p != nil {
		t.Fatal(p.Text)
	}
	if _, err := pushOps(s, "ann", "w", op); err != nil {
		t.Fatal(err)
	}
	if ids := idsOf(t, s, "ann", "w", "t"); !slices.Equal(ids, []string{"first", "third", "second"}) {
		t.Errorf("messages %v after an edit", ids)
	}
}

// TestRowsThatNoClientTakes, from before ops were checked, are left out of chats.
func TestRowsThatNoClientTakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sync.sqlite")
	s, _ := openTest(t, func(o *Options) { o.Path = path })
	user, ws := workspaceOf(t, s)
	g := turn(user, ws, "g")
	g.UserMessage = bytes.Replace(g.UserMessage, []byte(`"content":""`), []byte(`"content":"`+fit+`"`), 1)
	if _, err := s.AdmitChatGeneration(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	newOlder(user).makeOlder(t, path, 22)
	s, _ = openTest(t, func(o *Options) { o.Path = path })
	if ids := idsOf(t, s, user, ws, "t"); !slices.Equal(ids, []string{"a"}) {
		t.Errorf("messages %v", ids)
	}
}

// TestAMessageInEverNewThreads moves a message again and again, until the workspace is full.
func TestAMessageInEverNewThreads(t *testing.T) {
	const quota = 128 << 10
	s, c := openTest(t, func(o *Options) { o.WorkspaceQuota = quota })
	user, ws := workspaceOf(t, s)
	n := 0
	move := func() error {
		n++
		op := or3cloud.Op{
			Table: or3cloud.TableMessages, Operation: or3cloud.OpPut, PK: "m",
			Payload: fmt.Appendf(nil, `{"id":"m","thread_id":"t%d","index":%d,"order_key":"k","role":"user","deleted":false,"created_at":1,"updated_at":1,"clock":1}`, n, n),
			Stamp:   or3cloud.Stamp{DeviceID: "d", OpID: fmt.Sprintf("00000000-0000-4000-8000-%012x", n), HLC: "h", Clock: int64(n)},
		}
		if p := syncschema.Check(&op); p != nil {
			t.Fatal(p.Text)
		}
		if _, err := pushOps(s, user, ws, op); err != nil {
			return err
		}
		idsOf(t, s, user, ws, "m") // threads are counted when someone reads
		return nil
	}
	fill := func() (err error) {
		for range 1000 {
			if err = move(); err != nil {
				return err
			}
		}
		return nil
	}
	for round := range 20 {
		if err := fill(); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
			t.Fatalf("round %d: %v, want 503", round, err)
		}
		checkSize(t, s, fmt.Sprint("round ", round))
		c.advance(40 * 24 * time.Hour)
		in := or3cloud.SyncGCRequest{Scope: or3cloud.Scope{WorkspaceID: ws}}
		if err := s.UpdateCursor(t.Context(), or3cloud.CursorUpdate{Scope: in.Scope, UserID: user, DeviceID: "d", Version: 1 << 40}); err != nil {
			t.Fatal(err)
		}
		if err := s.GCChangeLog(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if threads, most := rowsOf(t, s, "chat_threads"), quota/changelog.EntryOverhead+2; threads > most || threads < most/2 || rowsOf(t, s, "chat_places") != 1 {
		t.Errorf("%d threads, want at most %d, with %d messages", threads, most, rowsOf(t, s, "chat_places"))
	}
}

// chatOp is an op on a message of an editor.
func chatOp(t testing.TB, n int, id, thread string, index int, operation or3cloud.Operation) or3cloud.Op {
	t.Helper()
	op := or3cloud.Op{
		Table: or3cloud.TableMessages, Operation: operation, PK: id,
		Stamp: or3cloud.Stamp{DeviceID: "d", OpID: fmt.Sprintf("00000000-0000-4000-8000-%012x", n), HLC: "h", Clock: int64(n)},
	}
	if operation == or3cloud.OpPut {
		op.Payload = fmt.Appendf(nil, `{"id":%q,"thread_id":%q,"index":%d,"order_key":"k","role":"user","deleted":false,"created_at":1,"updated_at":1,"clock":%d}`, id, thread, index, n)
	}
	if p := syncschema.Check(&op); p != nil {
		t.Fatal(p.Text)
	}
	return op
}

// TestChatsAreDerivedOnDemand: a workspace in which no one reads chats stores nothing about them, one in which someone
// does has all of a long history in order, and a deletion is known before it is collected.
func TestChatsAreDerivedOnDemand(t *testing.T) {
	s, c := openTest(t)
	user, ws := workspaceOf(t, s)
	const messages = 1700
	var ops []or3cloud.Op
	for n := range messages {
		ops = append(ops, chatOp(t, n+1, fmt.Sprintf("m%04d", n), "t", messages-n, or3cloud.OpPut))
	}
	if _, err := pushOps(s, user, ws, ops...); err != nil {
		t.Fatal(err)
	}
	in := or3cloud.SyncGCRequest{Scope: or3cloud.Scope{WorkspaceID: ws}}
	collect := func() {
		t.Helper()
		err := errors.Join(
			s.UpdateCursor(t.Context(), or3cloud.CursorUpdate{Scope: in.Scope, UserID: user, DeviceID: "d", Version: 1 << 40}),
			s.GCChangeLog(t.Context(), in), s.GCTombstones(t.Context(), in))
		if err != nil {
			t.Fatal(err)
		}
	}
	collect()
	for _, table := range []string{"chat_places", "chat_threads", "chat_heads"} {
		if n := rowsOf(t, s, table); n > 0 {
			t.Errorf("%d rows of %s, and no one has read", n, table)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.ReadChatHistory(ctx, or3cloud.ChatQuery{WorkspaceID: ws, UserID: user, Kind: or3cloud.ChatThread, ThreadID: "t"}, nil); err == nil {
		t.Error("no error after the end of the request")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if ids := idsOf(t, s, user, ws, "t"); len(ids) != 100 || ids[0] != "m1699" || ids[99] != "m1600" {
				t.Errorf("%d messages, %v", len(ids), ids)
			}
		})
	}
	wg.Wait()
	checkSize(t, s, "after the reading")
	if _, err := pushOps(s, user, ws, chatOp(t, 5000, "m1699", "", 0, or3cloud.OpDelete)); err != nil {
		t.Fatal(err)
	}
	c.advance(4000 * 24 * time.Hour)
	collect()
	if rowsOf(t, s, "chat_places") != messages-1 || len(entriesOf(t, s)) != messages-1 {
		t.Errorf("%d places and %d entries are left", rowsOf(t, s, "chat_places"), len(entriesOf(t, s)))
	}
	if ids := idsOf(t, s, user, ws, "t"); ids[0] != "m1698" {
		t.Errorf("messages %v", ids)
	}
}

// TestChatsFollowTheLog compares chats with the winners of the log after random edits, moves, deletions and
// collections.
func TestChatsFollowTheLog(t *testing.T) {
	s, c := openTest(t)
	user, ws := workspaceOf(t, s)
	type where struct {
		thread string
		index  int
	}
	random := rand.New(rand.NewPCG(1, 2))
	winners, revisions := map[string]where{}, map[string]string{}
	read := func(thread string) (revision string) {
		t.Helper()
		page, err := s.ReadChatHistory(t.Context(), or3cloud.ChatQuery{WorkspaceID: ws, UserID: user, Kind: or3cloud.ChatThread, ThreadID: thread}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return page.Revision
	}
	for n := 1; n < 2000; n++ {
		id, to := fmt.Sprint("m", random.IntN(12)), where{fmt.Sprint("t", random.IntN(3)), random.IntN(5)}
		operation := or3cloud.OpPut
		switch random.IntN(6) {
		case 0:
			operation = or3cloud.OpDelete
			delete(winners, id)
		case 1:
			if had, ok := winners[id]; ok {
				to = had // an edit that moves nothing
			}
			fallthrough
		default:
			winners[id] = to
		}
		if _, err := pushOps(s, user, ws, chatOp(t, n, id, to.thread, to.index, operation)); err != nil {
			t.Fatal(err)
		}
		if random.IntN(20) == 0 {
			c.advance(time.Duration(random.IntN(400)) * 24 * time.Hour)
			in := or3cloud.SyncGCRequest{Scope: or3cloud.Scope{WorkspaceID: ws}}
			err := errors.Join(
				s.UpdateCursor(t.Context(), or3cloud.CursorUpdate{Scope: in.Scope, UserID: user, DeviceID: "d", Version: 1 << 40}),
				s.GCChangeLog(t.Context(), in), s.GCTombstones(t.Context(), in))
			if err != nil {
				t.Fatal(err)
			}
		}
		if random.IntN(5) > 0 {
			continue
		}
		for k := range 3 {
			thread := fmt.Sprint("t", k)
			var want []string
			for id, at := range winners {
				if at.thread == thread {
					want = append(want, id)
				}
			}
			slices.SortFunc(want, func(a, b string) int {
				return cmp.Or(cmp.Compare(winners[a].index, winners[b].index), cmp.Compare(a, b))
			})
			got := idsOf(t, s, user, ws, thread)
			if !slices.Equal(got, want) {
				t.Fatalf("op %d, %s: %v, want %v", n, thread, got, want)
			}
			revision := thread + " " + read(thread)
			if was, ok := revisions[revision]; ok && was != fmt.Sprint(want) {
				t.Fatalf("op %d: revision %s is of %s and of %v", n, revision, was, want)
			}
			revisions[revision] = fmt.Sprint(want)
		}
	}
	checkSize(t, s, "in the end")
}

// TestAnAdmissionOfWhichAPartWasPushed announces an answer after a client has pushed one of its ops, under the id that
// the server gives it.
func TestAnAdmissionOfWhichAPartWasPushed(t *testing.T) {
	s, _ := openTest(t)
	user, ws := workspaceOf(t, s)
	g := turn(user, ws, "g")
	g.Thread = fmt.Appendf(nil, `{"id":"t","deleted":false,"created_at":1,"updated_at":1,"clock":1,"status":"ready","pinned":false,"forked":false}`)
	checked, err := syncrule.CheckGeneration(&g, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	op := checked.Ops[0]
	op.Payload = g.Thread
	res, err := s.Push(t.Context(), or3cloud.PushRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Ops: []or3cloud.Op{op}})
	if err != nil || !res.Results[0].Applied {
		t.Fatal(res, err)
	}
	if r, err := s.AdmitChatGeneration(t.Context(), g); err != nil || r.Replayed || r.ServerVersion != 3 {
		t.Errorf("admission: %+v, %v", r, err)
	}
	if r, err := s.AdmitChatGeneration(t.Context(), g); err != nil || !r.Replayed || r.ServerVersion != 3 {
		t.Errorf("admission again: %+v, %v", r, err)
	}
}
