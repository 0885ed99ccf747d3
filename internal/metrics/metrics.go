// Package metrics answers a monitoring system with what is measured, in the formats of Prometheus. It alone knows their
// library.
package metrics

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"or3.chat/cloud/metric"
)

// Prefix is what the names of all measurements of ours begin with.
const Prefix = "or3_cloud_"

// Source is what is measured, as the library asks for it.
type Source struct {
	process  *prometheus.Registry
	reporter metric.Reporter
}

// Of is the figures of a reporter, and those of the process and of Go's runtime.
func Of(reporter metric.Reporter) Source {
	process := prometheus.NewRegistry()
	process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return Source{process, reporter}
}

// Gatherer returns the figures of the moment when it is asked, until ctx ends. Figures that a reporter cannot get are
// missing, and the error says why.
func (s Source) Gatherer(ctx context.Context) prometheus.Gatherer {
	return prometheus.Gatherers{s.process, prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := s.reporter.Metrics(ctx)
		return Families(families), err
	})}
}

// Handler answers with the figures of a source. Figures that it cannot get are missing from the answer, and the log
// says why.
func Handler(log *slog.Logger, source Source) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		promhttp.HandlerFor(source.Gatherer(r.Context()), promhttp.HandlerOpts{
			ErrorLog: told{r.Context(), log}, ErrorHandling: promhttp.ContinueOnError,
		}).ServeHTTP(w, r)
	})
}

// told writes what the library has to say into the log.
type told struct {
	ctx context.Context
	log *slog.Logger
}

// Println implements promhttp.Logger.
func (t told) Println(v ...any) {
	if t.ctx.Err() != nil {
		return // no one waits for the answer
	}
	for _, one := range v {
		if err, ok := one.(error); ok {
			t.log.Warn("some of the metrics could not be had", "error", err)
		}
	}
}

// Families puts measurements into the form of the library. Those of one name become one family.
func Families(all []metric.Family) (out []*dto.MetricFamily) {
	known := map[string]*dto.MetricFamily{}
	for _, f := range all {
		family := known[f.Name]
		if family == nil {
			kind := map[metric.Kind]dto.MetricType{
				metric.Gauge: dto.MetricType_GAUGE, metric.Total: dto.MetricType_COUNTER, metric.Spread: dto.MetricType_HISTOGRAM,
			}[f.Kind]
			family = &dto.MetricFamily{Name: proto.String(Prefix + f.Name), Help: proto.String(f.Help), Type: &kind}
			known[f.Name] = family
			out = append(out, family)
		}
		for _, s := range f.Samples {
			family.Metric = append(family.Metric, sample(f, s))
		}
	}
	return out
}

func sample(f metric.Family, s metric.Sample) *dto.Metric {
	m := &dto.Metric{}
	for i, name := range f.Labels {
		m.Label = append(m.Label, &dto.LabelPair{Name: proto.String(name), Value: proto.String(s.Values[i])})
	}
	switch f.Kind {
	case metric.Gauge:
		m.Gauge = &dto.Gauge{Value: proto.Float64(s.Value)}
	case metric.Total:
		m.Counter = &dto.Counter{Value: proto.Float64(s.Value)}
	case metric.Spread:
		h := &dto.Histogram{SampleCount: proto.Uint64(s.Distribution.Count()), SampleSum: proto.Float64(s.Distribution.Sum)}
		sum := uint64(0)
		for i, bound := range s.Distribution.Bounds {
			sum += s.Distribution.Counts[i]
			h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: proto.Float64(bound), CumulativeCount: proto.Uint64(sum)})
		}
		m.Histogram = h
	}
	return m
}

// Behind lets a request through to a handler if it brings the token (RFC 6750), or if there is none.
func Behind(token string, next http.Handler) http.Handler {
	if token == "" {
		return next
	}
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, brought, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(brought)))
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="metrics"`)
			http.Error(w, "Metrics need the token of OR3_METRICS_TOKEN.", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
