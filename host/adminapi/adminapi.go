// Package adminapi serves /api/admin, where administrators see and change a whole deployment (contract, workspaces-and-admin §2–§11).
//
// Each endpoint is a row of a table: who may call it, how its sender must prove to be one of our pages, and what the trail of what
// administrators did calls it. The guard (guard.go) decides by that row alone, so that no handler can forget to ask; the page of the
// documentation that says who may what is made from the same rows.
package adminapi

import (
	"net/http"
	"slices"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/operator"
)

// Prefix is what the paths of all endpoints begin with.
const Prefix = "/api/admin/"

// Options are what the endpoints depend on.
type Options struct {
	Host or3cloud.Front
	// Instance is open while requests come. Desk answers what the command line can ask as well.
	Instance *instance.Instance
	Desk     *operator.Desk
	// Limits is nil where nothing is limited.
	Limits *middleware.Limits
	Now    func() time.Time
}

// API serves the administration.
type API struct {
	opt       Options
	endpoints []endpoint
}

// New returns the API.
func New(o Options) *API {
	a := &API{opt: o}
	a.endpoints = slices.Concat(a.auth())
	return a
}

// audience is who may call an endpoint.
type audience int

const (
	// anyone is for signing in and out.
	anyone audience = iota
	// superAdmins is for those who administer the deployment as a whole.
	superAdmins
	// owners admits super administrators, and deployment administrators who own the workspace that they act in.
	owners
	// admins admits super administrators and all deployment administrators.
	admins
)

// proof is how the sender of a request that changes something shows to be one of our own pages.
type proof int

const (
	// readOnly is of endpoints that change nothing.
	readOnly proof = iota
	// anOrigin wants an origin of ours where one is sent: programs send none.
	anOrigin
	// ownOrigin demands an origin of ours. Clients of February send no intent with these (contract, Pitfall 2).
	ownOrigin
	// intent demands an origin of ours and the header x-or3-admin-intent.
	intent
)

// endpoint is one endpoint as the guard knows it.
type endpoint struct {
	method string
	// path lies below Prefix.
	path   string
	may    audience
	proof  proof
	action string // what the trail calls it; empty for what changes nothing
	// limited counts requests against the budget of the administration, whatever comes of them.
	limited bool
	// body is the largest accepted body in bytes, as in or3cloud.Route.
	body   int64
	handle func(http.ResponseWriter, *http.Request, *Caller) error
}

// Routes returns the endpoints behind their guard.
func (a *API) Routes() []or3cloud.Route {
	routes := make([]or3cloud.Route, 0, len(a.endpoints))
	for _, e := range a.endpoints {
		routes = append(routes, or3cloud.Route{Method: e.method, Path: Prefix + e.path, MaxBody: e.body, Handle: func(w http.ResponseWriter, r *http.Request) error {
			httpapi.NoStore(w)
			return a.guard(w, r, e)
		}})
	}
	return routes
}

// Kind is how a caller has become an administrator, in the words of the wire.
type Kind string

// The kinds.
const (
	// SuperAdmin has signed in as the administrator of the environment, or is a deployment administrator on our own pages.
	SuperAdmin Kind = "super_admin"
	// WorkspaceAdmin is a deployment administrator with a session of their own.
	WorkspaceAdmin Kind = "workspace_admin"
)

// Caller is who calls an endpoint.
type Caller struct {
	Kind Kind
	// Name is the name by which a super administrator signed in, or the id of the user.
	Name string
	// Session is that of the user in the same browser; nil if there is none.
	Session *or3cloud.SessionContext
}

// workspace returns the workspace that a request is about: the one that a super administrator names, else that of the session.
func (c *Caller) workspace(named string) (string, error) {
	if named = strings.TrimSpace(named); named != "" && c.Kind == SuperAdmin {
		return named, nil
	}
	if c.Session == nil || c.Session.Workspace.ID == "" {
		return "", or3cloud.Errorf(or3cloud.CodeInvalid, "Workspace not resolved")
	}
	return c.Session.Workspace.ID, nil
}
