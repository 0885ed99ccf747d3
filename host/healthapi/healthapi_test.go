package healthapi_test

import (
	"testing"
	"time"

	"or3.chat/cloud/host/healthapi"
	"or3.chat/cloud/host/internal/hosttest"
)

func TestHealth(t *testing.T) {
	start := time.Date(2026, 11, 23, 14, 33, 18, 343e6, time.UTC)
	api := healthapi.API{
		Started: start, Now: func() time.Time { return start.Add(1500 * time.Millisecond) },
		Features: healthapi.Features{
			Sync: healthapi.Feature{Available: true, Provider: "sqlite"}, Auth: healthapi.Feature{Available: true, Provider: "basic-auth"},
		},
	}
	for _, c := range []struct {
		target   string
		degraded bool
		want     string
	}{
		{"/api/health", false, `{"status":"ok","timestamp":"2026-11-23T14:33:19.843Z","uptime":1.5}`},
		{"/api/health?deep=yes", true, `{"status":"degraded","timestamp":"2026-11-23T14:33:19.843Z","uptime":1.5}`},
		{"/api/health?deep=true", false, `{"status":"ok","timestamp":"2026-11-23T14:33:19.843Z","uptime":1.5,"providers":{` +
			`"sync":{"available":true,"provider":"sqlite"},"storage":{"available":false},"auth":{"available":true,"provider":"basic-auth"}}}`},
		{"/api/healthz", false, `{"ok":true,"service":"or3-chat"}`},
	} {
		api.Degraded = c.degraded
		if w := hosttest.Do(t, api.Routes(), "GET", c.target, ""); w.Code != 200 || w.Body.String() != c.want {
			t.Errorf("%s: %d %s", c.target, w.Code, w.Body)
		}
	}
}
