package providertest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
)

// Clock is a clock that stands still until it is advanced. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a Clock that shows now.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now returns the time on the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// References is the reference state of a sync provider in memory: an or3cloud.ReferenceClaimer for tests of storage
// providers, which set references directly and can stop a claim at will.
type References struct {
	// BeforeRetire and AfterRetire, if set, are called around the decision on a claim, without holding a lock.
	BeforeRetire, AfterRetire func(or3cloud.RetireRequest)

	now     func() time.Time
	mu      sync.Mutex
	count   map[string]int
	lostAt  map[string]time.Time
	retired map[string]or3cloud.RetireRequest

	destroyed []or3cloud.BlobHash
}

var _ or3cloud.ReferenceClaimer = (*References)(nil)

// NewReferences returns an empty state that reads the time from now.
func NewReferences(now func() time.Time) *References {
	return &References{
		now: now, count: map[string]int{}, lostAt: map[string]time.Time{}, retired: map[string]or3cloud.RetireRequest{},
	}
}

// Add adds a reference to a hash.
func (r *References) Add(workspace string, h or3cloud.BlobHash) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count[workspace+" "+h.Digest()]++
}

// Remove removes all references to a hash.
func (r *References) Remove(workspace string, h or3cloud.BlobHash) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.count, workspace+" "+h.Digest())
	r.lostAt[workspace+" "+h.Digest()] = r.now()
}

// RetireGeneration implements or3cloud.ReferenceClaimer.
func (r *References) RetireGeneration(_ context.Context, in or3cloud.RetireRequest) (bool, error) {
	if hook := r.BeforeRetire; hook != nil {
		hook(in)
	}
	ok := r.decide(in)
	if hook := r.AfterRetire; hook != nil {
		hook(in)
	}
	return ok, nil
}

func (r *References) decide(in or3cloud.RetireRequest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := generationName(in)
	if _, ok := r.retired[name]; ok {
		return true
	}
	ref := in.WorkspaceID + " " + in.Hash.Digest()
	if r.count[ref] > 0 || r.lostAt[ref].After(in.UnreferencedSince) {
		return false
	}
	r.retired[name] = in
	if in.Destroy {
		r.destroyed = append(r.destroyed, in.Hash)
	}
	return true
}

// RetiredGenerations implements or3cloud.ReferenceClaimer.
func (r *References) RetiredGenerations(_ context.Context, workspace string) ([]or3cloud.RetireRequest, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []or3cloud.RetireRequest
	for _, in := range r.retired {
		if in.WorkspaceID == workspace {
			out = append(out, in)
		}
	}
	return out, nil
}

// ForgetRetired implements or3cloud.ReferenceClaimer.
func (r *References) ForgetRetired(_ context.Context, in or3cloud.RetireRequest) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.retired, generationName(in))
	return nil
}

// ReferenceState implements or3cloud.ReferenceClaimer. References count as messages.
func (r *References) ReferenceState(_ context.Context, workspace string, h or3cloud.BlobHash) (or3cloud.ReferenceState, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ref := workspace + " " + h.Digest()
	return or3cloud.ReferenceState{Messages: int64(r.count[ref]), LostAt: r.lostAt[ref]}, nil
}

// Destroyed returns the hashes for which a claim has announced that the bytes will be destroyed, in order.
func (r *References) Destroyed() []or3cloud.BlobHash {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.destroyed)
}

func generationName(in or3cloud.RetireRequest) string {
	return in.WorkspaceID + " " + string(in.Hash) + " " + in.Generation
}

// OneUserHost is a host on which the user with this internal id is signed in and owns every workspace.
type OneUserHost string

var _ or3cloud.HostServices = OneUserHost("")

// Session implements or3cloud.HostServices.
func (h OneUserHost) Session(*http.Request) (*or3cloud.SessionContext, error) {
	return &or3cloud.SessionContext{Authenticated: true, User: or3cloud.SessionUser{ID: string(h)}, Role: or3cloud.RoleOwner}, nil
}

// Authorize implements or3cloud.HostServices.
func (h OneUserHost) Authorize(r *http.Request, p or3cloud.Permission, workspaceID string) (*or3cloud.SessionContext, error) {
	s, err := h.Session(r)
	if err != nil {
		return nil, err
	}
	s.Workspace.ID = workspaceID
	return s, or3cloud.Can(s, p, or3cloud.WorkspaceResource(workspaceID)).Err()
}

// ClientIP implements or3cloud.HostServices.
func (OneUserHost) ClientIP(*http.Request) string { return "unknown" }

// RequestHost implements or3cloud.HostServices.
func (OneUserHost) RequestHost(r *http.Request) (string, bool) { return r.Host, r.Host != "" }

// ServeRoutes serves the routes of a provider for tests. Errors become the status of their code and a short JSON body.
func ServeRoutes(routes []or3cloud.Route) http.Handler {
	mux := http.NewServeMux()
	for _, route := range routes {
		mux.HandleFunc(route.Method+" "+route.Path, func(w http.ResponseWriter, r *http.Request) {
			if err := route.Handle(w, r); err != nil {
				writeRouteError(w, err)
			}
		})
	}
	return mux
}

func writeRouteError(w http.ResponseWriter, err error) {
	message := "Server Error"
	var known *or3cloud.Error
	if errors.As(err, &known) {
		message = known.Message
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(routeStatus[or3cloud.CodeOf(err)])
	json.NewEncoder(w).Encode(map[string]string{"message": strings.TrimSpace(message)})
}

var routeStatus = map[or3cloud.Code]int{
	or3cloud.CodeInvalid: 400, or3cloud.CodeUnauthenticated: 401, or3cloud.CodeForbidden: 403, or3cloud.CodeNotFound: 404,
	or3cloud.CodeConflict: 409, or3cloud.CodeGone: 410, or3cloud.CodeTooLarge: 413, or3cloud.CodeUnsupportedMedia: 415,
	or3cloud.CodeRangeUnsatisfiable: 416, or3cloud.CodeRateLimited: 429, or3cloud.CodeInternal: 500,
	or3cloud.CodeUnsupported: 501, or3cloud.CodeUnavailable: 503, or3cloud.CodeInsufficientStorage: 507,
}

// CheckInvite implements or3cloud.HostServices: no one is invited.
func (OneUserHost) CheckInvite(context.Context, string, string) error {
	return or3cloud.Errorf(or3cloud.CodeForbidden, "A valid invite is required to register.")
}

// DescribeInvite implements or3cloud.HostServices: no one is invited.
func (OneUserHost) DescribeInvite(context.Context, string) (or3cloud.InviteDetails, or3cloud.InviteRefusal, error) {
	return or3cloud.InviteDetails{}, or3cloud.InviteNotFound, nil
}

// Users implements or3cloud.HostServices: there is no workspace store.
func (OneUserHost) Users() or3cloud.UserRemover { return nil }

// Administers implements or3cloud.HostServices.
func (OneUserHost) Administers(context.Context, string) (bool, error) { return false, nil }
