package providertest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/clientmodel"
	"or3.chat/cloud/internal/syncschema"
)

// named is a put of a kv row.
func (b *syncBench) named(pk, name string, clock int64, extra ...string) or3cloud.Op {
	return b.op(or3cloud.TableKV, or3cloud.OpPut, pk, clock, append([]string{fmt.Sprintf(`"name":%q`, name)}, extra...)...)
}

// kvRows returns the last change of each kv row.
func (b *syncBench) kvRows() map[string]or3cloud.Change {
	rows := map[string]or3cloud.Change{}
	changes, _ := b.pull(0, 1000, or3cloud.TableKV)
	for _, c := range changes {
		rows[c.PK] = c
	}
	return rows
}

// testKVNameIsTaken checks that the pk that clients use for a name gets it, whatever has happened to the row that holds
// it: a name must not be blocked forever (contract, sync Pitfall 15).
func testKVNameIsTaken(t *testing.T, b *syncBench) {
	value := `"value":"kept \ud83d"`
	for name, occupy := range map[string]func(name string){
		"live":           func(name string) { b.push(b.named("x "+name, name, 5, value)) },
		"softly deleted": func(name string) { b.push(b.named("x "+name, name, 5, value, `"deleted":true`)) },
		"deleted": func(name string) {
			b.push(b.named("x "+name, name, 5), b.op(or3cloud.TableKV, or3cloud.OpDelete, "x "+name, 6))
		},
		"renamed":           func(name string) { b.push(b.named("x "+name, name, 5), b.named("x "+name, "other "+name, 6, value)) },
		"with a high clock": func(name string) { b.push(b.named("x "+name, name, 1<<41, value)) },
		"of a client's pk":  func(name string) { b.push(b.named("kv:of another "+name, name, 5, value)) },
		"with a long name " + strings.Repeat("é", 400): func(name string) { b.push(b.named("x long", name, 5, value)) },
	} {
		old, later := clientmodel.NewBase(), clientmodel.NewLater()
		occupy(name)
		must(0, old.Sync(b.puller(), 3))(t)
		must(0, later.Sync(b.puller(), 3))(t)
		before := b.kvRows()
		counter := b.push().ServerVersion
		taker := b.named("kv:"+name, name, 1)
		r := b.push(taker).Results[0]
		if !r.Success || !r.Applied {
			t.Errorf("%s: the name was refused: %+v", name, r)
			continue
		}
		changes, page := b.pull(counter, 10)
		if n := int(page.NextCursor - counter); n != len(changes) || n < 1 || n > 2 || changes[n-1].PK != taker.PK || r.ServerVersion != page.NextCursor {
			t.Errorf("%s: %d versions, %d changes: %+v", name, n, len(changes), changes)
			continue
		}
		if len(changes) == 2 {
			c := changes[0]
			if s := c.Stamp; !syncschema.IsUUID(s.OpID) || strings.Count(s.HLC, ":") != 2 || s.DeviceID == "" || s.Clock <= before[c.PK].Stamp.Clock {
				t.Errorf("%s: stamp %+v after %+v is not like a browser's", name, s, before[c.PK].Stamp)
			}
			got := syncschema.Name(c.Payload)
			if got == name || got == "" || c.Operation != or3cloud.OpPut {
				t.Errorf("%s: %s %s became %s", name, c.Operation, c.PK, c.Payload)
			}
			if kept := strings.Contains(string(before[c.PK].Payload), value); kept && !strings.Contains(string(c.Payload), value) {
				t.Errorf("%s: the row lost its value: %s", name, c.Payload)
			}
			if deleted := strings.Contains(string(c.Payload), `"deleted":true`); deleted != strings.Contains(name, "deleted") {
				t.Errorf("%s: deleted %t", name, deleted)
			}
		}
		for _, limit := range []int{1, 2, 300} {
			must(0, old.Sync(b.puller(), limit))(t)
			must(0, later.Sync(b.puller(), limit))(t)
			fresh := clientmodel.NewBase()
			must(0, fresh.Sync(b.puller(), limit))(t)
			b.wantState(fresh.Live(), limit)
			if diff := gocmp.Diff(fresh.Live(), old.Live()); diff != "" {
				t.Errorf("%s: old device (-new +old):\n%s", name, diff)
			}
			if diff := gocmp.Diff(fresh.Live(), later.Live()); diff != "" {
				t.Errorf("%s: newest device (-new +old):\n%s", name, diff)
			}
		}
		if again := b.push(taker).Results[0]; !again.Replayed || again.ServerVersion != r.ServerVersion {
			t.Errorf("%s: replay: %+v", name, again)
		}
		if r := b.push(b.named("y", name, 9)).Results[0]; r.Success {
			t.Errorf("%s: another pk got the name: %+v", name, r)
		}
	}
	// An op that loses takes nothing.
	b.push(b.named("z", "zz", 1), b.named("kv:zz", "own", 9))
	counter := b.push().ServerVersion
	if r := b.push(b.named("kv:zz", "zz", 8)).Results[0]; !r.Success || r.Applied || r.ServerVersion != counter+1 {
		t.Errorf("a losing put: %+v", r)
	}
	if c := b.kvRows()["z"]; syncschema.Name(c.Payload) != "zz" {
		t.Errorf("a losing put renamed the holder: %s", c.Payload)
	}
	// Taken and used in one batch, in both orders.
	res := b.push(b.named("q", "in one", 1), b.named("kv:in one", "in one", 1), b.named("q", "in one", 2), b.named("q", "free", 1<<22), b.named("kv:in one", "in one", 2))
	for i, want := range []bool{true, true, false, true, true} {
		if r := res.Results[i]; r.Success != want || want && !r.Applied {
			t.Errorf("op %d of one batch: %+v", i, r)
		}
	}
}

// testFreeKVName checks the operator's way to free a name.
func testFreeKVName(t *testing.T, b *syncBench) {
	freer, ok := b.Sync.(or3cloud.KVNameFreer)
	if !ok {
		t.Skip("no KVNameFreer")
	}
	if pk := must(freer.FreeKVName(b.ctx, b.ws, "n"))(t); pk != "" {
		t.Errorf("freed a free name from %s", pk)
	}
	b.push(b.named("kv:n", "n", 3, `"value":7`))
	device := clientmodel.NewBase()
	must(0, device.Sync(b.puller(), 10))(t)
	if pk := must(freer.FreeKVName(b.ctx, b.ws, "n"))(t); pk != "kv:n" {
		t.Errorf("freed from %q", pk)
	}
	res := b.push(b.named("other", "n", 1), b.named("kv:n", "m", 1<<22))
	for i, r := range res.Results {
		if !r.Applied {
			t.Errorf("op %d after the name was freed: %+v", i, r)
		}
	}
	must(0, device.Sync(b.puller(), 10))(t)
	b.wantState(device.Live(), 2)
	if len(device.Live()) != 2 {
		t.Errorf("%v", device.Live())
	}
	if _, err := freer.FreeKVName(b.ctx, "no-such-workspace", "n"); or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
		t.Errorf("unknown workspace: %v", err)
	}
}

// testKVNamesConverge lets random writers compete for names while devices of both kinds come and go, with pages of
// every size, and checks that no page ever stops a device and that all end with the same rows.
func testKVNamesConverge(t *testing.T, b *syncBench) {
	main := b.ws
	defer func() { b.t, b.ws = t, main }()
	freer, _ := b.Sync.(or3cloud.KVNameFreer)
	_, snapshots := b.Sync.(or3cloud.Snapshotter)
	_, collects := b.Sync.(or3cloud.SyncCollector)
	rapid.Check(t, func(rt *rapid.T) {
		b.t = rt
		b.ws = must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Names", ""))(rt)
		b.everything = nil
		bases := []*clientmodel.Base{clientmodel.NewBase(), clientmodel.NewBase(), clientmodel.NewBase()}
		laters := []*clientmodel.Later{clientmodel.NewLater(), clientmodel.NewLater()}
		started := map[*clientmodel.Later]bool{}
		days, clocks, used := 0, map[string]int64{}, map[int64]bool{}
		// onePage is a connection that breaks after a page.
		onePage := func(cursor int64, limit int) ([]or3cloud.Change, or3cloud.PullPage, error) {
			changes, page, err := b.puller()(cursor, limit)
			page.HasMore = false
			return changes, page, err
		}
		pks := rapid.SampledFrom([]string{"kv:a", "kv:b", "kv:c", "x", "y", "z"})
		names := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		clockOf := func(rt *rapid.T, pk string) int64 {
			// Ties with a deletion are where base clients differ from every server (contract, sync §4.3).
			if c, ok := b.kvRows()[pk]; ok { // otherwise its deletion may have been dropped, but devices know of it
				clocks[pk] = max(clocks[pk], c.Stamp.Clock)
			}
			clock := clocks[pk] + rapid.SampledFrom([]int64{1, 1, 1, 2, -1}).Draw(rt, "step")
			if clock <= 0 || used[clock] {
				clock = clocks[pk] + 1
			}
			clocks[pk], used[clock] = max(clocks[pk], clock), true
			return clock
		}
		actions := map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				pk, name := pks.Draw(rt, "pk"), names.Draw(rt, "name")
				if strings.HasPrefix(pk, "kv:") && rapid.Bool().Draw(rt, "own name") {
					name = pk[3:]
				}
				extra := rapid.SampledFrom([]string{`"deleted":false`, `"deleted":false`, `"deleted":true`}).Draw(rt, "deleted")
				r := b.push(b.named(pk, name, clockOf(rt, pk), extra)).Results[0]
				if pk == "kv:"+name && !r.Success {
					rt.Fatalf("%s did not get its name: %+v", pk, r)
				}
			},
			"delete": func(rt *rapid.T) {
				pk := pks.Draw(rt, "pk")
				b.push(b.op(or3cloud.TableKV, or3cloud.OpDelete, pk, clockOf(rt, pk)))
			},
			"free": func(rt *rapid.T) {
				if freer != nil {
					must(freer.FreeKVName(b.ctx, b.ws, names.Draw(rt, "name")))(rt)
				}
			},
			"base": func(rt *rapid.T) {
				i := rapid.IntRange(0, len(bases)-1).Draw(rt, "device")
				limit := rapid.IntRange(1, 5).Draw(rt, "page")
				pull := b.puller()
				if rapid.Bool().Draw(rt, "one page") {
					pull = onePage
				}
				var err error
				if rapid.IntRange(0, 4).Draw(rt, "rescan") == 0 {
					err = bases[i].Rescan(pull, limit)
				} else {
					err = bases[i].Sync(pull, limit)
				}
				if err != nil {
					rt.Fatalf("base device %d: %v", i, err)
				}
				b.cursor(fmt.Sprint("base", i), bases[i].Cursor())
			},
			"newest": func(rt *rapid.T) {
				i := rapid.IntRange(0, len(laters)-1).Draw(rt, "device")
				d, limit := laters[i], rapid.IntRange(1, 5).Draw(rt, "page")
				var err error
				if snapshots && (!started[d] || rapid.IntRange(0, 4).Draw(rt, "rescan") == 0) {
					started[d] = true
					err = d.Bootstrap(b.snapshotter(), b.puller(), limit)
				} else if err = d.Sync(onePage, limit); errors.Is(err, clientmodel.ErrSnapshotRequired) {
					err = d.Bootstrap(b.snapshotter(), b.puller(), limit)
				}
				if err != nil {
					rt.Fatalf("newest device %d: %v", i, err)
				}
				b.cursor(fmt.Sprint("newest", i), d.Cursor())
			},
			"collect": func(rt *rapid.T) {
				// A base device that was away for a year cannot be helped (contract, sync §7).
				if n := rapid.IntRange(1, 60).Draw(rt, "days"); collects && days+n < 300 {
					days += n
					b.Advance(time.Duration(n) * 24 * time.Hour)
					b.gc()
				}
			},
		}
		rt.Repeat(actions)
		limit := rapid.IntRange(1, 10).Draw(rt, "last page")
		fresh := clientmodel.NewBase()
		if err := fresh.Sync(b.puller(), limit); err != nil {
			rt.Fatal(err)
		}
		want := fresh.Live()
		b.wantState(want, rapid.IntRange(1, 20).Draw(rt, "page of new devices"))
		for i, d := range bases {
			if err := d.Sync(b.puller(), limit); err != nil {
				rt.Fatalf("base device %d: %v", i, err)
			}
			if diff := gocmp.Diff(want, d.Live()); diff != "" {
				rt.Fatalf("base device %d (-want +got):\n%s", i, diff)
			}
		}
		for i, d := range laters {
			err := d.Sync(b.puller(), limit)
			if errors.Is(err, clientmodel.ErrSnapshotRequired) {
				err = d.Bootstrap(b.snapshotter(), b.puller(), limit)
			}
			if err != nil {
				rt.Fatalf("newest device %d: %v", i, err)
			}
			if diff := gocmp.Diff(want, d.Live()); diff != "" {
				rt.Fatalf("newest device %d (-want +got):\n%s", i, diff)
			}
		}
	})
}
