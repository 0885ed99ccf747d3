package e2e

import (
	"net/http"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// TestRateLimitsOutliveARestart uses up a budget, and stops or kills the server: the next process knows.
func TestRateLimitsOutliveARestart(t *testing.T) {
	for name, end := range map[string]func(*server){"stopped": (*server).stop, "killed": (*server).kill} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := startServer(t, withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", `{"workspace:create":{"windowMs":86400000,"maxRequests":2}}`))
			d := newDevice(t, srv, "d")
			d.register("ann@example.test")
			for _, want := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
				if got := d.post("/api/workspaces", map[string]string{"name": "one more"}); got.status != want {
					t.Fatalf("%d %s, want %d", got.status, got.body, want)
				}
			}
			if name == "killed" { // it is written after the request
				db := openDatabase(t, srv.database("sync"))
				patience.Until(t, "a budget that is used up is written down", func() bool {
					var n int
					err := db.QueryRow("SELECT count(*) FROM rate_windows WHERE key LIKE '%:workspace:create' AND json_array_length(hits) = 2").Scan(&n)
					return err == nil && n == 1
				})
			}
			end(srv)
			srv.start()
			if got := d.post("/api/workspaces", map[string]string{"name": "one more"}); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
				t.Errorf("after the restart: %d %v %s", got.status, got.header, got.body)
			}
		})
	}
}
