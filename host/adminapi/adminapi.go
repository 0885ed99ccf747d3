// Package adminapi serves /api/admin, where administrators see and change a whole deployment (contract,
// workspaces-and-admin §2–§11), and keeps others away from the pages of it that a client has.
//
// Each endpoint is a row of a table: who may call it, how its sender must prove to be one of our pages, and what the
// trail of what administrators did calls it. The guard (guard.go) decides by that row alone, so that no handler can
// forget to ask; the page of the documentation that says who may what is made from the same rows.
//
// The same endpoints lie below a second prefix, for pages of our own. There they exist whether or not the environment
// names a super administrator, and deployment administrators count as one.
package adminapi

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/host/internal/seats"
	"or3.chat/cloud/host/load"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/host/webhookapi"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/networks"
	"or3.chat/cloud/internal/superadmin"
	"or3.chat/cloud/internal/trail"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/setting"
)

// What the paths of all endpoints begin with.
const (
	// Prefix is the contract's. Nothing is there where the environment names no super administrator.
	Prefix = "/api/admin/"
	// OwnPrefix is for our own pages.
	OwnPrefix = "/api/or3/admin/"
)

// Host is what the endpoints need of the host.
type Host interface {
	or3cloud.Front
	// Reauthorize asks again whether a session that Authorize has returned for r may still do p in its workspace, as of
	// long answers.
	Reauthorize(r *http.Request, s *or3cloud.SessionContext, p or3cloud.Permission) error
}

// Options are what the endpoints depend on.
type Options struct {
	Host Host
	// Instance is open while requests come. Desk answers what the command line can ask as well.
	Instance *instance.Instance
	Desk     *operator.Desk
	// SuperAdmin is whom the environment names; nil if it names none.
	SuperAdmin *superadmin.Admin
	Config     or3cloud.Config
	// Program is what can be made of the program that serves.
	Program Program
	// Load says how the server fares.
	Load func(context.Context) (load.Summary, error)
	// Foreign is the rule about pages of other origins.
	Foreign httpapi.ForeignPages
	Limits  *middleware.Limits
	// Webhooks are those of administrators; nil where there are none.
	Webhooks *webhookapi.API
	// Background says that answers are made in the background.
	Background bool
	// Audit records what is done, and what is refused; nil records nothing.
	Audit *trail.Recorder
	// Unlimited switches the limits of the administration off (ratelimit.AllOff).
	Unlimited bool
	Now       func() time.Time
}

// API serves the administration.
type API struct {
	opt       Options
	endpoints []endpoint
	rows      map[string]row // by method and path
	hosts     []string       // under which there is an administration; empty for all
	networks  []netip.Prefix // from where there is one; empty for all

	streams *seats.Seats // of the log

	revoking sync.Mutex // held while a deployment administrator is revoked
}

// row is an endpoint below one of the prefixes.
type row struct {
	endpoint
	own bool // below OwnPrefix
}

// New returns the API.
func New(o Options) (*API, error) {
	a := &API{opt: o, streams: seats.New(seats.Bounds{PerOwner: perReader, Total: mostStreams})}
	var err error
	if a.networks, err = networks.Parse(o.Config.List(setting.AdminAllowedNetworks)); err != nil {
		return nil, fmt.Errorf("%s: %w", setting.AdminAllowedNetworks, err)
	}
	for _, host := range o.Config.List(setting.AdminAllowedHosts) {
		a.hosts = append(a.hosts, hostName(host))
	}
	a.serve(slices.Concat(a.auth(), workspacesAPI{a}.table(), membersAPI{a}.table(), invitesAPI{a}.table(), usersAPI{a}.table(),
		packagesAPI{a}.table(), configAPI{o.Program.Configuration}.table(), systemAPI{a}.table(), a.webhooks(),
		ours(slices.Concat(journalAPI{a}.table(), profilesAPI{a}.table(), accountsAPI{a}.table(), censusAPI{a}.table(), deskAPI{a}.table()))))
	return a, nil
}

// serve makes endpoints the API's.
func (a *API) serve(endpoints []endpoint) {
	a.endpoints, a.rows = endpoints, map[string]row{}
	for _, e := range endpoints {
		if a.opt.SuperAdmin != nil && !e.ours {
			a.rows[e.method+" "+Prefix+e.path] = row{e, false}
		}
		if a.opt.SuperAdmin != nil || !e.credentials {
			a.rows[e.method+" "+OwnPrefix+e.path] = row{e, true}
		}
	}
}

// ours makes endpoints those of our own pages.
func ours(endpoints []endpoint) []endpoint {
	for i := range endpoints {
		endpoints[i].ours = true
	}
	return endpoints
}

// audience is who may call an endpoint.
type audience int

const (
	// superAdmins is for those who administer the deployment as a whole. It is what a row says that says nothing.
	superAdmins audience = iota
	// owners admits super administrators, and deployment administrators who own the workspace that they act in
	// (Caller.workspace).
	owners
	// admins admits super administrators and all deployment administrators.
	admins
	// anyone is for signing in and out.
	anyone
)

// proof is how the sender of a request that changes something shows to be one of our own pages. Below OwnPrefix each of
// them but readOnly is intent.
type proof int

const (
	// intent demands an origin of ours and the header x-or3-admin-intent. It is what a row says that says nothing.
	intent proof = iota
	// ownOrigin demands an origin of ours. Clients of February send no intent with these (contract,
	// workspaces-and-admin Pitfall 2).
	ownOrigin
	// anOrigin wants an origin of ours where one is sent: programs send none.
	anOrigin
	// readOnly is of endpoints that change nothing.
	readOnly
)

// endpoint is one endpoint as the guard knows it.
type endpoint struct {
	method string
	// path lies below the prefixes.
	path   string
	may    audience
	proof  proof
	action audit.Action // what the trail calls it; empty for what changes nothing
	// limited counts requests against the budget of the administration, whatever comes of them.
	limited bool
	// ours says that the contract has no such endpoint, so that it lies below OwnPrefix alone.
	ours bool
	// effects is as in or3cloud.Route.
	effects bool
	// credentials says that it is about the name and password of the environment's super administrator.
	credentials bool
	// body is the largest accepted body in bytes, as in or3cloud.Route. Unless it is -1, it has come whole when handle
	// begins.
	body int64
	// buffer is what an answer holds in memory, as in or3cloud.Route.
	buffer int64
	handle func(http.ResponseWriter, *http.Request, *Caller) error
}

// Routes returns the endpoints behind their guard.
func (a *API) Routes() []or3cloud.Route {
	routes := make([]or3cloud.Route, 0, len(a.rows))
	for name, e := range a.rows {
		method, path, _ := strings.Cut(name, " ")
		routes = append(routes, or3cloud.Route{Method: method, Path: path, MaxBody: e.body, Buffer: e.buffer, Effects: e.effects, Handle: func(w http.ResponseWriter, r *http.Request) error {
			httpapi.NoStore(w)
			err := a.guard(w, r, e)
			if err != nil { // errors have what the contract says of all errors
				w.Header().Del("Cache-Control")
			}
			return err
		}})
	}
	return routes
}

// Kind is how a caller has become an administrator, in the words of the wire.
type Kind string

// The kinds.
const (
	// SuperAdmin has signed in as the administrator of the environment, or is a deployment administrator on our own
	// pages.
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
	// Target is on what the endpoint acts, for the trail. The workspace is noted where it is resolved; the rest says
	// the endpoint.
	Target audit.Target

	// bySignIn says that the caller has signed in as the administrator of the environment.
	bySignIn bool
	request  *http.Request
	host     or3cloud.Front
	row      row
}

// workspace returns the workspace that a request is about: the one that it names, else that of the session. A
// deployment administrator must be its owner, as it is at this moment, where the endpoint is for owners.
func (c *Caller) workspace(named string) (string, error) {
	named = strings.TrimSpace(named)
	if named == "" && c.Session != nil {
		named = c.Session.Workspace.ID
	}
	if named == "" {
		return "", or3cloud.Errorf(or3cloud.CodeInvalid, "Workspace not resolved")
	}
	c.Target.WorkspaceID = named
	if c.Kind == SuperAdmin {
		return named, nil
	}
	permission := or3cloud.PermWorkspaceRead
	if c.row.may == owners {
		permission = or3cloud.PermWorkspaceSettingsManage
	}
	if _, err := c.host.Authorize(c.request, permission, named); err != nil {
		return "", err
	}
	return named, nil
}
