package e2e

import (
	"net/http"
	"sync"
	"testing"
)

// TestParallelRefreshesOfOnePage does what a page of the base client does when its access cookie has run out: several
// calls of all kinds at once with one refresh cookie. All must succeed, agree on the successor and clear nothing
// (contract, auth §8.5, Pitfalls 2, 3).
func TestParallelRefreshesOfOnePage(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	d := newDevice(t, srv, "A")
	s := d.register("refresh@example.test")
	for round := range 5 {
		d.jar.drop("or3_access")
		cookie := "or3_refresh=" + d.jar.get("or3_refresh")
		calls := []struct{ method, path, body string }{
			{"POST", "/api/basic-auth/refresh?silent=1", ""},
			{"POST", "/api/basic-auth/refresh?silent=1", ""},
			{"POST", "/api/basic-auth/refresh", ""},
			{"GET", "/api/auth/session", ""},
			{"GET", "/api/workspaces", ""},
			{"POST", "/api/sync/pull", `{"scope":{"workspaceId":"` + s.Workspace.ID + `"},"cursor":0,"limit":300}`},
		}
		replies := make([]*reply, len(calls))
		successors := make([]string, len(calls))
		var wg sync.WaitGroup
		for i, c := range calls {
			wg.Go(func() {
				// A jar of its own: the calls are under way together and none sees the cookies of another's answer.
				alone := newDevice(t, srv, c.path)
				header := http.Header{"Cookie": {cookie}}
				var body []byte
				if c.body != "" {
					header.Set("Content-Type", "application/json")
					body = []byte(c.body)
				}
				r, err := alone.send(t.Context(), c.method, c.path, body, header)
				if err != nil {
					t.Error(err)
					return
				}
				replies[i], successors[i] = r, alone.jar.get("or3_refresh")
			})
		}
		wg.Wait()
		for i, r := range replies {
			if r == nil {
				return
			}
			if r.status != 200 || calls[i].path != "/api/auth/session" && string(r.body) == `{"ok":false}` {
				t.Errorf("round %d: %s: %s", round, calls[i].path, r)
			}
			if successors[i] == "" || successors[i] != successors[0] {
				t.Errorf("round %d: %s got successor %.12q, the first call %.12q", round, calls[i].path, successors[i], successors[0])
			}
		}
		if t.Failed() {
			return
		}
		d.do("GET", "/api/auth/session", nil, http.Header{"Cookie": {"or3_refresh=" + successors[0]}})
		if got := d.mustSession(); got.User.ID != s.User.ID {
			t.Fatalf("round %d: signed in as %s", round, got.User.ID)
		}
	}
}
