package engine

import (
	"time"

	"or3.chat/cloud/metric"
)

// measures are what a writer measures about its commits.
func measures() (groups, commits *metric.Histogram) {
	const us, ms = time.Microsecond, time.Millisecond
	return metric.Sizes(1, 2, 4, 8, 16, 32, 64, 128, groupJobs),
		metric.Durations(250*us, 500*us, ms, 2500*us, 5*ms, 10*ms, 25*ms, 50*ms, 100*ms, 250*ms, 500*ms, time.Second, 5*time.Second)
}

// Metrics are the figures of the file.
func (e *Engine) Metrics() []metric.Family {
	return []metric.Family{
		e.w.groups.Family("sync_commit_jobs", "Writes that shared a commit."),
		e.w.commits.Family("sync_commit_duration_seconds", "Time until a commit was on the disk."),
		metric.Of(metric.Gauge, "sync_writes_waiting", "Writes that wait for the one before them.", float64(e.Waiting())),
	}
}
