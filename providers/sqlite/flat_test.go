package sqlite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
)

// TestTheFileStaysFlat writes the same records for many rounds, in batches and one at a time, and collects. The file
// stays below 1.3 times the payloads of the records, including the index, free pages and what is not worth rewriting.
func TestTheFileStaysFlat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sync.sqlite")
	s, c := openTest(t, func(o *Options) {
		o.Path, o.Retention, o.Maintenance, o.recentKeys = path, changelog.MinRetention, 24*time.Hour, 1000
	})
	user, ws := workspaceOf(t, s)
	r := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("model chat answer question thread the and of server client which would because between message")
	const records, rounds = 1500, 16
	n := 0
	payloads := map[string]int{}
	put := func(i int) or3cloud.Op {
		n++
		text := make([]byte, 0, 2000)
		for size := 400 + r.IntN(1500); len(text) < size; {
			text = fmt.Appendf(text, "%s %x ", words[r.IntN(len(words))], r.IntN(1<<8))
		}
		op := threadOp(t, i)
		op.Stamp.OpID, op.Stamp.Clock = fmt.Sprintf("%08x-0000-4000-8000-%012x", r.Uint32(), n), int64(n)
		op.Payload = fmt.Appendf(nil, `{"id":%q,"title":%q,"status":"ready","deleted":false,"pinned":false,"created_at":1,"updated_at":1,"clock":%d}`, op.PK, text, n)
		if p := syncschema.Check(&op); p != nil {
			t.Fatal(p.Text)
		}
		payloads[op.PK] = len(op.Payload)
		return op
	}
	push := func(ops ...or3cloud.Op) int64 {
		res, err := pushOps(s, user, ws, ops...)
		if err != nil {
			t.Fatal(err)
		}
		return res.ServerVersion
	}
	pages := func() (used int64) {
		var free int64
		err := errors.Join(s.engine.DB.Read.QueryRow("PRAGMA page_count").Scan(&used), s.engine.DB.Read.QueryRow("PRAGMA freelist_count").Scan(&free))
		if err != nil {
			t.Fatal(err)
		}
		return 4096 * used
	}
	empty := pages()
	most := 0.0
	for round := range rounds {
		var last int64
		for done := 0; done < records; {
			var ops []or3cloud.Op
			for range []int{1, 50, 200}[r.IntN(3)] {
				if i := r.IntN(records); r.IntN(3) > 0 {
					ops = append(ops, put(i))
				} else {
					ops = append(ops, put(done%records))
				}
			}
			done += len(ops)
			last = push(ops...)
		}
		c.advance(3 * time.Hour)
		err := s.UpdateCursor(t.Context(), or3cloud.CursorUpdate{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, DeviceID: "d", Version: last})
		if err == nil {
			err = s.m.loop.Run(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		live := 0
		for _, size := range payloads {
			live += size
		}
		share := float64(pages()-empty) / float64(live)
		t.Logf("round %d: %d records with %d KiB, the file has %.2f times as much, %d blocks", round, len(payloads), live>>10, share, rowsOf(t, s, "blocks"))
		if round > rounds/2 {
			most = max(most, share)
		}
	}
	if n := rowsOf(t, s, "blocks"); most > 1.3 || n > 60 {
		t.Errorf("the file grew to %.2f times the payloads, with %d blocks", most, n)
	}
}
