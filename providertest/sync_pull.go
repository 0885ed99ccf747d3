package providertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/clientmodel"
)

// testPullLeavesLosersOut guards sync §5: a base device would apply a losing or superseded entry of the same page.
func testPullLeavesLosersOut(t *testing.T, b *syncBench) {
	b.push(b.put("a", 1), b.put("a", 3), b.put("a", 2), b.put("b", 1), b.del("b", 2))
	changes, page := b.pull(0, 100)
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprint(c.ServerVersion, c.PK, c.Operation))
	}
	if want := []string{"2aput", "5bdelete"}; !slices.Equal(got, want) {
		t.Errorf("pulled %v, want %v", got, want)
	}
	if page.NextCursor != 5 || page.HasMore {
		t.Errorf("page %+v", page)
	}
}

func testPullFillsPages(t *testing.T, b *syncBench) {
	for i := range 10 {
		b.push(b.put("hot", int64(i+1)), b.put(fmt.Sprint("row", i), 1))
	}
	changes, page := b.pull(0, 9)
	if len(changes) != 9 || !page.HasMore || page.NextCursor != changes[8].ServerVersion {
		t.Fatalf("%d changes, %+v", len(changes), page)
	}
	changes, page = b.pull(page.NextCursor, 9)
	if len(changes) != 2 || page.HasMore || page.NextCursor != 20 {
		t.Fatalf("%d changes, %+v", len(changes), page)
	}
	// Exactly as many as fit: there are no more.
	if changes, page := b.pull(0, 11); len(changes) != 11 || page.HasMore {
		t.Fatalf("%d changes, %+v", len(changes), page)
	}
	if changes, page := b.pull(20, 9); len(changes) != 0 || page.HasMore || page.NextCursor != 20 {
		t.Fatalf("at the end: %d changes, %+v", len(changes), page)
	}
}

func testPullTableFilter(t *testing.T, b *syncBench) {
	b.push(b.put("a", 1), b.op(or3cloud.TableFileMeta, or3cloud.OpPut, "h", 1), b.put("b", 1),
		b.op(or3cloud.TableKV, or3cloud.OpPut, "k", 1), b.put("c", 1))
	changes, page := b.pull(0, 1, or3cloud.TableFileMeta, or3cloud.TableKV)
	if len(changes) != 1 || changes[0].PK != "h" || !page.HasMore || page.NextCursor != 2 {
		t.Errorf("first page: %+v %+v", changes, page)
	}
	changes, page = b.pull(2, 1, or3cloud.TableFileMeta, or3cloud.TableKV)
	if len(changes) != 1 || changes[0].PK != "k" || page.HasMore || page.NextCursor != 5 {
		t.Errorf("second page: %+v %+v", changes, page)
	}
	// A filter that matches nothing still moves the cursor; otherwise the same rows are scanned again and again.
	if changes, page := b.pull(0, 10, or3cloud.TablePosts); len(changes) != 0 || page.NextCursor != 5 {
		t.Errorf("nothing of that table: %+v %+v", changes, page)
	}
	if changes, _ := b.pull(0, 10, "users"); len(changes) != 0 {
		t.Errorf("unknown table: %+v", changes)
	}
}

// testCursorAboveCounter guards sync Pitfall 16: after a restore devices are ahead, and stay so.
func testCursorAboveCounter(t *testing.T, b *syncBench) {
	b.push(b.put("a", 1))
	for _, cursor := range []int64{2, 1 << 45, or3cloud.MaxSafeInteger} {
		changes, page := b.pull(cursor, 10)
		if len(changes) != 0 || page.NextCursor != cursor || page.HasMore || page.RequiresSnapshot {
			t.Errorf("cursor %d: %v %+v", cursor, changes, page)
		}
	}
}

// testPayloadBytes guards sync §4.1, rule 10, and sync Pitfall 17: payloads come back as they were sent.
func testPayloadBytes(t *testing.T, b *syncBench) {
	payloads := []string{
		`{ "id" : "a" , "status":"ready","deleted":false,"pinned":false,"created_at":1,"updated_at":1,"clock":1 }`,
		payload(or3cloud.TableThreads, "b", 1, `"title":"cut \ud83d and \udc00"`, `"x":"`+"\u2028\x7f"+`"`),
		payload(or3cloud.TableThreads, "c", 1, `"n":1.50e+3,"n":-0,"big":12345678901234567890123`, `"deep":`+strings.Repeat("[", 50)+strings.Repeat("]", 50)),
		payload(or3cloud.TableThreads, "d", 1, `"text":"`+strings.Repeat("日本語", 20000)+`"`),
	}
	for i, p := range payloads {
		op := b.put(string(rune('a'+i)), 1)
		op.Payload = []byte(p)
		b.push(b.checked(op))
	}
	changes, _ := b.pull(0, 10)
	for i, c := range changes {
		if string(c.Payload) != payloads[i] {
			t.Errorf("payload %d came back as %.200q", i, c.Payload)
		}
	}
	b.wantState(clientmodel.Expected(b.everything), 2)
}

// testCursors guards sync Pitfall 12: a refused cursor makes the base client tear down its subscription again and
// again.
func testCursors(t *testing.T, b *syncBench) {
	b.push(b.put("a", 1))
	for _, c := range []struct {
		device  string
		version int64
	}{{"d", 1}, {"d", 0}, {"d", 1 << 50}, {"", 1}, {"日本😀", 0}} {
		b.cursor(c.device, c.version)
	}
}

func testWatch(t *testing.T, b *syncBench) {
	w, ok := b.Sync.(or3cloud.Watcher)
	if !ok {
		t.Skip("no Watcher")
	}
	b.push(b.put("a", 1))
	ctx, cancel := context.WithCancel(b.ctx)
	current, updates, err := w.Watch(ctx, b.ws)
	if err != nil || current != 1 {
		t.Fatalf("current version %d, %v; want 1", current, err)
	}
	b.push(b.put("a", 2))
	if v := <-updates; v != 2 {
		t.Errorf("update %d, want 2", v)
	}
	// A slow reader misses only what is in between: the newest version is there when it looks.
	b.push(b.put("a", 3))
	b.push(b.put("a", 4), b.put("a", 5))
	if v := <-updates; v != 5 {
		t.Errorf("update %d, want 5", v)
	}
	// Neither a replay nor another workspace is an update.
	other := must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Other", ""))(t)
	b.push()
	mine := b.ws
	b.ws = other
	b.push(b.put("a", 1))
	b.ws = mine
	select {
	case v := <-updates:
		t.Errorf("update %d although nothing changed", v)
	default:
	}
	// A watcher that is told of a version can read it.
	_, second, err := w.Watch(b.ctx, b.ws)
	if err != nil {
		t.Fatal(err)
	}
	go b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: b.user, Ops: []or3cloud.Op{b.put("a", 6)}})
	v := <-second
	if changes, _ := b.pull(v-1, 10); len(changes) != 1 || changes[0].ServerVersion != v {
		t.Errorf("version %d was announced but pull gave %+v", v, changes)
	}
	cancel()
	for range updates { // what is left, until it is closed
	}
}
