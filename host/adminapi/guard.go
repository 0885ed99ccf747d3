package adminapi

import (
	"net/http"

	or3cloud "or3.chat/cloud"
)

// guard lets a request through to its endpoint.
func (a *API) guard(w http.ResponseWriter, r *http.Request, e endpoint) error {
	caller, err := a.identify(r)
	if err != nil {
		return err
	}
	switch {
	case e.may == anyone:
	case caller == nil:
		return or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized")
	case caller.Kind == SuperAdmin:
	case e.may == superAdmins:
		return or3cloud.Errorf(or3cloud.CodeForbidden, "Forbidden: Super admin access required")
	case e.may == owners:
		if _, err := a.opt.Host.Authorize(r, or3cloud.PermWorkspaceSettingsManage, caller.Session.Workspace.ID); err != nil {
			return err
		}
	}
	return e.handle(w, r, caller)
}

// identify returns who has sent a request; nil for whoever administers nothing.
func (a *API) identify(r *http.Request) (*Caller, error) {
	s, err := a.opt.Host.Session(r)
	if err != nil {
		return nil, err
	}
	if !or3cloud.Can(s, or3cloud.PermAdminAccess, or3cloud.Resource{}).Allowed {
		return nil, nil
	}
	return &Caller{Kind: WorkspaceAdmin, Name: s.User.ID, Session: s}, nil
}
