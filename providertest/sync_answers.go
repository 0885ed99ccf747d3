package providertest

import (
	"strings"
	"testing"
	"unsafe"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// largeRow is a put with the largest payload that is allowed.
func (b *syncBench) largeRow(pk string, clock int64) or3cloud.Op {
	op := b.put(pk, clock)
	text := strings.TrimSuffix(string(op.Payload), "}") + `,"title":"`
	op.Payload = []byte(text + strings.Repeat("x", syncschema.MaxPayload-len(text)-2) + `"}`)
	return op
}

// losing returns n deletes that lose against the rows of pks, in turn.
func (b *syncBench) losing(n int, pks ...string) []or3cloud.Op {
	ops := make([]or3cloud.Op, n)
	for i := range ops {
		ops[i] = b.op(or3cloud.TableThreads, or3cloud.OpDelete, pks[i%len(pks)], 1)
	}
	return ops
}

// testWinnersFillOneAnswer guards against answers that amplify: however often a batch loses, and against however many
// rows, its answer carries AnswerBytes of winners and no copy twice. Later losers are plain successes.
func testWinnersFillOneAnswer(t *testing.T, b *syncBench) {
	b.push(b.largeRow("a", 9), b.largeRow("b", 9))
	for name, batch := range map[string][]or3cloud.Op{
		"one row":  b.losing(200, "a"),
		"two rows": b.losing(200, "a", "b"),
	} {
		for _, kind := range []string{"first", "repeated"} {
			res := b.push(batch...)
			named, held := 0, map[*byte]int{}
			full := false
			for i, r := range res.Results {
				if !r.Success || r.Applied || r.ServerVersion == 0 {
					t.Fatalf("%s, %s, op %d: %+v", name, kind, i, r)
				}
				if full && r.Winner != nil {
					t.Fatalf("%s, %s, op %d has a winner after the answer was full", name, kind, i)
				}
				if r.Winner != nil {
					named += len(r.Winner.Payload)
					held[unsafe.SliceData(r.Winner.Payload)] = len(r.Winner.Payload)
				}
				full = named >= or3cloud.AnswerBytes
			}
			total := 0
			for _, n := range held {
				total += n
			}
			if !full || named > or3cloud.AnswerBytes+syncschema.MaxPayload || total > or3cloud.AnswerBytes+syncschema.MaxPayload {
				t.Errorf("%s, %s: %d bytes of winners are named, %d are held", name, kind, named, total)
			}
		}
	}
	// All small rows are included, and one copy serves all.
	b.push(b.put("c", 9))
	var first *byte
	for i, r := range b.push(b.losing(100, "c")...).Results {
		if r.Winner == nil {
			t.Fatalf("loser %d against a small row has no winner", i)
		}
		if p := unsafe.SliceData(r.Winner.Payload); i == 0 {
			first = p
		} else if p != first {
			t.Fatalf("loser %d has a copy of its own", i)
		}
	}
}

// testPagesEndAtAnswerBytes: pages of large rows end early, carry at least one row, and leave none out.
func testPagesEndAtAnswerBytes(t *testing.T, b *syncBench) {
	const rows = 5
	for i := range rows {
		b.push(b.largeRow(string(rune('a'+i)), 1))
	}
	for cursor, n := int64(0), 0; n < rows; {
		size, got := 0, 0
		page := must(b.Sync.Pull(b.ctx, or3cloud.PullRequest{
			Scope: b.scope(), UserID: b.user, Cursor: cursor, Limit: 1000,
		}, func(c *or3cloud.Change) error { size += len(c.Payload); got++; return nil }))(t)
		if n += got; got == 0 || size > or3cloud.AnswerBytes+syncschema.MaxPayload || page.HasMore != (n < rows) {
			t.Fatalf("a page of %d rows and %d bytes, %d of %d rows in all: %+v", got, size, n, rows, page)
		}
		cursor = page.NextCursor
	}
	snapshotter, ok := b.Sync.(or3cloud.Snapshotter)
	if !ok {
		return
	}
	for token, n := "", 0; n < rows; {
		size, got := 0, 0
		page := must(snapshotter.Snapshot(b.ctx, or3cloud.SnapshotRequest{
			Scope: b.scope(), UserID: b.user, PageSize: 1000, PageToken: token,
		}, func(it *or3cloud.SnapshotItem) error { size += len(it.Payload); got++; return nil }))(t)
		if n += got; got == 0 || size > or3cloud.AnswerBytes+syncschema.MaxPayload || (page.NextPageToken != "") != (n < rows) {
			t.Fatalf("a snapshot page of %d rows and %d bytes, %d of %d rows in all: %+v", got, size, n, rows, page)
		}
		token = page.NextPageToken
	}
}
