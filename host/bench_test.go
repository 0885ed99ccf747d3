package host

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
)

func (g *gateway) Pull(_ context.Context, in or3cloud.PullRequest, _ func(*or3cloud.Change) error) (or3cloud.PullPage, error) {
	return or3cloud.PullPage{NextCursor: in.Cursor}, nil
}

// BenchmarkPoll measures what the host itself costs for the most frequent request: a pull that finds nothing new.
func BenchmarkPoll(b *testing.B) {
	w := newWorld()
	h := w.host(b, defaults("OR3_LIMITS_ENABLED", "false"), func(o *options) {
		o.Log = slog.New(slog.NewJSONHandler(io.Discard, nil))
	})
	if err := h.Open(b.Context()); err != nil {
		b.Fatal(err)
	}
	body := `{"scope":{"workspaceId":"ws"},"cursor":7,"limit":300,"tables":["threads","messages","projects","posts","kv","file_meta","notifications"]}`
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", "/api/sync/pull", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.AddCookie(&http.Cookie{Name: "who", Value: "ann"})
		rec := httptest.NewRecorder()
		if h.Handler().ServeHTTP(rec, r); rec.Code != 200 {
			b.Fatal(rec.Body)
		}
	}
}
