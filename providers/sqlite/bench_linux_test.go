package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// BenchmarkPushInto lets 16 devices push the corpus, under new op ids and pks, into a history of this many entries.
// Beside the time it reports what the process has spent per op: processor time, and bytes handed to the kernel for the
// disk.
func BenchmarkPushInto(b *testing.B) {
	batches := corpus(b)
	for _, entries := range []int{10_000, 100_000, 1_000_000} {
		var s *Store
		var user, ws string
		var next atomic.Int64
		outer := b
		b.Run(fmt.Sprint(entries), func(b *testing.B) {
			fill := s == nil // a benchmark is first run once to find out how long it takes
			if fill {
				s, _ = openTest(outer)
				user, ws = workspaceOf(b, s)
			}
			push := func(upto int64) {
				var wait sync.WaitGroup
				for range 16 {
					wait.Go(func() {
						for {
							n := next.Add(1)
							if n > upto {
								return
							}
							if _, err := s.Push(context.Background(), or3cloud.PushRequest{Scope: or3cloud.Scope{WorkspaceID: ws}, UserID: user, Ops: renamed(batches, n)}); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wait.Wait()
				next.Store(upto)
			}
			if fill {
				push(int64(entries / 50))
			}
			cpu, written := spent(b)
			b.ResetTimer()
			push(next.Load() + int64(b.N))
			b.StopTimer()
			after, total := spent(b)
			ops := float64(b.N * 50)
			b.ReportMetric(ops/b.Elapsed().Seconds(), "ops/s")
			b.ReportMetric(float64((after-cpu).Microseconds())/ops, "cpu-µs/op")
			b.ReportMetric(float64(total-written)/ops, "written-B/op")
		})
	}
}

// spent returns the processor time of the process, and how many bytes it has written.
func spent(b *testing.B) (cpu time.Duration, written int64) {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte("write_bytes: "))
	if _, err := fmt.Sscan(string(rest), &written); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), written
}
