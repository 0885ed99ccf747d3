// Package workspaceapi serves /api/workspaces (contract, workspaces-and-admin §1).
package workspaceapi

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/ratelimit"
)

// Options are what the endpoints depend on.
type Options struct {
	Host  or3cloud.Front
	Store or3cloud.AuthWorkspaceStore
	// Limits is nil where nothing is limited.
	Limits *middleware.Limits
}

// API lets users manage their workspaces.
type API struct{ opt Options }

// New returns the API.
func New(o Options) *API { return &API{o} }

// Routes returns the endpoints.
func (a *API) Routes() []or3cloud.Route {
	return append([]or3cloud.Route{
		{Method: http.MethodGet, Path: "/api/workspaces", Handle: a.list},
		{Method: http.MethodPost, Path: "/api/workspaces", Handle: a.create},
		{Method: http.MethodPatch, Path: "/api/workspaces/:id", Handle: a.update},
		{Method: http.MethodDelete, Path: "/api/workspaces/:id", Handle: a.remove},
		{Method: http.MethodPost, Path: "/api/workspaces/active", Handle: a.activate},
	}, a.memberRoutes()...)
}

// mayMake and mayChange use up a user's budgets, for creating workspaces and for other changes. An attempt counts as
// well: parallel requests must not pass together.
func (a *API) mayMake(userID string) error   { return a.limit(ratelimit.WorkspaceCreate, userID) }
func (a *API) mayChange(userID string) error { return a.limit(ratelimit.WorkspaceChange, userID) }

func (a *API) limit(op ratelimit.Operation, userID string) error {
	if a.opt.Limits == nil {
		return nil
	}
	return a.opt.Limits.Take(op, userID)
}

const (
	needName = "Workspace name is required"
	needID   = "Workspace id is required"
)

func invalid(text string) error { return or3cloud.Errorf(or3cloud.CodeInvalid, "%s", text) }

// guard admits signed-in users who may read their own active workspace, which all these endpoints require.
func (a *API) guard(r *http.Request) (*or3cloud.SessionContext, error) {
	return middleware.Member(a.opt.Host, r, or3cloud.PermWorkspaceRead)
}

type item struct {
	ID          string        `json:"id"`
	Name        string        `json:"name"`
	Description *string       `json:"description"` // null when there is none
	Role        or3cloud.Role `json:"role"`
	CreatedAt   int64         `json:"createdAt"` // seconds, used for sorting only
	IsActive    bool          `json:"isActive"`
}

func (a *API) list(w http.ResponseWriter, r *http.Request) error {
	s, err := a.guard(r)
	if err != nil {
		return err
	}
	workspaces, err := a.opt.Store.ListUserWorkspaces(r.Context(), s.User.ID)
	if err != nil {
		return err
	}
	items := make([]item, 0, len(workspaces))
	for _, ws := range workspaces {
		it := item{ID: ws.ID, Name: ws.Name, Role: ws.Role, IsActive: ws.Active}
		if ws.Description != "" {
			it.Description = &ws.Description
		}
		if !ws.CreatedAt.IsZero() {
			it.CreatedAt = ws.CreatedAt.Unix()
		}
		items = append(items, it)
	}
	slices.SortStableFunc(items, func(x, y item) int { return cmp.Compare(y.CreatedAt, x.CreatedAt) })
	items = fit(items)
	return httpapi.WriteJSON(w, http.StatusOK, map[string]any{"workspaces": items})
}

// fit keeps a list within or3cloud.AnswerBytes. The protocol has no pages for it, so the oldest workspaces are left
// out, but never the active one.
func fit(items []item) []item {
	const each = 256 // what an item takes besides its texts
	size := 0
	return slices.DeleteFunc(items, func(it item) bool {
		n := each + len(it.Name)
		if it.Description != nil {
			n += len(*it.Description)
		}
		if !it.IsActive && size+n > or3cloud.AnswerBytes {
			return true
		}
		size += n
		return false
	})
}

// texts are the editable parts of a workspace. A description that is missing, null or blank means none.
type texts struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

func readTexts(r *http.Request) (texts, error) {
	var in texts
	if err := httpapi.ReadJSON(r, &in, needName); err != nil {
		return texts{}, err
	}
	in.Name, in.Description = strings.TrimSpace(in.Name), strings.TrimSpace(in.Description)
	return in, or3cloud.CheckWorkspaceTexts(in.Name, in.Description)
}

func (a *API) create(w http.ResponseWriter, r *http.Request) error {
	s, err := a.guard(r)
	if err != nil {
		return err
	}
	in, err := readTexts(r)
	if err == nil {
		err = a.mayMake(s.User.ID)
	}
	if err != nil {
		return err
	}
	id, err := a.opt.Store.CreateWorkspace(r.Context(), s.User.ID, in.Name, in.Description)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]string{"id": id})
}

// update replaces both texts: a description that is not sent is cleared.
func (a *API) update(w http.ResponseWriter, r *http.Request) error {
	s, err := a.guard(r)
	if err != nil {
		return err
	}
	id := strings.TrimSpace(r.PathValue("id"))
	if id == "" {
		return invalid(needID)
	}
	in, err := readTexts(r)
	if err != nil {
		return err
	}
	if _, err := a.opt.Host.Authorize(r, or3cloud.PermWorkspaceWrite, id); err != nil {
		return err
	}
	if err := a.mayChange(s.User.ID); err != nil {
		return err
	}
	return ok(w, a.opt.Store.UpdateWorkspace(r.Context(), s.User.ID, id, in.Name, in.Description))
}

func (a *API) remove(w http.ResponseWriter, r *http.Request) error {
	s, err := a.guard(r)
	if err != nil {
		return err
	}
	id := strings.TrimSpace(r.PathValue("id"))
	if id == "" {
		return invalid(needID)
	}
	if _, err := a.opt.Host.Authorize(r, or3cloud.PermWorkspaceSettingsManage, id); err != nil {
		return err
	}
	if err := a.mayChange(s.User.ID); err != nil {
		return err
	}
	return ok(w, a.opt.Store.RemoveWorkspace(r.Context(), s.User.ID, id))
}

func (a *API) activate(w http.ResponseWriter, r *http.Request) error {
	s, err := a.guard(r)
	if err != nil {
		return err
	}
	var in struct {
		ID string `json:"id"`
	}
	if err := httpapi.ReadJSON(r, &in, needID); err != nil {
		return err
	}
	if in.ID = strings.TrimSpace(in.ID); in.ID == "" {
		return invalid(needID)
	}
	if _, err := a.opt.Host.Authorize(r, or3cloud.PermWorkspaceRead, in.ID); err != nil {
		return err
	}
	if err := a.mayChange(s.User.ID); err != nil {
		return err
	}
	return ok(w, a.opt.Store.SetActiveWorkspace(r.Context(), s.User.ID, in.ID))
}

// ok answers {"ok":true} unless there is an error.
func ok(w http.ResponseWriter, err error) error {
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]bool{"ok": true})
}
