package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// series are the results of the rounds of one measurement.
type series []float64

func (s series) median() float64 {
	if len(s) == 0 {
		return 0
	}
	c := slices.Sorted(slices.Values(s))
	return (c[(len(c)-1)/2] + c[len(c)/2]) / 2
}

// String shows the median and the range.
func (s series) String() string {
	if len(s) == 0 {
		return "–"
	}
	if len(s) == 1 {
		return number(s[0])
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.median()), number(slices.Min(s)), number(slices.Max(s)))
}

// number writes a figure with as many digits as mean something.
func number(f float64) string {
	switch {
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

// step is one measurement of a round: prepare is not timed.
type step struct {
	prepare func() error
	run     func() error
}

// interleave runs all steps once in each round, so that the machine's drift hits them alike.
func interleave(rounds int, steps ...step) error {
	for range rounds {
		for _, s := range steps {
			if s.prepare != nil {
				if err := s.prepare(); err != nil {
					return err
				}
			}
			runtime.GC() // of our own preparations, not while the clock runs
			if err := s.run(); err != nil {
				return err
			}
		}
	}
	return nil
}

// loop lets n workers each do their own list of tasks, one after the other, and returns how long all took together
// and how long each task did. The number of requests under way is n, whatever the server's speed.
func loop(n int, tasks func(worker int) int, do func(worker, task int) error) (time.Duration, *hdrhistogram.Histogram, error) {
	var wg sync.WaitGroup
	all := newHistogram()
	var mu sync.Mutex
	var firstErr error
	begin := make(chan struct{})
	for w := range n {
		wg.Go(func() {
			h := newHistogram()
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

func times(n int) func(int) int { return func(int) int { return n } }

// newHistogram holds microseconds up to a minute with three digits.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }

// ms is a quantile in milliseconds.
func ms(h *hdrhistogram.Histogram, q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
