package adminapi

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/internal/superadmin"
)

// The header with which pages of the administration say that they mean to change something, and its value.
const (
	intentHeader = "X-Or3-Admin-Intent"
	intentValue  = "admin"
)

// Owns reports whether a route is one of the administration.
func (a *API) Owns(route or3cloud.Route) bool {
	_, ok := a.rows[route.Method+" "+route.Path]
	return ok
}

// Check is the part of the guard that runs before the body is read, in place of the host's rule about foreign pages:
// whether there is an administration for the sender, whether the request comes from one of our pages, and how many came
// before (contract, workspaces-and-admin §3).
func (a *API) Check(r *http.Request, route or3cloud.Route) error {
	e := a.rows[route.Method+" "+route.Path]
	if !a.visible(r) {
		return httpapi.NotFound(nil, r)
	}
	err := a.proven(r, route, e)
	if err == nil {
		err = a.within(r, e)
	}
	if err != nil { // its origin has not been checked: no foreign page may touch a cookie
		a.record(r, &Caller{row: e}, err)
	}
	return err
}

// within counts a request against the budget of its network.
func (a *API) within(r *http.Request, e row) error {
	if !e.limited || a.opt.Unlimited {
		return nil
	}
	network := ratelimit.Network(a.opt.Host.ClientIP(r))
	if v := a.opt.Limits.TakeOf(ratelimit.AdminAPI, network, ratelimit.Default(ratelimit.AdminAPI)); !v.Allowed {
		return &or3cloud.Error{Code: or3cloud.CodeRateLimited, Message: "Too many requests", RetryAfter: v.RetryAfter}
	}
	return nil
}

// visible reports whether there is an administration under the name that a request uses for the server, and for the
// address it comes from.
func (a *API) visible(r *http.Request) bool {
	if len(a.hosts) > 0 {
		host, ok := a.opt.Host.RequestHost(r)
		if !ok || !slices.Contains(a.hosts, hostName(host)) {
			return false
		}
	}
	if len(a.networks) > 0 {
		addr, err := netip.ParseAddr(a.opt.Host.ClientIP(r))
		if err != nil || !slices.ContainsFunc(a.networks, func(n netip.Prefix) bool { return n.Contains(addr.Unmap().WithZone("")) }) {
			return false
		}
	}
	return true
}

// hostName is the name in a host with or without a port, in the form for comparison.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

// proven refuses changes that have not come from one of our pages. The host's own rule is stricter about ports and
// about what browsers say themselves; the texts are the contract's.
func (a *API) proven(r *http.Request, route or3cloud.Route, e row) error {
	demanded := e.proof
	switch {
	case demanded == readOnly:
		return a.opt.Foreign.Check(r, route)
	case e.own:
		demanded = intent
	}
	meant := r.Header.Values(intentHeader)
	if len(meant) > 0 && !slices.Equal(meant, []string{intentValue}) || len(meant) == 0 && demanded == intent {
		return forbidden("Missing admin intent")
	}
	page := httpapi.Sender(r.Header)
	if page == "" && demanded == anOrigin {
		if a.opt.Foreign.Check(r, route) != nil {
			return mismatch
		}
		return nil
	}
	if from, err := url.Parse(page); err != nil || from.Host == "" {
		return forbidden("Origin validation failed")
	}
	host, _ := a.opt.Host.RequestHost(r)
	switch {
	case a.opt.Foreign.Same(page, host) && a.opt.Foreign.Check(r, route) == nil:
		return nil
	case host == "":
		return forbidden("Host resolution failed")
	}
	return mismatch
}

// mismatch is the refusal of a foreign page.
var mismatch = or3cloud.Errorf(or3cloud.CodeForbidden, "%s", middleware.OriginMismatch)

func forbidden(why string) error {
	return or3cloud.Errorf(or3cloud.CodeForbidden, "Forbidden: %s", why)
}

// guard lets a request through to its endpoint. Its body has arrived, so who sent it and what they may do is decided by
// the current state.
func (a *API) guard(w http.ResponseWriter, r *http.Request, e row) (err error) {
	caller, err := a.identify(r, e)
	if err != nil {
		return err
	}
	ended := false
	defer func() {
		if err == nil && !ended { // a panic
			a.record(r, caller, or3cloud.Errorf(or3cloud.CodeInternal, "Server Error"))
			return
		}
		a.record(r, caller, err)
	}()
	if err = e.admits(caller); err == nil {
		err = e.handle(w, r, caller)
	}
	ended = true
	return err
}

// record adds the outcome of a request that changes something to the trail.
func (a *API) record(r *http.Request, c *Caller, err error) {
	if c.row.action == "" || err == nil && c.actor().Kind == audit.ActorAnonymous { // signing out without a session has done nothing
		return
	}
	a.opt.Audit.Record(r.Context(), audit.Entry{
		Actor: c.actor(), Action: c.row.action, Target: c.Target, Refusal: or3cloud.CodeOf(err),
		Address: a.opt.Host.ClientIP(r), RequestID: httpapi.RecordOf(r).ID,
	})
}

// actor is a caller as the trail names them.
func (c *Caller) actor() audit.Actor {
	switch {
	case c.bySignIn:
		return audit.Actor{Kind: audit.ActorSuperAdmin, Name: c.Name}
	case c.Session == nil:
		return audit.Actor{Kind: audit.ActorAnonymous}
	}
	actor := audit.Actor{Kind: audit.ActorUser, ID: c.Session.User.ID, Name: c.Session.User.Email}
	if c.Kind != "" {
		actor.Kind = audit.ActorDeploymentAdmin
	}
	return actor
}

// admits returns an error if the caller may not do this.
func (e row) admits(c *Caller) error {
	switch {
	case e.may == anyone:
		return nil
	case c.Kind == "", e.credentials && !c.bySignIn:
		return or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized")
	case e.may == superAdmins && c.Kind != SuperAdmin:
		return forbidden("Super admin access required")
	}
	return nil
}

// identify returns the sender of a request; a Caller without a Kind for someone who administers nothing.
func (a *API) identify(r *http.Request, e row) (*Caller, error) {
	c := &Caller{request: r, host: a.opt.Host, row: e}
	name, err := a.signedIn(r)
	if e.may == anyone {
		c.Name, c.bySignIn = name, name != ""
		return c, nil // whatever is wrong with them
	}
	if err != nil {
		return nil, err
	}
	s, err := a.opt.Host.Session(r)
	if name != "" {
		c.Kind, c.Name, c.bySignIn = SuperAdmin, name, true
		if err == nil && s.Authenticated {
			c.Session = s
		}
		return c, nil
	}
	if err != nil || !s.Authenticated {
		return c, err
	}
	c.Session = s
	if _, err := a.opt.Host.Authorize(r, or3cloud.PermAdminAccess, s.Workspace.ID); err != nil {
		if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
			err = nil
		}
		return c, err
	}
	c.Kind, c.Name = WorkspaceAdmin, s.User.ID
	if e.own {
		c.Kind = SuperAdmin
	}
	return c, nil
}

// signedIn returns the name of the super administrator who has signed in in a browser; "" if none has.
func (a *API) signedIn(r *http.Request) (string, error) {
	if a.opt.SuperAdmin == nil {
		return "", nil
	}
	for _, cookie := range r.CookiesNamed(superadmin.Cookie) { // an earlier host may have left one at another path
		if name, err := a.opt.SuperAdmin.Verify(cookie.Value); err != nil || name != "" {
			return name, err
		}
	}
	return "", nil
}
