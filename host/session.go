package host

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
)

// The values of OR3_SESSION_PROVISIONING_FAILURE; the third, "throw", passes errors on as they are.
const (
	failUnauthenticated = "unauthenticated"
	failUnavailable     = "service-unavailable"
)

// sessions resolves who sent a request (contract, auth §2.2). Users, memberships and roles are read again for every
// request, so that a removed member loses access with the next one; only within a request is the answer kept.
type sessions struct {
	host    *Host
	auth    or3cloud.AuthProvider
	store   or3cloud.AuthWorkspaceStore
	invites *instance.Invites
	failure string
}

// Session implements or3cloud.Front. The session is resolved when it is first needed, and again if more of the body has
// arrived since: what was true when its first byte arrived decides nothing once its last one has.
func (h *Host) Session(r *http.Request) (*or3cloud.SessionContext, error) {
	run := h.running.Load()
	if run == nil {
		return nil, or3cloud.Unavailable(nil, "Service Unavailable", time.Second)
	}
	if run.sessions == nil {
		return &or3cloud.SessionContext{}, nil
	}
	m := memoOf(r)
	if m == nil { // not one of our requests: nothing to remember it in, and nowhere to send cookies
		m = &memo{}
	}
	s, err := m.resolve(run.sessions, r)
	if err == nil && s.Restriction != nil {
		err = s.Restriction
	}
	return s, err
}

// caller returns the sender of a request whose body is still arriving, for the share of memory only.
func (h *Host) caller(r *http.Request) (userID string, err error) {
	s, err := h.Session(r)
	if err != nil || !s.Authenticated {
		return "", err
	}
	return s.User.ID, nil
}

// Authorize implements or3cloud.Front. The addressed workspace decides, not the user's active one: switching workspaces
// on one device must not cut off the others (contract, auth Pitfall 12). A blank id is refused, because it would pass
// the gate's comparison and name a workspace that all tenants share (contract, sync §1.1).
func (h *Host) Authorize(r *http.Request, p or3cloud.Permission, workspaceID string) (*or3cloud.SessionContext, error) {
	if strings.TrimSpace(workspaceID) == "" {
		return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Workspace id is required")
	}
	s, err := h.Session(r)
	if err != nil {
		return nil, err
	}
	if s, err = h.permit(r.Context(), s, p, workspaceID); err != nil {
		return nil, err
	}
	if m := memoOf(r); m != nil && !m.body.Ended() {
		m.body.Hold(func(s *or3cloud.SessionContext) error {
			_, err := h.permit(r.Context(), s, p, workspaceID)
			return err
		})
	}
	return s, nil
}

// permit asks Can about a workspace and returns the session for it.
func (h *Host) permit(ctx context.Context, s *or3cloud.SessionContext, p or3cloud.Permission, workspaceID string) (*or3cloud.SessionContext, error) {
	if s.Authenticated && s.Workspace.ID != workspaceID {
		role, err := h.running.Load().role(ctx, s.User.ID, workspaceID)
		if err != nil {
			return nil, err
		}
		there := *s
		there.Workspace, there.Role = or3cloud.SessionWorkspace{ID: workspaceID}, role
		s = &there
	}
	return s, or3cloud.Can(s, p, or3cloud.WorkspaceResource(workspaceID), h.opt.Filters...).Err()
}

// Reauthorize checks again, during a long answer, whether s, which Authorize has returned, may still do p in its
// workspace. The request's own credentials must still prove the same identity, and the membership is read again.
// Nothing is rotated, created or remembered, so it is cheap enough to run every second.
func (h *Host) Reauthorize(r *http.Request, s *or3cloud.SessionContext, p or3cloud.Permission) error {
	run := h.running.Load()
	if run == nil || run.sessions == nil {
		return or3cloud.Unavailable(nil, "Service Unavailable", time.Second)
	}
	proven, err := run.sessions.identity(r, nil)
	if err != nil {
		return err
	}
	if proven != nil {
		if why, err := run.sessions.restriction(r.Context(), proven); err != nil {
			return err
		} else if why != nil {
			return why
		}
	}
	now := *s
	if proven == nil || proven.Provider != s.Provider || proven.UserID != s.ProviderUserID {
		now = or3cloud.SessionContext{}
	} else if now.Role, err = run.role(r.Context(), s.User.ID, s.Workspace.ID); err != nil {
		return err
	}
	return or3cloud.Can(&now, p, or3cloud.WorkspaceResource(s.Workspace.ID), h.opt.Filters...).Err()
}

// Confirm checks again, during a long answer that must not be cut off without need, whether s, which Authorize has
// returned, may still do p in its workspace. Unlike in Reauthorize, what counts is the session and not its credentials,
// which expire during an answer.
func (h *Host) Confirm(r *http.Request, s *or3cloud.SessionContext, p or3cloud.Permission) error {
	run := h.running.Load()
	m := memoOf(r)
	if run == nil || run.sessions == nil || m == nil {
		return or3cloud.Unavailable(nil, "Service Unavailable", time.Second)
	}
	live, err := run.sessions.lives(r, m.identity())
	if err != nil {
		return err
	}
	now := *s
	if !live {
		now = or3cloud.SessionContext{}
	} else if now.Role, err = run.role(r.Context(), s.User.ID, s.Workspace.ID); err != nil {
		return err
	}
	return or3cloud.Can(&now, p, or3cloud.WorkspaceResource(s.Workspace.ID), h.opt.Filters...).Err()
}

func (run *running) role(ctx context.Context, userID, workspaceID string) (or3cloud.Role, error) {
	if run == nil || run.sessions == nil {
		return "", or3cloud.Unavailable(nil, "Service Unavailable", time.Second)
	}
	return run.sessions.store.GetWorkspaceRole(ctx, userID, workspaceID)
}

// ClientIP implements or3cloud.Front.
func (h *Host) ClientIP(r *http.Request) string { return httpapi.IdentityOf(r).ClientIP }

// RequestHost implements or3cloud.Front.
func (h *Host) RequestHost(r *http.Request) (string, bool) {
	host := httpapi.IdentityOf(r).Host
	return host, host != ""
}

// again resolves the session of a request once more, from the identity that the request has proven before. It rotates
// nothing and creates no user.
func (s *sessions) again(r *http.Request, proven *or3cloud.ProviderSession, userID string) (*or3cloud.SessionContext, error) {
	live, err := s.lives(r, proven)
	if err != nil {
		return nil, err
	}
	if !live {
		return &or3cloud.SessionContext{}, nil
	}
	known, err := s.store.GetUser(r.Context(), proven.Identity())
	if err != nil {
		return s.provisioningFailed(err)
	}
	if known != userID {
		return &or3cloud.SessionContext{}, nil
	}
	out, err := s.describe(r.Context(), proven, userID)
	if err != nil {
		return s.provisioningFailed(err)
	}
	return out, nil
}

// lives reports whether a proven session has not ended.
func (s *sessions) lives(r *http.Request, proven *or3cloud.ProviderSession) (bool, error) {
	if checker, ok := s.auth.(or3cloud.SessionChecker); ok {
		live, err := checker.CheckSession(r.Context(), proven)
		if err != nil {
			return false, identityError(err)
		}
		return live, nil
	}
	now, err := s.identity(r, nil)
	return now != nil && now.Provider == proven.Provider && now.UserID == proven.UserID, err
}

// resolve returns the zero session only if the auth provider has said that no one is signed in: clients delete local
// data when they are told so (contract, auth Pitfall 10). proven is what the session was made from.
func (s *sessions) resolve(r *http.Request, header http.Header) (_ *or3cloud.SessionContext, proven *or3cloud.ProviderSession, err error) {
	proven, err = s.identity(r, header)
	if err != nil {
		return nil, nil, err
	}
	if proven == nil {
		return &or3cloud.SessionContext{}, nil, nil
	}
	out, err := s.provision(r, header, proven)
	if err != nil {
		out, err = s.provisioningFailed(err)
	}
	return out, proven, err
}

// identity asks the auth provider who sent r. Credentials are rotated through header, and not at all if it is nil.
func (s *sessions) identity(r *http.Request, header http.Header) (*or3cloud.ProviderSession, error) {
	proven, err := s.auth.GetSession(r.Context(), &or3cloud.Request{
		Request: r, ClientIP: s.host.ClientIP(r), ResponseHeader: header,
	})
	if err != nil {
		return nil, identityError(err)
	}
	return proven, nil
}

// identityError keeps a refusal that the provider has worded and makes everything else a 503.
func identityError(err error) error {
	switch or3cloud.CodeOf(err) {
	case or3cloud.CodeUnauthenticated, or3cloud.CodeForbidden, or3cloud.CodeRateLimited, or3cloud.CodeUnavailable:
		return err
	}
	return or3cloud.Unavailable(err, "Identity provider temporarily unavailable", time.Second)
}

// provision finds the user and the workspace of a proven identity, or creates them.
func (s *sessions) provision(r *http.Request, header http.Header, proven *or3cloud.ProviderSession) (*or3cloud.SessionContext, error) {
	id := proven.Identity()
	userID, err := s.store.GetUser(r.Context(), id)
	if err != nil {
		return nil, err
	}
	if userID == "" {
		if userID, err = s.admit(r, header, id, proven.Admitted); err != nil {
			return nil, err
		}
	}
	return s.describe(r.Context(), proven, userID)
}

// describe finds the workspace and the role of a user.
func (s *sessions) describe(ctx context.Context, proven *or3cloud.ProviderSession, userID string) (*or3cloud.SessionContext, error) {
	ws, err := s.store.GetOrCreateDefaultWorkspace(ctx, userID)
	if err != nil {
		return nil, err
	}
	role := ws.Role
	if !role.Valid() {
		if role, err = s.store.GetWorkspaceRole(ctx, userID, ws.ID); err != nil {
			return nil, err
		}
	}
	if role == "" { // the membership ended between the two reads
		return nil, or3cloud.Unavailable(nil, "Service Unavailable", time.Second)
	}
	admin := false
	if checker, ok := s.store.(or3cloud.DeploymentAdminChecker); ok {
		if admin, err = checker.CheckDeploymentAdmin(ctx, proven.UserID, proven.Provider); err != nil {
			return nil, err
		}
	}
	restriction, err := s.restriction(ctx, proven)
	if err != nil {
		return nil, err
	}
	return &or3cloud.SessionContext{
		Authenticated: true, Provider: proven.Provider, ProviderUserID: proven.UserID,
		User:      or3cloud.SessionUser{ID: userID, Email: proven.Email, DisplayName: proven.DisplayName},
		Workspace: or3cloud.SessionWorkspace{ID: ws.ID, Name: ws.Name},
		Role:      role, ExpiresAt: proven.ExpiresAt, DeploymentAdmin: admin, Restriction: restriction,
	}, nil
}

// restriction asks the auth provider why a user may do nothing but what the provider itself offers; nil if there is no
// restriction.
func (s *sessions) restriction(ctx context.Context, proven *or3cloud.ProviderSession) (*or3cloud.Error, error) {
	restrictor, ok := s.auth.(or3cloud.SessionRestrictor)
	if !ok {
		return nil, nil
	}
	return restrictor.Restriction(ctx, proven.UserID)
}

// admit creates the user of an identity that the store does not know, if it may be admitted. It deletes the cookie of
// an invite that was accepted.
func (s *sessions) admit(r *http.Request, header http.Header, id or3cloud.ExternalIdentity, admitted bool) (userID string, err error) {
	userID, used, err := s.invites.Admit(r.Context(), id, httpapi.InviteToken(r), admitted)
	if used && header != nil {
		header.Add("Set-Cookie", httpapi.InviteCookie(r, "", -1).String())
	}
	return userID, err
}

// provisioningFailed applies OR3_SESSION_PROVISIONING_FAILURE (contract, auth §2.3). In no mode does a failure look
// like a sign-out: "unauthenticated" covers refusals only, which are final.
func (s *sessions) provisioningFailed(err error) (*or3cloud.SessionContext, error) {
	code := or3cloud.CodeOf(err)
	fault := code == or3cloud.CodeUnavailable || code == or3cloud.CodeInternal || code == or3cloud.CodeInsufficientStorage
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded), s.failure == failUnavailable:
		return nil, or3cloud.Unavailable(err, "Service Unavailable", time.Second)
	case s.failure == failUnauthenticated && !fault:
		return &or3cloud.SessionContext{}, nil
	case s.failure == failUnauthenticated && code == or3cloud.CodeInternal:
		return nil, or3cloud.Unavailable(err, "Service Unavailable", time.Second)
	}
	return nil, err
}
