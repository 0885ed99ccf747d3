package engine

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
)

// callerHeader says on whose behalf a host sends a request: a Caller as JSON, percent-encoded as by JavaScript's
// encodeURIComponent. It is one header and not several, so that a host that sets it has replaced whatever a browser
// sent under that name.
const callerHeader = "Or3-Engine-Caller"

// Caller is the person on whose behalf a host sends a request: what it knows of the browser that sent it, and who is
// signed in there.
type Caller struct {
	// ClientIP is the browser's address after the trusted-proxy rule; empty if it is unknown.
	ClientIP string `json:"clientIp,omitempty"`
	// Host is the host and port that the browser addressed; empty if it is unknown.
	Host string `json:"host,omitempty"`
	// HTTPS says whether the browser's connection is encrypted.
	HTTPS bool `json:"https,omitempty"`
	// User is the user who is signed in; nil for a browser that is not.
	User *User `json:"user,omitempty"`
}

// User is a signed-in user, as the host's session context has it.
type User struct {
	// ID is the internal id of the workspace store.
	ID string `json:"id"`
	// Provider, ProviderUserID and SessionID are those of the session that the auth provider has proven. They make a
	// long upload end when the session does.
	Provider       string `json:"provider,omitempty"`
	ProviderUserID string `json:"providerUserId,omitempty"`
	SessionID      string `json:"sessionId,omitempty"`
	// WorkspaceID and Role are those of the session context. They are trusted where the host keeps the workspaces
	// itself.
	WorkspaceID string        `json:"workspaceId,omitempty"`
	Role        or3cloud.Role `json:"role,omitempty"`
}

// stated is what a request says about its caller.
type stated struct {
	Caller
	given bool
	err   error // why it cannot be read
}

type contextKey int

const (
	callerKey contextKey = iota
	visitKey
)

func callerOf(r *http.Request) stated {
	s, _ := r.Context().Value(callerKey).(stated)
	return s
}

// identify reads who the caller is, for the log and everything behind it. Providers do not see the header.
func (e *Engine) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := readCaller(r.Header.Values(callerHeader))
		r.Header.Del(callerHeader)
		id := httpapi.Identity{ClientIP: "unknown", Host: strings.ToLower(s.Host), HTTPS: s.HTTPS, Forwarded: true}
		if s.ClientIP != "" {
			id.ClientIP = s.ClientIP
		}
		r = httpapi.WithIdentity(r, id)
		r = r.WithContext(context.WithValue(r.Context(), callerKey, s))
		if s.Host != "" {
			r.Host = id.Host
		}
		next.ServeHTTP(w, r)
	})
}

func readCaller(values []string) (s stated) {
	if len(values) == 0 {
		return s
	}
	s.given, s.err = true, or3cloud.Errorf(or3cloud.CodeInvalid, "The header %s cannot be read", callerHeader)
	text, err := url.PathUnescape(values[0])
	if err != nil || len(values) > 1 {
		return s
	}
	var c Caller
	if json.Unmarshal([]byte(text), &c) != nil || c.User != nil && strings.TrimSpace(c.User.ID) == "" {
		return s
	}
	if c.ClientIP != "" {
		ip, err := netip.ParseAddr(c.ClientIP)
		if err != nil {
			return s
		}
		c.ClientIP = ip.Unmap().String()
	}
	return stated{Caller: c, given: true}
}

// sharer says whose share of memory a request takes.
func sharer(r *http.Request) (userID string, err error) {
	if u := callerOf(r).User; u != nil {
		return u.ID, nil
	}
	// The host is known, whomever it acts for; that is what the question behind this one is about.
	return "the host", nil
}

// visit is one request while it is answered.
type visit struct {
	engine *Engine
	body   *httpapi.PromisedBody // nil if the request has none
}

// receive lets a request in. leave must be called when it has been answered.
func (e *Engine) receive(w http.ResponseWriter, r *http.Request) (_ http.ResponseWriter, _ *http.Request, leave func()) {
	v := &visit{engine: e}
	r = r.WithContext(context.WithValue(r.Context(), visitKey, v))
	if r.Body == nil || r.Body == http.NoBody {
		return w, r, func() {}
	}
	ctx, user := r.Context(), callerOf(r).User
	v.body = httpapi.NewPromisedBody(w, r.Body, func(promises []httpapi.Promise) error { return e.ask(ctx, user, promises) })
	r.Body = v.body
	return w, r, v.body.Leave
}

// ask checks again what was promised to a handler that is still reading.
func (e *Engine) ask(ctx context.Context, user *User, promises []httpapi.Promise) error {
	live, err := e.lives(ctx, user)
	if err != nil {
		return err
	}
	if !live {
		return or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized")
	}
	s := session(user)
	for _, holds := range promises {
		if err := holds(s); err != nil {
			return err
		}
	}
	return nil
}

// lives reports whether the session of a user has not ended, as far as is known here: the host may have its own auth
// provider.
func (e *Engine) lives(ctx context.Context, user *User) (bool, error) {
	if user == nil {
		return false, nil
	}
	run := e.running.Load()
	if run == nil {
		return false, e.instance.Unavailable()
	}
	checker := instance.Ability[or3cloud.SessionChecker](run.providers, or3cloud.ProviderAuth)
	if checker == nil || user.SessionID == "" || user.Provider != run.hello.Providers.Auth {
		return true, nil
	}
	return checker.CheckSession(ctx, &or3cloud.ProviderSession{
		Provider: user.Provider, UserID: user.ProviderUserID, SessionID: user.SessionID, ExpiresAt: e.now().Add(time.Minute),
	})
}

func session(user *User) *or3cloud.SessionContext {
	if user == nil {
		return &or3cloud.SessionContext{}
	}
	return &or3cloud.SessionContext{
		Authenticated: true, Provider: user.Provider, ProviderUserID: user.ProviderUserID, User: or3cloud.SessionUser{ID: user.ID},
		Workspace: or3cloud.SessionWorkspace{ID: user.WorkspaceID}, Role: user.Role,
	}
}

// Session implements or3cloud.Front: the session is what the host says. It names no workspace.
func (e *Engine) Session(r *http.Request) (*or3cloud.SessionContext, error) {
	s := session(callerOf(r).User)
	if v, ok := r.Context().Value(visitKey).(*visit); ok && s.Authenticated {
		v.body.Hold(nil)
	}
	if run := e.running.Load(); run != nil {
		return s, run.restriction(r.Context(), s)
	}
	return s, nil
}

// Authorize implements or3cloud.Front. The role is read again, whatever the host remembers of it.
func (e *Engine) Authorize(r *http.Request, p or3cloud.Permission, workspaceID string) (*or3cloud.SessionContext, error) {
	if strings.TrimSpace(workspaceID) == "" {
		return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Workspace id is required")
	}
	s := session(callerOf(r).User)
	if err := e.permit(r.Context(), s, p, workspaceID); err != nil {
		return nil, err
	}
	if v, ok := r.Context().Value(visitKey).(*visit); ok {
		v.body.Hold(func(s *or3cloud.SessionContext) error { return e.permit(r.Context(), s, p, workspaceID) })
	}
	return s, nil
}

// Reauthorize checks again, during a long answer, whether s, which Authorize has returned, may still do p in its
// workspace.
func (e *Engine) Reauthorize(r *http.Request, s *or3cloud.SessionContext, p or3cloud.Permission) error {
	live, err := e.lives(r.Context(), callerOf(r).User)
	if err != nil {
		return err
	}
	now := *s
	now.Authenticated = live
	return e.permit(r.Context(), &now, p, s.Workspace.ID)
}

// permit asks Can about a workspace, and returns the session for it.
func (e *Engine) permit(ctx context.Context, s *or3cloud.SessionContext, p or3cloud.Permission, workspaceID string) (err error) {
	run := e.running.Load()
	if run == nil {
		return e.instance.Unavailable()
	}
	if err := run.restriction(ctx, s); err != nil {
		return err
	}
	if run.providers.Workspaces == nil { // Can compares the workspace with the one that the host has named
		if !s.Role.Valid() || s.Workspace.ID == "" {
			s.Role = ""
		}
		return or3cloud.Can(s, p, or3cloud.WorkspaceResource(workspaceID)).Err()
	}
	if s.Workspace.ID = workspaceID; s.Authenticated {
		if s.Role, err = run.providers.Workspaces.GetWorkspaceRole(ctx, s.User.ID, workspaceID); err != nil {
			return err
		}
	}
	return or3cloud.Can(s, p, or3cloud.WorkspaceResource(workspaceID)).Err()
}

// restriction is why a session may do nothing, as far as is known here.
func (run *running) restriction(ctx context.Context, s *or3cloud.SessionContext) error {
	restrictor := instance.Ability[or3cloud.SessionRestrictor](run.providers, or3cloud.ProviderAuth)
	if restrictor == nil || !s.Authenticated || s.ProviderUserID == "" || s.Provider != run.hello.Providers.Auth {
		return nil
	}
	why, err := restrictor.Restriction(ctx, s.ProviderUserID)
	if err == nil && why != nil {
		err = why
	}
	return err
}

// ClientIP implements or3cloud.Front.
func (e *Engine) ClientIP(r *http.Request) string { return httpapi.IdentityOf(r).ClientIP }

// RequestHost implements or3cloud.Front.
func (e *Engine) RequestHost(r *http.Request) (string, bool) {
	host := httpapi.IdentityOf(r).Host
	return host, host != ""
}
