//go:build otlp

package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"or3.chat/cloud/internal/metrics"
	"or3.chat/cloud/metric"
)

type figures []metric.Family

func (f figures) Metrics(context.Context) ([]metric.Family, error) { return f, nil }

// measured has one figure of each kind.
func measured() metrics.Source {
	ops := metric.By(metric.Total, "ops_total", "Changes.", "result")
	ops.Add(2, "accepted")
	sizes := metric.Sizes(1, 10)
	for _, n := range []int64{1, 5, 100} {
		sizes.Observe(n)
	}
	return metrics.Of(figures{ops, metric.Of(metric.Gauge, "users", "Users.", 25), sizes.Family("jobs", "Jobs.")})
}

// TestWhatACollectorGets reads requests as MetricsData, which is encoded as the request is
// (opentelemetry/proto/metrics/v1).
func TestWhatACollectorGets(t *testing.T) {
	got := make(chan *metricspb.MetricsData, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		packed, err := gzip.NewReader(r.Body)
		if err != nil || r.Method != "POST" || r.URL.Path != "/base/v1/metrics" || r.Header.Get("Authorization") != "Bearer abc" {
			t.Errorf("%s %s %v %v", r.Method, r.URL, r.Header, err)
			return
		}
		body, err := io.ReadAll(packed)
		in := &metricspb.MetricsData{}
		if err != nil || proto.Unmarshal(body, in) != nil {
			t.Errorf("%d bytes: %v", len(body), err)
		}
		got <- in
	}))
	defer server.Close()
	stop, err := send(slog.New(slog.DiscardHandler), measured(), options{
		endpoint: server.URL + "/base/", headers: map[string]string{"Authorization": "Bearer abc"}, interval: time.Second, version: "v1.2.3",
	})
	if err != nil {
		t.Fatal(err)
	}
	<-got
	stop()
	all, about := map[string]*metricspb.Metric{}, map[string]string{}
	for _, r := range (<-got).ResourceMetrics {
		for _, a := range r.Resource.Attributes {
			about[a.Key] = a.Value.GetStringValue()
		}
		for _, scope := range r.ScopeMetrics {
			for _, m := range scope.Metrics {
				all[m.Name] = m
			}
		}
	}
	if about["service.name"] != "or3-cloud" || about["service.version"] != "v1.2.3" || about["host.name"] == "" {
		t.Errorf("resource %v", about)
	}
	total := all["or3_cloud_ops_total"].GetSum()
	if total == nil || !total.IsMonotonic || total.AggregationTemporality != metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE ||
		len(total.DataPoints) != 1 || total.DataPoints[0].GetAsDouble() != 2 || total.DataPoints[0].Attributes[0].Value.GetStringValue() != "accepted" {
		t.Errorf("total: %v", total)
	}
	if gauge := all["or3_cloud_users"].GetGauge(); gauge == nil || len(gauge.DataPoints) != 1 || gauge.DataPoints[0].GetAsDouble() != 25 {
		t.Errorf("gauge: %v", gauge)
	}
	if h := all["or3_cloud_jobs"].GetHistogram(); h == nil || len(h.DataPoints) != 1 || h.DataPoints[0].Count != 3 || h.DataPoints[0].GetSum() != 106 ||
		len(h.DataPoints[0].BucketCounts) != 3 {
		t.Errorf("histogram: %v", h)
	}
	for _, name := range []string{"go_goroutines", "process_start_time_seconds"} {
		if all[name] == nil {
			t.Errorf("no %s", name)
		}
	}
}

func TestACollectorThatRefuses(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	var log bytes.Buffer
	stop, err := send(slog.New(slog.NewTextHandler(&log, nil)), measured(), options{
		endpoint: server.URL, headers: map[string]string{"Authorization": "Bearer of-a-secret"}, interval: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if text := log.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "403") || strings.Contains(text, "of-a-secret") {
		t.Errorf("log: %s", text)
	}
}
