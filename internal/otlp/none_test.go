//go:build !otlp

package otlp

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/metrics"
	"or3.chat/cloud/setting"
)

// configuration has nothing but an endpoint.
type configuration struct {
	or3cloud.Config
	endpoint string
}

func (c configuration) String(name string) string {
	return map[string]string{setting.OTLPEndpoint: c.endpoint}[name]
}

func TestABuildWithoutItSaysSo(t *testing.T) {
	for endpoint, want := range map[string]string{"": "", "http://127.0.0.1:4318": "-tags otlp"} {
		var log bytes.Buffer
		Send(slog.New(slog.NewTextHandler(&log, nil)), metrics.Source{}, configuration{endpoint: endpoint}, "v1.2.3")()
		if text := log.String(); !strings.Contains(text, want) || want == "" && text != "" {
			t.Errorf("%q: %q", endpoint, text)
		}
	}
}
