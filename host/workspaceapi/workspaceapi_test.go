package workspaceapi_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/hosttest"
	"or3.chat/cloud/host/workspaceapi"
)

// store fails or answers as told; the real store is tested with the real host.
type store struct {
	or3cloud.AuthWorkspaceStore
	workspaces []or3cloud.Workspace
	err        error
	calls      []string
}

func (s *store) ListUserWorkspaces(context.Context, string) ([]or3cloud.Workspace, error) {
	return s.workspaces, s.err
}

func (s *store) CreateWorkspace(_ context.Context, user, name, description string) (string, error) {
	s.calls = append(s.calls, "create "+user+" "+name+" "+description)
	return "new", s.err
}

func (s *store) UpdateWorkspace(_ context.Context, user, id, name, description string) error {
	s.calls = append(s.calls, "update "+user+" "+id+" "+name+" "+description)
	return s.err
}

func (s *store) RemoveWorkspace(_ context.Context, user, id string) error {
	s.calls = append(s.calls, "remove "+user+" "+id)
	return s.err
}

func (s *store) SetActiveWorkspace(_ context.Context, user, id string) error {
	s.calls = append(s.calls, "activate "+user+" "+id)
	return s.err
}

func TestListIsNewestFirstInSeconds(t *testing.T) {
	st := &store{workspaces: []or3cloud.Workspace{
		{ID: "old", Name: "Old", Role: or3cloud.RoleViewer, CreatedAt: time.Unix(100, 5e8), Active: true},
		{ID: "none", Name: "None", Role: or3cloud.RoleEditor},
		{ID: "new", Name: "New & <b>", Description: "d", Role: or3cloud.RoleOwner, CreatedAt: time.Unix(200, 0)},
	}}
	w := hosttest.Do(t, workspaceapi.New(workspaceapi.Options{Host: hosttest.Member(or3cloud.RoleOwner), Store: st}).Routes(), "GET", "/api/workspaces", "")
	want := `{"workspaces":[` +
		`{"id":"new","name":"New & <b>","description":"d","role":"owner","createdAt":200,"isActive":false},` +
		`{"id":"old","name":"Old","description":null,"role":"viewer","createdAt":100,"isActive":true},` +
		`{"id":"none","name":"None","description":null,"role":"editor","createdAt":0,"isActive":false}]}`
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestRequests(t *testing.T) {
	owner := hosttest.Member(or3cloud.RoleOwner)
	owner.Roles = map[string]or3cloud.Role{"other": or3cloud.RoleEditor, "seen": or3cloud.RoleViewer}
	long := strings.Repeat("😀", 50) // 100 UTF-16 units
	for _, c := range []struct {
		name, request, body string
		host                *hosttest.Host
		status              int
		answer              string // the whole body, or a part of an error body
		call                string
	}{
		{"create", "POST /api/workspaces", `{"name":" A ","description":" d "}`, owner, 200, `{"id":"new"}`, "create user A d"},
		{"null description", "POST /api/workspaces", `{"name":"A","description":null}`, owner, 200, `{"id":"new"}`, "create user A "},
		{"longest name", "POST /api/workspaces", `{"name":"` + long + `"}`, owner, 200, `{"id":"new"}`, "create user " + long + " "},
		{"name too long in UTF-16 units", "POST /api/workspaces", `{"name":"` + long + `x"}`, owner, 400, "Workspace name must be under 100 characters", ""},
		{"no name", "POST /api/workspaces", `{}`, owner, 400, "Workspace name is required", ""},
		{"blank name comes before the description", "POST /api/workspaces", `{"name":" ","description":"` + strings.Repeat("x", 1001) + `"}`, owner, 400, "Workspace name is required", ""},
		{"description too long", "POST /api/workspaces", `{"name":"A","description":"` + strings.Repeat("x", 1001) + `"}`, owner, 400, "Description must be under 1000 characters", ""},
		{"name of another type", "POST /api/workspaces", `{"name":5}`, owner, 400, "Workspace name is required", ""},
		{"no body", "POST /api/workspaces", ``, owner, 400, "Workspace name is required", ""},
		{"malformed", "POST /api/workspaces", `{`, owner, 400, "Invalid JSON body", ""},
		{"update clears a missing description", "PATCH /api/workspaces/ws", `{"name":"B"}`, owner, 200, `{"ok":true}`, "update user ws B "},
		{"update as editor elsewhere", "PATCH /api/workspaces/other", `{"name":"B"}`, owner, 200, `{"ok":true}`, "update user other B "},
		{"update as viewer", "PATCH /api/workspaces/seen", `{"name":"B"}`, owner, 403, "Forbidden", ""},
		{"update of a foreign one", "PATCH /api/workspaces/foreign", `{"name":"B"}`, owner, 403, "Forbidden", ""},
		{"update blank id", "PATCH /api/workspaces/%20", `{"name":"B"}`, owner, 400, "Workspace id is required", ""},
		{"remove", "DELETE /api/workspaces/ws", ``, owner, 200, `{"ok":true}`, "remove user ws"},
		{"remove needs the owner", "DELETE /api/workspaces/other", ``, owner, 403, "Forbidden", ""},
		{"activate", "POST /api/workspaces/active", `{"id":"seen"}`, owner, 200, `{"ok":true}`, "activate user seen"},
		{"activate a foreign one", "POST /api/workspaces/active", `{"id":"foreign"}`, owner, 403, "Forbidden", ""},
		{"activate nothing", "POST /api/workspaces/active", `{}`, owner, 400, "Workspace id is required", ""},
		{"signed out comes before the body", "POST /api/workspaces", `{`, &hosttest.Host{}, 401, "Unauthorized", ""},
		{"signed out", "GET /api/workspaces", ``, &hosttest.Host{}, 401, "Unauthorized", ""},
		{"no role", "GET /api/workspaces", ``, hosttest.Member(""), 403, "Forbidden", ""},
		{"not ours", "PUT /api/workspaces/ws", ``, owner, 404, "Page not found: /api/workspaces/ws", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := &store{}
			method, target, _ := strings.Cut(c.request, " ")
			w := hosttest.Do(t, workspaceapi.New(workspaceapi.Options{Host: c.host, Store: st}).Routes(), method, target, c.body)
			got := w.Body.String()
			if w.Code != c.status || c.status == 200 && got != c.answer || !strings.Contains(got, c.answer) {
				t.Errorf("%d %s", w.Code, got)
			}
			if calls := strings.Join(st.calls, ";"); calls != c.call {
				t.Errorf("store calls: %q", calls)
			}
		})
	}
}

// A store's refusal keeps its status; upstream turned it into a 500.
func TestStoreErrorsKeepTheirStatus(t *testing.T) {
	for err, status := range map[error]int{
		or3cloud.Errorf(or3cloud.CodeForbidden, "Forbidden"):               403,
		or3cloud.Errorf(or3cloud.CodeNotFound, "Workspace not found"):      404,
		or3cloud.Unavailable(errors.New("busy"), "Service Unavailable", 1): 503,
		errors.New("broken"): 500,
	} {
		w := hosttest.Do(t, workspaceapi.New(workspaceapi.Options{Host: hosttest.Member(or3cloud.RoleOwner), Store: &store{err: err}}).Routes(),
			"DELETE", "/api/workspaces/ws", "")
		if w.Code != status {
			t.Errorf("%v: %d", err, w.Code)
		}
	}
}
