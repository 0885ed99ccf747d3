package metric

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestObservationsAreCountedBySize(t *testing.T) {
	h := Durations(10*time.Millisecond, time.Second)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for _, d := range []time.Duration{0, 10 * time.Millisecond, 11 * time.Millisecond, time.Second, time.Minute} {
				h.Observe(int64(d))
			}
		})
	}
	all.Wait()
	d := h.Distribution()
	if !slices.Equal(d.Bounds, []float64{0.01, 1}) || !slices.Equal(d.Counts, []uint64{8, 8, 4}) || d.Count() != 20 || d.Sum < 244.08 || d.Sum > 244.09 {
		t.Errorf("%+v", d)
	}
	sizes := Sizes(1, 2)
	sizes.Observe(2)
	if f := sizes.Family("jobs", "help"); f.Kind != Spread || f.Samples[0].Distribution.Counts[1] != 1 || f.Samples[0].Distribution.Sum != 2 {
		t.Errorf("%+v", f)
	}
}

// reporter says what it is.
type reporter struct {
	families []Family
	err      error
}

func (r reporter) Metrics(context.Context) ([]Family, error) { return r.families, r.err }

func TestWhatCannotBeHadSpoilsNothingElse(t *testing.T) {
	var c Counter
	c.Add(3)
	broken := errors.New("no answer")
	by := By(Gauge, "files", "help", "state", "kind")
	by.Add(7, "live", `a"b`)
	all, err := Several{reporter{[]Family{c.Family("one_total", "help")}, nil}, reporter{[]Family{by}, broken}, reporter{[]Family{Of(Gauge, "last", "help", 1)}, nil}}.Metrics(t.Context())
	if !errors.Is(err, broken) || len(all) != 3 || all[0].Samples[0].Value != 3 || all[0].Kind != Total || all[2].Name != "last" {
		t.Errorf("%+v, %v", all, err)
	}
	if key := all[1].Key(all[1].Samples[0]); key != `files{state="live",kind="a\"b"}` {
		t.Error(key)
	}
	if key := all[2].Key(all[2].Samples[0]); key != "last" {
		t.Error(key)
	}
}

// What a push pays for each figure.
func BenchmarkObserve(b *testing.B) {
	h := Durations(time.Millisecond, 5*time.Millisecond, 10*time.Millisecond, 25*time.Millisecond, 50*time.Millisecond, 100*time.Millisecond, time.Second)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.Observe(int64(7 * time.Millisecond))
		}
	})
}
