package metrics

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/metric"
)

// figures says what it is told to.
type figures func() ([]metric.Family, error)

func (f figures) Metrics(context.Context) ([]metric.Family, error) { return f() }

// both families of one name come from different places.
func both() ([]metric.Family, error) {
	h := metric.Sizes(1, 10)
	for _, n := range []int64{1, 5, 100} {
		h.Observe(n)
	}
	one := metric.By(metric.Total, "ops_total", "Changes.", "result")
	one.Add(2, "accepted")
	other := metric.By(metric.Total, "ops_total", "Changes.", "result")
	other.Add(1, "invalid")
	return []metric.Family{one, metric.Of(metric.Gauge, "users", "Users.", 25), other, h.Family("jobs", "Jobs.")}, nil
}

func TestTheFormOfTheAnswer(t *testing.T) {
	w := httptest.NewRecorder()
	Handler(slog.New(slog.DiscardHandler), Of(figures(both))).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		"# HELP or3_cloud_ops_total Changes.\n# TYPE or3_cloud_ops_total counter\nor3_cloud_ops_total{result=\"accepted\"} 2\nor3_cloud_ops_total{result=\"invalid\"} 1\n",
		"# TYPE or3_cloud_users gauge\nor3_cloud_users 25\n",
		"or3_cloud_jobs_bucket{le=\"1\"} 1\nor3_cloud_jobs_bucket{le=\"10\"} 2\nor3_cloud_jobs_bucket{le=\"+Inf\"} 3\nor3_cloud_jobs_sum 106\nor3_cloud_jobs_count 3\n",
		"\ngo_goroutines ", "\nprocess_start_time_seconds ",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q is not in\n%s", want, w.Body)
		}
	}
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=") || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestWhatCannotBeHadIsMissingAndLogged(t *testing.T) {
	var log bytes.Buffer
	h := Handler(slog.New(slog.NewTextHandler(&log, nil)), Of(figures(func() ([]metric.Family, error) {
		return []metric.Family{metric.Of(metric.Gauge, "users", "Users.", 25)}, errors.New("the disk is gone")
	})))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "or3_cloud_users 25") || !strings.Contains(w.Body.String(), "go_goroutines") || !strings.Contains(log.String(), "the disk is gone") {
		t.Errorf("%d %s\n%s", w.Code, w.Body, &log)
	}
	log.Reset()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/metrics", nil))
	if log.Len() > 0 {
		t.Errorf("who has left is logged: %s", &log)
	}
}

func TestAnAddressOfItsOwn(t *testing.T) {
	var log patience.Output
	logger := slog.New(slog.NewTextHandler(&log, nil))
	stop := Listen("127.0.0.1:0", Behind("secret", Handler(logger, Of(figures(both)))), logger)
	_, addr, found := strings.Cut(log.String(), "msg=metrics addr=")
	if !found {
		t.Fatal(log.String())
	}
	addr = strings.TrimSpace(addr)
	ask := func(method, path, token string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	if status, text := ask("GET", "/metrics", "secret"); status != 200 || !strings.Contains(text, "or3_cloud_users 25") {
		t.Error(status, text)
	}
	for _, c := range []struct {
		method, path, token string
		want                int
	}{{"GET", "/metrics", "other", 401}, {"GET", "/", "secret", 404}, {"GET", "/api/health", "secret", 404}, {"POST", "/metrics", "secret", 405}} {
		if status, text := ask(c.method, c.path, c.token); status != c.want || strings.Contains(text, "or3_cloud_") {
			t.Errorf("%+v: %d %s", c, status, text)
		}
	}
	Listen(addr, http.NotFoundHandler(), logger)()
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "cannot be opened") {
		t.Errorf("that an address is taken is not said: %s", log.String())
	}
	stop()
	if _, err := http.Get("http://" + addr + "/metrics"); err == nil {
		t.Error("it answers after its end")
	}
	Listen("", http.NotFoundHandler(), logger)()
}
