package instance

import (
	"context"
	"errors"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/metric"
)

// Measured returns what an instance knows of itself, and what its providers measure.
func Measured(i *Instance) metric.Reporter { return measured{i} }

type measured struct{ *Instance }

// Metrics implements metric.Reporter.
func (i measured) Metrics(ctx context.Context) ([]metric.Family, error) {
	all := []metric.Family{metric.Of(metric.Gauge, "ready", "Whether every route is served.", number(i.Ready()))}
	if disk := i.Disk(); disk != nil {
		all = append(all,
			metric.Of(metric.Gauge, "disk_free_bytes", "Free space of the file system that has the least.", float64(disk.FreeBytes)),
			metric.Of(metric.Gauge, "disk_size_bytes", "Size of that file system.", float64(disk.TotalBytes)),
			metric.Of(metric.Gauge, "disk_headroom_bytes", "What may still be written there before changes are refused.", float64(disk.HeadroomBytes)),
		)
	}
	if !i.Enter() {
		return all, nil
	}
	defer i.Leave()
	all = append(all, i.soundness()...)
	p := i.Providers()
	if p == nil {
		return all, nil
	}
	var errs []error
	asked := map[*or3cloud.Instance]bool{}
	for _, kind := range []or3cloud.ProviderKind{or3cloud.ProviderAuth, or3cloud.ProviderSync, or3cloud.ProviderStorage} {
		reporter := Ability[metric.Reporter](p, kind)
		if reporter == nil || asked[p.byKind[kind]] {
			continue
		}
		asked[p.byKind[kind]] = true
		families, err := reporter.Metrics(ctx)
		all, errs = append(all, families...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// soundness says how sound the stores are.
func (i measured) soundness() []metric.Family {
	damaged := metric.By(metric.Gauge, "database_damaged", "Whether a check has found the database damaged.", "database")
	faults := metric.By(metric.Gauge, "database_faults", "Known errors of the database.", "database")
	for _, kind := range []or3cloud.ProviderKind{or3cloud.ProviderSync, or3cloud.ProviderAuth} {
		if d := i.Database(kind); d != nil {
			damaged.Add(number(d.State == or3cloud.DatabaseDamaged), string(kind))
			faults.Add(float64(d.Faults), string(kind))
		}
	}
	all := []metric.Family{damaged, faults}
	if files := i.Integrity(); files != nil {
		all = append(all,
			metric.Of(metric.Gauge, "storage_damaged_files", "Stored files that are not what was uploaded.", float64(files.Damaged)),
			metric.Of(metric.Gauge, "storage_checked_timestamp_seconds", "When all stored files had last been read back; 0 if they never were.", float64(files.LastPass)/1000))
	}
	return all
}

// number is a truth as a figure.
func number(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}
