//go:build otlp

// Package otlp sends what is measured to a collector of OpenTelemetry. It is a build option, the tag otlp, because its
// libraries add 5 MB to the program, and Prometheus needs none of them.
package otlp

import (
	"context"
	"log/slog"
	"strings"
	"time"

	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/metrics"
)

// lastAnswer is how long the last figures may take once the server stops.
const lastAnswer = 2 * time.Second

// Send sends the figures of a source over HTTP at the interval of the configuration, and once more when stop is called,
// if there is a collector. The log says what could not be sent. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES describe
// this server, too.
func Send(log *slog.Logger, source metrics.Source, cfg or3cloud.Config, version string) (stop func()) {
	to := configured(cfg, version)
	if to.endpoint == "" {
		return func() {}
	}
	stop, err := send(log, source, to)
	if err != nil {
		log.Error("metrics are not sent", "error", err)
		return func() {}
	}
	return stop
}

func send(log *slog.Logger, source metrics.Source, to options) (stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	exporter, err := otlpmetrichttp.New(ctx,
		otlpmetrichttp.WithEndpointURL(strings.TrimRight(to.endpoint, "/")+"/v1/metrics"),
		otlpmetrichttp.WithHeaders(to.headers), otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
	if err != nil {
		cancel()
		return nil, err
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "or3-cloud"), attribute.String("service.version", to.version)),
		resource.WithHost(), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		log.Warn("OTEL_RESOURCE_ATTRIBUTES cannot be read, or not all of it", "error", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if ctx.Err() == nil {
			log.Warn("metrics were not sent, or not all of them", "error", err)
		}
	}))
	provider := sdk.NewMeterProvider(sdk.WithResource(about), sdk.WithReader(sdk.NewPeriodicReader(exporter,
		sdk.WithInterval(to.interval), sdk.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(source.Gatherer(ctx)))))))
	log.Info("metrics are sent by OTLP", "every", to.interval)
	return func() {
		defer cancel()
		last, done := context.WithTimeout(ctx, lastAnswer)
		defer done()
		if err := provider.Shutdown(last); err != nil {
			log.Warn("the last metrics were not sent", "error", err)
		}
	}, nil
}
