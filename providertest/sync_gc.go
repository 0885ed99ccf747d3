package providertest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/clientmodel"
)

// testGCKeepsWinners guards sync §7: for a base client the log is the only way to bootstrap.
func testGCKeepsWinners(t *testing.T, b *syncBench) {
	b.collector()
	for i := range 300 {
		pk := fmt.Sprint("row", i%60)
		if i%7 == 3 {
			b.push(b.del(pk, int64(i)))
		} else {
			b.push(b.put(pk, int64(i)))
		}
	}
	want := clientmodel.Expected(b.everything)
	b.cursor("d", 300)
	b.Advance(60 * 24 * time.Hour)
	b.cursor("d", 300)
	b.gc()
	for _, limit := range []int{1, 7, 1000} {
		b.wantState(want, limit)
	}
	// Versions continue where they were.
	if res := b.push(b.put("new", 1)); res.ServerVersion != 301 {
		t.Errorf("counter %d after collection, want 301", res.ServerVersion)
	}
}

// testGCGates guards requirement 3.3: device cursors and the retention gate compaction. Whether an op id is still known
// shows what was compacted: a replay of a known one has its first version.
func testGCGates(t *testing.T, b *syncBench) {
	b.collector()

	old := b.put("a", 1)
	b.push(old)
	b.push(b.put("a", 2))
	known := func() bool { return b.push(old).Results[0].ServerVersion == 1 }
	b.Advance(60 * day)
	b.gc()
	if !known() {
		t.Fatal("collected without any device cursor")
	}
	b.cursor("behind", 1)
	b.cursor("ahead", 2)
	b.gc()
	if !known() {
		t.Fatal("collected before every device had seen what replaced it")
	}
	b.cursor("behind", 2)
	b.gc()
	if known() {
		t.Fatal("not collected although all devices have passed it and the retention is over")
	}
	// The retention counts from the moment of being superseded, and a caller cannot shorten it: gc asks for a second.
	again := b.put("b", 1)
	at := b.push(again).Results[0].ServerVersion
	b.push(b.put("b", 2))
	b.cursor("behind", 1000)
	b.cursor("ahead", 1000)
	b.Advance(20 * day)
	b.cursor("behind", 1000)
	b.cursor("ahead", 1000)
	b.gc()
	if v := b.push(again).Results[0].ServerVersion; v != at {
		t.Fatal("collected inside the retention")
	}
	// A device that has gone silent holds nothing back.
	b.Advance(100 * day)
	b.cursor("ahead", 1000)
	b.gc()
	if v := b.push(again).Results[0].ServerVersion; v == at {
		t.Fatal("a silent device held compaction back")
	}
}

// testGCOfDeletes guards sync §7: a dropped winning delete makes zombies, so every device must have seen it, including
// silent ones.
func testGCOfDeletes(t *testing.T, b *syncBench) {
	b.collector()

	b.push(b.put("a", 1), b.del("a", 2), b.put("b", 1))
	b.cursor("old", 1)
	b.Advance(60 * day)
	b.cursor("new", 3)
	listed := func() bool {
		changes, _ := b.pull(0, 10)
		return slices.ContainsFunc(changes, func(c or3cloud.Change) bool { return c.PK == "a" })
	}
	b.gc()
	b.Advance(100 * day) // stale for compaction, not for deletes
	b.cursor("new", 3)
	b.gc()
	if !listed() {
		t.Fatal("a delete was dropped that a device has not seen")
	}
	if _, page := b.pull(1, 1); page.RequiresSnapshot || page.OldestRetainedVersion != 0 {
		t.Fatalf("nothing was dropped, but %+v", page)
	}
	b.cursor("old", 3)
	b.gc()
	if listed() {
		t.Fatal("a delete that all devices have seen was kept beyond the retention")
	}
	// Only a cursor below the horizon needs a snapshot, and no live device has one.
	for cursor, want := range map[int64]bool{0: true, 1: true, 2: false, 3: false} {
		_, page, err := b.puller()(cursor, 1)
		if err != nil || page.RequiresSnapshot != want || page.OldestRetainedVersion != 3 {
			t.Errorf("cursor %d: %+v %v", cursor, page, err)
		}
	}
	b.wantFresh(clientmodel.Expected(b.everything))
}

// wantFresh is wantState for a workspace with a horizon, at which the newest client starts from a snapshot.
func (b *syncBench) wantFresh(want clientmodel.State) {
	b.t.Helper()
	d := clientmodel.NewLater()
	if err := d.Bootstrap(b.snapshotter(), b.puller(), 10); err != nil {
		b.t.Fatal(err)
	}
	if diff := gocmp.Diff(want, d.Live()); diff != "" {
		b.t.Fatalf("(-want +got):\n%s", diff)
	}
}
