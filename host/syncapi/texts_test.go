package syncapi

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/hosttest"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/internal/recorded"
	"or3.chat/cloud/syncwire"
)

// page is what the adapters of these tests deliver.
type page struct {
	changes []or3cloud.Change
	items   []or3cloud.SnapshotItem
	// size is the minimum number of bytes of a text.
	size int
	// loose are the entries that are delivered as values anyway.
	loose func(i int) bool
}

func (p *page) pull(_ or3cloud.PullRequest, emit func(*or3cloud.Change) error) (or3cloud.PullPage, error) {
	for i := range p.changes {
		if err := emit(&p.changes[i]); err != nil {
			return or3cloud.PullPage{}, err
		}
	}
	return or3cloud.PullPage{NextCursor: int64(len(p.changes))}, nil
}

func (p *page) snapshot(_ or3cloud.SnapshotRequest, emit func(*or3cloud.SnapshotItem) error) (or3cloud.SnapshotPage, error) {
	for i := range p.items {
		if err := emit(&p.items[i]); err != nil {
			return or3cloud.SnapshotPage{}, err
		}
	}
	return or3cloud.SnapshotPage{SnapshotID: "s", HighWatermark: 7}, nil
}

// texts delivers n entries as texts of at least size bytes, and the loose ones between them one by one.
func (p *page) texts(n int, appendEntry func(b []byte, i int) []byte, one func(i int) error, text func([]byte, int) error) error {
	b, held := []byte(nil), 0
	flush := func() error {
		defer func() { clear(b); b, held = b[:0], 0 }() // the host must have copied it
		return text(b, held)
	}
	for i := range n {
		if p.loose(i) {
			if err := flush(); err != nil {
				return err
			}
			if err := one(i); err != nil {
				return err
			}
			continue
		}
		if held++; held > 1 {
			b = append(b, ',')
		}
		if b = appendEntry(b, i); len(b) >= p.size {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// textAdapter is a fullAdapter that has texts.
type textAdapter struct {
	fullAdapter
	page *page
}

func (a *textAdapter) PullText(_ context.Context, _ or3cloud.PullRequest, emit func(*or3cloud.Change) error, text func([]byte, int) error) (or3cloud.PullPage, error) {
	p := a.page
	err := p.texts(len(p.changes), func(b []byte, i int) []byte { return syncwire.AppendChange(b, &p.changes[i]) }, func(i int) error { return emit(&p.changes[i]) }, text)
	return or3cloud.PullPage{NextCursor: int64(len(p.changes))}, err
}

func (a *textAdapter) SnapshotText(_ context.Context, _ or3cloud.SnapshotRequest, emit func(*or3cloud.SnapshotItem) error, text func([]byte, int) error) (or3cloud.SnapshotPage, error) {
	p := a.page
	err := p.texts(len(p.items), func(b []byte, i int) []byte { return syncwire.AppendItem(b, &p.items[i]) }, func(i int) error { return emit(&p.items[i]) }, text)
	return or3cloud.SnapshotPage{SnapshotID: "s", HighWatermark: 7}, err
}

// pageOf returns a page with changes and items, of recorded ops and one that needs several pieces of an answer.
func pageOf(tb testing.TB, n int) *page {
	p := &page{loose: func(int) bool { return false }}
	ops := recorded.Ops(tb)
	for i := range n {
		op := ops[i%len(ops)]
		if i == 3 {
			op.Payload = []byte(`"` + strings.Repeat("x", 3*chunkSize) + `"`)
		}
		p.changes = append(p.changes, or3cloud.Change{
			ServerVersion: int64(i + 1), Table: op.Table, PK: op.PK, Operation: op.Operation, Payload: op.Payload, Stamp: op.Stamp,
		})
		p.items = append(p.items, or3cloud.SnapshotItem{
			Table: op.Table, PK: op.PK, Operation: op.Operation, Payload: op.Payload, Revision: op.Stamp.Revision(),
		})
	}
	return p
}

const (
	pullBody     = `{"scope":{"workspaceId":"ws"},"cursor":0,"limit":1000}`
	snapshotBody = `{"scope":{"workspaceId":"ws"},"pageSize":1000}`
)

// An answer is the same, byte for byte, whether the adapter delivers values, texts of any size, or both.
func TestAnswersAreTheSameOfTexts(t *testing.T) {
	owner := hosttest.Member(or3cloud.RoleOwner)
	for _, n := range []int{0, 1, 2, 200} {
		p := pageOf(t, n)
		if n > 2 { // no client can take it: it is never a text
			p.changes[5].Payload = []byte(strings.Repeat("[", 200) + strings.Repeat("]", 200))
			p.items[5].Payload = p.changes[5].Payload
		}
		plain := routes(owner, &fullAdapter{adapter: adapter{pull: p.pull}, snapshot: p.snapshot})
		for target, body := range map[string]string{"/api/sync/pull": pullBody, "/api/sync/snapshot": snapshotBody} {
			want := hosttest.Do(t, plain, "POST", target, body)
			if want.Code != 200 || n > 2 && strings.Count(want.Body.String(), `"tableName"`) != n-1 {
				t.Fatal(want.Code, want.Body.Len())
			}
			for _, size := range []int{0, 100, 5000, chunkSize, 1 << 20} {
				for _, every := range []int{0, 1, 3} {
					p.size, p.loose = size, func(i int) bool { return n > 2 && i == 5 || every > 0 && i%every == 0 }
					got := hosttest.Do(t, routes(owner, &textAdapter{page: p}), "POST", target, body)
					if got.Code != 200 || !bytes.Equal(got.Body.Bytes(), want.Body.Bytes()) {
						t.Fatalf("%s of %d entries, texts of %d, every %d: %d, %d bytes, want %d", target, n, size, every, got.Code, got.Body.Len(), want.Body.Len())
					}
				}
			}
		}
	}
}

// A filter that excludes everything excludes texts, too.
func TestAFilterForNothingKeepsTextsBack(t *testing.T) {
	p := pageOf(t, 10)
	w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleOwner), &textAdapter{page: p}), "POST", "/api/sync/pull",
		`{"scope":{"workspaceId":"ws"},"cursor":0,"limit":10,"tables":["secrets"]}`)
	if w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"changes":[],"nextCursor":10,`) {
		t.Errorf("%d %.100s", w.Code, w.Body)
	}
}

// Texts count as memory like values.
func TestTextsArePaidFor(t *testing.T) {
	var tab membudget.Tab
	tab.Open(membudget.New(200<<20), func() (string, bool, error) { return "me", true, nil })
	e := pageEncoder{answer: answer{tab: &tab}}
	text := bytes.Repeat([]byte(" "), 5*chunkSize+1)
	if err := e.copy(text, 1); err != nil {
		t.Fatal(err)
	}
	if held := tab.Held(); held < int64(len(text)) || held > int64(len(text)+chunkSize) {
		t.Errorf("%d bytes are paid for of %d", held, len(text))
	}
	e.free()
	tab.Close()
}

// BenchmarkPull is a pull of 1,000 through the handlers, from an adapter whose changes cost nothing: as values, as they
// come from rows, and as texts of some size, as they come from blocks.
func BenchmarkPull(b *testing.B) {
	p := pageOf(b, 1000)
	p.changes[3].Payload = p.changes[4].Payload
	owner := hosttest.Member(or3cloud.RoleOwner)
	ready := map[int]*readyAdapter{}
	for _, perText := range []int{1, 10, 50} {
		a := &readyAdapter{}
		for i := 0; i < len(p.changes); i += perText {
			var text []byte
			for j := range perText {
				if j > 0 {
					text = append(text, ',')
				}
				text = syncwire.AppendChange(text, &p.changes[i+j])
			}
			a.texts = append(a.texts, text)
		}
		a.n, ready[perText] = perText, a
	}
	run := func(name string, a or3cloud.SyncGatewayAdapter) {
		b.Run(name, func(b *testing.B) {
			api := New(Options{Host: owner, Limits: middleware.NewLimits(time.Now, "", true), Adapter: a})
			router := owner.Share(hosttest.Router(b, api.Routes()), membudget.New(1<<30))
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				w.Body = nil // a socket makes no copy of its own
				r := hosttest.NewRequest("POST", "/api/sync/pull", pullBody)
				rw, r := httpapi.WithRecord(w, r, httpapi.RecordOf(r))
				if httpapi.Respond(rw, r, router.Serve); w.Code != 200 {
					b.Fatal(w.Code)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
		})
	}
	run("values", &adapter{pull: p.pull})
	for _, perText := range []int{1, 10, 50} {
		run(fmt.Sprint("texts-of-", perText), ready[perText])
	}
}

// readyAdapter has its texts ready.
type readyAdapter struct {
	adapter
	texts [][]byte
	n     int
}

func (a *readyAdapter) PullText(_ context.Context, _ or3cloud.PullRequest, _ func(*or3cloud.Change) error, text func([]byte, int) error) (or3cloud.PullPage, error) {
	for _, t := range a.texts {
		if err := text(t, a.n); err != nil {
			return or3cloud.PullPage{}, err
		}
	}
	return or3cloud.PullPage{NextCursor: 1000}, nil
}
