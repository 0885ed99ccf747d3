package sqlite

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
)

var soak = flag.Duration("soak", 2*time.Second, "how long TestSoak runs; ten minutes show whether disk and memory stay flat")

// soakSpeed is how much faster the store's clock runs in the soak, so that the retention of two hours is two seconds.
const soakSpeed = 3600

// soakRecords is how many records all devices write to.
const soakRecords = 10_000

// TestSoak lets devices push, delete, pull and report cursors at full load while maintenance runs, and watches disk and
// memory. Whether they stay flat is only judged in a run of a minute or more.
func TestSoak(t *testing.T) {
	start := time.Now()
	path := filepath.Join(t.TempDir(), "soak.sqlite")
	s, _ := openTest(t, func(o *Options) {
		o.Path, o.Retention, o.DeviceStale, o.Maintenance = path, changelog.MinRetention, 24*time.Hour, time.Second
		o.Now = func() time.Time { return start.Add(soakSpeed * time.Since(start)) }
	})
	user, ws := workspaceOf(t, s)
	scope := or3cloud.Scope{WorkspaceID: ws}
	var ops atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for d := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(d)))
			for cursor := int64(0); ; {
				select {
				case <-stop:
					return
				default:
				}
				batch := make([]or3cloud.Op, 50)
				for i := range batch {
					batch[i] = soakOp(t, rnd, ops.Add(1))
				}
				if _, err := pushOps(s, user, ws, batch...); err != nil {
					t.Error(err)
					return
				}
				in := or3cloud.PullRequest{Scope: scope, UserID: user, Cursor: cursor, Limit: 1000}
				page, err := s.Pull(t.Context(), in, func(*or3cloud.Change) error { return nil })
				if err != nil || page.RequiresSnapshot {
					t.Errorf("pull at %d: %+v, %v", cursor, page, err)
					return
				}
				cursor = page.NextCursor
				err = s.UpdateCursor(t.Context(), or3cloud.CursorUpdate{Scope: scope, UserID: user, DeviceID: fmt.Sprint(d), Version: cursor})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	const samples = 20
	var disk, heap [samples]int64
	for i := range samples {
		// The load goes on; this only spaces the samples.
		<-time.After(*soak / samples)
		disk[i], heap[i] = diskUse(path), heapUse()
		t.Logf("%5.0f s: %9d ops, %4d MiB on disk, %3d MiB of heap, %d blocks with marks", time.Since(start).Seconds(), ops.Load(), disk[i]>>20, heap[i]>>20, superseded(t, s))
	}
	close(stop)
	wg.Wait()
	if st := s.MaintenanceState(); st.State == "failed" {
		t.Errorf("maintenance: %+v", st)
	}
	if *soak < time.Minute {
		return
	}
	for name, values := range map[string][samples]int64{"disk": disk, "heap": heap} {
		early, late := average(values[samples/4:samples/2]), average(values[3*samples/4:])
		if late > early*5/4 {
			t.Errorf("%s grew from %d MiB to %d MiB", name, early>>20, late>>20)
		}
	}
}

// soakOp writes a random record, every tenth time as a delete. Clocks rise, so most ops win and supersede.
func soakOp(t *testing.T, rnd *rand.Rand, n int64) or3cloud.Op {
	op := threadOp(t, rnd.IntN(soakRecords))
	op.Stamp.OpID, op.Stamp.Clock = fmt.Sprintf("00000000-0000-4000-8000-%012x", n), n
	if rnd.IntN(10) == 0 {
		op.Operation, op.Payload, op.Facts = or3cloud.OpDelete, nil, or3cloud.PayloadFacts{Deleted: true}
	}
	return op
}

// diskUse is the size of the database with its log.
func diskUse(path string) (n int64) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if st, err := os.Stat(path + suffix); err == nil {
			n += st.Size()
		}
	}
	return n
}

func heapUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// superseded is how many blocks have entries that were replaced.
func superseded(t *testing.T, s *Store) (n int64) {
	if err := s.engine.DB.Read.QueryRow("SELECT count(*) FROM marks").Scan(&n); err != nil {
		t.Error(err)
	}
	return n
}

func average(values []int64) (sum int64) {
	for _, v := range values {
		sum += v
	}
	return sum / int64(len(values))
}
