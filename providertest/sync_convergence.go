package providertest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/clientmodel"
)

// testConvergence lets random devices push, repeat, pull and go stale while the collector runs, and checks that every
// device, old or new, of either kind, ends with the same state.
func testConvergence(t *testing.T, b *syncBench) {
	main := b.ws
	rapid.Check(t, func(rt *rapid.T) {
		b.t = rt
		b.ws = must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Property", ""))(rt)
		b.everything = nil
		type device struct {
			model  *clientmodel.Later
			fresh  bool
			synced time.Duration // when it last pulled
			sent   []or3cloud.Op
			unsent []or3cloud.Op
		}
		_, snapshots := b.Sync.(or3cloud.Snapshotter)
		devices := make([]*device, rapid.IntRange(1, 4).Draw(rt, "devices"))
		for i := range devices {
			devices[i] = &device{model: clientmodel.NewLater(), fresh: true}
		}
		pick := func() (*device, string) {
			i := rapid.IntRange(0, len(devices)-1).Draw(rt, "device")
			return devices[i], fmt.Sprint("device", i)
		}
		accepted, high := map[string]int64{}, int64(0)
		captured := map[string]bool{}
		now := time.Duration(0)
		// Only a device that was away for most of a year is forgotten and starts again from a snapshot (contract, sync
		// §7).
		catchUp := func(d *device, limit int) error {
			err := d.model.Sync(b.puller(), limit)
			if snapshots && now-d.synced >= 360*24*time.Hour && errors.Is(err, clientmodel.ErrSnapshotRequired) {
				return d.model.Bootstrap(b.snapshotter(), b.puller(), limit)
			}
			return err
		}
		epoch := int64(0) // writes after a long time follow what the device has seen: their clocks are higher
		push := func(ops []or3cloud.Op) {
			res := b.push(ops...)
			for _, r := range res.Results {
				if first, again := accepted[r.OpID]; again {
					if r.ServerVersion != first && r.ServerVersion <= high {
						rt.Fatalf("op %s got version %d, first it was %d", r.OpID, r.ServerVersion, first)
					}
				} else if r.ServerVersion != high+1 {
					rt.Fatalf("version %d after %d", r.ServerVersion, high)
				}
				accepted[r.OpID], high = r.ServerVersion, max(high, r.ServerVersion)
			}
			if res.ServerVersion != high {
				rt.Fatalf("counter %d, highest version %d", res.ServerVersion, high)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"capture": func(rt *rapid.T) {
				d, _ := pick()
				table := rapid.SampledFrom([]string{or3cloud.TableThreads, or3cloud.TableMessages, or3cloud.TableKV}).Draw(rt, "table")
				pk := rapid.SampledFrom([]string{"a", "b", "c", "é😀", "\uffff"}).Draw(rt, "pk")
				clock := 10*epoch + rapid.Int64Range(1, 5).Draw(rt, "clock")
				o := b.op(table, rapid.SampledFrom([]or3cloud.Operation{or3cloud.OpPut, or3cloud.OpPut, or3cloud.OpDelete}).Draw(rt, "op"), pk, clock)
				if o.Operation == or3cloud.OpPut && rapid.Bool().Draw(rt, "soft delete") {
					o.Payload = []byte(payload(table, pk, clock, `"deleted":true`))
				}
				o.Stamp.HLC = fmt.Sprintf("%09d:000:dev", rapid.IntRange(1, 20).Draw(rt, "hlc"))
				o.Stamp.OpID = opID(rapid.Int64Range(1, 1<<40).Draw(rt, "op id"))
				if captured[o.Stamp.OpID] {
					rt.Skip("op id used")
				}
				captured[o.Stamp.OpID] = true
				d.unsent = append(d.unsent, b.checked(o))
			},
			"push": func(rt *rapid.T) {
				d, _ := pick()
				ops := rapid.Permutation(d.unsent).Draw(rt, "order")
				push(ops)
				d.sent, d.unsent = append(d.sent, ops...), nil
			},
			"repeat": func(rt *rapid.T) {
				d, _ := pick()
				if len(d.sent) == 0 {
					rt.Skip("nothing sent")
				}
				push([]or3cloud.Op{rapid.SampledFrom(d.sent).Draw(rt, "op")})
			},
			"sync": func(rt *rapid.T) {
				d, name := pick()
				limit := rapid.IntRange(1, 6).Draw(rt, "page")
				if d.fresh && snapshots {
					if err := d.model.Bootstrap(b.snapshotter(), b.puller(), limit); err != nil {
						rt.Fatal(err)
					}
				} else if err := catchUp(d, limit); err != nil {
					rt.Fatal(err)
				}
				d.fresh, d.synced = false, now
				b.cursor(name, high)
			},
			"time": func(rt *rapid.T) {
				// An op that is older than the retention may revive what a dropped delete had removed (contract, sync
				// §7), so none is held back that long.
				for _, d := range devices {
					push(d.unsent)
					d.unsent, d.sent = nil, nil
				}
				epoch++
				passed := time.Duration(rapid.IntRange(1, 40).Draw(rt, "days")) * 24 * time.Hour
				b.Advance(passed)
				now += passed
			},
			"collect": func(rt *rapid.T) {
				if _, ok := b.Sync.(or3cloud.SyncCollector); ok {
					b.gc()
				}
			},
		})
		for _, d := range devices {
			push(d.unsent)
		}
		want := clientmodel.Expected(b.everything)
		for i, d := range devices {
			if d.fresh {
				continue
			}
			if err := catchUp(d, 3); err != nil {
				rt.Fatal(err)
			}
			if diff := gocmp.Diff(want, d.model.Live()); diff != "" {
				rt.Fatalf("device %d (-want +got):\n%s", i, diff)
			}
		}
		b.wantState(want, rapid.IntRange(1, 20).Draw(rt, "page of new devices"))
	})
	b.t, b.ws = t, main
}
