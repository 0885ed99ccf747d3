// Package syncbench measures sync: pushes, pulls, polls, histories, memory, and how fast a change is known. Every
// measurement is made of all builds of the run and of its ceilings in the same rounds.
package syncbench

import (
	"fmt"
	"strings"

	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/bench/internal/report"
	"or3.chat/cloud/bench/internal/run"
)

// Bench measures sync in a run.
type Bench struct {
	*run.Run
	// Histories are the sizes of histories that pushes and pulls are measured at, in entries, ascending.
	Histories []int64
}

// The rivals.
const (
	byAnswering = "Server that only answers"
	byKeeping   = "Server that only keeps and answers"
	bySQLite    = "SQLite in C"
	byPocket    = "PocketBase"
)

// other is a build to compare with, if there is one.
func (b *Bench) other() bool { return len(b.Builds) > 1 }

// rival is another one's work at the same thing.
type rival struct {
	by   string
	work *measure.Work
}

// contest is the same thing done by the builds and by others.
type contest struct {
	key, name, unit string
	ours            []*measure.Work // one a build
	ceiling         *measure.Work   // ours are shares of it; nil for none
	others          []rival
	note            func(build int) string // a remark on a build
}

// write adds the rows of a contest to the report.
func (b *Bench) write(c contest) {
	for i, w := range c.ours {
		var notes []string
		if c.ceiling != nil {
			notes = append(notes, fmt.Sprintf("%.3f of the ceiling", w.Rate.Median()/c.ceiling.Rate.Median()))
		}
		if i == 0 && len(c.ours) > 1 {
			notes = append(notes, fmt.Sprintf("%s %s, with %s its processor time", measure.Ratio(w.Rate, c.ours[1].Rate), b.Builds[1].Name, measure.Ratio(w.Server, c.ours[1].Server)))
		}
		if w.Latency != nil {
			notes = append(notes, w.Quantiles())
		}
		if c.note != nil {
			notes = append(notes, c.note(i))
		}
		b.Report.Work(report.Record{Key: c.key, By: b.Builds[i].Name, Unit: c.unit, Work: w}, c.name, strings.Join(notes, "; "))
	}
	for _, o := range c.others {
		b.Report.Work(report.Record{Key: c.key, By: o.by, Unit: c.unit, Work: o.work}, c.name, "")
	}
}

// atLeast judges a ratio of medians.
func (b *Bench) atLeast(name string, bound float64, w, of *measure.Work) {
	got := w.Rate.Median() / of.Rate.Median()
	b.Report.Target(name, fmt.Sprintf("≥ %g", bound), fmt.Sprintf("%.3g", got), got >= bound)
}

// faster judges how many times faster this build is than the other one, if there is one.
func (b *Bench) faster(name string, bound float64, ours []*measure.Work) {
	if b.other() {
		got := ours[0].Rate.Median() / ours[1].Rate.Median()
		b.Report.Target(name+", against "+b.Builds[1].Name, fmt.Sprintf("≥ %g ×", bound), fmt.Sprintf("%.2f ×", got), got >= bound)
	}
}

// atMost judges a figure.
func (b *Bench) atMost(name string, bound, got float64, unit string) {
	b.Report.Target(name, strings.TrimSpace(fmt.Sprintf("≤ %g %s", bound, unit)), strings.TrimSpace(fmt.Sprintf("%.3g %s", got, unit)), got <= bound)
}

// devicesOf names a number of devices.
func devicesOf(n int) string {
	if n == 1 {
		return "1 device"
	}
	return fmt.Sprintf("%d devices", n)
}
