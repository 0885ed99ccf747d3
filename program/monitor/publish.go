package monitor

import (
	"log/slog"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/metrics"
	"or3.chat/cloud/internal/otlp"
	"or3.chat/cloud/setting"
)

// Publish answers monitoring systems at an address of its own and sends metrics to a collector, where the configuration
// asks for it, until stop is called.
func Publish(log *slog.Logger, source metrics.Source, cfg or3cloud.Config, version string) (stop func()) {
	guarded := metrics.Behind(cfg.String(setting.MetricsToken), metrics.Handler(log, source))
	close := metrics.Listen(cfg.String(setting.MetricsAddr), guarded, log)
	end := otlp.Send(log, source, cfg, version)
	return func() {
		end()
		close()
	}
}
