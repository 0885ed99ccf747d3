// Package measure is how every measurement is made: rounds that are interleaved, closed loops, and what they cost.
package measure

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Series are the results of the rounds of one measurement.
type Series []float64

// Median returns the median, 0 without a round.
func (s Series) Median() float64 {
	if len(s) == 0 {
		return 0
	}
	c := slices.Sorted(slices.Values(s))
	return (c[(len(c)-1)/2] + c[len(c)/2]) / 2
}

// String shows the median and the range.
func (s Series) String() string {
	if len(s) == 0 {
		return "–"
	}
	if len(s) == 1 {
		return Number(s[0])
	}
	return fmt.Sprintf("%s (%s–%s)", Number(s.Median()), Number(slices.Min(s)), Number(slices.Max(s)))
}

// Number writes a figure with as many digits as mean something.
func Number(f float64) string {
	switch {
	case f >= 1_000_000:
		return fmt.Sprintf("%.2f M", f/1e6)
	case f >= 10_000:
		return fmt.Sprintf("%.1f k", f/1000)
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.2f", f)
	}
}

// Ratio is how many times the second median the first one is.
func Ratio(a, b Series) string { return fmt.Sprintf("%.2f ×", a.Median()/b.Median()) }

// Step is one measurement of a round: Prepare is not timed.
type Step struct {
	Prepare func() error
	Run     func() error
}

// Interleave runs all steps once in each round, so that the machine's drift hits them alike.
func Interleave(rounds int, steps ...Step) error {
	for range rounds {
		if err := round(steps); err != nil {
			return err
		}
	}
	return nil
}

// Alternate is Interleave for steps that do not depend on each other: every second round goes backwards, so that no
// step always comes after the same other one, whose writes the disk may still be busy with.
func Alternate(rounds int, steps ...Step) error {
	backwards := slices.Clone(steps)
	slices.Reverse(backwards)
	for range rounds {
		if err := round(steps); err != nil {
			return err
		}
		steps, backwards = backwards, steps
	}
	return nil
}

func round(steps []Step) error {
	for _, s := range steps {
		if s.Prepare != nil {
			if err := s.Prepare(); err != nil {
				return err
			}
		}
		runtime.GC() // of our own preparations, not while the clock runs
		if err := s.Run(); err != nil {
			return err
		}
	}
	return nil
}

// Loop lets n workers each do their own list of tasks, one after the other, and returns how long all took together
// and how long each task did. The number of requests under way is n, whatever the server's speed.
func Loop(n int, tasks func(worker int) int, do func(worker, task int) error) (time.Duration, *hdrhistogram.Histogram, error) {
	var wg sync.WaitGroup
	all := NewHistogram()
	var mu sync.Mutex
	var firstErr error
	begin := make(chan struct{})
	for w := range n {
		wg.Go(func() {
			h := NewHistogram()
			<-begin
			for t := range tasks(w) {
				start := time.Now()
				if err := do(w, t); err != nil {
					mu.Lock()
					firstErr = err
					mu.Unlock()
					return
				}
				h.RecordValue(time.Since(start).Microseconds())
			}
			mu.Lock()
			all.Merge(h)
			mu.Unlock()
		})
	}
	start := time.Now()
	close(begin)
	wg.Wait()
	return time.Since(start), all, firstErr
}

// Times are n tasks for every worker.
func Times(n int) func(int) int { return func(int) int { return n } }

// NewHistogram holds microseconds up to a minute with three digits.
func NewHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }

// MS is a quantile in milliseconds.
func MS(h *hdrhistogram.Histogram, q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }

// Meter tells what a server has used up so far.
type Meter interface {
	// CPU is the processor time.
	CPU() time.Duration
	// Output is how many bytes went out by system calls, to files and to clients.
	Output() int64
}

// Received is how many bytes all clients of this process have read. What a server has put out beyond that has gone to
// files. The kernel's own count (write_bytes of /proc/PID/io) is of no use here: where the page cache holds a file in
// large folios, it counts a whole folio of up to 2 MiB for each page that is written.
var Received atomic.Int64

// Work is what one load has done, a value for each round.
type Work struct {
	Rate      Series // units a second
	Server    Series // µs of the server's processor time for a unit
	Generator Series // µs of this process's own processor time for a unit
	Written   Series // bytes that the server has written to files for a unit
	P50       Series // milliseconds for a request
	Units     int    // of all rounds
	// Latency is of the requests of all rounds.
	Latency *hdrhistogram.Histogram
}

// Do runs one round: workers do their tasks, units in all, at a server.
func (w *Work) Do(server Meter, workers, tasks, units int, do func(worker, task int) error) error {
	cpu, output, received, own := server.CPU(), server.Output(), Received.Load(), generator()
	took, latency, err := Loop(workers, Times(tasks), do)
	if err != nil {
		return err
	}
	for1 := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(units) }
	w.Units += units
	w.Rate = append(w.Rate, float64(units)/took.Seconds())
	w.Server = append(w.Server, for1(server.CPU()-cpu))
	w.Generator = append(w.Generator, for1(generator()-own))
	w.Written = append(w.Written, float64(max(0, server.Output()-output-(Received.Load()-received)))/float64(units))
	w.P50 = append(w.P50, MS(latency, 50))
	if w.Latency == nil {
		w.Latency = NewHistogram()
	}
	w.Latency.Merge(latency)
	return nil
}

// Quantiles writes the median and the 99th percentile of the latency.
func (w *Work) Quantiles() string {
	return fmt.Sprintf("p50 %s ms, p99 %s ms", Number(MS(w.Latency, 50)), Number(MS(w.Latency, 99)))
}

// generator is the processor time of this process, which makes the load.
func generator() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
