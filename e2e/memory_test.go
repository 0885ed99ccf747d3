package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// The memory limit of the process in the test, how far six pushes of 55 MB may exceed it, and how much of that may be
// left when they are over. Without a budget they took twice the limit and kept it.
const (
	memoryLimit = 256 << 20
	memoryPeak  = 420 << 20
	memoryAfter = 220 << 20
)

// TestLargePushesStayWithinTheMemoryOfTheProcess pushes more at once than the process may hold. Every client is served
// or told to try again, everything is stored, and the memory is returned to the system.
func TestLargePushesStayWithinTheMemoryOfTheProcess(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("measures memory, which the race detector multiplies")
	}
	srv := startServer(t, withEnv("GOMEMLIMIT", fmt.Sprint(memoryLimit)), withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", generousLimits))
	owner := newDevice(t, srv, "owner")
	workspace := owner.register("owner@example.test").Workspace.ID
	const pushes, size = 6, 55 << 20
	row := strings.Repeat("x", 1<<20)
	type outcome struct{ refused, status int }
	done := make(chan outcome)
	for i := range pushes {
		var ops []string
		for n := range size >> 20 {
			id := 100*i + n
			ops = append(ops, fmt.Sprintf(`{"tableName":"posts","operation":"put","pk":"p%[1]d","payload":{"id":"p%[1]d","title":"","content":%[2]q,"post_type":"doc",`+
				`"deleted":false,"created_at":1,"updated_at":1,"clock":1},"stamp":{"deviceId":"1a2b3c4d","opId":"00000000-0000-4000-8000-%012[1]d","hlc":"0mll3o9og:000:1a2b3c4d","clock":1}}`, id, row))
		}
		body := fmt.Appendf(nil, `{"scope":{"workspaceId":%q},"ops":[%s]}`, workspace, strings.Join(ops, ","))
		go func() {
			var o outcome
			for {
				r, err := owner.send(t.Context(), "POST", "/api/sync/push", body, http.Header{"Content-Type": {"application/json"}})
				if err == nil {
					o.status = r.status
				}
				if err != nil || r.status != http.StatusServiceUnavailable {
					done <- o
					return
				}
				o.refused++
			}
		}()
	}
	for range pushes {
		o := patience.Receive(t, "an answer to a push", done)
		t.Logf("answered %d after %d times 503", o.status, o.refused)
		if o.status != http.StatusOK {
			t.Errorf("answered %d", o.status)
		}
	}
	peak := srv.memory("VmHWM")
	t.Logf("%d MiB at the most", peak>>20)
	if peak > memoryPeak {
		t.Errorf("the server took %d MiB of %d", peak>>20, memoryLimit>>20)
	}
	patience.Until(t, "memory that went back to the system", func() bool { return srv.memory("VmRSS") < memoryAfter })
	t.Logf("%d MiB afterwards", srv.memory("VmRSS")>>20)
}
