package e2e

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

const scrapeToken = "a token for the metrics, of 32 bytes and more"

// scrape returns the metrics of a server.
func scrape(t *testing.T, s *server) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+scrapeToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.Status, err, string(text))
	}
	return string(text)
}

// TestMetricsAreSentByOTLP starts a build with the tag otlp with the settings of docs/monitoring.md. It sends what
// /metrics has.
//
//walk:follows monitoring.md OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318
func TestMetricsAreSentByOTLP(t *testing.T) {
	t.Parallel()
	got := make(chan *metricspb.MetricsData, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		packed, err := gzip.NewReader(r.Body)
		if err != nil || r.URL.Path != "/v1/metrics" || r.Header.Get("Authorization") != "Bearer TOKEN" {
			t.Errorf("%s %s %q %v", r.Method, r.URL, r.Header, err)
			return
		}
		body, err := io.ReadAll(packed)
		in := &metricspb.MetricsData{}
		if err != nil || proto.Unmarshal(body, in) != nil {
			t.Errorf("%d bytes that are not metrics: %v", len(body), err)
		}
		select {
		case got <- in:
		default: // the test has what it needs
		}
	}))
	t.Cleanup(collector.Close)
	page, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	bin, err := buildOTLP()
	if err != nil {
		t.Fatal(err)
	}
	setups := []setup{withBinary(bin), withEnv("OTEL_METRIC_EXPORT_INTERVAL", "1000"), withEnv("OR3_METRICS_TOKEN", scrapeToken)}
	for _, line := range regexp.MustCompile(`(?m)^(OTEL_EXPORTER_OTLP_\w+)=(.*)$`).FindAllStringSubmatch(string(page), -1) {
		setups = append(setups, withEnv(line[1], strings.ReplaceAll(line[2], "http://127.0.0.1:4318", collector.URL)))
	}
	s := startServer(t, setups...)
	sent := map[string]bool{}
	for _, resource := range (<-got).ResourceMetrics {
		for _, scope := range resource.ScopeMetrics {
			for _, m := range scope.Metrics {
				sent[m.Name] = true
			}
		}
	}
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (\S+)`).FindAllStringSubmatch(scrape(t, s), -1) {
		// A figure may not have been there when the server had just begun.
		if name := line[1]; strings.HasPrefix(name, "go_") && !sent[name] {
			t.Errorf("%s is not sent", name)
		}
	}
	for _, name := range []string{"or3_cloud_ready", "or3_cloud_build_info", "or3_cloud_request_memory_limit_bytes"} {
		if !sent[name] {
			t.Errorf("%s is not sent", name)
		}
	}
}
