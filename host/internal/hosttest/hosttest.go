// Package hosttest stands in for the host in the tests of the endpoint packages: a fixed session, and requests that
// pass the router and the error adapter as in the real one.
package hosttest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/membudget"
)

// Host is an or3cloud.Front with a fixed answer.
type Host struct {
	// Current is the session; the zero value is signed out.
	Current or3cloud.SessionContext
	// Err, if set, is the error of Session.
	Err error
	// Roles are the user's roles in other workspaces than the current one.
	Roles map[string]or3cloud.Role
	// IP is the client's address.
	IP string
}

// Member returns a host whose user has a role in workspace "ws".
func Member(role or3cloud.Role) *Host {
	return &Host{IP: "192.0.2.1", Current: or3cloud.SessionContext{
		Authenticated: true, Provider: "fake", ProviderUserID: "account",
		User: or3cloud.SessionUser{ID: "user"}, Workspace: or3cloud.SessionWorkspace{ID: "ws", Name: "Mine"}, Role: role,
	}}
}

// Session implements or3cloud.Front.
func (h *Host) Session(*http.Request) (*or3cloud.SessionContext, error) {
	s := h.Current
	return &s, h.Err
}

// Authorize implements or3cloud.Front.
func (h *Host) Authorize(r *http.Request, p or3cloud.Permission, workspaceID string) (*or3cloud.SessionContext, error) {
	s, err := h.Session(r)
	if err != nil {
		return nil, err
	}
	if workspaceID != s.Workspace.ID {
		s.Workspace, s.Role = or3cloud.SessionWorkspace{ID: workspaceID}, h.Roles[workspaceID]
	}
	return s, or3cloud.Can(s, p, or3cloud.WorkspaceResource(workspaceID)).Err()
}

// Reauthorize implements eventsapi.Host.
func (h *Host) Reauthorize(r *http.Request, s *or3cloud.SessionContext, p or3cloud.Permission) error {
	_, err := h.Authorize(r, p, s.Workspace.ID)
	return err
}

// Confirm implements streamapi.Host.
func (h *Host) Confirm(r *http.Request, s *or3cloud.SessionContext, p or3cloud.Permission) error {
	return h.Reauthorize(r, s, p)
}

// ClientIP implements or3cloud.Front.
func (h *Host) ClientIP(*http.Request) string { return h.IP }

// RequestHost implements or3cloud.Front.
func (h *Host) RequestHost(r *http.Request) (string, bool) { return r.Host, true }

// Do sends a JSON request to routes and returns the answer. An empty body means none.
func Do(t testing.TB, routes []or3cloud.Route, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	return Send(t, routes, NewRequest(method, target, body))
}

// NewRequest returns a JSON request to the host "chat.example".
func NewRequest(method, target, body string) *http.Request {
	var text io.Reader
	if body != "" {
		text = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, text)
	r.Host = "chat.example"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// Send sends r to routes and returns the answer.
func Send(t testing.TB, routes []or3cloud.Route, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	return Serve(Router(t, routes), r)
}

// Router returns a router for routes.
func Router(t testing.TB, routes []or3cloud.Route) *httpapi.Router {
	t.Helper()
	var router httpapi.Router
	for _, route := range routes {
		if err := router.Add("test", route); err != nil {
			t.Fatal(err)
		}
	}
	return &router
}

// Share makes the requests of a router share a budget of memory. All of them belong to the host's user.
func (h *Host) Share(router *httpapi.Router, b *membudget.Budget) *httpapi.Router {
	router.Budget = b
	router.Caller = func(r *http.Request) (string, error) {
		s, err := h.Session(r)
		return s.User.ID, err
	}
	return router
}

// Serve sends r to a router and returns the answer.
func Serve(router *httpapi.Router, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	rw, r := httpapi.WithRecord(w, r, httpapi.RecordOf(r))
	httpapi.Respond(rw, r, router.Serve)
	return w
}
