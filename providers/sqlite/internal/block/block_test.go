package block

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/recorded"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncrule"
	"or3.chat/cloud/syncwire"
)

// model is an entry as a test knows it.
type model struct {
	op       or3cloud.Op
	known    Known
	accepted Accepted
	stripped bool
	marks    byte // 1: to be skipped, 2: other
}

var samples = []string{"", "a", `"\`, "ä€😀", strings.Repeat("long ", 50), "0mll3o9og:000:1a2b3c4d", "0mll3o9oh:001:1a2b3c4d", "sha256:" + strings.Repeat("0a", 32)}

func someOp(r *rand.Rand) model {
	id := func() string {
		if r.IntN(4) > 0 {
			return fmt.Sprintf("%08x-6a50-4b5e-8f3e-%012x", r.Uint32(), r.Uint64()>>16)
		}
		return samples[r.IntN(len(samples))]
	}
	op := or3cloud.Op{
		Table: or3cloud.SyncTables[r.IntN(len(or3cloud.SyncTables))], Operation: or3cloud.OpPut, PK: id() + "x",
		Stamp: or3cloud.Stamp{DeviceID: id(), OpID: id(), HLC: samples[r.IntN(len(samples))], Clock: r.Int64N(1 << uint(1+r.IntN(52)))},
	}
	op.Payload, _ = json.Marshal(map[string]any{"id": op.PK, "text": strings.Repeat(samples[r.IntN(len(samples))], r.IntN(20))})
	if r.IntN(4) == 0 {
		op.Operation = or3cloud.OpDelete
		if r.IntN(2) == 0 {
			op.Payload = nil
		}
	}
	m := model{op: op}
	m.known = Known{State: int64(syncrule.StateOf(&op)) | r.Int64N(2)<<2, OpID: layout.PackID(nil, op.Stamp.OpID), Fingerprint: syncrule.Fingerprint(&op)}
	if r.IntN(8) == 0 {
		m.known.Fingerprint = []byte(samples[1+r.IntN(3)])
	}
	if op.Table == or3cloud.TableNotifications {
		m.known.Owner = layout.PackID(nil, []string{"one", "two"}[r.IntN(2)])
	}
	return m
}

// accept makes up what the database says about an op.
func (m *model) accept(r *rand.Rand, version int64) {
	m.accepted = Accepted{
		Version: version, At: 1_700_000_000_000 + r.Int64N(3), Lost: r.IntN(9) == 0, Revived: r.IntN(9) == 0, Waypoint: r.IntN(9) == 0,
	}
	if r.IntN(2) == 0 {
		m.accepted.Prev = 1 + r.Int64N(version)
		if m.accepted.Prev == version {
			m.accepted.Prev = 0
		}
	}
}

// change is what a pull sends, with the version in its full width.
func (m *model) change() []byte {
	b := syncwire.AppendChange(nil, &or3cloud.Change{
		ServerVersion: layout.MaxVersion, Table: m.op.Table, PK: m.op.PK, Operation: m.op.Operation, Payload: m.op.Payload, Stamp: m.op.Stamp,
	})
	return append(fmt.Appendf(nil, "%s%13d", syncwire.ChangeBegin, m.accepted.Version), b[versionEnd:]...)
}

func (m *model) item() []byte {
	it := or3cloud.SnapshotItem{Table: m.op.Table, PK: m.op.PK, Operation: m.op.Operation, Payload: m.op.Payload, Revision: m.op.Stamp.Revision()}
	if it.Operation == or3cloud.OpDelete {
		it.DeletedAt = time.UnixMilli(m.accepted.At)
	}
	return syncwire.AppendItem(nil, &it)
}

// check compares a block with what it was made from.
func check(t *testing.T, first int64, heads, text []byte, want []model) Block {
	t.Helper()
	b, err := Open(first, bytes.Clone(heads), bytes.Clone(text))
	if err == nil {
		if _, err = b.Unpack(nil, b.All()); err == nil {
			text = b.text
		}
	}
	if err != nil || b.Len() != len(want) {
		t.Fatalf("%v: %d entries of %d", err, b.Len(), len(want))
	}
	var all []json.RawMessage
	var withText [][]byte
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("%v: %.300s", err, text)
	}
	for i := range want {
		w := &want[i]
		e, err := b.Entry(i)
		if err != nil {
			t.Fatal(i, err)
		}
		if v, err := b.Version(i); v != w.accepted.Version || err != nil {
			t.Fatal(v, err, w.accepted.Version)
		}
		if e.Accepted != w.accepted || layout.TableName(e.Table) != w.op.Table || e.Operation != w.op.Operation || e.State != w.known.State || e.Revision() != w.op.Stamp.Revision() ||
			!bytes.Equal(e.OpID, w.known.OpID) || !bytes.Equal(e.Fingerprint, w.known.Fingerprint) || !bytes.Equal(e.Owner, w.known.Owner) || (e.Owner == nil) != (w.known.Owner == nil) {
			t.Fatalf("entry %d is %+v, want %+v", i, e, w)
		}
		if place, ok, err := b.Find(e.Version); place != i || !ok || err != nil {
			t.Fatal(place, ok, err)
		}
		if e.Dropped() != w.stripped {
			t.Fatalf("entry %d: dropped %t", i, e.Dropped())
		}
		if w.stripped {
			continue
		}
		if pk, err := e.PK(); pk != w.op.PK || err != nil {
			t.Fatal(pk, err, w.op.PK)
		}
		withText = append(withText, w.change())
		c := or3cloud.Change{ServerVersion: e.Version, Table: w.op.Table, PK: w.op.PK, Operation: w.op.Operation, Payload: w.op.Payload, Stamp: w.op.Stamp}
		var got or3cloud.Change
		if err := e.Change(&got); err != nil || !reflect.DeepEqual(got, c) || b.Size(i) != len(w.change()) {
			t.Fatalf("%v: %+v of %d bytes, want %+v", err, got, b.Size(i), c)
		}
		if item, err := e.AppendItem(nil); !bytes.Equal(e.Text(), w.change()) || !bytes.Equal(e.Payload(), w.op.Payload) || err != nil || !bytes.Equal(item, w.item()) {
			t.Fatalf("%s\n%s\n%s\n%s %v", e.Text(), w.change(), item, w.item(), err)
		}
	}
	if wantText := "[" + string(bytes.Join(withText, []byte(","))) + "]"; wantText != string(text) || len(all) != len(withText) {
		t.Fatalf("%s\n%s", text, wantText)
	}
	return b
}

// made returns a block of random ops, some of which were refused, and with some that the server has put between them.
func made(t *testing.T, r *rand.Rand) (first int64, heads, text []byte, want []model) {
	var d, server Draft
	var ops, own []model
	for range 1 + r.IntN(MaxEntries-4) {
		if d.Full() {
			break
		}
		if r.IntN(40) == 0 {
			d.Pack() // too early
		}
		ops = append(ops, someOp(r))
		d.Add(&ops[len(ops)-1].op, ops[len(ops)-1].known)
	}
	for range 4 {
		own = append(own, someOp(r))
		server.Add(&own[len(own)-1].op, own[len(own)-1].known)
	}
	first = 1 + r.Int64N(1<<uint(1+r.IntN(40)))
	var w Writer
	refuses, inserts := r.IntN(2)*r.IntN(5), r.IntN(2)
	if r.IntN(2) == 0 {
		d.Pack()
	}
	last := len(ops)
	if r.IntN(3) == 0 { // what comes after it is refused
		last = 1 + r.IntN(last)
	}
	for range 1 + r.IntN(2) { // a second time after a transaction that has failed
		if n := w.Len(); n > 0 && r.IntN(2) == 0 {
			w.Finish(first)
		}
		w.Reset()
		want = want[:0]
		version := first - 1
		if r.IntN(3) == 0 { // another time, another stretch
			last = 1 + r.IntN(len(ops))
		}
		for i := range ops[:last] {
			if inserts > 0 && len(want)%20 == 7 && len(want)/20 < len(own) {
				m := own[len(want)/20]
				version++
				m.accept(r, version)
				w.Accept(&server, len(want)/20, m.accepted)
				want = append(want, m)
			}
			if refuses > 0 && r.IntN(refuses+1) == 0 && i < last-1 {
				continue
			}
			version++
			ops[i].accept(r, version)
			w.Accept(&d, i, ops[i].accepted)
			want = append(want, ops[i])
		}
	}
	if r.IntN(4) == 0 {
		w.Pack()
	}
	heads, text = w.Finish(first)
	return first, heads, text, want
}

func random(t *testing.T, rounds int, f func(t *testing.T, r *rand.Rand)) {
	for seed := range uint64(rounds) {
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { f(t, rand.New(rand.NewPCG(seed, 1))) }) {
			return
		}
	}
}

func TestBlocksAreWhatWasAccepted(t *testing.T) {
	random(t, 80, func(t *testing.T, r *rand.Rand) {
		first, heads, text, want := made(t, r)
		check(t, first, heads, text, want)
	})
}

// A reader that wants some entries gets them, whatever frames they are in.
func TestSomeEntriesAreUnpacked(t *testing.T) {
	ops := recorded.Ops(t)
	random(t, 50, func(t *testing.T, r *rand.Rand) {
		begin := r.IntN(len(ops) - MaxEntries)
		var d Draft
		for _, op := range ops[begin : begin+1+r.IntN(MaxEntries)] {
			if !d.Full() {
				d.Add(&op, Known{OpID: layout.PackID(nil, op.Stamp.OpID)})
			}
		}
		d.Pack()
		var w Writer
		for i := range d.Len() {
			w.Accept(&d, i, Accepted{Version: 7 + int64(i)})
		}
		heads, text := w.Finish(7)
		whole, _ := Open(7, heads, text)
		if _, err := whole.Unpack(nil, whole.All()); err != nil {
			t.Fatal(err)
		}
		var buf []byte
		for range 20 {
			wanted := (r.Uint64() | r.Uint64()>>r.IntN(64)) & r.Uint64() & whole.All()
			b, err := Open(7, heads, text)
			if err == nil {
				buf, err = b.Unpack(buf, wanted)
			}
			if err != nil {
				t.Fatal(err)
			}
			skipped := 0
			for i := range d.Len() {
				got, err := b.span(i, i+1)
				want, _ := whole.span(i, i+1)
				switch {
				case !b.Readable(i):
					if skipped++; err == nil || wanted&(1<<i) != 0 {
						t.Fatalf("%d of %d is not there: %v", i, d.Len(), err)
					}
				case err != nil || !bytes.Equal(got, want) || len(want) == 0:
					t.Fatalf("%d of %d: %v\n%s\n%s", i, d.Len(), err, got, want)
				}
			}
			if all := d.Len(); b.Packed() && wanted != 0 && all > 40 && bits.OnesCount64(wanted) == 1 && skipped == 0 {
				t.Fatalf("all %d entries are unpacked for one", all)
			}
			if wanted == 0 {
				continue
			}
			// That is how it is when the text is read in parts.
			i := bits.TrailingZeros64(wanted)
			b, err = Open(7, heads, nil)
			if b.Packed() != (heads[0] == packed) {
				t.Fatal("a block without its text does not know whether that is packed")
			}
			if err == nil {
				_, err = b.UnpackOne(nil, i, func(at, size int) ([]byte, error) { return text[at : at+size], nil })
			}
			want, _ := whole.span(i, i+1)
			if got, bad := b.span(i, i+1); err != nil || bad != nil || !bytes.Equal(got, want) || !b.Readable(i) {
				t.Fatalf("in parts, %d of %d: %v %v\n%s\n%s", i, d.Len(), err, bad, got, want)
			}
		}
	})
}

// What a pull gets is decided entry by entry here, and by masks in the package.
func TestPullsGetWhatIsLiveAndTheirs(t *testing.T) {
	random(t, 80, func(t *testing.T, r *rand.Rand) {
		first, heads, text, want := made(t, r)
		b := check(t, first, heads, text, want)
		var marks Marks
		for i := range want {
			switch r.IntN(8) {
			case 0:
				marks.Replace(i, false)
				want[i].marks = 1
			case 1:
				marks.Replace(i, true)
				want[i].marks = 2
			case 2:
				marks.Collect(i)
				want[i].marks = 3
			}
		}
		w := Wanted{After: first - 1 + r.Int64N(int64(len(want)+2)), Tables: layout.AllTables, User: layout.PackID(nil, "one")}
		if r.IntN(2) == 0 {
			w.Tables = r.Int64N(layout.AllTables + 2)
		}
		var expected [][]byte
		var versions []int64
		for _, m := range want {
			if m.marks&1 == 0 && m.accepted.Version > w.After && w.Tables&(1<<layout.TableNumber(m.op.Table)) != 0 && (m.known.Owner == nil || bytes.Equal(m.known.Owner, w.User)) {
				expected, versions = append(expected, m.change()), append(versions, m.accepted.Version)
			}
		}
		mask, err := b.Visible(marks, w)
		if err != nil {
			t.Fatal(err)
		}
		most, size := 1+r.IntN(MaxEntries), 1+r.IntN(1<<14)
		n := 0
		for mask != 0 {
			got, count, last, err := b.Run(&mask, most, size)
			if err != nil || count < 1 || count > most || n+count > len(expected) {
				t.Fatal(count, err)
			}
			if run := bytes.Join(expected[n:n+count], []byte(",")); !bytes.Equal(got, run) || last != versions[n+count-1] || count > 1 && len(run)-len(expected[n+count-1]) > size {
				t.Fatalf("%s\n%s", got, run)
			}
			n += count
		}
		if n != len(expected) {
			t.Fatalf("%d of %d", n, len(expected))
		}
	})
}

func TestBlocksAreWrittenAgain(t *testing.T) {
	random(t, 80, func(t *testing.T, r *rand.Rand) {
		var w Writer
		var marks Marks
		var want []model
		var begin int64
		add, at := 0, int64(0)
		for part := range 3 { // three blocks in a row become one
			first, heads, text, entries := made(t, r)
			for i := range entries { // versions go on
				entries[i].accepted.Prev = 0
			}
			if part == 0 {
				begin = first
			}
			var again Writer
			for i := range entries {
				entries[i].accepted.Version = max(at+1, begin) + int64(i)
				b, _ := Open(first, heads, text)
				if _, err := b.Unpack(nil, b.All()); err != nil {
					t.Fatal(err)
				}
				e, err := b.Entry(i)
				if err != nil {
					t.Fatal(err)
				}
				e.Version, e.Prev, e.text = entries[i].accepted.Version, 0, bytes.Clone(e.text)
				again.Append(e)
			}
			first = entries[0].accepted.Version
			if r.IntN(2) == 0 {
				again.Pack()
			}
			heads, text = again.Finish(first)
			b := check(t, first, heads, text, entries)
			at = entries[len(entries)-1].accepted.Version + r.Int64N(3)
			var old Marks
			var drop, strip uint64
			for i := range entries {
				entries[i].marks = byte(r.IntN(4))
				old.Skip |= uint64(entries[i].marks&1) << i
				old.Other |= uint64(entries[i].marks>>1) << i
				switch {
				case add == MaxEntries/3*(part+1) || r.IntN(3) == 0:
					drop |= 1 << i
					continue
				case r.IntN(5) == 0:
					strip |= 1 << i
					entries[i].stripped = true
				}
				add++
				want = append(want, entries[i])
			}
			before := w.Len()
			if err := w.Copy(&b, drop, strip); err != nil {
				t.Fatal(err)
			}
			marks = marks.Join(before, old.Without(drop))
		}
		if len(want) == 0 {
			return
		}
		if r.IntN(2) == 0 {
			w.Pack()
		}
		heads, text := w.Finish(begin)
		b := check(t, begin, heads, text, want)
		for i, m := range want {
			if marks.Skip>>i&1 != uint64(m.marks&1) || marks.Other>>i&1 != uint64(m.marks>>1) {
				t.Fatalf("the marks of entry %d are not %d", i, m.marks)
			}
			if marks.Replaced(i) != (m.marks != 0) || marks.Pinned()>>i&1 == 1 != (m.marks == 2) || marks.Collected()>>i&1 == 1 != (m.marks == 3) {
				t.Fatal("marks say something else")
			}
		}
		for v := begin - 1; v < at+3; v++ {
			_, found, err := b.Find(v)
			if known := slices.ContainsFunc(want, func(m model) bool { return m.accepted.Version == v }); found != known || err != nil {
				t.Fatal(v, found, known, err)
			}
		}
	})
}

// A block takes what fits, and one entry more than its bytes allow.
func TestBlocksAreBounded(t *testing.T) {
	for _, c := range []struct{ payload, hlc, want int }{{10, 10, MaxEntries}, {FullText, 10, 1}, {FullText / 2, 10, 2}, {4 << 20, 10, 1}, {10, 1 << 10, 15}, {10, 1 << 20, 1}} {
		var d Draft
		op := or3cloud.Op{Table: "kv", Operation: or3cloud.OpPut, PK: "k", Payload: bytes.Repeat([]byte("1"), c.payload), Stamp: or3cloud.Stamp{HLC: strings.Repeat("h", c.hlc)}}
		n := 0
		for ; !d.Full(); n++ {
			op.Stamp.HLC = fmt.Sprint(n) + op.Stamp.HLC + fmt.Sprint(n)
			d.Add(&op, Known{OpID: layout.PackID(nil, opID(n))})
		}
		if n != c.want {
			t.Errorf("%+v: %d entries", c, n)
		}
		var w Writer
		for i := range n {
			if w.Full() {
				t.Errorf("%+v: the writer is full after %d", c, i)
			}
			w.Accept(&d, i, Accepted{Version: int64(i) + 1})
		}
		if e, ok := w.Pending(int64(n)); !ok || e.Version != int64(n) || layout.UnpackID(e.OpID) != opID(n-1) {
			t.Errorf("%+v: %t %+v", c, ok, e)
		}
		if _, ok := w.Pending(int64(n) + 1); ok {
			t.Errorf("%+v: an entry too many", c)
		}
		heads, text := w.Finish(1)
		if b, err := Open(1, heads, text); err != nil || b.Len() != n || !w.Full() {
			t.Errorf("%+v: %v %t", c, err, w.Full())
		}
	}
}

func opID(n int) string { return fmt.Sprintf("0f0e3c52-6a50-4b5e-8f3e-%012d", n) }

// Whatever is in a file, nothing panics, and what is delivered is in the block.
func FuzzDamagedBlocks(f *testing.F) {
	for seed := range uint64(8) {
		first, heads, text, _ := made(nil, rand.New(rand.NewPCG(seed, 2)))
		f.Add(first, heads, text, seed, uint64(0))
	}
	f.Fuzz(func(t *testing.T, first int64, heads, text []byte, skip, other uint64) {
		b, err := Open(first&layout.MaxVersion, heads, text)
		if err != nil {
			return
		}
		use(t, b, Marks{skip, other})
	})
}

func use(t *testing.T, b Block, marks Marks) {
	bare, text := b, b.packed
	if bare.text, bare.packed = nil, nil; text == nil {
		text = b.text
	}
	for i := range bare.Len() {
		_, err := bare.UnpackOne(nil, i, func(at, size int) ([]byte, error) { return text[min(at, len(text)):min(at+size, len(text))], nil })
		if err == nil && bare.Size(i) > 0 && !bare.Readable(i) {
			t.Fatal(i)
		}
		_, _ = bare.Entry(i)
	}
	_, _ = b.Unpack(nil, b.All())
	for _, w := range []Wanted{{Tables: layout.AllTables}, {After: b.first + 1, Tables: 4, User: []byte{1}}} {
		mask, err := b.Visible(marks, w)
		for mask &^= b.Unchecked(mask); mask != 0 && err == nil; {
			_, _, _, err = b.Run(&mask, 10, 1000)
		}
	}
	var w Writer
	for i := range b.Len() {
		e, err := b.Entry(i)
		if err != nil {
			continue
		}
		_, _ = e.AppendItem(nil)
		_, _, _ = b.Find(e.Version)
		_, _ = e.Payload(), e.Revision()
		_, _ = e.PK()
		_, _ = b.Size(i), e.Change(new(or3cloud.Change))
		if e.Version < b.first {
			t.Fatal("a version in front of its block")
		}
		w.Append(e)
	}
	if w.Len() > 0 {
		heads, text := w.Finish(b.first)
		if again, err := Open(b.first, heads, text); err != nil || again.Len() != w.Len() {
			t.Fatal(err)
		}
	}
	var again Writer
	_ = again.Copy(&b, marks.Collected(), marks.Skip)
}

// A block with a few flipped bits is an error or another block, and nothing panics.
func TestTurnedBits(t *testing.T) {
	random(t, 50, func(t *testing.T, r *rand.Rand) {
		first, heads, text, _ := made(t, r)
		for range 50 {
			heads, text := bytes.Clone(heads), text
			for range 1 + r.IntN(3) {
				heads[r.IntN(len(heads))] ^= 1 << r.IntN(8)
			}
			if r.IntN(2) == 0 {
				heads = heads[:r.IntN(len(heads))]
			}
			if r.IntN(2) == 0 {
				text = text[:r.IntN(len(text))]
			}
			if b, err := Open(first, heads, text); err == nil {
				use(t, b, Marks{r.Uint64(), r.Uint64()})
			}
		}
	})
}

// batch is a push as devices send it: 50 recorded ops.
func batch(tb testing.TB) (ops []or3cloud.Op, known []Known) {
	ops = recorded.Ops(tb)[:50]
	for i := range ops {
		known = append(known, Known{State: int64(syncrule.StateOf(&ops[i])), OpID: layout.PackID(nil, ops[i].Stamp.OpID), Fingerprint: syncrule.Fingerprint(&ops[i])})
	}
	return ops, known
}

// perEntry reports how long a benchmark took per entry.
func perEntry(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/entry")
}

func drafts(ops []or3cloud.Op, known []Known) (all []*Draft) {
	for i := range ops {
		if len(all) == 0 || all[len(all)-1].Full() {
			all = append(all, new(Draft))
		}
		all[len(all)-1].Add(&ops[i], known[i])
	}
	return all
}

func BenchmarkDraft(b *testing.B) {
	ops, known := batch(b)
	b.ReportAllocs()
	var d Draft
	for b.Loop() {
		d.Reset()
		for i := range ops {
			if d.Full() {
				d.Reset()
			}
			d.Add(&ops[i], known[i])
		}
	}
	perEntry(b, len(ops))
}

func BenchmarkPack(b *testing.B) {
	d := drafts(batch(b))[0]
	b.ReportAllocs()
	for b.Loop() {
		d.Pack()
	}
	perEntry(b, d.Len())
	b.ReportMetric(float64(len(d.packed.frames))/float64(d.Len()), "packed-B/entry")
}

func BenchmarkUnpack(b *testing.B) {
	for name, one := range map[string]bool{"all": false, "one": true} {
		b.Run(name, func(b *testing.B) { unpack(b, one) })
	}
}

func unpack(b *testing.B, one bool) {
	d := drafts(batch(b))[0]
	d.Pack()
	var w Writer
	for i := range d.Len() {
		w.Accept(d, i, Accepted{Version: int64(i) + 1})
	}
	heads, text := w.Finish(1)
	var buf []byte
	n := d.Len()
	if one {
		n = 1
	}
	b.ReportAllocs()
	for k := 0; b.Loop(); k++ {
		i := k % d.Len() * n % d.Len()
		bl, err := Open(1, heads, text)
		if err == nil {
			buf, err = bl.Unpack(buf, between(i, i+n))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	perEntry(b, n)
}

// BenchmarkWriter measures what the writer of the database does apart from inserting the block.
func BenchmarkWriter(b *testing.B) {
	ops, known := batch(b)
	all := drafts(ops, known)
	var w Writer
	payload, stored, heads := 0, 0, 0
	for _, op := range ops {
		payload += len(op.Payload)
	}
	b.ReportAllocs()
	for b.Loop() {
		stored, heads = 0, 0
		version := int64(1_000_000)
		for _, d := range all {
			w.Reset()
			first := version + 1
			for i := range d.Len() {
				version++
				w.Accept(d, i, Accepted{Version: version, At: 1_700_000_000_000, Prev: version - 1000})
			}
			h, t := w.Finish(first)
			stored, heads = stored+len(t), heads+len(h)
		}
	}
	perEntry(b, len(ops))
	n := float64(len(ops))
	b.ReportMetric(float64(payload)/n, "payload-B/entry")
	b.ReportMetric(float64(stored-payload)/n, "wire-B/entry")
	b.ReportMetric(float64(heads)/n, "heads-B/entry")
	b.ReportMetric(float64(len(all)), "blocks")
}

// stored returns the blocks of a batch.
func stored(tb testing.TB) (heads, text [][]byte, first []int64) {
	version := int64(1_000_000)
	for _, d := range drafts(batch(tb)) {
		var w Writer
		first = append(first, version+1)
		for i := range d.Len() {
			version++
			w.Accept(d, i, Accepted{Version: version, At: 1_700_000_000_000, Prev: version - 1000})
		}
		h, t := w.Finish(first[len(first)-1])
		heads, text = append(heads, bytes.Clone(h)), append(text, bytes.Clone(t))
	}
	return heads, text, first
}

func BenchmarkCopy(b *testing.B) {
	for name, skip := range map[string]uint64{"whole": 0, "every-tenth-skipped": 0x4010040100401004, "every-other-skipped": 0x5555555555555555} {
		b.Run(name, func(b *testing.B) {
			heads, text, first := stored(b)
			out := make([]byte, 0, 1<<20)
			n := 0
			for b.Loop() {
				out, n = out[:0], 0
				for i := range heads {
					bl, err := Open(first[i], heads[i], text[i])
					if err != nil {
						b.Fatal(err)
					}
					mask, _ := bl.Visible(Marks{Skip: skip}, Wanted{Tables: layout.AllTables})
					for mask != 0 {
						run, k, _, err := bl.Run(&mask, 1000, or3cloud.AnswerBytes)
						if err != nil {
							b.Fatal(err)
						}
						out, n = append(append(out, run...), ','), n+k
					}
				}
			}
			perEntry(b, n)
		})
	}
	b.Run("today", func(b *testing.B) { // what the host does with each row now, without reading it
		ops, _ := batch(b)
		out := make([]byte, 0, 1<<20)
		for b.Loop() {
			out = out[:0]
			for i := range ops {
				c := or3cloud.Change{ServerVersion: 1_000_000, Table: ops[i].Table, PK: ops[i].PK, Operation: ops[i].Operation, Payload: ops[i].Payload, Stamp: ops[i].Stamp}
				out = append(syncwire.AppendChange(out, &c), ',')
			}
		}
		perEntry(b, len(ops))
	})
}

func BenchmarkLookup(b *testing.B) {
	heads, text, first := stored(b)
	for name, text := range map[string][]byte{"heads": nil, "with-text": text[0]} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				bl, err := Open(first[0], heads[0], text)
				if err != nil {
					b.Fatal(err)
				}
				place, _, _ := bl.Find(first[0] + int64(i)%int64(bl.Len()))
				if _, err := bl.Entry(place); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The format of stored blocks is a promise to existing files: a version that changes these bytes must read the old ones
// as well.
func TestStoredFormat(t *testing.T) {
	ops := []or3cloud.Op{
		{Table: "kv", Operation: or3cloud.OpPut, PK: `k"1`, Payload: []byte(`{"name": "n"}`), Stamp: or3cloud.Stamp{DeviceID: "d", OpID: opID(1), HLC: "0mll3o9og:000:d", Clock: 300}},
		{Table: "notifications", Operation: or3cloud.OpDelete, PK: "n", Stamp: or3cloud.Stamp{DeviceID: "d", OpID: "x", HLC: "0mll3o9ph:001:d", Clock: 2}},
	}
	var d Draft
	d.Add(&ops[0], Known{State: 1, OpID: layout.PackID(nil, opID(1)), Fingerprint: []byte("0123456789abcdef")})
	d.Add(&ops[1], Known{State: 2, OpID: layout.PackID(nil, "x"), Fingerprint: []byte("f"), Owner: layout.PackID(nil, "user")})
	var w Writer
	w.Accept(&d, 0, Accepted{Version: 1001, At: 1_700_000_000_000, Prev: 7, Waypoint: true})
	w.Accept(&d, 1, Accepted{Version: 1002, At: 1_700_000_000_001, Lost: true})
	heads, text := w.Finish(1000)
	const wantText = `[{"serverVersion":         1001,"tableName":"kv","pk":"k\"1","op":"put","payload":{"name": "n"},"stamp":{"deviceId":"d",` +
		`"opId":"0f0e3c52-6a50-4b5e-8f3e-000000000001","hlc":"0mll3o9og:000:d","clock":300}},` +
		`{"serverVersion":         1002,"tableName":"notifications","pk":"n","op":"delete","stamp":{"deviceId":"d","opId":"x","hlc":"0mll3o9ph:001:d","clock":2}}]`
	const wantHeads = "0102150180d095ffbc310f306d6c6c336f396f673a3030303a640200000000000000cb0000002d0000006401000048000000" +
		"125d01ac02e207516c010f0e3c526a504b5e8f3e000000000001303132333435363738396162636465660f0000ac020202025147020078016607020670683a303031050075736572"
	if string(text) != wantText || hex.EncodeToString(heads) != wantHeads {
		t.Errorf("%s\n%x", text, heads)
	}

	// A packed text can be read, whatever later versions of the library produce for it.
	var packed Draft
	ops[0].Payload = []byte(`"` + strings.Repeat("x", 1200) + `"`)
	packed.Add(&ops[0], Known{OpID: layout.PackID(nil, opID(1))})
	packed.Pack()
	w.Reset()
	w.Accept(&packed, 0, Accepted{Version: 1001})
	const (
		packedHeads = "02010400000f306d6c6c336f396f673a3030303a640301b501700500001b000000020cac02516c010f0e3c526a504b5e8f3e000000000001000f0000"
		packedText  = "f10a485b7b2273657276657256657273696f6e223a202e0100502c227461626c654e616d65223a226b76222c22706b010a705c2231222c226f70223a2270757422" +
			"2c227061796c6f6164223a22787811021900a20348222c227374616d70223a7b226465766963654981c7006485e0050b6030663065336335322d366135302d346235" +
			"652d386633652d301901a10e90686c63223a22306d6c6c336f396f673a3030303a64222c22636c6f636b223a3330307d7d5d"
	)
	h, _ := hex.DecodeString(packedHeads)
	x, _ := hex.DecodeString(packedText)
	check(t, 1001, h, x, []model{{op: ops[0], known: Known{OpID: layout.PackID(nil, opID(1))}, accepted: Accepted{Version: 1001}}})
}
