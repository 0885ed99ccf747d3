package load

import (
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"or3.chat/cloud/metric"
)

func TestPointsSayWhatHappenedSinceTheLastOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := metric.Durations(10*time.Millisecond, 100*time.Millisecond)
		var mu sync.Mutex
		now := Now{InFlight: 1}
		r := Start(slog.New(slog.DiscardHandler), time.Now, func() Now {
			mu.Lock()
			defer mu.Unlock()
			now.Latency = took.Distribution()
			return now
		})
		defer r.Close()
		for range 10 {
			took.Observe(int64(5 * time.Millisecond))
		}
		mu.Lock()
		now.Requests, now.Ops, now.Listeners, now.DiskFree = 10, 25, 3, 7
		mu.Unlock()
		time.Sleep(Every)
		synctest.Wait()
		mu.Lock()
		now.Faults = 5
		mu.Unlock()
		took.Observe(int64(time.Second))
		time.Sleep(Every)
		synctest.Wait()
		all := r.Points()
		if len(all) != 2 {
			t.Fatalf("%d points", len(all))
		}
		a, b := all[0], all[1]
		if a.Requests != 2 || a.Ops != 5 || a.Faults != 0 || a.P50 != 0.005 || a.P95 != 0.0095 || a.Listeners != 3 || a.DiskFreeBytes != 7 || a.InFlight != 1 || a.MemoryBytes <= 0 {
			t.Errorf("%+v", a)
		}
		if b.Requests != 0 || b.Ops != 0 || b.Faults != 1 || b.P50 != 0.1 || !b.At.After(a.At) {
			t.Errorf("%+v", b)
		}
		time.Sleep(points * Every)
		synctest.Wait()
		if all = r.Points(); len(all) != points || !all[0].At.After(b.At) {
			t.Errorf("%d points, from %v", len(all), all[0].At)
		}
	})
}

func TestQuantile(t *testing.T) {
	d := metric.Distribution{Bounds: []float64{1, 2, 4}, Counts: []uint64{0, 10, 10, 0}}
	for share, want := range map[float64]float64{0.25: 1.5, 0.5: 2, 0.75: 3, 1: 4} {
		if got := Quantile(d, share); got != want {
			t.Errorf("%v: %v, want %v", share, got, want)
		}
	}
	if got := Quantile(metric.Distribution{Bounds: []float64{1}, Counts: []uint64{0, 0}}, 0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
