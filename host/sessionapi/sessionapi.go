// Package sessionapi serves GET /api/auth/session (contract, auth §4).
package sessionapi

import (
	"net/http"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/ratelimit"
)

// Options are what the endpoint depends on.
type Options struct {
	Host   or3cloud.Front
	Limits *middleware.Limits
	// WorkspaceItems says that the sync provider keeps the rows of workspace Files and Trash (contract, sync §10.9).
	WorkspaceItems bool
}

// API tells a browser who is signed in.
type API struct{ opt Options }

// New returns the API.
func New(o Options) *API { return &API{o} }

// Routes returns the endpoint.
func (a *API) Routes() []or3cloud.Route {
	return []or3cloud.Route{{Method: http.MethodGet, Path: "/api/auth/session", Handle: a.get}}
}

// answer tells newer clients, beside the session and not inside it, what its user may see (contract, auth §4).
type answer struct {
	Session          *session `json:"session"`
	AppAccessAllowed bool     `json:"appAccessAllowed"`
	// WorkspaceItemCapability is "v1" when newer clients may show workspace Files, Trash and Projects.
	WorkspaceItemCapability string `json:"workspaceItemCapability,omitempty"`
}

// session is the wire form of a SessionContext. Unknown texts are absent, never null.
type session struct {
	Authenticated   bool          `json:"authenticated"`
	Provider        string        `json:"provider"`
	ProviderUserID  string        `json:"providerUserId"`
	User            user          `json:"user"`
	Workspace       workspace     `json:"workspace"`
	Role            or3cloud.Role `json:"role"`
	ExpiresAt       string        `json:"expiresAt"`
	DeploymentAdmin bool          `json:"deploymentAdmin"`
	// Entitlements is always empty: nothing is sold here. Newer clients expect the list.
	Entitlements []string `json:"entitlements"`
}

type user struct {
	ID          string `json:"id"`
	Email       string `json:"email,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
}

type workspace struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// isoMillis is how JavaScript prints a moment.
const isoMillis = "2006-01-02T15:04:05.000Z"

// get answers null for "no one is signed in" and an error status for everything that kept it from finding out: the
// client takes null for a sign-out and cleans up (contract, auth Pitfall 10).
//
// The budget is keyed by the identity when there is one, so that people behind one address do not share it (contract,
// auth Pitfall 11). That is why the session is resolved first.
func (a *API) get(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoStore(w)
	s, err := a.opt.Host.Session(r)
	if err != nil && (s == nil || s.Restriction == nil) { // a restricted user is signed in, and must find the way to their account
		return err
	}
	subject := ratelimit.AddressPrefix + ratelimit.Network(a.opt.Host.ClientIP(r))
	if s.Authenticated {
		subject = "user:" + s.Provider + ":" + s.ProviderUserID
	}
	v, err := a.opt.Limits.Check(ratelimit.AuthSession, subject)
	if err != nil {
		return err
	}
	allowed, err := a.mayRead(r, s)
	if err != nil {
		return err
	}
	a.opt.Limits.Record(ratelimit.AuthSession, subject)
	httpapi.BudgetHeaders(w, v.Limit, v.Remaining)
	out := answer{Session: wire(s), AppAccessAllowed: allowed}
	if allowed && a.opt.WorkspaceItems {
		out.WorkspaceItemCapability = "v1"
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// mayRead asks whether the user may read their own workspace. A refusal is an answer here, not an error.
func (a *API) mayRead(r *http.Request, s *or3cloud.SessionContext) (bool, error) {
	if !s.Authenticated {
		return false, nil
	}
	if s.Restriction != nil { // which will end; no client should give up the workspace because of it
		return true, nil
	}
	_, err := a.opt.Host.Authorize(r, or3cloud.PermWorkspaceRead, s.Workspace.ID)
	if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
		return false, nil
	}
	return err == nil, err
}

func wire(s *or3cloud.SessionContext) *session {
	if !s.Authenticated {
		return nil
	}
	return &session{
		Authenticated:   true,
		Provider:        s.Provider,
		ProviderUserID:  s.ProviderUserID,
		User:            user{s.User.ID, s.User.Email, s.User.DisplayName},
		Workspace:       workspace{s.Workspace.ID, s.Workspace.Name},
		Role:            s.Role,
		ExpiresAt:       s.ExpiresAt.UTC().Format(isoMillis),
		DeploymentAdmin: s.DeploymentAdmin,
		Entitlements:    []string{},
	}
}
