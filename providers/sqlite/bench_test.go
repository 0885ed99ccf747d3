package sqlite

import (
	"context"
	"fmt"
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

// BenchmarkPush pushes the corpus again and again, each time under new op ids and pks, by one device and by many.
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

// BenchmarkPull reads pages of 1,000 rows.
func BenchmarkPull(b *testing.B) {
	s, _ := openTest(b)
	user, ws := workspaceOf(b, s)
	for _, ops := range corpus(b) {
		if _, err := pushOps(s, user, ws, ops...); err != nil {
			b.Fatal(err)
		}
	}
	in := or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Limit: 1000}
	rows := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Pull(context.Background(), in, func(*or3cloud.Change) error { rows++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
