package healthapi_test

import (
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/healthapi"
	"or3.chat/cloud/host/internal/hosttest"
	"or3.chat/cloud/internal/diskspace"
)

func TestHealth(t *testing.T) {
	start := time.Date(2026, 11, 23, 14, 33, 18, 343e6, time.UTC)
	o := healthapi.Options{
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
		o.Degraded = c.degraded
		if w := hosttest.Do(t, healthapi.New(o).Routes(), "GET", c.target, ""); w.Code != 200 || w.Body.String() != c.want {
			t.Errorf("%s: %d %s", c.target, w.Code, w.Body)
		}
	}
}

// Contract, workspaces-and-admin §10: a failed run keeps ok.
func TestDeepHealthTellsTheStateOfMaintenanceAndDisk(t *testing.T) {
	state := &or3cloud.MaintenanceState{Enabled: true, State: "failed", LastRun: 1_771_000_000_000, Backlog: 2, LastError: "The disk is full"}
	var disk *diskspace.Report
	api := healthapi.New(healthapi.Options{
		Now: time.Now, Maintenance: func() *or3cloud.MaintenanceState { return state }, Disk: func() *diskspace.Report { return disk },
	})
	const sync = `"sync":{"available":false,"maintenance":{"enabled":true,"state":"failed","lastRun":1771000000000,"backlog":2,"lastError":"The disk is full"}}`
	w := hosttest.Do(t, api.Routes(), "GET", "/api/health?deep=true", "")
	if body := w.Body.String(); w.Code != 200 || !strings.Contains(body, sync) || !strings.Contains(body, `"status":"ok"`) {
		t.Error(body)
	}
	if w := hosttest.Do(t, api.Routes(), "GET", "/api/health", ""); strings.Contains(w.Body.String(), "maintenance") {
		t.Error(w.Body)
	}
	disk = &diskspace.Report{State: "full", FreeBytes: 17, Network: "nfs"}
	w = hosttest.Do(t, api.Routes(), "GET", "/api/health?deep=true", "")
	if body := w.Body.String(); !strings.Contains(body, `"disk":{"state":"full","freeBytes":17,"network":"nfs"}`) {
		t.Error(body)
	}
	state = nil // not opened yet
	if w := hosttest.Do(t, api.Routes(), "GET", "/api/health?deep=true", ""); strings.Contains(w.Body.String(), "maintenance") {
		t.Error(w.Body)
	}
}

// Liveness is 200 whatever happens; readiness tells load balancers to wait.
func TestReady(t *testing.T) {
	var fault error
	api := healthapi.New(healthapi.Options{Now: time.Now, Ready: func() error { return fault }})
	if w := hosttest.Do(t, api.Routes(), "GET", "/api/health/ready", ""); w.Code != 200 || w.Body.String() != `{"ready":true}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	fault = or3cloud.Unavailable(nil, "The server is starting", time.Second)
	w := hosttest.Do(t, api.Routes(), "GET", "/api/health/ready", "")
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "The server is starting") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := hosttest.Do(t, api.Routes(), "GET", "/api/health", ""); w.Code != 200 {
		t.Errorf("liveness: %d", w.Code)
	}
}
