package e2e

import (
	"net/http"
	"sync"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// TestParallelRefreshesOfOnePage does what a page of the base client does when its access cookie has expired: several
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
				// Its own jar: the calls are under way together and none sees the cookies of another's answer.
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

// TestSessionOutlivesItsAccessToken keeps a page open beyond the expiry of its access token, with the cookie still
// sent. No call is refused: the request that shows the old token is answered and gets a new one.
func TestSessionOutlivesItsAccessToken(t *testing.T) {
	t.Parallel()
	srv := startServer(t, withEnv("OR3_BASIC_AUTH_ACCESS_TTL_SECONDS", "1"))
	d := newDevice(t, srv, "A")
	workspace := d.register("open@example.test").Workspace.ID
	for range 3 {
		old := d.jar.get("or3_access")
		patience.Until(t, "a call brings a new access token", func() bool {
			d.push(workspace, newOp("theme", "dark"))
			d.pull(workspace, 0, 300)
			return d.jar.get("or3_access") != old
		})
	}
}

// TestSignOutEndsTheSession signs out in one tab. Another that has kept the cookies, including the access token, is
// signed out at once; other devices of the account stay signed in.
func TestSignOutEndsTheSession(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	a, b := newDevice(t, srv, "A"), newDevice(t, srv, "B")
	workspace := a.register("out@example.test").Workspace.ID
	b.signIn("out@example.test")
	kept := a.twin()
	if r := a.post("/api/basic-auth/sign-out", nil); r.status != 200 || string(r.body) != `{"ok":true}` {
		t.Fatalf("sign-out: %s", r)
	}
	if len(a.jar.cookies) > 0 {
		t.Errorf("sign-out leaves %v", a.jar.cookies)
	}
	if s := kept.session(); s != nil {
		t.Error("the kept cookies are still good for a session")
	}
	if r := kept.post("/api/sync/pull", obj{"scope": scope{workspace}, "cursor": 0, "limit": 1}); r.status != 401 {
		t.Errorf("pull with the kept cookies: %s", r)
	}
	if r := kept.post("/api/basic-auth/refresh", nil); r.status != 401 || r.message() != "Session expired" {
		t.Errorf("refresh with the kept cookies: %s", r)
	}
	b.mustSession()
}
