package sqlite

import (
	"context"
	"os"
	"sync"
	"time"

	"or3.chat/cloud/metric"
	"or3.chat/cloud/providers/sqlite/internal/db"
)

var _ metric.Reporter = (*Store)(nil)

// stockLife is how long a count of what is stored is reused: counting takes longer, the more there is.
const stockLife = time.Minute

// stock is what was stored when it was last counted.
type stock struct {
	mu       sync.Mutex
	at       time.Time // by a monotonic clock
	families []metric.Family
}

// Metrics implements metric.Reporter.
func (s *Store) Metrics(ctx context.Context) ([]metric.Family, error) {
	all := append(s.engine.Metrics(), s.Log.Ops())
	upkeep := s.MaintenanceState()
	failed := 0.0
	if upkeep.State == "failed" {
		failed = 1
	}
	all = append(all,
		metric.Of(metric.Gauge, "sync_collection_backlog", "Workspaces that the last collection of the log left for the next one.", float64(upkeep.Backlog)),
		metric.Of(metric.Gauge, "sync_collection_failed", "Whether the last collection failed.", failed),
		metric.Of(metric.Gauge, "sync_collected_timestamp_seconds", "When a collection last ended; 0 if none has.", float64(upkeep.LastRun)/1000),
	)
	size := metric.By(metric.Gauge, "sync_database_bytes", "Size of the sync database, by file.", "file")
	for file, suffix := range map[string]string{"database": "", "write_ahead_log": "-wal"} {
		if info, err := os.Stat(s.opts.Path + suffix); err == nil {
			size.Add(float64(info.Size()), file)
		}
	}
	all = append(all, size)
	s.stock.mu.Lock()
	defer s.stock.mu.Unlock()
	if s.stock.at.IsZero() || time.Since(s.stock.at) > stockLife {
		families, err := s.takeStock(ctx)
		if err != nil {
			return all, err
		}
		s.stock.at, s.stock.families = time.Now(), families
	}
	return append(all, s.stock.families...), nil
}

// behindBounds are the buckets of the query MeasureDevices.
var behindBounds = []float64{0, 10, 100, 1000, 10_000, 100_000}

// takeStock counts what is stored.
func (s *Store) takeStock(ctx context.Context) ([]metric.Family, error) {
	q := s.engine.Q
	counts, err := s.CountWorkspaces(ctx)
	if err != nil {
		return nil, err
	}
	m, err := q.MeasureStock(ctx)
	if err != nil {
		return nil, err
	}
	workspaces := metric.By(metric.Gauge, "workspaces", "Workspaces.", "state")
	workspaces.Add(float64(counts.Workspaces), "live")
	workspaces.Add(float64(counts.Deleted), "deleted")
	files := metric.By(metric.Gauge, "storage_files", "Files: those that are shown, uploads that are under way or have just finished, and contents that nothing names any more.", "state")
	files.Add(float64(counts.Files), "live")
	files.Add(float64(m.Uploads), "uploading")
	files.Add(float64(m.Orphans), "unused")
	bytes := metric.By(metric.Gauge, "storage_bytes", "Bytes of files, as the quotas count them.", "state")
	bytes.Add(float64(counts.FileBytes), "live")
	bytes.Add(float64(m.UploadBytes), "uploading")
	all := []metric.Family{
		metric.Of(metric.Gauge, "users", "Users.", float64(m.Users)), workspaces,
		metric.Of(metric.Gauge, "sync_log_bytes", "Bytes of the changes of all workspaces, as the quotas count them.", float64(counts.LogBytes)),
		files, bytes,
	}
	devices, err := q.MeasureDevices(ctx, s.opts.Now().Add(-s.opts.DeviceStale).UnixMilli())
	if err != nil {
		return nil, err
	}
	all = append(all, behind(devices))
	jobs := metric.By(metric.Gauge, "background_jobs", "Background answers that are kept, by status.", "status")
	counted, err := q.MeasureJobs(ctx)
	if err != nil {
		return nil, err
	}
	byStatus := map[string]float64{}
	for _, row := range counted {
		byStatus[row.Status] = float64(row.Jobs)
	}
	for _, status := range []string{"streaming", "complete", "error", "aborted"} {
		jobs.Add(byStatus[status], status)
	}
	deliveries := metric.By(metric.Gauge, "webhook_deliveries", "Webhook deliveries that are kept, by status.", "status")
	sent, err := q.MeasureDeliveries(ctx)
	if err != nil {
		return nil, err
	}
	clear(byStatus)
	for _, row := range sent {
		byStatus[row.Status] = float64(row.Deliveries)
	}
	for _, status := range []string{"pending", "in_flight", "success", "failed", "cancelled"} {
		deliveries.Add(byStatus[status], status)
	}
	return append(all, jobs, deliveries), nil
}

// behind is how far devices are behind their workspaces.
func behind(rows []db.MeasureDevicesRow) metric.Family {
	d := metric.Distribution{Bounds: behindBounds, Counts: make([]uint64, len(behindBounds)+1)}
	for _, row := range rows {
		d.Counts[row.Bucket] = uint64(row.Devices)
		d.Sum += float64(row.Behind)
	}
	return metric.Family{
		Name: "sync_device_lag_changes", Kind: metric.Spread, Samples: []metric.Sample{{Distribution: d}},
		Help: "Changes that devices have not seen yet, across recently active devices; as of now, not since the start.",
	}
}
