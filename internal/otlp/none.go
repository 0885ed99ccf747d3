//go:build !otlp

package otlp

import (
	"log/slog"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/metrics"
	"or3.chat/cloud/setting"
)

// Send says that this build cannot send metrics, if it is told to.
func Send(log *slog.Logger, _ metrics.Source, cfg or3cloud.Config, _ string) (stop func()) {
	if endpoint := cfg.String(setting.OTLPEndpoint); endpoint != "" {
		log.Warn("this build cannot send metrics by OTLP; build it with -tags otlp, or let Prometheus read /metrics", "endpoint", endpoint)
	}
	return func() {}
}
