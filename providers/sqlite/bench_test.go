package sqlite

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/recorded"
	"or3.chat/cloud/internal/syncschema"
)

// corpus returns the recorded ops of the real client in batches of 50.
func corpus(b testing.TB) [][]or3cloud.Op {
	b.Helper()
	var ops []or3cloud.Op
	for _, op := range recorded.Ops(b) {
		if p := syncschema.Check(&op); p != nil {
			b.Fatal(p.Text)
		}
		if op.Table != or3cloud.TableNotifications {
			ops = append(ops, op)
		}
	}
	var batches [][]or3cloud.Op
	for len(ops) >= 50 {
		batches, ops = append(batches, ops[:50]), ops[50:]
	}
	return batches
}

// renamed returns a batch of the corpus under new op ids and pks, derived from n.
func renamed(batches [][]or3cloud.Op, n int64) []or3cloud.Op {
	ops := slices.Clone(batches[int(n)%len(batches)])
	for i := range ops {
		ops[i].Stamp.OpID = fmt.Sprintf("%08x%s", n*2654435761&0xFFFFFFFF, ops[i].Stamp.OpID[8:])
		if ops[i].Table != or3cloud.TableKV {
			ops[i].PK = fmt.Sprintf("%08x%s", n*2246822519&0xFFFFFFFF, ops[i].PK[min(8, len(ops[i].PK)):])
		}
	}
	return ops
}

// BenchmarkPush pushes the corpus again and again, each time under new op ids and pks, from one device and from many.
func BenchmarkPush(b *testing.B) {
	batches := corpus(b)
	for _, devices := range []int{1, 16} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			s, _ := openTest(b)
			user, ws := workspaceOf(b, s)
			var next atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(devices)
			if devices == 1 {
				b.SetParallelism(1)
			}
			b.ResetTimer()
			worker := func(more func() bool) {
				for more() {
					n := next.Add(1)
					ops := make([]or3cloud.Op, 50)
					copy(ops, batches[int(n)%len(batches)])
					for i := range ops {
						ops[i].Stamp.OpID = fmt.Sprintf("%08x%s", n, ops[i].Stamp.OpID[8:])
						if ops[i].Table != or3cloud.TableKV {
							ops[i].PK = fmt.Sprintf("%08x%s", n/int64(len(batches)), ops[i].PK[min(8, len(ops[i].PK)):])
						}
					}
					if _, err := s.Push(context.Background(), or3cloud.PushRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Ops: ops}); err != nil {
						b.Error(err)
						return
					}
				}
			}
			if devices == 1 {
				worker(b.Loop)
			} else {
				b.RunParallel(func(pb *testing.PB) { worker(pb.Next) })
			}
			b.ReportMetric(float64(b.N*50)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}

// BenchmarkPull reads pages of 1,000 rows, as values and as text.
func BenchmarkPull(b *testing.B) {
	s, _ := openTest(b)
	user, ws := workspaceOf(b, s)
	for _, ops := range corpus(b) {
		if _, err := pushOps(s, user, ws, ops...); err != nil {
			b.Fatal(err)
		}
	}
	in := or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Limit: 1000}
	rows, size := 0, 0
	emit := func(*or3cloud.Change) error { rows++; return nil }
	text := func(json []byte, n int) error { rows, size = rows+n, size+len(json); return nil }
	for name, pull := range map[string]func() (or3cloud.PullPage, error){
		"values": func() (or3cloud.PullPage, error) { return s.Pull(context.Background(), in, emit) },
		"texts":  func() (or3cloud.PullPage, error) { return s.PullText(context.Background(), in, emit, text) },
	} {
		b.Run(name, func(b *testing.B) {
			rows, size = 0, 0
			b.ReportAllocs()
			for b.Loop() {
				if _, err := pull(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
			b.ReportMetric(float64(size)/float64(rows), "B/row")
		})
	}
}

// BenchmarkSnapshot reads a workspace in pages of 1,000 rows, each of which was written in a different order.
func BenchmarkSnapshot(b *testing.B) {
	s, _ := openTest(b)
	user, ws := workspaceOf(b, s)
	for round := range 8 {
		for n, ops := range corpus(b) {
			for i := range ops {
				ops[i].Stamp.OpID = fmt.Sprintf("%08x%s", round, ops[i].Stamp.OpID[8:])
				if ops[i].Table != or3cloud.TableKV {
					ops[i].PK = fmt.Sprintf("%08x%s", uint32(round*100_000+n*1000+i)*2654435761, ops[i].PK[min(8, len(ops[i].PK)):])
				}
			}
			if _, err := pushOps(s, user, ws, ops...); err != nil {
				b.Fatal(err)
			}
		}
	}
	rows, size := 0, 0
	emit := func(*or3cloud.SnapshotItem) error { rows++; return nil }
	text := func(json []byte, n int) error { rows, size = rows+n, size+len(json); return nil }
	b.ReportAllocs()
	for b.Loop() {
		in := or3cloud.SnapshotRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, PageSize: 1000}
		for more := true; more; more = in.PageToken != "" {
			page, err := s.SnapshotText(context.Background(), in, emit, text)
			if err != nil {
				b.Fatal(err)
			}
			in.PageToken = page.NextPageToken
		}
	}
	b.ReportMetric(float64(rows)/float64(b.N), "rows")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
	b.ReportMetric(float64(size)/float64(rows), "B/row")
}
