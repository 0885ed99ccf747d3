package providertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/clientmodel"
	"or3.chat/cloud/internal/syncschema"
)

// testDisown checks that no row keeps the storage_id of bytes that are gone: a device would attach the content again
// without an upload (contract, storage Pitfall 13).
func testDisown(t *testing.T, b *syncBench) {
	claimer, ok := b.Sync.(or3cloud.ReferenceClaimer)
	if !ok {
		t.Skip("no ReferenceClaimer")
	}
	retire := func(n int, generation string, destroy bool) bool {
		t.Helper()
		return must(claimer.RetireGeneration(b.ctx, or3cloud.RetireRequest{
			WorkspaceID: b.ws, Hash: numberedHash(n), Generation: generation, Destroy: destroy,
			UnreferencedSince: time.Now().AddDate(100, 0, 0),
		}))(t)
	}
	meta := func(pk string, clock int64, extra ...string) or3cloud.Op {
		extra = append([]string{`"storage_id":"s","storage_provider_id":"fs","name":"a.png"`}, extra...)
		return b.op(or3cloud.TableFileMeta, or3cloud.OpPut, pk, clock, extra...)
	}
	bare := strings.TrimPrefix(string(numberedHash(2)), "sha256:")
	b.push(
		meta(string(numberedHash(1)), 7, `"deleted":true`), meta(bare, 3, `"deleted":true`),
		meta(string(numberedHash(3)), 1, `"deleted":true`), b.op(or3cloud.TableFileMeta, or3cloud.OpDelete, string(numberedHash(3)), 2),
		meta(string(numberedHash(4)), 1), meta(string(numberedHash(5)), 1, `"deleted":true`),
		meta(string(numberedHash(6)), 1<<41, `"deleted":true`),
	)
	device := clientmodel.NewLater()
	if err := device.Sync(b.puller(), 100); err != nil {
		t.Fatal(err)
	}
	_, before := b.pull(0, 100)
	if !retire(5, "g", false) {
		t.Error("not retired")
	}
	if changes, _ := b.pull(before.NextCursor, 100); len(changes) != 0 {
		t.Errorf("a blob that is only put aside changes its row: %+v", changes)
	}
	for n, want := range []bool{1: true, 2: true, 3: true, 4: false, 6: true} {
		if n > 0 && n != 5 && retire(n, fmt.Sprint("g", n), true) != want {
			t.Errorf("hash %d: retired %t", n, !want)
		}
	}
	changes, _ := b.pull(before.NextCursor, 100)
	if len(changes) != 3 {
		t.Fatalf("%d changes, want 3: %+v", len(changes), changes)
	}
	for i, want := range []struct {
		pk    string
		clock int64
	}{{string(numberedHash(1)), 8}, {bare, 4}, {string(numberedHash(6)), 1<<41 + 1}} {
		c := changes[i]
		if c.Table != or3cloud.TableFileMeta || c.Operation != or3cloud.OpPut || c.PK != want.pk || c.Stamp.Clock != want.clock {
			t.Errorf("change %+v, want a put of %s with clock %d", c, want.pk, want.clock)
		}
		if s := c.Stamp; !syncschema.IsUUID(s.OpID) || len(s.HLC) != 9+1+3+1+8 || strings.Count(s.HLC, ":") != 2 || s.DeviceID == "" {
			t.Errorf("stamp %+v is not like a browser's", s)
		}
		payload := string(c.Payload)
		if strings.Contains(payload, "storage") || !strings.Contains(payload, `"name":"a.png"`) ||
			!strings.Contains(payload, `"deleted":true`) || !strings.Contains(payload, fmt.Sprintf(`"clock":%d`, want.clock)) {
			t.Errorf("payload %s", payload)
		}
	}
	if err := device.Sync(b.puller(), 100); err != nil {
		t.Errorf("a device cannot take it: %v", err)
	}
	retire(1, "another", true)
	if again, _ := b.pull(before.NextCursor, 100); len(again) != 3 {
		t.Errorf("%d changes after a second claim", len(again))
	}
	state := must(claimer.ReferenceState(b.ctx, b.ws, numberedHash(4)))(t)
	if state != (or3cloud.ReferenceState{Files: 1}) || !state.Referenced() {
		t.Errorf("state of a live row: %+v", state)
	}
	b.push(b.op(or3cloud.TableFileMeta, or3cloud.OpDelete, string(numberedHash(4)), 9))
	if state := must(claimer.ReferenceState(b.ctx, b.ws, numberedHash(4)))(t); state.Referenced() || state.LostAt.IsZero() {
		t.Errorf("state after the last reference went: %+v", state)
	}
}
