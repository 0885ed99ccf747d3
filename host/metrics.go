package host

import (
	"context"
	"net/http"

	"or3.chat/cloud/host/load"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/metrics"
	"or3.chat/cloud/metric"
)

// metricsPath is where monitoring systems look by default.
const metricsPath = "/metrics"

// Measured is everything that is measured.
func (h *Host) Measured() metrics.Source { return h.measured }

func (h *Host) reporter() metric.Reporter {
	return metric.Several{h.traffic, (*figures)(h), instance.Measured(h.instance)}
}

// answerMetrics answers monitoring systems. Like health checks they come from a network of the operator, under any name
// and over plain HTTP, and even while the server starts: only the token is checked. Nothing else is ever served at that
// path.
func (h *Host) answerMetrics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != metricsPath {
			next.ServeHTTP(w, r)
			return
		}
		httpapi.Unhurried(w)
		if h.metrics == nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
			httpapi.Respond(w, r, httpapi.NotFound)
			return
		}
		httpapi.RecordOf(r).Route = metricsPath
		h.metrics.ServeHTTP(w, r)
	})
}

// figures are what the host measures besides its requests.
type figures Host

// Metrics implements metric.Reporter.
func (f *figures) Metrics(context.Context) ([]metric.Family, error) {
	build := metric.By(metric.Gauge, "build_info", "1, with the version of the program.", "version")
	build.Add(1, f.opt.Version)
	held, peak := f.memory.Held()
	all := []metric.Family{
		build,
		metric.Of(metric.Gauge, "request_memory_bytes", "Memory held by requests.", float64(held)),
		metric.Of(metric.Gauge, "request_memory_peak_bytes", "The most memory that requests have held at once.", float64(peak)),
		metric.Of(metric.Gauge, "request_memory_limit_bytes", "The most memory that requests may hold together.", float64(f.memory.Total())),
	}
	run := f.running.Load()
	if run == nil {
		return all, nil
	}
	if run.sync != nil {
		ops := metric.By(metric.Total, "sync_ops_total", "Changes that devices have pushed, by outcome.", "result")
		ops.Add(run.sync.Refused.Value(), "invalid")
		all = append(all, ops)
	}
	if run.events != nil {
		all = append(all, metric.Of(metric.Gauge, "event_streams", "Devices that listen to the changes of a workspace.", float64(run.events.Open())))
	}
	if run.answers != nil {
		all = append(all,
			metric.Of(metric.Gauge, "background_answers", "Background answers under way.", float64(run.answers.UnderWay())),
			metric.Of(metric.Gauge, "background_answer_readers", "Browsers that read background answers along.", float64(run.answers.Readers())),
		)
	}
	return all, nil
}

// lookAtLoad returns the data for the load.
func (h *Host) lookAtLoad() load.Now {
	held, _ := h.memory.Held()
	now := load.Now{
		Faults: h.traffic.Faults.Value(), Bytes: h.traffic.Bytes.Value(), Requests: h.traffic.Answered.Value(), Latency: h.traffic.All.Distribution(),
		InFlight: int(h.traffic.Open()), RequestMemory: held,
	}
	if disk := h.instance.Disk(); disk != nil {
		now.DiskFree = disk.FreeBytes
	}
	run := h.running.Load()
	if run != nil && run.sync != nil {
		now.Ops = run.sync.Pushed.Value() + run.sync.Refused.Value()
	}
	if run != nil && run.events != nil {
		now.Listeners = run.events.Open()
	}
	return now
}

// Load returns the load of the server, while it is open.
func (h *Host) Load(ctx context.Context) (load.Summary, error) {
	s := load.Summary{
		Version: h.opt.Version, Started: h.started, At: h.now(), Ready: h.instance.Ready(), Step: load.Every.Seconds(), Points: h.load.Points(),
		MemoryLimitBytes: h.opt.Memory.Bytes, RequestMemoryLimitBytes: h.memory.Total(), Totals: map[string]float64{},
	}
	if disk := h.instance.Disk(); disk != nil {
		s.Disk = &load.Disk{State: disk.State, FreeBytes: disk.FreeBytes, SizeBytes: disk.TotalBytes, HeadroomBytes: disk.HeadroomBytes}
	}
	families, err := metric.Several{(*figures)(h), instance.Measured(h.instance)}.Metrics(ctx)
	for _, f := range families {
		if f.Kind == metric.Spread {
			continue
		}
		for _, one := range f.Samples {
			s.Totals[f.Key(one)] = one.Value
		}
	}
	return s, err
}
