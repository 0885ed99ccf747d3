// Package traffic counts what a server answers: by the pattern of the route, never by the path, which the client
// chooses.
package traffic

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/metric"
)

// What stands for a route where there is none.
const (
	// Client is the files and pages of the client.
	Client = "client"
	// other is every path without a handler.
	other = "other"
)

// Traffic is what has been answered so far.
type Traffic struct {
	// All has every answer except streams of events, which last as long as their readers like.
	All *metric.Histogram
	// Answered are all answers, and Faults those that say that the server has failed or is not ready. Bytes are those
	// of their bodies.
	Answered, Faults, Bytes metric.Counter

	open   atomic.Int64
	routes sync.Map // place → *series
}

type place struct{ route, method string }

// series are the figures of one route.
type series struct {
	classes  [5]metric.Counter // 1xx to 5xx
	duration *metric.Histogram
}

// New returns an empty Traffic.
func New() *Traffic { return &Traffic{All: durations()} }

func durations() *metric.Histogram {
	const ms = time.Millisecond
	return metric.Durations(ms, 2500*time.Microsecond, 5*ms, 10*ms, 25*ms, 50*ms, 100*ms, 250*ms, 500*ms, time.Second, 2500*ms, 5*time.Second, 10*time.Second)
}

// Count is the step that counts. It comes after the step that makes the record of the request.
func (t *Traffic) Count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		t.open.Add(1)
		defer func() {
			t.open.Add(-1)
			rec := httpapi.RecordOf(r)
			status := cmp.Or(rec.Status, http.StatusOK) // what net/http sends for a handler that wrote nothing
			s := t.at(place{cmp.Or(rec.Route, other), cmp.Or(rec.Method, method(r))})
			t.Answered.Add(1)
			s.classes[min(max(status/100, 1), 5)-1].Add(1)
			if status >= 500 {
				t.Faults.Add(1)
			}
			t.Bytes.Add(int(rec.Bytes))
			if strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
				return
			}
			took := int64(time.Since(start))
			t.All.Observe(took)
			s.duration.Observe(took)
		}()
		next.ServeHTTP(w, r)
	})
}

// at returns the series of a place. There are as many places as routes with their methods, and a few more.
func (t *Traffic) at(p place) *series {
	if s, ok := t.routes.Load(p); ok {
		return s.(*series)
	}
	s, _ := t.routes.LoadOrStore(p, &series{duration: durations()})
	return s.(*series)
}

// method is the method of a request without a route, if it is one of HTTP's.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return other
}

// Open is how many requests are under way.
func (t *Traffic) Open() int64 { return t.open.Load() }

// Metrics implements metric.Reporter.
func (t *Traffic) Metrics(context.Context) ([]metric.Family, error) {
	requests := metric.By(metric.Total, "http_requests_total", "Requests that were answered, by route, method and status class.", "route", "method", "code")
	took := metric.By(metric.Spread, "http_request_duration_seconds", "Time until the end of an answer, except for event streams.", "route", "method")
	t.routes.Range(func(at, seen any) bool {
		p, s := at.(place), seen.(*series)
		for i := range s.classes {
			if n := s.classes[i].Value(); n > 0 {
				requests.Add(n, p.route, p.method, string(rune('1'+i))+"xx")
			}
		}
		if d := s.duration.Distribution(); d.Count() > 0 {
			took.Samples = append(took.Samples, metric.Sample{Values: []string{p.route, p.method}, Distribution: d})
		}
		return true
	})
	for _, f := range []metric.Family{requests, took} {
		slices.SortFunc(f.Samples, func(a, b metric.Sample) int { return slices.Compare(a.Values, b.Values) })
	}
	return []metric.Family{
		requests, took,
		metric.Of(metric.Gauge, "http_requests_in_flight", "Requests under way, including event streams.", float64(t.Open())),
		t.Bytes.Family("http_response_bytes_total", "Bytes of the bodies that were sent."),
	}, nil
}
