// Package metric is the contract of measurements: what a part of the program counts, and how it is asked for the
// figures. To count is an atomic addition; how figures get to a monitoring system, who counts need not know.
package metric

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Reporter is the optional ability to say what is measured. Providers may have it.
type Reporter interface {
	// Metrics returns the figures of the moment. It is called whenever a monitoring system asks, so what takes long to
	// find out is kept for a while. With an error come those that could be had.
	Metrics(ctx context.Context) ([]Family, error)
}

// Several are reporters whose figures belong together.
type Several []Reporter

// Metrics implements Reporter.
func (s Several) Metrics(ctx context.Context) (all []Family, err error) {
	for _, r := range s {
		families, failure := r.Metrics(ctx)
		all, err = append(all, families...), errors.Join(err, failure)
	}
	return all, err
}

// Kind says how the figures of a family behave.
type Kind int

// The kinds.
const (
	// Gauge goes up and down.
	Gauge Kind = iota
	// Total only grows, until the program starts again.
	Total
	// Spread is how many observations there were, by size.
	Spread
)

// Family is one measurement, with a figure for each combination of labels. What a label may say is a closed list, and
// never what a request, a user or a workspace has brought along: each value is a time series that a monitoring system
// keeps.
type Family struct {
	// Name has lower-case words with underscores between them, the unit last, and "_total" behind that of a Total.
	Name string
	Help string
	Kind Kind
	// Labels are the names of the labels.
	Labels  []string
	Samples []Sample
}

// Sample is one figure.
type Sample struct {
	// Values are those of the labels, in their order.
	Values []string
	// Value is the figure of a Gauge or Total, Distribution that of a Spread.
	Value        float64
	Distribution Distribution
}

// Distribution says how many observations there were up to each bound.
type Distribution struct {
	// Bounds are the largest values of the buckets, in ascending order, and Counts how many observations each of these
	// has; one more is of what is larger than all of them.
	Bounds []float64
	Counts []uint64
	Sum    float64
}

// Count is how many observations there were.
func (d Distribution) Count() (n uint64) {
	for _, c := range d.Counts {
		n += c
	}
	return n
}

// Of returns a family with one figure and no labels.
func Of(kind Kind, name, help string, value float64) Family {
	return Family{Name: name, Help: help, Kind: kind, Samples: []Sample{{Value: value}}}
}

// By returns a family without figures yet, whose figures differ in labels.
func By(kind Kind, name, help string, labels ...string) Family {
	return Family{Name: name, Help: help, Kind: kind, Labels: labels}
}

// Add adds a figure with the values of the labels.
func (f *Family) Add(value float64, values ...string) {
	f.Samples = append(f.Samples, Sample{Values: values, Value: value})
}

// Key names a figure of the family as Prometheus does: name{label="value"}.
func (f Family) Key(s Sample) string {
	if len(f.Labels) == 0 {
		return f.Name
	}
	var labels []string
	for i, name := range f.Labels {
		labels = append(labels, name+"="+strconv.Quote(s.Values[i]))
	}
	return f.Name + "{" + strings.Join(labels, ",") + "}"
}

// Counter counts. The zero value is ready.
type Counter struct{ n atomic.Int64 }

// Add adds n.
func (c *Counter) Add(n int) { c.n.Add(int64(n)) }

// Value is what has been counted so far.
func (c *Counter) Value() float64 { return float64(c.n.Load()) }

// Family returns the counter as a family of its own.
func (c *Counter) Family(name, help string) Family { return Of(Total, name, help, c.Value()) }

// Histogram counts observations by size. It is made by Durations or Sizes, and costs two atomic additions an
// observation.
type Histogram struct {
	bounds []int64
	unit   float64 // how many of what is observed make one of what is shown
	counts []atomic.Uint64
	sum    atomic.Int64
}

// Durations returns a histogram of durations, which is shown in seconds.
func Durations(bounds ...time.Duration) *Histogram {
	h := &Histogram{unit: float64(time.Second), counts: make([]atomic.Uint64, len(bounds)+1)}
	for _, b := range bounds {
		h.bounds = append(h.bounds, int64(b))
	}
	return h
}

// Sizes returns a histogram of numbers.
func Sizes(bounds ...int64) *Histogram {
	return &Histogram{unit: 1, bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

// Took adds the time since start.
func (h *Histogram) Took(start time.Time) { h.Observe(int64(time.Since(start))) }

// Observe adds an observation: a number, or the nanoseconds of a duration.
func (h *Histogram) Observe(n int64) {
	i := 0
	for i < len(h.bounds) && n > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(n)
}

// Distribution is what has been observed so far.
func (h *Histogram) Distribution() Distribution {
	d := Distribution{Counts: make([]uint64, len(h.counts)), Sum: float64(h.sum.Load()) / h.unit}
	for _, b := range h.bounds {
		d.Bounds = append(d.Bounds, float64(b)/h.unit)
	}
	for i := range h.counts {
		d.Counts[i] = h.counts[i].Load()
	}
	return d
}

// Family returns the histogram as a family of its own.
func (h *Histogram) Family(name, help string) Family {
	return Family{Name: name, Help: help, Kind: Spread, Samples: []Sample{{Distribution: h.Distribution()}}}
}
