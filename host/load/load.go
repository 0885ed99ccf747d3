// Package load keeps the load of a server in the last minutes, as a series of points for charts.
package load

import (
	"context"
	"log/slog"
	"math"
	rt "runtime/metrics"
	"sync"
	"time"

	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/metric"
)

// Every is the time from one point to the next, and points how many are kept: those of a quarter of an hour.
const (
	Every  = 5 * time.Second
	points = 180
)

// Now is what the server reports about itself at a moment. Totals only grow.
type Now struct {
	// Requests, Faults, Ops and Bytes are totals, and Latency is that of all answers so far.
	Requests, Faults, Ops, Bytes float64
	Latency                      metric.Distribution
	InFlight, Listeners          int
	RequestMemory                int64
	DiskFree                     uint64
}

// Point is the load since the point before it. Rates per second are averages.
type Point struct {
	At time.Time `json:"at"`
	// Requests, Faults (answers of 500 and above), Ops (changes that devices have pushed) and Bytes (of answers) are
	// per second.
	Requests float64 `json:"requests"`
	Faults   float64 `json:"faults"`
	Ops      float64 `json:"ops"`
	Bytes    float64 `json:"bytes"`
	// P50, P95 and P99 are the times within which that percentage of answers was given, in seconds; 0 if there were
	// none.
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	// InFlight are requests under way, and Listeners devices that wait for changes.
	InFlight  int `json:"inFlight"`
	Listeners int `json:"listeners"`
	// MemoryBytes is how much of the system's memory the program has, RequestMemoryBytes how much of it requests hold.
	MemoryBytes        int64  `json:"memoryBytes"`
	RequestMemoryBytes int64  `json:"requestMemoryBytes"`
	DiskFreeBytes      uint64 `json:"diskFreeBytes"`
}

// Record makes the points.
type Record struct {
	now  func() time.Time
	look func() Now
	loop *background.Loop

	mu     sync.Mutex
	at     time.Time
	last   Now
	points []Point // the oldest first
}

// Start starts to make points from what look returns, until Close.
func Start(log *slog.Logger, now func() time.Time, look func() Now) *Record {
	r := &Record{now: now, look: look, at: now(), last: look()}
	r.loop = background.Start(background.Task{
		Name: "measuring the load", Log: log, Harmless: true, Delay: Every, Pause: background.Every(Every),
		Run: func(context.Context) error { r.add(); return nil },
	})
	return r
}

// Close ends the points.
func (r *Record) Close() { r.loop.Close() }

// Points returns the points that are kept, the oldest first.
func (r *Record) Points() []Point {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Point{}, r.points...)
}

func (r *Record) add() {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, now := r.now(), r.look()
	seconds := max(at.Sub(r.at).Seconds(), 0.001) // a clock may be set back
	rate := func(now, before float64) float64 { return math.Round(100*(now-before)/seconds) / 100 }
	spread := since(now.Latency, r.last.Latency)
	p := Point{
		At: at, Requests: rate(now.Requests, r.last.Requests), Faults: rate(now.Faults, r.last.Faults), Ops: rate(now.Ops, r.last.Ops),
		Bytes: rate(now.Bytes, r.last.Bytes), P50: Quantile(spread, 0.5), P95: Quantile(spread, 0.95), P99: Quantile(spread, 0.99),
		InFlight: now.InFlight, Listeners: now.Listeners, MemoryBytes: memory(), RequestMemoryBytes: now.RequestMemory, DiskFreeBytes: now.DiskFree,
	}
	r.at, r.last = at, now
	if r.points = append(r.points, p); len(r.points) > points {
		r.points = append(r.points[:0], r.points[1:]...)
	}
}

// since is what has been observed after an earlier distribution with the same buckets.
func since(now, before metric.Distribution) metric.Distribution {
	d := metric.Distribution{Bounds: now.Bounds, Counts: make([]uint64, len(now.Counts)), Sum: now.Sum - before.Sum}
	for i, n := range now.Counts {
		d.Counts[i] = n
		if i < len(before.Counts) {
			d.Counts[i] -= before.Counts[i]
		}
	}
	return d
}

// Quantile is the value that a share of the observations does not exceed, assuming that they are spread evenly in their
// buckets; 0 if there are none.
func Quantile(d metric.Distribution, share float64) float64 {
	rank := share * float64(d.Count())
	if rank == 0 || len(d.Bounds) == 0 {
		return 0
	}
	below, least := 0.0, 0.0
	for i, most := range d.Bounds {
		if n := float64(d.Counts[i]); n > 0 && below+n >= rank {
			return least + (most-least)*(rank-below)/n
		}
		below, least = below+float64(d.Counts[i]), most
	}
	return d.Bounds[len(d.Bounds)-1] // or more
}

// memory is how much of the system's memory Go holds.
func memory() int64 {
	all := []rt.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	rt.Read(all)
	return int64(all[0].Value.Uint64() - all[1].Value.Uint64())
}

// Summary is the load of a server.
type Summary struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	At      time.Time `json:"at"`
	Ready   bool      `json:"ready"`
	// Step is the time between two points, in seconds. The last point is the newest.
	Step   float64 `json:"step"`
	Points []Point `json:"points"`
	// MemoryLimitBytes is the limit of the process, and RequestMemoryLimitBytes that of all requests together.
	MemoryLimitBytes        int64 `json:"memoryLimitBytes"`
	RequestMemoryLimitBytes int64 `json:"requestMemoryLimitBytes"`
	// Disk is the file system with the least space; nil where nothing is stored.
	Disk *Disk `json:"disk,omitempty"`
	// Totals are the figures of /metrics, without those of single routes and histograms, by their names and labels.
	Totals map[string]float64 `json:"totals"`
}

// Disk is how much space there is.
type Disk struct {
	State     string `json:"state"` // ok, low or full
	FreeBytes uint64 `json:"freeBytes"`
	SizeBytes uint64 `json:"sizeBytes"`
	// HeadroomBytes is how much may be written before changes are refused.
	HeadroomBytes uint64 `json:"headroomBytes"`
}
